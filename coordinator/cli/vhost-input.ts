import type { VhostEditInput } from '../../shared/gen/proto/reeve/coordinator/v1/VhostEdit.js';
import { parseDuration } from '../../shared/model/duration.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { formatNetwork, parseNetwork } from '../../shared/model/network.js';
import { formatWireListen, parseListen, type WireVhostListen } from '../../shared/model/vhost-listen.js';
import { parseDomain, parseSiteName } from '../../shared/model/vhost-name.js';
import { mostRoute, type WireVhostRoute } from '../../shared/model/vhost-route.js';
import type { VhostUser } from '../../shared/model/vhost-user.js';
import { mostVhost, parseSnippetName, parseVhostDraft, usualBodyLimitBytes, type WireVhost } from '../../shared/model/vhost.js';
import type { Options } from './command.js';
import { readPem } from './pem-file.js';
import type { boundOptions, boundUndoOptions, siteOptions, siteUndoOptions } from './vhost-option.js';
import { flag } from './vhost-target-input.js';

/** What is said of a site, as it was given. */
type SiteArguments = Options<typeof siteOptions>;

/** What is taken back of it. */
type SiteUndoArguments = Options<typeof siteUndoOptions>;

/** Who may enter, as it was given. */
export type BoundArguments = Options<typeof boundOptions>;

/** What is taken back of it. */
export type BoundUndoArguments = Options<typeof boundUndoOptions>;

/** What comes of files and questions. */
export interface Read {
  readonly users: readonly VhostUser[];
  readonly clientCert: WireVhost['clientCert'];
}

/** Where a site listens; undefined: nothing says it. Errors: FIELD_INVALID. */
function parseListens(args: Pick<SiteArguments, 'listen' | 'no-tls'>): WireVhostListen[] | undefined {
  if (args.listen.length === 0) return args['no-tls'] ? [{ address: '', port: 80, tls: false }] : undefined;
  return args.listen.map((text) => {
    const listen = parseListen('--listen', text);
    if (!args['no-tls'] || !listen.tls) return formatWireListen(listen);
    if (text.endsWith('/tls')) throw fieldInvalid('--listen', text, 'none with TLS: --no-tls was given');
    return formatWireListen({ ...listen, tls: false });
  });
}

/** A duration for Strict-Transport-Security, s: also years; 0: none. Errors: FIELD_INVALID. */
function parseHsts(text: string): number {
  const years = /^([12])y$/.exec(text)?.[1];
  const seconds = text === '0' ? 0 : years === undefined ? parseDuration('--hsts', text) / 1000 : Number(years) * 31_536_000;
  if (seconds > mostVhost.hstsS) throw fieldInvalid('--hsts', text, '0 to 2y');
  return seconds;
}

/** A size, bytes: `50m`, `2g`, `0`. Errors: FIELD_INVALID. */
function parseBodySize(text: string): number {
  const match = /^(0|[1-9][0-9]{0,12})([kmg]?)$/.exec(text);
  const bytes = Number(match?.[1]) * ({ k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[match?.[2] ?? ''] ?? 1);
  if (match === null || bytes > mostRoute.bodyLimitBytes) throw fieldInvalid('--body-limit', text, 'a whole number of bytes, or with k, m or g behind it, at most 1024g: 50m');
  return bytes;
}

function parseNetworks(args: Pick<BoundArguments, 'allow'>): string[] {
  return args.allow.map((text) => formatNetwork(parseNetwork('--allow', text)));
}

/** Who may enter by a route instead, as the API takes it. Errors: FIELD_INVALID. */
export function parseRouteBounds(args: BoundArguments, open: boolean, users: readonly VhostUser[]): Pick<WireVhostRoute, 'allow' | 'users' | 'open' | 'bodyLimitBytes'> {
  const limit = args['body-limit'];
  return { allow: parseNetworks(args), users: [...users], open, ...(limit === undefined ? {} : { bodyLimitBytes: parseBodySize(limit) }) };
}

/** What becomes of who may enter, of a site or a route. Errors: FIELD_INVALID. */
export function parseBoundEdit(args: BoundArguments & BoundUndoArguments, users: readonly VhostUser[]): Pick<VhostEditInput, 'bodyLimitBytes' | 'allow' | 'setUsers' | 'removeUsers'> {
  const limit = args['body-limit'];
  if (args['no-allow'] && args.allow.length > 0) throw fieldInvalid('--no-allow', 'given', 'it cannot stand with --allow');
  return {
    ...(limit === undefined ? {} : { bodyLimitBytes: parseBodySize(limit) }),
    ...(args['no-allow'] || args.allow.length > 0 ? { allow: { networks: parseNetworks(args) } } : {}),
    ...(users.length === 0 ? {} : { setUsers: [...users] }),
    ...(args['no-user'].length === 0 ? {} : { removeUsers: [...args['no-user']] }),
  };
}

/** A site as the API takes it, with its first route. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseSite(name: string, args: SiteArguments, route: WireVhostRoute, read: Read): WireVhost {
  const listens = parseListens(args) ?? [];
  const both = listens.length === 0 || (listens.some(({ tls }) => tls) && listens.some(({ tls }) => !tls));
  const limit = args['body-limit'];
  const site: WireVhost = {
    name: parseSiteName('name', name),
    aliases: args.alias.map((text) => parseDomain('--alias', text, true)),
    listens,
    defaultServer: args.default,
    redirectHttps: args['redirect-https'] || (both && !args['no-redirect-https']),
    hstsS: args.hsts === undefined ? 0 : parseHsts(args.hsts),
    cert: args.cert ?? '',
    routes: [route],
    bodyLimitBytes: limit === undefined ? usualBodyLimitBytes : parseBodySize(limit),
    allow: parseNetworks(args),
    users: [...read.users],
    clientCert: read.clientCert,
    title: args.title ?? '',
    maintenance: false,
    retryAfterS: 0,
    snippets: args.snippet.map((text) => parseSnippetName('--snippet', text)),
    overwrite: args.overwrite,
  };
  parseVhostDraft(site);
  return site;
}

/** What becomes of a site, as the API takes it, but for its routes. Errors: FIELD_INVALID. */
export function parseSiteEdit(args: SiteArguments & SiteUndoArguments, read: Read): VhostEditInput {
  const listens = parseListens(args);
  const tls = listens?.some((listen) => listen.tls) !== false;
  const both = listens !== undefined && tls && listens.some((listen) => !listen.tls);
  const aliases = args.alias.map((text) => parseDomain('--alias', text, true));
  const redirect = both && !args['no-redirect-https'] ? { redirectHttps: true } : listens === undefined || both ? {} : { redirectHttps: false };
  return {
    ...(aliases.length === 0 ? {} : { addAliases: aliases }),
    ...(args['no-alias'].length === 0 ? {} : { removeAliases: [...args['no-alias']] }),
    // What only makes sense with TLS goes with it.
    ...(listens === undefined ? {} : { listens: { listens }, ...redirect, ...(tls ? {} : { hstsS: 0, cert: '' }) }),
    ...flag('redirectHttps', args['redirect-https'], args['no-redirect-https']),
    ...(args.hsts === undefined ? {} : { hstsS: parseHsts(args.hsts) }),
    ...(args.cert === undefined ? {} : { cert: args.cert }),
    ...(args['no-cert'] ? { cert: '' } : {}),
    ...flag('defaultServer', args.default, args['no-default']),
    ...parseBoundEdit(args, read.users),
    ...(read.clientCert === null ? {} : { clientCert: read.clientCert }),
    ...(args['no-client-ca'] ? { noClientCert: true } : {}),
    ...(args.title === undefined ? {} : { title: args.title }),
    ...(args['no-title'] ? { title: '' } : {}),
    ...(args.snippet.length === 0 ? {} : { addSnippets: args.snippet.map((text) => parseSnippetName('--snippet', text)) }),
    ...(args['no-snippet'].length === 0 ? {} : { removeSnippets: [...args['no-snippet']] }),
    ...(args.overwrite ? { overwrite: true } : {}),
  };
}

/** The files about certificates of clients; null: none was named. Errors: FIELD_INVALID, FIELD_MISSING. */
export function readClientCert(args: Pick<SiteArguments, 'client-ca' | 'client-crl' | 'client-cert'>): WireVhost['clientCert'] {
  const ca = args['client-ca'];
  const crl = args['client-crl'];
  if (ca === undefined) {
    if (crl !== undefined || args['client-cert'] !== undefined) throw fieldMissing('--client-ca', 'the authorities of the certificates');
    return null;
  }
  return {
    mandatory: args['client-cert'] !== 'optional',
    caPem: readPem('--client-ca', ca, 'CERTIFICATE', mostVhost.caBytes),
    crlPem: crl === undefined ? '' : readPem('--client-crl', crl, 'X509 CRL', mostVhost.crlBytes),
  };
}
