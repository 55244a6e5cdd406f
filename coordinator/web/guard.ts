import type { IncomingMessage } from 'node:http';
import type { RateLimiter } from '../../shared/rpc/rate.js';

/** Requests of one address. */
const requestRate = { perSecond: 20, burst: 60 } as const;

/** Largest body of a form, bytes. */
export const mostFormBytes = 16_384;

/** Paths of forms; nothing else is sent to us. */
const formPaths = new Set(['/login', '/logout', '/self/key/add', '/self/key/remove']);

/** What the guard knows of this server. */
export interface GuardOptions {
  readonly base: string;
  /** Values of Host that are answered, lower-case. */
  readonly hosts: () => ReadonlySet<string>;
  /** Addresses whose X-Forwarded-For is believed. */
  readonly proxies: ReadonlySet<string>;
  readonly limiter: RateLimiter;
  readonly monotonic: () => number;
}

/** A request that may go on, or the status and reason with which it may not. */
export type Guarded =
  | { readonly kind: 'pass'; readonly url: string; readonly address: string }
  | { readonly kind: 'refused'; readonly status: 400 | 403 | 404 | 405 | 411 | 413 | 415 | 421 | 429; readonly reason: string; readonly headers?: Readonly<Record<string, string>> };

/** Looks at a request before anything else does: who it is for (R107), its verb (R106), how many there are, its body and, of a form, where it was made (R109, R111). */
export function guard(options: GuardOptions, request: IncomingMessage): Guarded {
  const hosts = valuesOf(request, 'host');
  const host = hosts[0]?.toLowerCase() ?? '';
  if (hosts.length !== 1) return refused(400, 'A request has exactly one Host.');
  if (!options.hosts().has(host)) return refused(421, 'This page is not known under that name. Its administrator adds it to /etc/reeve/web.conf as "name HOST[:PORT]".');
  const target = targetOf(request.url ?? '', host);
  if (target === undefined) return refused(400, 'The request is for another host than its Host says.');
  const path = pathOf(target, options.base);
  const verb = verbProblem(request.method ?? '', path);
  if (verb !== undefined) return verb;
  const address = addressOf(options, request);
  if (!options.limiter.take(address, requestRate, options.monotonic())) return refused(429, 'Too many requests; wait a moment.', { 'retry-after': '1' });
  const body = bodyProblem(request);
  if (body !== undefined) return body;
  if (request.method === 'POST' && !isOwnForm(request, host)) return refused(403, 'This form was not sent from a page of this server.');
  if (path === undefined) return refused(404, 'There is no such page.');
  return { kind: 'pass', url: path, address };
}

function refused(status: Extract<Guarded, { kind: 'refused' }>['status'], reason: string, headers: Readonly<Record<string, string>> = {}): Guarded {
  return { kind: 'refused', status, reason, headers };
}

/** All values of a header: Node hides the second of some. */
function valuesOf(request: IncomingMessage, name: string): string[] {
  return request.rawHeaders.flatMap((text, index) => (index % 2 === 0 && text.toLowerCase() === name ? [request.rawHeaders[index + 1] ?? ''] : []));
}

/** The path and query of a request's target, also of one in absolute form (RFC 9112 3.2.2), which must be for the same host; undefined: it is for another. */
function targetOf(url: string, host: string): string | undefined {
  if (url.startsWith('/')) return url;
  const [, authority = '', rest = ''] = /^https?:\/\/([^/?#]*)(\/[^#]*)?$/i.exec(url) ?? [];
  return authority !== '' && authority.toLowerCase() === host ? rest || '/' : undefined;
}

/** What stands behind the base, with the query; undefined: it is not below the base. */
function pathOf(target: string, base: string): string | undefined {
  if (base === '') return target;
  if (target === base || target.startsWith(`${base}?`)) return `/${target.slice(base.length)}`;
  return target.startsWith(`${base}/`) ? target.slice(base.length) : undefined;
}

function verbProblem(method: string, path: string | undefined): Guarded | undefined {
  if (method === 'GET' || method === 'HEAD') return undefined;
  const isForm = path !== undefined && formPaths.has(path.split('?', 1)[0] ?? '');
  if (method === 'POST' && isForm) return undefined;
  return refused(405, 'This page can only be looked at.', { allow: isForm && path !== '/login' ? 'POST' : isForm ? 'GET, HEAD, POST' : 'GET, HEAD' });
}

/** Only forms have a body, and say before how long it is. */
function bodyProblem(request: IncomingMessage): Guarded | undefined {
  const { 'content-length': length, 'transfer-encoding': encoding, 'content-type': type } = request.headers;
  if (request.method !== 'POST') return encoding !== undefined || (length !== undefined && length !== '0') ? refused(413, 'A request for a page has no body.') : undefined;
  if (encoding !== undefined || length === undefined) return refused(411, 'A form says how long it is.');
  if (!/^[0-9]{1,8}$/.test(length) || Number(length) > mostFormBytes) return refused(413, `A form has at most ${String(mostFormBytes)} bytes.`);
  return /^application\/x-www-form-urlencoded(?:;|$)/i.test(type ?? '') ? undefined : refused(415, 'A form is sent as application/x-www-form-urlencoded.');
}

/**
 * Whether a form was made by a page of ours. Browsers say so themselves by Sec-Fetch-Site; as our pages tell no referrer, Origin is "null" then. A client that says only Origin must
 * name us; one that says nothing is refused.
 */
function isOwnForm({ headers }: IncomingMessage, host: string): boolean {
  const { origin } = headers;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return false;
  if (origin === undefined || origin === 'null') return site === 'same-origin';
  return origin.toLowerCase() === `https://${host}` || origin.toLowerCase() === `http://${host}`;
}

/** Where a request comes from: of a proxy that is believed, what it says it got the request from. Behind a unix socket there is only such a proxy. */
function addressOf({ proxies }: GuardOptions, request: IncomingMessage): string {
  const peer = plainAddress(request.socket.remoteAddress ?? '');
  if (peer !== '' && !proxies.has(peer)) return peer;
  const said = valuesOf(request, 'x-forwarded-for').join(',').split(',').at(-1)?.trim() ?? '';
  return plainAddress(said) || peer || 'local';
}

/** An address as it is written usually: an IPv4 one without its IPv6 prefix. Empty: it is none. */
export function plainAddress(text: string): string {
  const address = text.toLowerCase().replace(/^::ffff:(?=[0-9.]+$)/, '');
  return /^[0-9a-f:.]{2,45}$/.test(address) ? address : '';
}
