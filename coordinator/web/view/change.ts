import type { HostResult } from '../../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import type { Change } from '../../../shared/gen/proto/reeve/type/v1/Change.js';
import { fromDetails } from '../../../shared/rpc/status.js';
import { formatMessage, formatRemedy } from '../../../shared/errors/error.js';
import { html, type Html } from '../html.js';
import { badge, cut, shown, type Tone } from './text.js';

const kinds: Readonly<Record<string, { readonly word: string; readonly tone: Tone }>> = {
  CHANGE_KIND_CREATE: { word: 'make', tone: 'good' },
  CHANGE_KIND_UPDATE: { word: 'alter', tone: 'busy' },
  CHANGE_KIND_REMOVE: { word: 'remove', tone: 'bad' },
};

/** Most lines of a diff on a page. */
const mostLines = 2_000;

/** Changes, each with its fields and, where a file changes, how. */
export function changeList(changes: readonly Change[]): Html {
  return html`<ul class="plainlist">${changes.map((change) => html`<li>${oneChange(change)}</li>
`)}</ul>`;
}

function oneChange(change: Change): Html {
  const { word, tone } = kinds[change.kind] ?? { word: 'change', tone: 'plain' };
  const fields = change.fields.map(({ field, from, to }) => html`<li>${shown(field)}: <del>${from === '' ? 'nothing' : cut(from, 500)}</del> → <ins>${to === '' ? 'nothing' : cut(to, 500)}</ins></li>`);
  return html`${badge(word, tone)} ${shown(change.noun)} <b>${cut(change.subject, 300)}</b>${fields.length > 0 && html`<ul>${fields}</ul>`}${change.diff !== '' && diff(change.subject, change.diff)}`;
}

/** A unified diff: what comes and what goes is marked up, not only coloured. */
function diff(subject: string, text: string): Html {
  const lines = text.split('\n');
  const marked = lines.slice(0, mostLines).map((line) => {
    const said = shown(line, { lines: true });
    if (line.startsWith('+') && !line.startsWith('+++')) return html`<ins>${said}</ins>\n`;
    if (line.startsWith('-') && !line.startsWith('---')) return html`<del>${said}</del>\n`;
    return html`${said}\n`;
  });
  return html`<pre tabindex="0" role="group" aria-label="How ${cut(subject, 100)} changes">${marked}${lines.length > mostLines && 'cut here\n'}</pre>`;
}

/** Why something is not so, and what to do about it. */
export function errorList(result: Pick<HostResult, 'errors'>): Html {
  return html`${fromDetails(result.errors, '').map((item) => {
    const remedy = formatRemedy(item);
    return html`<p class="note bad">${shown(formatMessage(item))}${remedy !== '' && html` ${shown(remedy)}`} <span class="soft">(${shown(item.code)})</span></p>`;
  })}`;
}
