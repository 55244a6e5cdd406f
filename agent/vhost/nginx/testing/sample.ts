import type { WireVhostRoute } from '../../../../shared/model/vhost-route.js';
import type { WireVhostUpstream } from '../../../../shared/model/vhost-upstream.js';
import { parseVhost, usualBodyLimitBytes, type Vhost, type WireVhost } from '../../../../shared/model/vhost.js';

/** An upstream as it comes over the wire. */
export function upstream(over: Partial<WireVhostUpstream>): WireVhostUpstream {
  return { address: '', port: 0, socket: '', host: '', ...over };
}

/** A route as it comes over the wire; one that says nothing else leads to port 8080 of the host. */
export function route(over: Partial<WireVhostRoute>): WireVhostRoute {
  const targets = ['proxy', 'uwsgi', 'fastcgi', 'php', 'static', 'spa', 'redirect', 'status'] as const;
  const proxy = { to: upstream({ address: '127.0.0.1', port: 8080 }), tls: false, hostHeader: '' };
  return {
    prefix: '/', stripPrefix: false, keepEncoded: false, websocket: false, unbuffered: false, timeout: null, headers: [], allow: [], users: [], open: false,
    ...(targets.some((target) => target in over) ? {} : { proxy }), ...over,
  };
}

/** A site as it comes over the wire. */
export function wireSite(over: Partial<WireVhost>): WireVhost {
  return {
    name: 'www.example.org', aliases: [], listens: [], defaultServer: false, redirectHttps: false, hstsS: 0, cert: '', routes: [route({})], bodyLimitBytes: usualBodyLimitBytes, allow: [], users: [], clientCert: null,
    title: '', maintenance: false, retryAfterS: 0, snippets: [], overwrite: false, ...over,
  };
}

/** A site. */
export function site(over: Partial<WireVhost>): Vhost {
  return parseVhost(wireSite(over));
}

/** A password as bcrypt keeps it, of no password that anybody knows. */
export const sampleHash = '$2b$10$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0';

/** PEM of one block that nothing but its form is good. */
export function samplePem(label: 'CERTIFICATE' | 'X509 CRL'): string {
  return `-----BEGIN ${label}-----\nMAYCAQECAQI=\n-----END ${label}-----\n`;
}
