import type { VhostListen } from '../../../shared/model/vhost-listen.js';
import { fileBase } from '../../../shared/model/vhost-name.js';
import type { Vhost } from '../../../shared/model/vhost.js';
import { currentFolder, siteAccess } from './access.js';
import { locations, probeLocation, strictTransport } from './location.js';
import { block, directive, plain, text, variable, type Argument, type Directive } from './serialize.js';

/** Longest chain of certificates of a client. */
const clientDepth = 4;

/**
 * The server blocks of a site: one, or two where what speaks TLS is another than what does not: with redirectHttps, and with a header that only TLS may have. In maintenance
 * everything gets the page, so nothing is redirected.
 */
export function servers(site: Vhost, modelSha: string): readonly Directive[] {
  const secure = site.listens.filter(({ tls }) => tls);
  const open = site.listens.filter(({ tls }) => !tls);
  if (site.redirectHttps && site.maintenance === undefined) return [redirectServer(site, open, secure[0]?.port ?? 443, modelSha), mainServer(site, secure, modelSha)];
  if (site.hstsS > 0 && open.length > 0) return [mainServer(site, open, modelSha), mainServer(site, secure, modelSha)];
  return [mainServer(site, site.listens, modelSha)];
}

function mainServer(site: Vhost, listens: readonly VhostListen[], modelSha: string): Directive {
  const secure = listens.some(({ tls }) => tls);
  const only = listens.every(({ tls }) => tls);
  return block('server', [], [
    ...address(site, listens),
    ...(secure ? tlsDirectives(site) : []),
    directive('absolute_redirect', 'off'),
    directive('client_max_body_size', site.bodyLimitBytes),
    ...siteAccess(site),
    ...strictTransport(site, only),
    ...(site.maintenance === undefined ? site.snippets.map((name) => directive('include', plain(`/etc/reeve/snippets/${name}.conf`))) : []),
    probeLocation(modelSha),
    ...locations(site, only),
  ]);
}

/** Sends everything to the same address with TLS. */
function redirectServer(site: Vhost, listens: readonly VhostListen[], port: number, modelSha: string): Directive {
  const where = text('https://', variable('host'), ...(port === 443 ? [] : [`:${String(port)}`]), variable('request_uri'));
  return block('server', [], [...address(site, listens), probeLocation(modelSha), block('location', [plain('/')], [directive('return', 301, where)])]);
}

function address(site: Vhost, listens: readonly VhostListen[]): readonly Directive[] {
  return [...listens.flatMap((listen) => listenDirectives(site, listen)), directive('server_name', ...[site.name, ...site.aliases].map((name) => plain(name)))];
}

/** `listen ... http2` is of nginx before 1.25 and understood by later ones. */
function listenDirectives(site: Vhost, { address: on, port, tls }: VhostListen): readonly Directive[] {
  const where: readonly (Argument | string)[] = on === undefined ? [String(port), `[::]:${String(port)}`] : [plain(`${on.includes(':') ? `[${on}]` : on}:${String(port)}`)];
  return where.map((argument) => directive('listen', argument, ...(site.defaultServer ? ['default_server'] : []), ...(tls ? ['ssl', 'http2'] : [])));
}

function tlsDirectives(site: Vhost): readonly Directive[] {
  const ours = `${currentFolder}/${fileBase(site.name)}`;
  const [cert, key] = site.cert === undefined ? [`${ours}.crt`, `${ours}.key`] : [`/etc/ssl/reeve/${site.cert}/cert.pem`, `/etc/ssl/reeve/${site.cert}/key.pem`];
  const client = site.clientCert === undefined ? [] : [
    directive('ssl_verify_client', 'optional'),
    directive('ssl_verify_depth', clientDepth),
    directive('ssl_client_certificate', plain(`${ours}.ca`)),
    ...(site.clientCert.crlPem === undefined ? [] : [directive('ssl_crl', plain(`${ours}.crl`))]),
  ];
  return [directive('ssl_certificate', text(cert)), directive('ssl_certificate_key', text(key)), directive('ssl_protocols', 'TLSv1.2', 'TLSv1.3'), directive('ssl_session_tickets', 'off'), ...client];
}
