import type { ProxyRoute } from '../../../shared/model/vhost-route.js';
import type { Upstream } from '../../../shared/model/vhost-upstream.js';
import type { Vhost } from '../../../shared/model/vhost.js';
import { requestHeaders } from './forward.js';
import { hidden, timeouts } from './gateway.js';
import { noAnswer } from './page.js';
import { afterPrefix } from './prefix.js';
import { directive, plain, returnIf, text, variable, type Directive, type Part } from './serialize.js';

/** `exact`: for the path that is the prefix itself, else for what is below it. */
export function proxyDirectives(site: Vhost, route: ProxyRoute, exact: boolean): readonly Directive[] {
  const strip = route.stripPrefix && route.prefix !== '/';
  const encoded = strip && route.keepEncoded && !exact;
  // Without a path nginx passes the one of the request line on; with "/" it puts that for the location's own, decoded and encoded again.
  const path: readonly Part[] = encoded ? [variable('reeve_rest')] : strip ? ['/'] : [];
  return [
    ...(encoded ? [returnIf('request_uri', '!~', plain(afterPrefix(route.prefix)), 400)] : []),
    directive('proxy_pass', text(`${route.tls ? 'https' : 'http'}://${authority(route.to)}`, ...path)),
    directive('proxy_http_version', '1.1'),
    ...requestHeaders(site, route).map(({ name, value }) => directive('proxy_set_header', name, text(...value))),
    ...(route.websocket ? [directive('proxy_set_header', 'Upgrade', text(variable('reeve_upgrade'))), directive('proxy_set_header', 'Connection', text(variable('reeve_connection')))] : []),
    ...hidden(site, route, 'proxy'),
    ...(route.unbuffered ? [directive('proxy_buffering', 'off')] : []),
    ...timeouts(route.timeoutS, 'proxy'),
    ...(route.tls ? tlsDirectives(route) : []),
    ...noAnswer,
  ];
}

/** Its certificate is not checked: there is no authority that it could be checked against. */
function tlsDirectives(route: ProxyRoute): readonly Directive[] {
  const name = route.hostHeader?.replace(/:[0-9]+$/, '');
  return [directive('proxy_ssl_server_name', 'on'), directive('proxy_ssl_name', name === undefined ? text(variable('host')) : text(name)), directive('proxy_ssl_protocols', 'TLSv1.2', 'TLSv1.3')];
}

function authority(to: Upstream): string {
  if (to.kind === 'socket') return `unix:${to.path}:`;
  return `${to.address.includes(':') ? `[${to.address}]` : to.address}:${String(to.port)}`;
}
