import { catalogue } from '../../shared/errors/catalogue.js';
import { formatMessage, formatRemedy, type ErrorItem, type ReeveError } from '../../shared/errors/error.js';
import { toHex } from '../../shared/model/bytes.js';
import { vis } from '../../shared/model/vis.js';
import { itemOf, type Detail } from './detail.js';
import { decodePath } from './path-text.js';

/** A JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Fields of the API that hold an enum, with the prefixes of its values. */
const enums: Readonly<Record<string, readonly string[]>> = {
  outcome: ['OUTCOME_'],
  state: ['HOST_STATE_'],
  kind: ['CHANGE_KIND_', 'USER_KIND_'],
  presence: ['USER_PRESENCE_'],
  link: ['HOST_LINK_'],
  protocol: ['NAT_PROTOCOL_'],
};

/** Fields of the API that hold a duration; on the wire it looks like a time. */
const durations: ReadonlySet<string> = new Set(['certificateTtl', 'duration', 'timeout', 'ttl']);

/** Fields of the API that hold paths as bytes, which are texts for whoever reads the document. */
const paths: ReadonlySet<string> = new Set(['path', 'target', 'different']);

/** One JSON document with a newline. What a terminal or a reader could take for something else (control, bidirectional, invisible) is escaped. */
export function formatJson(value: Json): string {
  return `${escapeJson(JSON.stringify(value, undefined, 2))}\n`;
}

/** One JSON document on a line of its own, for answers that go on. */
export function formatJsonLine(value: Json): string {
  return `${escapeJson(JSON.stringify(value))}\n`;
}

function escapeJson(text: string): string {
  return text.replace(/[\u007f-\u{10ffff}]/gu, (char) => (vis(char) === char ? char : escapeUnits(char)));
}

function escapeUnits(text: string): string {
  return Array.from({ length: text.length }, (_unit, index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`).join('');
}

/**
 * An answer of the API as JSON: its own field names, times as ISO 8601, durations in seconds as "1.500s", bytes as hex, paths as text (those that are no UTF-8 as {"hex": ...}), enums as
 * short lower-case words, absent messages as null, error details with message and remedy.
 */
export function toJson(value: unknown, key = ''): Json {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return shortEnum(key, value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value === 'boolean') return value;
  if (value instanceof Uint8Array) return paths.has(key) ? (decodePath(value) ?? { hex: toHex(value) }) : toHex(value);
  if (Array.isArray(value)) {
    return key === 'errors' ? value.map((detail) => errorJson(itemOf(detail as Detail))) : value.map((item) => toJson(item, key));
  }
  const entries = Object.entries(value as Record<string, unknown>);
  const record = value as Record<string, unknown>;
  if (entries.length === 2 && typeof record['seconds'] === 'number' && typeof record['nanos'] === 'number') {
    return durations.has(key) ? formatSeconds(record['seconds'], record['nanos']) : isoTime(record['seconds'], record['nanos']);
  }
  return Object.fromEntries(entries.filter(([name]) => !name.startsWith('_')).map(([name, item]) => [name, toJson(item, name)]));
}

function isoTime(seconds: number, nanos: number): string | null {
  const time = new Date(seconds * 1000 + Math.floor(nanos / 1e6));
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}

/** As protobuf's own JSON has it. */
function formatSeconds(seconds: number, nanos: number): string {
  return `${nanos === 0 ? String(seconds) : (seconds + nanos / 1e9).toFixed(3)}s`;
}

function shortEnum(key: string, value: string): string {
  const prefix = (Object.hasOwn(enums, key) ? enums[key] : undefined)?.find((start) => value.startsWith(start));
  return prefix === undefined ? value : value.slice(prefix.length).toLowerCase().replaceAll('_', '-');
}

/** One error of the catalogue as JSON. */
export function errorJson(item: ErrorItem): { readonly [key: string]: Json } {
  return { code: item.code, message: formatMessage(item), fields: { ...item.fields }, remedy: formatRemedy(item) };
}

/** A thrown error as the JSON document of a command that failed. */
export function failureJson(error: ReeveError): Json {
  const first = error.items[0] ?? { code: error.code, fields: error.fields };
  const correlation = catalogue[error.code].exit === 70 ? (error.correlation ?? error.fields['correlation'] ?? '') : '';
  return { error: { ...errorJson(first), ...(correlation === '' ? {} : { correlation }), errors: error.items.map(errorJson) } };
}
