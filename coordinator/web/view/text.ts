import { vis } from '../../../shared/model/vis.js';
import { html, type Html } from '../html.js';

/** A time on the wire; null or undefined: absent. */
export type WireTime = { readonly seconds: string | number | { toString(): string }; readonly nanos?: number | undefined } | null | undefined;

/** Unix ms of a time on the wire; undefined: it is absent. */
export function timeMs(time: WireTime): number | undefined {
  if (time === null || time === undefined) return undefined;
  return Number(time.seconds) * 1000 + Math.floor((time.nanos ?? 0) / 1_000_000);
}

/** A text that somebody else wrote: control, bidirectional and invisible characters are made visible; lines are kept only with `lines`. */
export function shown(text: string, options: { lines: boolean } = { lines: false }): string {
  return options.lines ? text.split('\n').map((line) => vis(line.replaceAll('\t', '    '))).join('\n') : vis(text);
}

/** The same, cut after so many characters. */
export function cut(text: string, most: number): string {
  return text.length <= most ? shown(text) : `${shown(text.slice(0, most))}…`;
}

const steps = [
  { unit: 'd', ms: 86_400_000 },
  { unit: 'h', ms: 3_600_000 },
  { unit: 'min', ms: 60_000 },
  { unit: 's', ms: 1000 },
] as const;

/** A span in its two largest units: "3 d 4 h", "5 s". */
export function span(ms: number): string {
  const at = steps.findIndex((step) => ms >= step.ms);
  const large = steps[at];
  if (large === undefined) return '0 s';
  const small = steps[at + 1];
  const first = `${String(Math.floor(ms / large.ms))} ${large.unit}`;
  const rest = small === undefined ? 0 : Math.floor((ms % large.ms) / small.ms);
  return small === undefined || rest === 0 ? first : `${first} ${String(rest)} ${small.unit}`;
}

/** How far from now: "3 h ago", "in 5 d", "now". */
export function away(atMs: number, now: number): string {
  const distance = Math.abs(now - atMs);
  if (distance < 1000) return 'now';
  return atMs > now ? `in ${span(distance)}` : `${span(distance)} ago`;
}

/** "2026-01-31 09:05:00 UTC". */
export function utc(atMs: number): string {
  const date = new Date(atMs);
  return Number.isNaN(date.getTime()) ? 'not a time' : `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** A time, absolute in the text and relative in its title; absent: what is said then. */
export function time(at: WireTime | number, now: number, absent = '–'): Html {
  const atMs = typeof at === 'number' ? at : timeMs(at);
  if (atMs === undefined) return html`<span class="none">${absent}</span>`;
  if (Number.isNaN(new Date(atMs).getTime())) return html`<span class="none">not a time</span>`;
  return html`<time datetime="${new Date(atMs).toISOString()}" title="${away(atMs, now)}">${utc(atMs)}</time>`;
}

/** Bytes in the largest binary unit: "1.5 GiB". */
export function bytes(value: string | number | { toString(): string }): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let rest = Number(value);
  let at = 0;
  while (rest >= 1024 && at < units.length - 1) {
    rest /= 1024;
    at += 1;
  }
  return `${at === 0 || rest >= 100 ? String(Math.round(rest)) : rest.toFixed(1)} ${units[at] ?? ''}`;
}

/** How good or bad something is; the colour of a badge, which always says it in words too. */
export type Tone = 'good' | 'warn' | 'bad' | 'busy' | 'plain';

/** A word on a ground of its colour. */
export function badge(word: string, tone: Tone): Html {
  return html`<span class="badge ${tone}">${shown(word)}</span>`;
}

/** How bad something is. */
export function severity(word: string): Html {
  return badge(word, word === 'error' ? 'bad' : word === 'warning' ? 'warn' : word === 'ok' ? 'good' : 'plain');
}

/** A number with its word: "1 host", "3 hosts". */
export function count(value: number, one: string, many = `${one}s`): string {
  return `${String(value)} ${value === 1 ? one : many}`;
}

/** What somebody typed into a field of a form, as it comes in the address; at most 200 characters. */
export function typed(query: URLSearchParams, name: string): string {
  return shown((query.get(name) ?? '').trim()).slice(0, 200);
}

/** A query text, "?a=b&c=d" or empty; what is undefined or empty is left out. */
export function queryOf(values: Readonly<Record<string, string | readonly string[] | undefined>>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    for (const part of typeof value === 'string' ? [value] : (value ?? [])) if (part !== '') query.append(key, part);
  }
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

/** A part of a path. */
export function part(text: string): string {
  return encodeURIComponent(text);
}
