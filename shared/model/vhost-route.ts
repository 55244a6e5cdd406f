import { fieldInvalid, fieldMissing, parseInteger } from './field.js';
import { formatNetwork, parseNetwork } from './network.js';
import { parseFolder, parseRoutePrefix, parseScript, parseSocket } from './vhost-path.js';
import { parseHostHeader, parseLine, parseRedirect, parseRedirectCode, parseVhostHeader, redirectCodes, type RedirectCode, type VhostHeader } from './vhost-text.js';
import { formatUpstream, type ParseUpstream, type Upstream, type UpstreamRef, type WireVhostUpstream } from './vhost-upstream.js';
import { parseVhostUsers, type VhostUser } from './vhost-user.js';

/** What every route has. */
interface RouteBase {
  /** `/`, or a path without the last slash. */
  readonly prefix: string;
  /** Sorted by name in lower case, each once. */
  readonly headers: readonly VhostHeader[];
  /** Networks in canonical form, sorted; none: those of the site. */
  readonly allow: readonly string[];
  /** By name; none: those of the site. */
  readonly users: readonly VhostUser[];
  /** Nobody is asked for a password. */
  readonly open: boolean;
  /** 0: no limit; undefined: that of the site. */
  readonly bodyLimitBytes: number | undefined;
}

/** HTTP to another program or machine. */
export interface ProxyRoute<U = Upstream> extends RouteBase {
  readonly kind: 'proxy';
  readonly to: U;
  readonly tls: boolean;
  /** undefined: that of the client. */
  readonly hostHeader: string | undefined;
  readonly stripPrefix: boolean;
  /** Only with stripPrefix. */
  readonly keepEncoded: boolean;
  readonly websocket: boolean;
  readonly unbuffered: boolean;
  /** Longest silence of what is behind, s. */
  readonly timeoutS: number;
}

/** Another protocol to a program. */
export interface GatewayRoute<U = Upstream> extends RouteBase {
  readonly kind: 'uwsgi' | 'fastcgi';
  readonly to: U;
  readonly stripPrefix: boolean;
  readonly unbuffered: boolean;
  readonly timeoutS: number;
}

/** PHP-FPM. */
export interface PhpRoute extends RouteBase {
  readonly kind: 'php';
  readonly folder: string;
  readonly socket: string;
  /** undefined: what is no file is not found. */
  readonly frontController: string | undefined;
  /** As prefixes on borders of segments, below the prefix of the route; sorted. */
  readonly denied: readonly string[];
  readonly timeoutS: number;
}

/** Files; spa: the folder's index.html for every other path. */
export interface FolderRoute extends RouteBase {
  readonly kind: 'static' | 'spa';
  readonly folder: string;
}

/** To another address. */
export interface RedirectRoute extends RouteBase {
  readonly kind: 'redirect';
  readonly to: string;
  readonly code: RedirectCode;
  readonly keepPath: boolean;
}

/** Always the same. */
export interface StatusRoute extends RouteBase {
  readonly kind: 'status';
  readonly code: number;
  /** Empty: what the web server says. */
  readonly text: string;
}

/** What a site answers below a path. */
export type VhostRoute<U = Upstream> = ProxyRoute<U> | GatewayRoute<U> | PhpRoute | FolderRoute | RedirectRoute | StatusRoute;

/** Where a route leads, without all that can be said about it besides. Every route is one. */
export type VhostTarget =
  | (Pick<ProxyRoute<UpstreamRef>, 'kind' | 'to' | 'tls'> & Partial<Pick<ProxyRoute, 'hostHeader'>>)
  | Pick<GatewayRoute<UpstreamRef>, 'kind' | 'to'>
  | Pick<PhpRoute, 'kind' | 'folder' | 'socket' | 'frontController' | 'denied'>
  | Pick<FolderRoute, 'kind' | 'folder'>
  | Pick<RedirectRoute, 'kind' | 'to' | 'code' | 'keepPath'>
  | Pick<StatusRoute, 'kind' | 'code' | 'text'>;

/** As it comes over the wire. */
export interface WireVhostRoute {
  readonly prefix: string;
  readonly proxy?: { readonly to: WireVhostUpstream | null; readonly tls: boolean; readonly hostHeader: string } | null;
  readonly uwsgi?: WireVhostUpstream | null;
  readonly fastcgi?: WireVhostUpstream | null;
  readonly php?: { readonly folder: string; readonly socket: string; readonly frontController: string; readonly denied: string[] } | null;
  readonly static?: { readonly folder: string } | null;
  readonly spa?: { readonly folder: string } | null;
  readonly redirect?: { readonly to: string; readonly code: number; readonly keepPath: boolean } | null;
  readonly status?: { readonly code: number; readonly text: string } | null;
  readonly stripPrefix: boolean;
  readonly keepEncoded: boolean;
  readonly websocket: boolean;
  readonly unbuffered: boolean;
  readonly timeout: { readonly seconds: number; readonly nanos: number } | null;
  readonly headers: VhostHeader[];
  readonly allow: string[];
  readonly users: VhostUser[];
  readonly open: boolean;
  readonly bodyLimitBytes?: number;
}

const targets = ['proxy', 'uwsgi', 'fastcgi', 'php', 'static', 'spa', 'redirect', 'status'] as const;

/** Longest silence of what is behind that nothing is said about, s. */
export const usualTimeoutS = 60;

/** Most of each in one route, and the largest limit of a body, bytes (1 TiB). */
export const mostRoute = { headers: 32, allow: 64, denied: 32, bodyLimitBytes: 2 ** 40 } as const;

/** The options that only some kinds have, and which. */
const optionKinds = {
  stripPrefix: ['proxy', 'uwsgi', 'fastcgi'], keepEncoded: ['proxy'], websocket: ['proxy'], unbuffered: ['proxy', 'uwsgi', 'fastcgi'], timeout: ['proxy', 'uwsgi', 'fastcgi', 'php'],
} as const;

/** One route from the wire; `field` is its path in the message, e.g. `routes[2]`. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseRoute<U>(field: string, wire: WireVhostRoute, upstream: ParseUpstream<U>): VhostRoute<U> {
  const given = targets.filter((target) => (wire[target] ?? null) !== null);
  const [kind] = given;
  if (kind === undefined) throw fieldMissing(field, `exactly one of ${targets.join(', ')}`);
  if (given.length > 1) throw fieldInvalid(field, given.join(', '), `exactly one of ${targets.join(', ')}`);
  for (const [option, kinds] of Object.entries(optionKinds)) {
    const set = option === 'timeout' ? wire.timeout !== null : wire[option as Exclude<keyof typeof optionKinds, 'timeout'>];
    if (set && !kinds.some((known) => known === kind)) throw fieldInvalid(`${field}.${option}`, kind, `nothing for a route of this kind, only for ${kinds.join(', ')}`);
  }
  if (wire.keepEncoded && !wire.stripPrefix) throw fieldInvalid(`${field}.keepEncoded`, 'true', 'only with stripPrefix: a path that is not cut stays as the client sent it anyway');
  if (wire.open && wire.users.length > 0) throw fieldInvalid(`${field}.open`, 'true', 'no users on a path where nobody is asked');
  const base: RouteBase = {
    prefix: parseRoutePrefix(`${field}.prefix`, wire.prefix),
    headers: parseHeaders(`${field}.headers`, wire.headers),
    allow: parseAllow(`${field}.allow`, wire.allow),
    users: parseVhostUsers(`${field}.users`, wire.users),
    open: wire.open,
    bodyLimitBytes: wire.bodyLimitBytes === undefined ? undefined : parseBodyLimit(`${field}.bodyLimitBytes`, wire.bodyLimitBytes),
  };
  return { ...base, ...parseTarget(`${field}.${kind}`, kind, wire, upstream, parseTimeout(`${field}.timeout`, wire.timeout)) };
}

type WithoutBase<R> = R extends unknown ? Omit<R, keyof RouteBase> : never;

function parseTarget<U>(field: string, kind: (typeof targets)[number], wire: WireVhostRoute, upstream: ParseUpstream<U>, timeoutS: number): WithoutBase<VhostRoute<U>> {
  const { stripPrefix, keepEncoded, websocket, unbuffered } = wire;
  switch (kind) {
    case 'proxy': {
      const host = wire.proxy?.hostHeader ?? '';
      const to = upstream(`${field}.to`, wire.proxy?.to);
      return { kind, to, tls: wire.proxy?.tls ?? false, hostHeader: host === '' ? undefined : parseHostHeader(`${field}.hostHeader`, host), stripPrefix, keepEncoded, websocket, unbuffered, timeoutS };
    }
    case 'uwsgi':
    case 'fastcgi':
      return { kind, to: upstream(field, wire[kind]), stripPrefix, unbuffered, timeoutS };
    case 'php': {
      const { folder = '', socket = '', frontController = '', denied = [] } = wire.php ?? {};
      const script = frontController === '' ? undefined : parseScript(`${field}.frontController`, frontController);
      return { kind, folder: parseFolder(`${field}.folder`, folder), socket: parseSocket(`${field}.socket`, socket), frontController: script, denied: parseDenied(`${field}.denied`, denied), timeoutS };
    }
    case 'static':
    case 'spa':
      return { kind, folder: parseFolder(`${field}.folder`, wire[kind]?.folder ?? '') };
    case 'redirect': {
      const { to = '', code = 0, keepPath = false } = wire.redirect ?? {};
      const where = parseRedirect(`${field}.to`, to);
      if (keepPath && /[?#]/.test(where)) throw fieldInvalid(`${field}.to`, where, 'no query or fragment where the path is kept: they would stand before it');
      return { kind, to: where, code: parseRedirectCode(`${field}.code`, code), keepPath };
    }
    case 'status':
      return { kind, code: parseStatusCode(`${field}.code`, wire.status?.code ?? 0), text: parseLine(`${field}.text`, wire.status?.text ?? '', 1000) };
  }
}

/** One route for the wire. */
export function formatRoute(route: VhostRoute<UpstreamRef>): WireVhostRoute {
  const { prefix, open, bodyLimitBytes } = route;
  const timeout = 'timeoutS' in route && route.timeoutS !== usualTimeoutS ? { seconds: route.timeoutS, nanos: 0 } : null;
  return {
    prefix,
    ...formatWireTarget(route),
    stripPrefix: 'stripPrefix' in route && route.stripPrefix,
    keepEncoded: 'keepEncoded' in route && route.keepEncoded,
    websocket: 'websocket' in route && route.websocket,
    unbuffered: 'unbuffered' in route && route.unbuffered,
    timeout,
    headers: route.headers.map((header) => ({ ...header })),
    allow: [...route.allow],
    users: route.users.map((user) => ({ ...user })),
    open,
    ...(bodyLimitBytes === undefined ? {} : { bodyLimitBytes }),
  };
}

/** The part of a route's message that says where it leads. */
export function formatWireTarget(route: VhostTarget): Pick<WireVhostRoute, (typeof targets)[number]> {
  switch (route.kind) {
    case 'proxy':
      return { proxy: { to: formatUpstream(route.to), tls: route.tls, hostHeader: route.hostHeader ?? '' } };
    case 'uwsgi':
    case 'fastcgi':
      return { [route.kind]: formatUpstream(route.to) };
    case 'php':
      return { php: { folder: route.folder, socket: route.socket, frontController: route.frontController ?? '', denied: [...route.denied] } };
    case 'static':
    case 'spa':
      return { [route.kind]: { folder: route.folder } };
    case 'redirect':
      return { redirect: { to: route.to, code: route.code, keepPath: route.keepPath } };
    case 'status':
      return { status: { code: route.code, text: route.text } };
  }
}

/** The code of a fixed answer: 200 to 599, none that means something else to a web server. Errors: FIELD_INVALID. */
export function parseStatusCode(field: string, code: number): number {
  parseInteger(field, code, { min: 200, max: 599 });
  // nginx takes the text of a redirection for an address, and uses 444 and 494 to 499 for itself.
  if ([204, 303, 304, 444].includes(code) || (code >= 494 && code <= 499) || redirectCodes.some((known) => known === code)) {
    throw fieldInvalid(field, String(code), 'none without a body (204, 304), of a redirection (301, 302, 303, 307, 308) or of the web server itself (444, 494 to 499)');
  }
  return code;
}

/** Largest body, bytes: 0 (no limit) to 1 TiB. Errors: FIELD_INVALID. */
export function parseBodyLimit(field: string, bytes: number): number {
  return parseInteger(field, bytes, { min: 0, max: mostRoute.bodyLimitBytes });
}

/** Networks that may enter: canonical, sorted, each once. Errors: FIELD_INVALID. */
export function parseAllow(field: string, texts: readonly string[]): readonly string[] {
  if (texts.length > mostRoute.allow) throw fieldInvalid(field, String(texts.length), `at most ${String(mostRoute.allow)} networks`);
  return [...new Set(texts.map((text, index) => formatNetwork(parseNetwork(`${field}[${String(index)}]`, text))))].sort();
}

function parseHeaders(field: string, wire: readonly VhostHeader[]): readonly VhostHeader[] {
  if (wire.length > mostRoute.headers) throw fieldInvalid(field, String(wire.length), `at most ${String(mostRoute.headers)}`);
  const headers = wire.map((row, index) => parseVhostHeader(`${field}[${String(index)}]`, row));
  headers.sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
  const twice = headers.find((row, index) => headers[index + 1]?.name.toLowerCase() === row.name.toLowerCase());
  if (twice !== undefined) throw fieldInvalid(field, twice.name, 'each header once');
  return headers;
}

function parseDenied(field: string, wire: readonly string[]): readonly string[] {
  if (wire.length > mostRoute.denied) throw fieldInvalid(field, String(wire.length), `at most ${String(mostRoute.denied)}`);
  const denied = wire.map((text, index) => {
    const path = parseRoutePrefix(`${field}[${String(index)}]`, text);
    if (path === '/') throw fieldInvalid(`${field}[${String(index)}]`, path, 'a path below the prefix');
    return path;
  });
  return [...new Set(denied)].sort();
}

function parseTimeout(field: string, wire: WireVhostRoute['timeout']): number {
  if (wire === null) return usualTimeoutS;
  if (wire.nanos !== 0) throw fieldInvalid(field, `${String(wire.nanos)} ns`, 'whole seconds');
  return parseInteger(field, wire.seconds, { min: 1, max: 86_400 });
}
