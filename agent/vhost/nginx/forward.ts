import type { ProxyRoute, GatewayRoute, PhpRoute } from '../../../shared/model/vhost-route.js';
import type { Vhost } from '../../../shared/model/vhost.js';
import { variable, type Part } from './serialize.js';
import { usersOf } from './access.js';

/** A header of a request as what is behind sees it. */
export interface RequestHeader {
  /** As in HTTP: `X-Forwarded-For`. */
  readonly name: string;
  /** Empty: it is not sent, whatever the client sent. */
  readonly value: readonly Part[];
}

/** The host that was asked for and the port of the client's Host header, which nginx has compared with its names; $http_host can be another than that of the request line. */
const host: readonly Part[] = [variable('host'), variable('reeve_port')];

/** Headers by which a client could make itself somebody else, or ask for another path than the one that was looked at. */
const strangers = [
  'Forwarded', 'Proxy', 'True-Client-IP', 'X-Client-IP', 'X-Cluster-Client-IP', 'X-Forwarded-Scheme', 'X-Forwarded-Server', 'X-Forwarded-Ssl', 'X-Original-URL', 'X-Rewrite-URL',
] as const;

/**
 * The headers of a request that are ours to set, whatever a client sent: set, never appended. A password that the site asked for itself stays here.
 * `X-Ssl-Client-Verify` and `X-Ssl-Client-Serial` are as $ssl_client_verify and $ssl_client_serial of ngx_http_ssl_module.
 */
export function requestHeaders(site: Vhost, route: ProxyRoute | GatewayRoute | PhpRoute): readonly RequestHeader[] {
  const asked = usersOf(site, route).length > 0;
  const strip = route.kind !== 'php' && route.stripPrefix && route.prefix !== '/';
  const client = (name: string): readonly Part[] => (site.clientCert === undefined ? [] : [variable(name)]);
  return [
    { name: 'Host', value: route.kind === 'proxy' && route.hostHeader !== undefined ? [route.hostHeader] : host },
    { name: 'X-Real-IP', value: [variable('remote_addr')] },
    { name: 'X-Forwarded-For', value: [variable('remote_addr')] },
    { name: 'X-Forwarded-Proto', value: [variable('scheme')] },
    { name: 'X-Forwarded-Host', value: host },
    { name: 'X-Forwarded-Port', value: [variable('server_port')] },
    { name: 'X-Forwarded-Prefix', value: strip ? [route.prefix] : [] },
    { name: 'X-Forwarded-User', value: asked ? [variable('remote_user')] : [] },
    { name: 'X-Ssl-Client-Verify', value: client('ssl_client_verify') },
    { name: 'X-Ssl-Client-Serial', value: client('ssl_client_serial') },
    ...(asked ? [{ name: 'Authorization', value: [] }] : []),
    ...strangers.map((name) => ({ name, value: [] })),
  ];
}
