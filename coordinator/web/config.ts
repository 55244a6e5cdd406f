import { existsSync, readFileSync } from 'node:fs';
import { ReeveError, type ErrorItem } from '../../shared/errors/error.js';
import { isIpv4, isIpv6, isLoopback } from '../../shared/model/host.js';

/** What /etc/reeve/web.conf says. */
export interface WebConfig {
  readonly listen: WebListen;
  /** Values of Host that are answered; empty: those of loopback with the port. */
  readonly names: readonly string[];
  /** Prefix of all paths behind a proxy: '' or e.g. "/reeve". */
  readonly base: string;
  /** Addresses of proxies whose X-Forwarded-For is believed. */
  readonly proxies: readonly string[];
  /** Files of our own TLS; undefined: plain HTTP. */
  readonly tls: { readonly certificate: string; readonly key: string } | undefined;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
}

/** Where to listen. */
export type WebListen = { readonly kind: 'port'; readonly address: string; readonly port: number } | { readonly kind: 'unix'; readonly path: string };

const levels = ['debug', 'info', 'warn', 'error'] as const;
const known = 'listen, unix, name, base, proxy, certificate, key or log-level';

/** What the lines said so far. */
interface Draft {
  listen: WebListen;
  listenField: string;
  readonly names: string[];
  base: string;
  readonly proxies: string[];
  certificate: string;
  key: string;
  logLevel: WebConfig['logLevel'];
}

/** Reads the file; absent: the defaults. Errors: all problems at once, FIELD_* with their lines. */
export function readWebConfig(path: string): WebConfig {
  return parseWebConfig(existsSync(path) ? readFileSync(path, 'utf8') : '');
}

/** Lines of `key value`; `#` begins a comment. Whoever could be reached from other machines without TLS and without a proxy is refused. */
export function parseWebConfig(text: string): WebConfig {
  const draft: Draft = { listen: { kind: 'port', address: '127.0.0.1', port: 8420 }, listenField: 'listen', names: [], base: '', proxies: [], certificate: '', key: '', logLevel: 'info' };
  const problems: ErrorItem[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/#.*/, '').trim();
    if (line === '') continue;
    const [key = '', value = '', ...rest] = line.split(/\s+/);
    const field = `${key} in line ${String(index + 1)}`;
    const rule = rest.length > 0 ? 'one value' : take(draft, key, value, field);
    if (rule === undefined) continue;
    problems.push(rule === known ? { code: 'FIELD_UNKNOWN', fields: { field, rule } } : { code: 'FIELD_INVALID', fields: { field, value, rule } });
  }
  const { listen, listenField, certificate, key } = draft;
  if ((certificate === '') !== (key === '')) problems.push({ code: 'FIELD_MISSING', fields: { field: certificate === '' ? 'certificate' : 'key', rule: 'certificate and key come together' } });
  if (listen.kind === 'port' && !isLoopback(listen.address) && certificate === '' && draft.proxies.length === 0) {
    const rule = 'an address of loopback, or TLS (lines certificate and key), or a proxy in front that does it (line proxy): passwords are not sent in the clear';
    problems.push({ code: 'FIELD_INVALID', fields: { field: listenField, value: listen.address, rule } });
  }
  if (listen.kind === 'port' && !isLoopback(listen.address) && draft.names.length === 0) problems.push({ code: 'FIELD_MISSING', fields: { field: 'name', rule: 'the name or address, with its port, under which browsers know this page' } });
  if (problems.length > 0) throw new ReeveError(problems);
  return { listen, names: draft.names, base: draft.base, proxies: draft.proxies, tls: certificate === '' ? undefined : { certificate, key }, logLevel: draft.logLevel };
}

/** Takes one line; answers the rule that it breaks. */
function take(draft: Draft, key: string, value: string, field: string): string | undefined {
  switch (key) {
    case 'listen': {
      const listen = parseListen(value);
      if (listen === undefined) return 'ADDRESS:PORT, e.g. 127.0.0.1:8420 or [::1]:8420';
      draft.listen = listen;
      draft.listenField = field;
      return undefined;
    }
    case 'unix':
      if (!isPath(value) || value.length > 100) return 'an absolute path of at most 100 characters';
      draft.listen = { kind: 'unix', path: value };
      return undefined;
    case 'name':
      if (!isHostValue(value)) return 'HOST or HOST:PORT, as browsers send it';
      draft.names.push(value.toLowerCase());
      return undefined;
    case 'base':
      if (!/^(?:\/[A-Za-z0-9._~-]{1,64}){1,4}$/.test(value) || /\/\.{1,2}(?:\/|$)/.test(value)) return 'a path without a slash at its end, e.g. /reeve';
      draft.base = value;
      return undefined;
    case 'proxy':
      if (!isIpv4(value) && !isIpv6(value)) return 'an IPv4 or IPv6 address';
      draft.proxies.push(value);
      return undefined;
    case 'certificate':
    case 'key':
      if (!isPath(value)) return 'an absolute path';
      draft[key] = value;
      return undefined;
    case 'log-level': {
      const level = levels.find((word) => word === value);
      if (level === undefined) return `one of ${levels.join(', ')}`;
      draft.logLevel = level;
      return undefined;
    }
    default:
      return known;
  }
}

function isPath(value: string): boolean {
  return /^\/[^\0]*$/.test(value);
}

function parseListen(value: string): WebListen | undefined {
  const [, six, four, portText = ''] = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(value) ?? [];
  const address = six ?? four ?? '';
  const port = Number(portText);
  if (!(six === undefined ? isIpv4(address) : isIpv6(address)) || portText === '' || port > 65_535) return undefined;
  return { kind: 'port', address, port };
}

function isHostValue(value: string): boolean {
  const [, six, name = '', port = '1'] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]{1,253}))(?::([0-9]{1,5}))?$/.exec(value) ?? [];
  if (Number(port) < 1 || Number(port) > 65_535) return false;
  return six === undefined ? name !== '' : isIpv6(six);
}

/** Values of Host that are answered. Without names these are the usual ones of loopback; a browser leaves the port of its scheme out. */
export function allowedHosts({ names, listen, tls }: Pick<WebConfig, 'names' | 'listen' | 'tls'>, port: number): ReadonlySet<string> {
  if (names.length > 0) return new Set(names);
  if (listen.kind === 'unix') return new Set(['localhost']);
  const usual = port === (tls === undefined ? 80 : 443);
  return new Set(['localhost', '127.0.0.1', '[::1]'].flatMap((host) => [`${host}:${String(port)}`, ...(usual ? [host] : [])]));
}
