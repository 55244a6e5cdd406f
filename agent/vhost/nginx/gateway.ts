import type { GatewayRoute, PhpRoute, VhostRoute } from '../../../shared/model/vhost-route.js';
import { isWildcard } from '../../../shared/model/vhost-name.js';
import type { Upstream } from '../../../shared/model/vhost-upstream.js';
import type { Vhost } from '../../../shared/model/vhost.js';
import { requestHeaders } from './forward.js';
import { noAnswer } from './page.js';
import { afterPrefix } from './prefix.js';
import { directive, plain, returnIf, text, variable, type Directive, type Part } from './serialize.js';

/** Longest time for a connection to be made, s: what is on the host or near it takes it at once or not at all. */
const connectS = 10;

/** How long nginx waits for what is behind. */
export function timeouts(timeoutS: number, module: 'proxy' | 'uwsgi' | 'fastcgi'): readonly Directive[] {
  const seconds = { connect: Math.min(timeoutS, connectS), send: timeoutS, read: timeoutS };
  return Object.entries(seconds).map(([what, s]) => directive(`${module}_${what}_timeout`, `${String(s)}s`));
}

/** Headers of what is behind that ours stand for. */
export function hidden(site: Vhost, route: VhostRoute, module: 'proxy' | 'uwsgi' | 'fastcgi'): readonly Directive[] {
  const names = [...(site.hstsS > 0 ? ['Strict-Transport-Security'] : []), ...route.headers.map(({ name }) => name)];
  return names.map((name) => directive(`${module}_hide_header`, name));
}

/** `exact`: for the path that is the prefix itself, else for what is below it. */
export function gatewayDirectives(site: Vhost, route: GatewayRoute, exact: boolean): readonly Directive[] {
  const strip = route.stripPrefix && route.prefix !== '/';
  const path: readonly Part[] = !strip ? [variable('document_uri')] : exact ? ['/'] : [variable('reeve_rest')];
  return [
    ...(strip && !exact ? [returnIf('uri', '!~', plain(afterPrefix(route.prefix)), 400)] : []),
    directive(`${route.kind}_pass`, text(gatewayAddress(route.to))),
    ...parameters(site, route, [['SCRIPT_NAME', strip ? [route.prefix] : []], ['PATH_INFO', path]], route.kind),
    ...hidden(site, route, route.kind),
    ...(route.unbuffered ? [directive(`${route.kind}_buffering`, 'off')] : []),
    ...timeouts(route.timeoutS, route.kind),
    ...noAnswer,
  ];
}

/** Where nginx connects to without HTTP. */
export function gatewayAddress(to: Upstream): string {
  if (to.kind === 'socket') return `unix:${to.path}`;
  return `${to.address.includes(':') ? `[${to.address}]` : to.address}:${String(to.port)}`;
}

/** Parameters of a request (RFC 3875 4.1), `own` among them. Headers that are ours to set stand for those of the client; empty ones are not sent at all. */
export function parameters(site: Vhost, route: GatewayRoute | PhpRoute, own: readonly (readonly [string, readonly Part[]])[], module: 'uwsgi' | 'fastcgi'): readonly Directive[] {
  const asked = requestHeaders(site, route);
  const user = asked.some(({ name }) => name === 'Authorization');
  const named = (name: string): readonly [string, readonly Part[]] => [name, [variable(name.toLowerCase())]];
  const rows: readonly (readonly [string, readonly Part[]])[] = [
    ...['QUERY_STRING', 'REQUEST_METHOD', 'CONTENT_TYPE', 'CONTENT_LENGTH', 'REQUEST_URI', 'DOCUMENT_URI'].map(named),
    ...own,
    ['SERVER_PROTOCOL', [variable('server_protocol')]],
    ['REQUEST_SCHEME', [variable('scheme')]],
    ['SERVER_NAME', [variable(isWildcard(site.name) ? 'host' : 'server_name')]],
    ...['SERVER_ADDR', 'SERVER_PORT', 'REMOTE_ADDR', 'REMOTE_PORT'].map(named),
    ...(user ? [named('REMOTE_USER')] : []),
    ...asked.map(({ name, value }) => [`HTTP_${name.toUpperCase().replaceAll('-', '_')}`, value] as const),
  ];
  return [...rows.map(([name, value]) => directive(`${module}_param`, name, text(...value))), directive(`${module}_param`, 'HTTPS', text(variable('https')), 'if_not_empty')];
}
