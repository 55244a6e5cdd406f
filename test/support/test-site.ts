import type { Vhost } from '../../shared/model/vhost.js';
import type { ProxyRoute, StatusRoute } from '../../shared/model/vhost-route.js';

/** A route that always says the same. */
export function statusRoute(prefix: string, text: string, code = 200): StatusRoute {
  return { kind: 'status', prefix, code, text, headers: [], allow: [], users: [], open: false, bodyLimitBytes: undefined };
}

/** A route to a program that speaks HTTP on port 80. */
export function proxyRoute(prefix: string, address: string): ProxyRoute {
  return {
    kind: 'proxy', prefix, to: { kind: 'address', address, port: 80 }, tls: false, hostHeader: undefined, stripPrefix: false, keepEncoded: false, websocket: false, unbuffered: false, timeoutS: 60,
    headers: [], allow: [], users: [], open: false, bodyLimitBytes: undefined,
  };
}

/** A site for tests: on port 80, always the same answer. */
export function testSite(name: string, over: Partial<Vhost> = {}): Vhost {
  return {
    name, aliases: [], listens: [{ address: undefined, port: 80, tls: false }], defaultServer: false, redirectHttps: false, hstsS: 0, cert: undefined, routes: [statusRoute('/', name)],
    bodyLimitBytes: 1_000_000, allow: [], users: [], clientCert: undefined, title: undefined, maintenance: undefined, snippets: [], overwrite: false, ...over,
  };
}
