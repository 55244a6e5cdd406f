/** The same work done by something else, measured in turns with ours. */
export interface Peer {
  readonly name: string;
  /** One value per round; when there are as many as the figure has, round by round beside them. */
  readonly values: readonly number[];
}

/** What one bench found. */
export interface Figure {
  /** Bench and case, e.g. `no-op/200`. */
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly values: readonly number[];
  readonly peers?: readonly Peer[];
  /** The most or the least it may be: times a peer, or in the figure's own unit (its median). */
  readonly bar?: ({ readonly most: number } | { readonly least: number }) & { readonly peer?: string };
  /** What else is worth knowing, in a few words. */
  readonly note?: string;
}

/** A bench that did not run, and why. */
export interface Skipped {
  readonly id: string;
  readonly reason: string;
}

/** Median, the 10th and 90th percentile (least and most below 10 values), and how many. */
export interface Summary {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly n: number;
}

/** Summarises at least one value. */
export function summarise(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number): number => {
    const place = part * (sorted.length - 1);
    const below = sorted[Math.floor(place)] ?? NaN;
    const above = sorted[Math.ceil(place)] ?? NaN;
    return below + (above - below) * (place - Math.floor(place));
  };
  const wide = sorted.length < 10;
  return { median: at(0.5), low: at(wide ? 0 : 0.1), high: at(wide ? 1 : 0.9), n: sorted.length };
}

/** Ours over theirs: the median of the rounds' own quotients, so that a busy moment of the machine weighs on both sides; of the medians when rounds do not pair. */
export function ratio(ours: readonly number[], theirs: readonly number[]): number {
  if (ours.length !== theirs.length) return summarise(ours).median / summarise(theirs).median;
  return summarise(ours.map((value, index) => value / (theirs[index] ?? NaN))).median;
}

/** The verdict on a figure's bar; undefined: it has none. */
export function judge(figure: Figure): { readonly met: boolean; readonly text: string } | undefined {
  const { bar } = figure;
  if (bar === undefined) return undefined;
  const peer = figure.peers?.find(({ name }) => name === bar.peer);
  if (bar.peer !== undefined && peer === undefined) throw new Error(`${figure.id} has a bar over ${JSON.stringify(bar.peer)}, which was not measured`);
  const found = peer === undefined ? summarise(figure.values).median : ratio(figure.values, peer.values);
  const met = 'most' in bar ? found <= bar.most : found >= bar.least;
  const limit = 'most' in bar ? String(bar.most) : `at least ${String(bar.least)}`;
  const wanted = peer === undefined ? `${limit} ${figure.unit}` : `${limit} x ${peer.name}`;
  return { met, text: `bar ${wanted}: ${met ? 'met' : 'MISSED'}` };
}

/** A figure as one line. */
export function formatFigure(figure: Figure): string {
  const parts = [`${figure.title}: ${formatValues(figure.values, figure.unit)}`];
  for (const peer of figure.peers ?? []) parts.push(`${peer.name} ${formatValues(peer.values, figure.unit)}, ratio ${ratio(figure.values, peer.values).toFixed(2)}`);
  if (figure.note !== undefined) parts.push(figure.note);
  const verdict = judge(figure);
  if (verdict !== undefined) parts.push(verdict.text);
  return parts.join(' | ');
}

/** A figure as build/bench.json has it: summaries beside the raw values. */
export function toJson(figure: Figure): object {
  const verdict = judge(figure);
  return {
    ...figure,
    ...summarise(figure.values),
    peers: (figure.peers ?? []).map((peer) => ({ ...peer, ...summarise(peer.values), ratio: ratio(figure.values, peer.values) })),
    ...(verdict === undefined ? {} : { met: verdict.met }),
  };
}

function formatValues(values: readonly number[], unit: string): string {
  const { median, low, high, n } = summarise(values);
  const range = n < 10 ? `${round(low)}-${round(high)}` : `p10-p90 ${round(low)}-${round(high)}`;
  return `${round(median)} ${unit} (${range}, n ${String(n)})`;
}

function round(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2).replace(/\.00$/, '');
}
