import { ReeveError, type ErrorItem } from '../../shared/errors/error.js';
import { parseAlertUrl } from '../../shared/model/alert.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { isLoopback, parseReachableAddress } from '../../shared/model/host.js';
import { parseMail } from '../../shared/model/person.js';

/** How mail is sent. */
export interface SmtpConfig {
  readonly host: string;
  readonly port: number;
  /** From the first byte, by STARTTLS or not at all, or without (to this machine only). */
  readonly security: 'tls' | 'starttls' | 'plain';
  /** Sender. */
  readonly from: string;
  /** Undefined: no login. */
  readonly login: { readonly user: string; readonly passwordFile: string } | undefined;
}

/** How alerts leave this machine. */
export interface NotifyConfig {
  readonly smtp: SmtpConfig | undefined;
  /** Secret that webhooks are signed with. */
  readonly webhookSecretFile: string | undefined;
  /** Further authorities, PEM, that mail servers and webhooks may be certified by. */
  readonly caFile: string | undefined;
  /** The status page, for messages. */
  readonly alertUrl: string | undefined;
  /** Folder of the operator's programs. */
  readonly hookDir: string;
}

/** Nothing is configured: hooks only. */
export const noNotify: NotifyConfig = { smtp: undefined, webhookSecretFile: undefined, caFile: undefined, alertUrl: undefined, hookDir: '/etc/reeve/hooks.d' };

/** Keys of reeved.conf that are about this. */
export const notifyKeys = ['smtp', 'smtp-from', 'smtp-user', 'smtp-password-file', 'webhook-secret-file', 'alert-ca-file', 'alert-url'] as const;

/** One of the keys. */
export type NotifyKey = (typeof notifyKeys)[number];

/** A line of the configuration. */
export interface NotifyLine {
  readonly key: NotifyKey;
  /** What stands behind the key. */
  readonly words: readonly string[];
  /** Names the line in messages. */
  readonly field: string;
}

/** Whether a key of the configuration is about this. */
export function isNotifyKey(key: string): key is NotifyKey {
  return notifyKeys.some((known) => known === key);
}

/** The configuration from its lines; what is wrong with them is added to `problems`, each with its line. */
export function parseNotify(lines: readonly NotifyLine[], problems: ErrorItem[]): NotifyConfig {
  const found = new Map<NotifyKey, NotifyLine>();
  const said: { server?: Pick<SmtpConfig, 'host' | 'port' | 'security'>; from?: string; user?: string } = {};
  const files = new Map<NotifyKey, string>();
  let alertUrl: string | undefined;
  for (const line of lines) {
    found.set(line.key, line);
    const [word = ''] = line.words;
    try {
      if (line.words.length !== (line.key === 'smtp' ? 2 : 1)) throw fieldInvalid(line.field, line.words.join(' '), line.key === 'smtp' ? 'HOST:PORT and tls, starttls or plain' : 'one word');
      if (line.key === 'smtp') said.server = parseServer(line.field, word, line.words[1] ?? '');
      else if (line.key === 'smtp-from') said.from = parseFrom(line.field, word);
      else if (line.key === 'smtp-user') said.user = parseUser(line.field, word);
      else if (line.key === 'alert-url') alertUrl = parseAlertUrl(line.field, word);
      else files.set(line.key, parsePath(line.field, word));
    } catch (error) {
      if (!(error instanceof ReeveError)) throw error;
      problems.push(...error.items);
    }
  }
  for (const [key, needed] of [['smtp', 'smtp-from'], ['smtp-from', 'smtp'], ['smtp-user', 'smtp-password-file'], ['smtp-password-file', 'smtp-user'], ['smtp-user', 'smtp']] as const) {
    const line = found.get(key);
    if (line !== undefined && !found.has(needed)) problems.push({ code: 'FIELD_MISSING', fields: { field: needed, rule: `it goes with ${line.field}` } });
  }
  const passwordFile = files.get('smtp-password-file');
  const login = said.user === undefined || passwordFile === undefined ? undefined : { user: said.user, passwordFile };
  const smtp = said.server === undefined || said.from === undefined ? undefined : { ...said.server, from: said.from, login };
  return { ...noNotify, smtp, webhookSecretFile: files.get('webhook-secret-file'), caFile: files.get('alert-ca-file'), alertUrl };
}

function parseServer(field: string, endpoint: string, security: string): Pick<SmtpConfig, 'host' | 'port' | 'security'> {
  const rule = 'HOST:PORT and tls, starttls or plain; plain only to 127.0.0.1, [::1] or localhost';
  const [, host = '', portText = ''] = /^(.+):([0-9]{1,5})$/.exec(endpoint) ?? [];
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  const port = Number(portText);
  if (bare === '' || port < 1 || port > 65_535 || (security !== 'tls' && security !== 'starttls' && security !== 'plain')) throw fieldInvalid(field, `${endpoint} ${security}`, rule);
  const known = bare === 'localhost' ? bare : parseReachableAddress(bare);
  const loopback = known === 'localhost' || isLoopback(known);
  if (security === 'plain' && !loopback) throw fieldInvalid(field, `${endpoint} plain`, rule);
  return { host: known, port, security };
}

function parseFrom(field: string, text: string): string {
  const from = parseMail(text);
  if (from === '') throw fieldInvalid(field, text, 'NAME@DOMAIN');
  return from;
}

function parseUser(field: string, text: string): string {
  if (!/^[!-~]{1,255}$/.test(text)) throw fieldInvalid(field, text, '1 to 255 printable characters');
  return text;
}

function parsePath(field: string, text: string): string {
  if (!/^\/[!-~]{1,1023}$/.test(text)) throw fieldInvalid(field, text, 'an absolute path');
  return text;
}
