import { ReeveError } from '../../shared/errors/error.js';
import { parseHostHeader } from '../../shared/model/vhost-text.js';
import { formatUpstream, parseUpstreamText, type WireVhostUpstream } from '../../shared/model/vhost-upstream.js';
import type { WireVhostRoute } from '../../shared/model/vhost-route.js';
import { named, type Misfits, type SiteNode } from './vhost-adopt-tree.js';
import { isGatewayParam, isKnownInclude, siteSeconds } from './vhost-adopt-word.js';

/** What holds in a location: its own directives, and those of the server where it has none of the name. */
export interface LocationScope {
  readonly own: readonly SiteNode[];
  readonly server: readonly SiteNode[];
}

/** What there is to know around a location. */
export interface Surrounding {
  readonly misfits: Misfits;
  /** Blocks of upstreams, by name. */
  readonly upstreams: ReadonlyMap<string, SiteNode>;
  /** Whether a name is one of a host of the inventory. */
  readonly isHost: (name: string) => boolean;
  /** The names of the server. */
  readonly names: readonly string[];
}

/** Where a location is. */
export interface Place {
  /** As it stands in the file. */
  readonly path: string;
  /** As the model has it. */
  readonly prefix: string;
}

/** The directives of a name that hold in a location. */
export function effective({ own, server }: LocationScope, name: string): SiteNode[] {
  const mine = named(own, name);
  return mine.length > 0 ? mine : named(server, name);
}

/** The one directive of a name that holds in a location. */
export function effectiveOne(scope: LocationScope, name: string): SiteNode | undefined {
  return effective(scope, name).at(-1);
}

/** Names of directives that readProxy, readGateway and readTimeout look at. */
export const passWords: ReadonlySet<string> = new Set([
  'proxy_pass', 'proxy_set_header', 'proxy_buffering', 'proxy_redirect', 'proxy_read_timeout', 'proxy_send_timeout', 'proxy_ssl_verify', 'uwsgi_pass', 'uwsgi_param', 'uwsgi_buffering', 'uwsgi_read_timeout',
  'fastcgi_pass', 'fastcgi_param', 'fastcgi_buffering', 'fastcgi_read_timeout', 'include',
]);

/** A location that passes HTTP on; undefined: it cannot be said so. */
export function readProxy(node: SiteNode, scope: LocationScope, place: Place, around: Surrounding): Partial<WireVhostRoute> | undefined {
  const { misfits } = around;
  const [, scheme = '', authority = '', uri] = /^(https?):\/\/(unix:\/[^:$]+|[^/$]+?):?(\/[^$]*)?$/.exec(node.args[0] ?? '') ?? [];
  if (scheme === '') {
    misfits.lost(node, 'where it leads is made of variables, or is no http:// or https:// address');
    return undefined;
  }
  const to = readUpstream(node, authority, scheme === 'https' ? 443 : 80, around);
  if (to === undefined) return undefined;
  const kept = uri === undefined || uri === place.path || (uri === '/' && place.prefix === '/');
  if (!kept && uri !== '/') {
    misfits.lost(node, `what is behind would see ${uri} instead of ${place.path}; a prefix is cut off whole, or kept`);
    return undefined;
  }
  for (const verify of effective(scope, 'proxy_ssl_verify')) if (verify.args[0] !== 'off') misfits.lost(verify, 'certificates of what is behind are not checked');
  for (const redirect of effective(scope, 'proxy_redirect')) if (!['off', 'default'].includes(redirect.args[0] ?? '')) misfits.lost(redirect, 'the Location of what is behind is passed on as it is');
  const headers = readSetHeaders(scope, around, authority.startsWith('unix:') ? 'localhost' : authority);
  return {
    proxy: { to, tls: scheme === 'https', hostHeader: headers.hostHeader },
    stripPrefix: !kept,
    websocket: headers.websocket,
    unbuffered: effectiveOne(scope, 'proxy_buffering')?.args[0] === 'off',
    timeout: readTimeout(scope, ['proxy_read_timeout', 'proxy_send_timeout'], misfits),
  };
}

/** A location that passes uwsgi or FastCGI on; undefined: it cannot be said so. */
export function readGateway(kind: 'uwsgi' | 'fastcgi', node: SiteNode, scope: LocationScope, around: Surrounding): Partial<WireVhostRoute> | undefined {
  const to = readUpstream(node, (node.args[0] ?? '').replace(/^uwsgi:\/\//, ''), undefined, around);
  if (to === undefined) return undefined;
  for (const param of effective(scope, `${kind}_param`)) if (!isGatewayParam(param)) around.misfits.lost(param, 'what is behind gets the usual parameters only');
  return { [kind]: to, unbuffered: effectiveOne(scope, `${kind}_buffering`)?.args[0] === 'off', timeout: readTimeout(scope, [`${kind}_read_timeout`], around.misfits) };
}

/** The longest silence of what is behind that directives say; null: the usual. */
export function readTimeout(scope: LocationScope, names: readonly string[], misfits: Misfits): WireVhostRoute['timeout'] {
  let longest = 0;
  for (const node of names.flatMap((name) => effective(scope, name))) {
    const seconds = siteSeconds(node.args[0] ?? '');
    if (seconds === undefined) misfits.lost(node, 'whole seconds from 1 s to 1 d');
    else longest = Math.max(longest, seconds);
  }
  return longest === 0 || longest === 60 ? null : { seconds: longest, nanos: 0 };
}

/** `ADDRESS:PORT`, `unix:PATH`, a host of the inventory, or the name of an upstream block with one server. */
export function readUpstream(node: SiteNode, text: string, usualPort: number | undefined, around: Surrounding): WireVhostUpstream | undefined {
  const { misfits, upstreams } = around;
  const block = upstreams.get(text);
  if (block !== undefined) {
    const servers = named(block.children, 'server');
    const [only, ...more] = servers;
    if (only === undefined || more.length > 0) {
      misfits.lost(block, 'a route leads to one place; several are no part of the model');
      return undefined;
    }
    return readPlace(only, only.args[0] ?? '', 80, around);
  }
  return readPlace(node, text, usualPort, around);
}

function readPlace(node: SiteNode, text: string, usualPort: number | undefined, { misfits, isHost }: Surrounding): WireVhostUpstream | undefined {
  const clean = text.replace(/^unix:\/\/(?=\/)/, 'unix:').replace(/^localhost(?=:|$)/, '127.0.0.1');
  try {
    const to = parseUpstreamText('where it leads', clean, usualPort);
    if (to.kind !== 'host' || isHost(to.host)) return formatUpstream(to);
    misfits.lost(node, `"${to.host}" is no host of the inventory, and no other names are looked up: an address stands for it`);
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    misfits.lost(node, error.fields['rule'] ?? error.message);
  }
  return undefined;
}

/** Headers for what is behind that Reeve sets anyway, with the values that mean the same; `''`: taken away. */
const usualHeaders: ReadonlyMap<string, RegExp> = new Map([
  ['x-real-ip', /^\$(?:binary_)?remote_addr$/], ['x-forwarded-for', /^\$(?:proxy_add_x_forwarded_for|remote_addr)$/], ['x-forwarded-proto', /^(?:\$scheme|https?|\$http_x_forwarded_proto)$/],
  ['x-forwarded-host', /^\$(?:host|http_host)(?::\$server_port)?$/], ['x-forwarded-port', /^(?:\$server_port|[0-9]{1,5})$/], ['proxy', /^$/], ['forwarded', /^$/],
]);

/** The headers for what is behind. Where none says which host was asked for, what is behind hears its own address. */
function readSetHeaders(scope: LocationScope, { misfits, names }: Surrounding, authority: string): { hostHeader: string; websocket: boolean } {
  let host: string | undefined = effective(scope, 'include').some((node) => isKnownInclude(node) && (node.args[0] ?? '').endsWith('proxy_params')) ? '' : undefined;
  const found = { upgrade: false, connection: false };
  for (const node of effective(scope, 'proxy_set_header')) {
    const [name = '', value = ''] = node.args;
    const key = name.toLowerCase();
    if (key === 'host') host = hostValue(node, value, { misfits, names, authority });
    else if (key === 'upgrade' && value === '$http_upgrade') found.upgrade = true;
    else if (key === 'connection' && /^(?:upgrade|\$connection_upgrade|\$http_connection|keep-alive|)$/i.test(value)) found.connection ||= value !== '' && !/^keep-alive$/i.test(value);
    else if (usualHeaders.get(key)?.test(value) !== true) misfits.lost(node, 'no other headers are set for what is behind');
  }
  return { hostHeader: host ?? usable(authority), websocket: found.upgrade && found.connection };
}

function hostValue(node: SiteNode, value: string, { misfits, names, authority }: { misfits: Misfits; names: readonly string[]; authority: string }): string {
  if (/^\$(?:host|http_host)(?::\$server_port)?$/.test(value)) return '';
  const text = value === '$proxy_host' ? authority : value === '$server_name' ? (names[0] ?? '') : value;
  const header = usable(text);
  if (header === '') misfits.lost(node, 'the Host header is the one of the client, a name in lower case or an address');
  return header;
}

/** A Host header that the model takes; empty: it does not. */
function usable(text: string): string {
  try {
    return parseHostHeader('host header', text);
  } catch (error) {
    if (error instanceof ReeveError) return '';
    throw error;
  }
}
