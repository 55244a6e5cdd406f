import { html, type Html } from '../html.js';
import { utc } from './text.js';

/** What a chart draws. */
export interface ChartView {
  readonly title: string;
  /** Oldest first; undefined: not known then. */
  readonly points: readonly { readonly atMs: number; readonly value: number | undefined }[];
  /** The ends of the time that it is about, unix ms. */
  readonly fromMs: number;
  readonly toMs: number;
  /** The value at the top at least; figures above it make it higher. */
  readonly top: number;
  /** A figure as text. */
  readonly format: (value: number) => string;
}

const width = 240;
const height = 64;

/** Points further apart than this are not joined, ms: the host was away in between. */
const gapMs = 25 * 60_000;

/** A small chart of one figure over time, with what it shows in words. */
export function chart(view: ChartView): Html {
  const { title, format } = view;
  const known = view.points.filter((point): point is { atMs: number; value: number } => point.value !== undefined && Number.isFinite(point.value));
  const last = known.at(-1);
  if (last === undefined) return html`<figure><figcaption><b>${title}</b>: not known</figcaption></figure>`;
  const values = known.map(({ value }) => value);
  const least = Math.min(...values);
  const most = Math.max(...values);
  const words = `${format(last.value)} at ${utc(last.atMs).slice(11)}; between ${format(least)} and ${format(most)} since ${utc(known[0]?.atMs ?? last.atMs)}`;
  return html`<figure>
<svg class="chart" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-label="${title}: ${words}" focusable="false">
<line x1="0" y1="${height / 2}" x2="${width}" y2="${height / 2}"/>
${lines(known, view, Math.max(view.top, most)).map((points) => html`<polyline points="${points}"/>`)}
</svg>
<figcaption><b>${title}</b>: ${words}</figcaption>
</figure>`;
}

/** The points of each line: a new one begins where the host was away. A point alone is a short line. */
function lines(known: readonly { atMs: number; value: number }[], { fromMs, toMs }: ChartView, top: number): string[] {
  const x = (atMs: number): number => ((atMs - fromMs) / Math.max(toMs - fromMs, 1)) * width;
  const y = (value: number): number => height - 1 - (Math.max(value, 0) / Math.max(top, 1e-9)) * (height - 2);
  const found: string[][] = [];
  let beforeMs = -Infinity;
  for (const { atMs, value } of known) {
    const at = `${x(atMs).toFixed(1)},${y(value).toFixed(1)}`;
    const line = atMs - beforeMs > gapMs ? undefined : found.at(-1);
    if (line === undefined) found.push([`${(x(atMs) - 1).toFixed(1)},${y(value).toFixed(1)}`, at]);
    else line.push(at);
    beforeMs = atMs;
  }
  return found.map((points) => points.join(' '));
}
