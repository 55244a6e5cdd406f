import { html, type Html, type HtmlPart } from '../html.js';
import { shown } from './text.js';

/** A column of a table. */
export interface Column {
  readonly title: HtmlPart;
  /** Figures stand to the right. */
  readonly figure?: boolean;
  /** How the table is ordered by it. */
  readonly sorted?: 'ascending' | 'descending' | undefined;
}

/** A table with a caption. */
export interface TableView {
  /** Names the table, also for who does not see it. */
  readonly caption: string;
  readonly columns: readonly Column[];
  /** One cell for each column; the first one names its row. */
  readonly rows: readonly { readonly key?: string; readonly cells: readonly HtmlPart[] }[];
  /** What is said instead of a table without rows. */
  readonly empty: string;
  /** The caption is only read out: a heading stands above it. */
  readonly quiet?: boolean;
}

/** A table that can be scrolled sideways by itself, by keyboard too. */
export function table(view: TableView): Html {
  if (view.rows.length === 0) return html`<p class="empty">${view.empty}</p>`;
  const figure = (at: number): Html | false => view.columns[at]?.figure === true && html` class="figure"`;
  const head = view.columns.map((column, at) => html`<th scope="col"${figure(at)}${column.sorted !== undefined && html` aria-sort="${column.sorted}"`}>${column.title}</th>`);
  const body = view.rows.map((row) => {
    const cells = row.cells.map((cell, at) => (at === 0 ? html`<th scope="row"${figure(at)}>${cell}</th>` : html`<td${figure(at)}>${cell}</td>`));
    return html`<tr${row.key !== undefined && html` data-key="${shown(row.key)}"`}>${cells}</tr>
`;
  });
  return html`<div class="scroll" role="group" tabindex="0" aria-label="${view.caption}"><table>
<caption${view.quiet === true && html` class="quiet"`}>${view.caption}</caption>
<thead><tr>${head}</tr></thead>
<tbody>
${body}</tbody>
</table></div>`;
}

/** Names with their values. */
export function facts(rows: readonly (readonly [string, HtmlPart])[]): Html {
  return html`<dl class="facts">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value === '' ? html`<span class="none">–</span>` : value}</dd></div>`)}</dl>`;
}

/** A part of a page with its heading. */
export function section(id: string, title: HtmlPart, content: HtmlPart): Html {
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>
${content}
</section>
`;
}
