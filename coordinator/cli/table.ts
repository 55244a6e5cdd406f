import { vis } from '../../shared/model/vis.js';
import type { Terminal } from './terminal.js';

/** Colours of text on a terminal; ours alone, put on after everything foreign was escaped. */
const codes = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33' } as const;

/** A colour or weight. */
export type Tone = keyof typeof codes;

/** A cell: a text that is escaped here, perhaps with a tone. */
export type Cell = string | { readonly text: string; readonly tone: Tone };

/** A text in a tone, where the terminal shows colours. The text must be escaped already. */
export function paint(terminal: Pick<Terminal, 'color'>, text: string, tone: Tone | undefined): string {
  return terminal.color && tone !== undefined && text !== '' ? `\u001b[${codes[tone]}m${text}\u001b[0m` : text;
}

/** Columns a text takes: characters, without the combining ones, wide ones twice. */
export function widthOf(text: string): number {
  let width = 0;
  for (const char of text) {
    if (/\p{M}/u.test(char)) continue;
    width += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u.test(char) ? 2 : 1;
  }
  return width;
}

/** A text of at most so many columns; what is cut off it shows as `…`. */
export function cutText(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = '';
  for (const char of text) {
    if (widthOf(kept + char) > columns - 1) break;
    kept += char;
  }
  return `${kept}…`;
}

/** Rows as aligned lines, two spaces between columns, nothing at line ends. Every cell is escaped before its width counts. */
export function renderRows(terminal: Pick<Terminal, 'color'>, rows: readonly (readonly Cell[])[]): string {
  const clean = rows.map((row) => row.map((cell) => (typeof cell === 'string' ? { text: vis(cell), tone: undefined } : { text: vis(cell.text), tone: cell.tone })));
  const widths: number[] = [];
  for (const row of clean) row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, widthOf(cell.text))));
  return clean
    .map((row) => {
      const last = row.reduce((found, cell, column) => (cell.text === '' ? found : column), -1);
      const cells = row.slice(0, last + 1).map((cell, column) => {
        const gap = column === last ? '' : ' '.repeat((widths[column] ?? 0) - widthOf(cell.text));
        return paint(terminal, cell.text, cell.tone) + gap;
      });
      return `${cells.join('  ')}\n`;
    })
    .join('');
}

/** A table with a heading; only the text for `none` when it has no rows. */
export function renderTable(terminal: Pick<Terminal, 'color'>, head: readonly string[], rows: readonly (readonly Cell[])[], none: string): string {
  if (rows.length === 0) return `${none}\n`;
  return renderRows(terminal, [head.map((text) => ({ text: text.toUpperCase(), tone: 'bold' as const })), ...rows]);
}

/** Names and values as two columns; what has no value is left out. */
export function renderFields(terminal: Pick<Terminal, 'color'>, fields: readonly (readonly [name: string, value: Cell | undefined])[]): string {
  return renderRows(terminal, fields.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[{ text: name, tone: 'bold' as const }, value]])));
}
