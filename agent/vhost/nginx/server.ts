import type { VhostListen } from '../../../shared/model/vhost-listen.js';
import { fileBase } from '../../../shared/model/vhost-name.js';
import type { Vhost } from '../../../shared/model/vhost.js';
import { currentFolder, siteAccess, type Serving } from './access.js';
import { locations, probeLocation, strictTransport } from './location.js';
import { block, directive, plain, text, variable, type Argument, type Directive } from './serialize.js';

/** Longest chain of certificates of a client. */
const clientDepth = 4;

/**
 * The server blocks of a site: one, or two where what speaks TLS is another than what does not: with redirectHttps, with a header that only TLS may have, and with certificates of clients.
 * In maintenance everything gets the page, so nothing is redirected or refused.
 */
export function servers(site: Vhost, modelSha: string, ipv6: boolean): readonly Directive[] {
  const blocks = allServers(site, modelSha);
  return ipv6 ? blocks : blocks.map(withoutIpv6);
}

function allServers(site: Vhost, modelSha: string): readonly Directive[] {
  const secure = site.listens.filter(({ tls }) => tls);
  const open = site.listens.filter(({ tls }) => !tls);
  if (open.length === 0 || secure.length === 0 || (!site.redirectHttps && site.hstsS === 0 && site.clientCert === undefined)) return [mainServer(site, site.listens, modelSha)];
  const serves = site.maintenance === undefined;
  const other = serves && site.redirectHttps ? redirection(secure[0]?.port ?? 443) : serves && site.clientCert?.mandatory === true ? directive('return', 403) : undefined;
  return [other === undefined ? mainServer(site, open, modelSha) : smallServer(site, open, modelSha, other), mainServer(site, secure, modelSha)];
}

/** Where it listens on all addresses, those of IPv4 are all. */
function withoutIpv6(server: Directive): Directive {
  return { ...server, block: (server.block ?? []).filter(({ name, args: [where] }) => name !== 'listen' || where?.kind !== 'word' || !where.word.startsWith('[::]:')) };
}

function mainServer(site: Vhost, listens: readonly VhostListen[], modelSha: string): Directive {
  const serving: Serving = { site, tls: listens.every(({ tls }) => tls) };
  return block('server', [], [
    ...address(site, listens),
    ...(listens.some(({ tls }) => tls) ? tlsDirectives(site) : []),
    directive('absolute_redirect', 'off'),
    directive('client_max_body_size', site.bodyLimitBytes),
    ...siteAccess(site),
    ...strictTransport(serving),
    ...(site.maintenance === undefined ? site.snippets.map((name) => directive('include', plain(`/etc/reeve/snippets/${name}.conf`))) : []),
    probeLocation(modelSha),
    ...locations(serving),
  ]);
}

/** Says the same to everybody, but to the probe. */
function smallServer(site: Vhost, listens: readonly VhostListen[], modelSha: string, said: Directive): Directive {
  return block('server', [], [...address(site, listens), probeLocation(modelSha), block('location', [plain('/')], [said])]);
}

/** To the same address with TLS. */
function redirection(port: number): Directive {
  return directive('return', 301, text('https://', variable('host'), ...(port === 443 ? [] : [`:${String(port)}`]), variable('request_uri')));
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
