import { html, type Html } from '../html.js';

/** Rows of one page of a list. */
export const perPage = 50;

/** Where a list stands. */
export interface PagerView {
  /** Of what: "hosts". */
  readonly what: string;
  readonly offset: number;
  readonly shown: number;
  readonly total: number;
  /** The link to the rows from an offset on. */
  readonly link: (offset: number) => string;
}

/** Which rows these are of how many, with links to the others. */
export function pager(view: PagerView): Html {
  const { what, offset, total, link } = view;
  if (total === 0) return html``;
  const last = Math.floor((total - 1) / perPage) * perPage;
  const range = html`<span>${(offset + 1).toLocaleString('en')}–${(offset + view.shown).toLocaleString('en')} of ${total.toLocaleString('en')} ${what}</span>`;
  const to = (at: number, title: string, wanted: boolean): Html | false => wanted && html`<a href="${link(at)}">${title}</a>`;
  return html`<nav class="pager" aria-label="Pages of this list">${range}
${to(0, 'First', offset > 0)} ${to(Math.max(offset - perPage, 0), 'Previous', offset > 0)} ${to(offset + perPage, 'Next', offset + perPage < total)} ${to(last, 'Last', offset < last)}</nav>`;
}

/** The offset of a query: whole pages, 0 when it is none. */
export function offsetOf(query: URLSearchParams): number {
  const text = query.get('offset') ?? '';
  return /^[0-9]{1,7}$/.test(text) ? Math.floor(Number(text) / perPage) * perPage : 0;
}
