import type { Vhost } from '../../../shared/model/vhost.js';
import { block, directive, text, word, type Directive } from './serialize.js';

const style = 'body{font:1.1em/1.5 system-ui,sans-serif;max-width:34em;margin:18vh auto;padding:0 1em;color:#222;background:#fff}h1{font-size:1.6em}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}}';

/** Text as it stands in HTML. A "$" is an entity too: nginx would need a variable for it. */
export function escapeHtml(data: string): string {
  return data.replace(/[&<>"'$]/g, (character) => `&#${String(character.charCodeAt(0))};`);
}

/** A page of our own: one file without anything else to load. */
export function page(title: string, message: string): string {
  const name = escapeHtml(title);
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${name}</title><style>${style}</style></head><body><h1>${name}</h1><p>${message}</p></body></html>`;
}

/** What pages of our own call a site. */
export function titleOf(site: Vhost): string {
  return site.title ?? site.name;
}

/** An answer with a body of our own. Types by the end of a path are off: what is asked may be a picture. */
export function answer(code: number, type: 'html' | 'plain', body: string): readonly Directive[] {
  return [block('types', [], []), directive('default_type', text(`text/${type}; charset=utf-8`)), directive('return', code, ...(body === '' ? [] : [text(body)]))];
}

/** Where nginx turns to when nothing behind answers, or not in time. What is behind may well answer so itself: that is passed on. */
export const noAnswer: readonly Directive[] = [directive('error_page', 502, '@reeve_502'), directive('error_page', 504, '@reeve_504')];

/** The locations that noAnswer is about. */
export function noAnswerPages(site: Vhost): readonly Directive[] {
  const pages = [[502, 'This site does not answer right now. Please try again in a moment.'], [504, 'This site takes too long to answer right now. Please try again in a moment.']] as const;
  return pages.map(([code, message]) => block('location', [`@reeve_${String(code)}`], answer(code, 'html', page(titleOf(site), message))));
}

/** The page of a site that is being worked on. */
export function maintenancePage(site: Vhost, retryAfterS: number): readonly Directive[] {
  return [directive('add_header', 'Retry-After', word(retryAfterS), 'always'), ...answer(503, 'html', page(titleOf(site), 'This site is being worked on and will be back soon.'))];
}
