import { html, type Html } from '../html.js';
import { cut, part, queryOf } from './text.js';

/** A link to the page of a host. */
export function hostLink(base: string, name: string): Html {
  return html`<a href="${base}/host/${part(name)}">${cut(name, 253)}</a>`;
}

/** A link to the page of a person; empty: a key that is nobody's. */
export function personLink(base: string, name: string): Html {
  return name === '' ? html`<span class="none">–</span>` : html`<a href="${base}/person/${part(name)}">${cut(name, 63)}</a>`;
}

/** Labels, each a link to the hosts that have it. */
export function labelLinks(base: string, labels: readonly string[]): Html {
  return html`${labels.map((label) => html`<a class="label" href="${base}/host${queryOf({ label })}">${cut(label, 128)}</a> `)}`;
}

/** Links to the parts of a long page. */
export function jump(parts: readonly (readonly [id: string, title: string])[]): Html {
  return html`<nav aria-label="Parts of this page"><ul class="jump">${parts.map(([id, title]) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>`;
}
