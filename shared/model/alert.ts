import { fieldInvalid, fieldMissing, parsePattern } from './field.js';
import { isLoopback } from './host.js';

/** How bad something is, mildest first. */
export const alertSeverities = ['info', 'warning', 'error'] as const;

/** How bad something is. */
export type AlertSeverity = (typeof alertSeverities)[number];

/** What is told of a kind of alert. */
interface KindRow {
  /** For people: when it is opened. */
  readonly text: string;
  /** How long something is so before an alert is opened, ms. */
  readonly holdOffMs: number;
  /** How long all is well before an alert is over, ms. */
  readonly calmMs: number;
  /** Told only by routes that name the kind. */
  readonly named: boolean;
}

const minute = 60_000;
const day = 86_400_000;
const row = (text: string, holdOffMs: number, more: Partial<KindRow> = {}): KindRow => ({ text, holdOffMs, calmMs: 5 * minute, named: false, ...more });

/** Every kind of alert. */
export const alertKindRows = {
  'host-lost': row('a host could not be reached for 5 minutes; what lives on it is part of its alert', 5 * minute),
  disk: row('a file system will be full within 3 days, or has less than 5 % and 1 GiB left, or less than 5 % of its inodes', 2 * minute),
  pressure: row('for 15 minutes work waited for memory (10 % of the time), disks (40 %) or processors (80 %)', 15 * minute),
  certificate: row('a certificate has less than a quarter of its life left, or a tenth', 0),
  'backup-failed': row('the last run of a backup failed', 0),
  'backup-not-started': row('a backup did not start when it should have', 0),
  'backup-late': row('a backup has no good run for twice the time of one of its levels', 0),
  'backup-frozen': row('a backup is not rotated', 0),
  'backup-proof': row('it was not proved, or is too long ago, that a backup can be restored', 0),
  drift: row('a noun of a host is not as it was applied, for a day', day),
  pending: row('a noun of a host was not applied for a day', day, { named: true }),
  reboot: row('a host was started anew without a hold', 0, { calmMs: 0 }),
  'reboot-required': row('an upgrade waits for a host to be started anew', minute, { named: true }),
  clock: row('the clock of a host is off by more than a minute, for 5 minutes', 5 * minute),
  health: row('anything else that "reeve status" calls an error', minute),
} as const satisfies Record<string, KindRow>;

/** A kind of alert. */
export type AlertKind = keyof typeof alertKindRows;

/** All kinds, in the order in which people are told of them. */
export const alertKinds = Object.keys(alertKindRows) as readonly AlertKind[];

/** A kind by name. Errors: FIELD_INVALID. */
export function parseAlertKind(text: string): AlertKind {
  const kind = alertKinds.find((known) => known === text);
  if (kind === undefined) throw fieldInvalid('kind', text, `one of ${alertKinds.join(', ')}`);
  return kind;
}

/** Kinds, each once, in the order of the table. Errors: FIELD_INVALID. */
export function parseAlertKinds(texts: readonly string[]): readonly AlertKind[] {
  const wanted = new Set(texts.map(parseAlertKind));
  return alertKinds.filter((kind) => wanted.has(kind));
}

/** A severity by name; empty: the mildest. Errors: FIELD_INVALID. */
export function parseAlertSeverity(text: string): AlertSeverity {
  const severity = alertSeverities.find((known) => known === (text === '' ? 'info' : text));
  if (severity === undefined) throw fieldInvalid('severity', text, `one of ${alertSeverities.join(', ')}`);
  return severity;
}

/** Whether something is at least so bad. */
export function isAtLeast(severity: AlertSeverity, least: AlertSeverity): boolean {
  return alertSeverities.indexOf(severity) >= alertSeverities.indexOf(least);
}

/** How long a mute may last, ms. */
export const muteBounds = { minMs: minute, maxMs: 30 * day } as const;

/** The length of a mute, ms: 1 min to 30 d. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseMuteLength(ms: number | undefined): number {
  if (ms === undefined) throw fieldMissing('the length of the mute', '1m to 30d');
  if (!Number.isSafeInteger(ms) || ms < muteBounds.minMs || ms > muteBounds.maxMs) throw fieldInvalid('length of the mute', `${String(Math.round(ms / 1000))}s`, '1m to 30d');
  return ms;
}

/** Where alerts are told. */
export type AlertTarget = { readonly way: 'mail'; readonly person: string } | { readonly way: 'webhook'; readonly url: string } | { readonly way: 'hook'; readonly hook: string };

/** The name of a program in hooks.d: no path, nothing hidden. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseHookName(text: string): string {
  return parsePattern('hook', text, /^[a-z0-9](?:[a-z0-9_-]|\.(?=[a-z0-9])){0,63}$/, 'the name of a file in hooks.d: a-z, 0-9, "-", "_" and single dots, at most 64 characters');
}

/** The URL of a webhook in its canonical form: https, or http to a loopback address; no user, no fragment. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseWebhook(text: string): string {
  const rule = 'an https URL, or http to 127.0.0.1 or [::1]; without user and fragment, at most 1000 printable characters';
  if (text === '') throw fieldMissing('webhook', rule);
  // What is refused is not shown: the path of such a URL is often a secret.
  const refused = (): Error => fieldInvalid('webhook', webhookOrigin(text), rule);
  if (!/^[!-~]{1,1000}$/.test(text)) throw refused();
  let parts: URL;
  try {
    parts = new URL(text);
  } catch {
    throw refused();
  }
  const allowed = parts.protocol === 'https:' || (parts.protocol === 'http:' && isLoopback(parts.hostname.replace(/^\[|\]$/g, '')));
  if (!allowed || parts.hostname === '' || parts.username !== '' || parts.password !== '' || parts.hash !== '') throw refused();
  return parts.href;
}

/** A URL without what may be secret: scheme and host, then an ellipsis. */
export function webhookOrigin(url: string): string {
  const [, origin] = /^([a-z]+:\/\/(?:[^/?#@]*@)?[^/?#@]+)/.exec(url) ?? [];
  return `${(origin ?? '').replace(/\/\/.*@/, '//')}/…`;
}

/** A URL that messages link to: http or https, printable, at most 500 characters. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseAlertUrl(field: string, text: string): string {
  return parsePattern(field, text, /^https?:\/\/[!-~]{1,500}$/, 'an http or https URL');
}
