import { canonicalJson, type Canonical } from './canonical.js';
import { fieldInvalid, fieldMissing, parseInteger, parsePattern } from './field.js';
import { parsePem } from './pem.js';
import { formatListen, formatWireListen, listenKey, parseListens, type VhostListen, type WireVhostListen } from './vhost-listen.js';
import { parseDomain, parseSiteName } from './vhost-name.js';
import { formatRoute, parseAllow, parseBodyLimit, parseRoute, type VhostRoute, type WireVhostRoute } from './vhost-route.js';
import { parseLine, textWeight } from './vhost-text.js';
import { parseUpstream, parseUpstreamRef, type ParseUpstream, type Upstream, type UpstreamRef } from './vhost-upstream.js';
import { parseVhostUsers, type VhostUser } from './vhost-user.js';

/** Certificates of clients. */
export interface VhostClientCert {
  readonly mandatory: boolean;
  readonly caPem: string;
  readonly crlPem: string | undefined;
}

/** A site of a host. `U`: how what is behind it is named: Upstream where a host takes it, UpstreamRef as operators say it. */
export interface Vhost<U = Upstream> {
  /** Its first name, by which it is known. */
  readonly name: string;
  /** Sorted, each once. */
  readonly aliases: readonly string[];
  /** At least one; by port and address. */
  readonly listens: readonly VhostListen[];
  readonly defaultServer: boolean;
  /** Only where it listens with and without TLS. */
  readonly redirectHttps: boolean;
  /** 0: not sent. */
  readonly hstsS: number;
  /** undefined: self-signed, made on the host. */
  readonly cert: string | undefined;
  /** At least one; sorted by prefix. */
  readonly routes: readonly VhostRoute<U>[];
  /** 0: no limit. */
  readonly bodyLimitBytes: number;
  /** Networks in canonical form, sorted; none: from anywhere. */
  readonly allow: readonly string[];
  /** By name; none: nobody is asked. */
  readonly users: readonly VhostUser[];
  readonly clientCert: VhostClientCert | undefined;
  /** undefined: its name. */
  readonly title: string | undefined;
  /** undefined: it serves. */
  readonly maintenance: { readonly retryAfterS: number } | undefined;
  /** Sorted, each once. */
  readonly snippets: readonly string[];
  /** Is written over what was altered by hand. No part of the canonical model. */
  readonly overwrite: boolean;
}

/** A site as operators say it. */
export type VhostDraft = Vhost<UpstreamRef>;

/** As it comes over the wire. */
export interface WireVhost {
  readonly name: string;
  readonly aliases: string[];
  readonly listens: WireVhostListen[];
  readonly defaultServer: boolean;
  readonly redirectHttps: boolean;
  readonly hstsS: number;
  readonly cert: string;
  readonly routes: WireVhostRoute[];
  readonly bodyLimitBytes: number;
  readonly allow: string[];
  readonly users: VhostUser[];
  readonly clientCert: { readonly mandatory: boolean; readonly caPem: string; readonly crlPem: string } | null;
  readonly title: string;
  readonly maintenance: boolean;
  readonly retryAfterS: number;
  readonly snippets: string[];
  readonly overwrite: boolean;
}

/** Most of each: sites of a host, then of one site. `textBytes`: of all headers and texts together, as textWeight counts; `networks`: of the site and its routes together. */
export const mostVhost = { sites: 2000, aliases: 64, routes: 64, snippets: 8, title: 100, hstsS: 63_072_000, retryAfterS: 86_400, caBytes: 65_536, crlBytes: 262_144, textBytes: 65_536, networks: 512 } as const;

/** Largest body where nothing else is said, bytes; the command line fills it in. */
export const usualBodyLimitBytes = 104_857_600;

/** Retry-After of the maintenance page where nothing else is said, s. */
export const usualRetryAfterS = 30;

/** The name of a snippet of a host. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseSnippetName(field: string, text: string): string {
  return parsePattern(field, text, /^[a-z0-9][a-z0-9_-]{0,62}$/, 'a lower-case letter or digit, then the same, "_" and "-", at most 63 characters');
}

/** One site from the wire, as a host takes it. Errors: FIELD_INVALID (also for hosts of the inventory as upstream), FIELD_MISSING; they name the field with its path. */
export function parseVhost(wire: WireVhost): Vhost {
  return parseWith('', wire, parseUpstream);
}

/** One site from the wire as operators say it. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseVhostDraft(wire: WireVhost): VhostDraft {
  return parseWith('', wire, parseUpstreamRef);
}

/** All sites of a host from the wire, by name. Errors: those of parseVhost with `vhosts[N].` before the field, those of checkVhosts. */
export function parseVhosts(wires: readonly WireVhost[]): readonly Vhost[] {
  if (wires.length > mostVhost.sites) throw fieldInvalid('vhosts', String(wires.length), `at most ${String(mostVhost.sites)}`);
  return checkVhosts(wires.map((wire, index) => parseWith(`vhosts[${String(index)}].`, wire, parseUpstream)).sort((a, b) => (a.name < b.name ? -1 : 1)));
}

/**
 * Whether sites can be on one host together: no name of two, one default server for each address and port, each port with TLS for all or for none, and each port on all
 * addresses for all or on named ones for all (a web server would give what comes to a named address to the sites of that address only). Gives them back.
 * Errors: FIELD_INVALID.
 */
export function checkVhosts<V extends Pick<Vhost<unknown>, 'name' | 'aliases' | 'listens' | 'defaultServer'>>(sites: readonly V[]): readonly V[] {
  const names = new Map<string, V>();
  const defaults = new Map<string, V>();
  const ports = new Map<number, { site: V; listen: VhostListen }>();
  for (const site of sites) {
    for (const name of [site.name, ...site.aliases]) {
      const other = names.get(name);
      if (other !== undefined) throw fieldInvalid(`name of site ${site.name}`, name, `a name that no other site has; "${other.name}" has it`);
      names.set(name, site);
    }
    for (const listen of site.listens) {
      const { site: other, listen: before } = ports.get(listen.port) ?? { site, listen };
      const field = `listen of site ${site.name}`;
      if (before.tls !== listen.tls) throw fieldInvalid(field, formatListen(listen), `a port is with TLS for all sites or for none; "${other.name}" has ${formatListen(before)}`);
      if ((before.address === undefined) !== (listen.address === undefined)) throw fieldInvalid(field, formatListen(listen), `a port is on all addresses for all sites, or on named ones for all; "${other.name}" has ${formatListen(before)}`);
      ports.set(listen.port, { site: other, listen: before });
      const first = site.defaultServer ? defaults.get(listenKey(listen)) : undefined;
      if (first !== undefined) throw fieldInvalid(`default server of site ${site.name}`, formatListen(listen), `one for each address and port; "${first.name}" is it`);
      if (site.defaultServer) defaults.set(listenKey(listen), site);
    }
  }
  return sites;
}

/** A site for the wire. */
export function formatVhost(site: VhostDraft): WireVhost {
  return {
    name: site.name,
    aliases: [...site.aliases],
    listens: site.listens.map(formatWireListen),
    defaultServer: site.defaultServer,
    redirectHttps: site.redirectHttps,
    hstsS: site.hstsS,
    cert: site.cert ?? '',
    routes: site.routes.map(formatRoute),
    bodyLimitBytes: site.bodyLimitBytes,
    allow: [...site.allow],
    users: site.users.map((user) => ({ ...user })),
    clientCert: site.clientCert === undefined ? null : { mandatory: site.clientCert.mandatory, caPem: site.clientCert.caPem, crlPem: site.clientCert.crlPem ?? '' },
    title: site.title ?? '',
    maintenance: site.maintenance !== undefined,
    retryAfterS: site.maintenance?.retryAfterS ?? 0,
    snippets: [...site.snippets],
    overwrite: site.overwrite,
  };
}

/** The site with addresses instead of hosts. `addressOf` gives the canonical address of a host by its name or id; it throws where there is none. */
export function resolveVhost(site: VhostDraft, addressOf: (host: string) => string): Vhost {
  const resolve = (to: UpstreamRef): Upstream => (to.kind === 'host' ? { kind: 'address', address: addressOf(to.host), port: to.port } : to);
  return { ...site, routes: site.routes.map((route): VhostRoute => ('stripPrefix' in route ? { ...route, to: resolve(route.to) } : route)) };
}

/** The hosts of the inventory that a site leads to, by name or id as it says; sorted, each once. */
export function upstreamHosts(site: VhostDraft): readonly string[] {
  const hosts = site.routes.flatMap((route) => ('stripPrefix' in route && route.to.kind === 'host' ? [route.to.host] : []));
  return [...new Set(hosts)].sort();
}

/** The text whose sha256 stands for a site: canonical JSON of all but `overwrite`. */
export function vhostModelText(site: VhostDraft): string {
  const { overwrite: _overwrite, ...model } = formatVhost(site);
  return canonicalJson(model as unknown as Canonical);
}

/** A managed site as a host has it. */
export interface ObservedVhost {
  readonly name: string;
  /** `expiring`: its self-signed certificate ends soon. */
  readonly state: 'ok' | 'edited' | 'missing' | 'expiring';
  /** sha256 of the text of the model that it was made from, hexadecimal. */
  readonly modelSha: string;
}

/** The model whose digest stands for the sites of a host: what is managed, as it is, by name. */
export function vhostDigestModel(sites: readonly ObservedVhost[]): Canonical[] {
  return [...sites].sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, state, modelSha }) => ({ name, state, model: modelSha }));
}

function parseWith<U>(at: string, wire: WireVhost, upstream: ParseUpstream<U>): Vhost<U> {
  const name = parseSiteName(`${at}name`, wire.name);
  const listens = parseListens(`${at}listens`, wire.listens);
  const site: Vhost<U> = {
    name,
    aliases: parseAliases(`${at}aliases`, name, wire.aliases),
    listens,
    defaultServer: wire.defaultServer,
    redirectHttps: wire.redirectHttps,
    hstsS: parseInteger(`${at}hstsS`, wire.hstsS, { min: 0, max: mostVhost.hstsS }),
    cert: wire.cert === '' ? undefined : parsePattern(`${at}cert`, wire.cert, /^[a-z0-9][a-z0-9._-]{0,63}$/, 'the name of a certificate: 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit'),
    routes: parseRoutes(`${at}routes`, wire.routes, upstream),
    bodyLimitBytes: parseBodyLimit(`${at}bodyLimitBytes`, wire.bodyLimitBytes),
    allow: parseAllow(`${at}allow`, wire.allow),
    users: parseVhostUsers(`${at}users`, wire.users),
    clientCert: wire.clientCert === null ? undefined : parseClientCert(`${at}clientCert`, wire.clientCert),
    title: wire.title === '' ? undefined : parseLine(`${at}title`, wire.title, mostVhost.title),
    maintenance: parseMaintenance(`${at}retryAfterS`, wire),
    snippets: parseSnippets(`${at}snippets`, wire.snippets),
    overwrite: wire.overwrite,
  };
  checkWhole(at, site);
  return site;
}

function parseAliases(field: string, name: string, wire: readonly string[]): readonly string[] {
  if (wire.length > mostVhost.aliases) throw fieldInvalid(field, String(wire.length), `at most ${String(mostVhost.aliases)}`);
  const aliases = wire.map((text, index) => parseDomain(`${field}[${String(index)}]`, text, true)).sort();
  const twice = aliases.find((alias, index) => alias === name || alias === aliases[index + 1]);
  if (twice !== undefined) throw fieldInvalid(field, twice, 'each name once');
  return aliases;
}

function parseRoutes<U>(field: string, wire: readonly WireVhostRoute[], upstream: ParseUpstream<U>): readonly VhostRoute<U>[] {
  if (wire.length === 0) throw fieldMissing(field, 'at least one');
  if (wire.length > mostVhost.routes) throw fieldInvalid(field, String(wire.length), `at most ${String(mostVhost.routes)}`);
  const routes = wire.map((row, index) => parseRoute(`${field}[${String(index)}]`, row, upstream)).sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
  const twice = routes.find((route, index) => routes[index + 1]?.prefix === route.prefix);
  if (twice !== undefined) throw fieldInvalid(field, twice.prefix, 'each prefix once');
  return routes;
}

function parseClientCert(field: string, wire: NonNullable<WireVhost['clientCert']>): VhostClientCert {
  return {
    mandatory: wire.mandatory,
    caPem: parsePem(`${field}.caPem`, wire.caPem, 'CERTIFICATE', mostVhost.caBytes),
    crlPem: wire.crlPem === '' ? undefined : parsePem(`${field}.crlPem`, wire.crlPem, 'X509 CRL', mostVhost.crlBytes),
  };
}

function parseMaintenance(field: string, { maintenance, retryAfterS }: WireVhost): Vhost['maintenance'] {
  if (!maintenance) {
    if (retryAfterS !== 0) throw fieldInvalid(field, String(retryAfterS), 'nothing without maintenance');
    return undefined;
  }
  return { retryAfterS: retryAfterS === 0 ? usualRetryAfterS : parseInteger(field, retryAfterS, { min: 1, max: mostVhost.retryAfterS }) };
}

function parseSnippets(field: string, wire: readonly string[]): readonly string[] {
  if (wire.length > mostVhost.snippets) throw fieldInvalid(field, String(wire.length), `at most ${String(mostVhost.snippets)}`);
  return [...new Set(wire.map((text, index) => parseSnippetName(`${field}[${String(index)}]`, text)))].sort();
}

/** What only makes sense together. */
function checkWhole(at: string, site: Vhost<unknown>): void {
  const tls = site.listens.filter((listen) => listen.tls).length;
  const mixed = site.listens.some((a) => site.listens.some((b) => a.port === b.port && a.tls !== b.tls));
  if (mixed) throw fieldInvalid(`${at}listens`, site.listens.map(formatListen).join(', '), 'each port with TLS or without');
  if (site.redirectHttps && (tls === 0 || tls === site.listens.length)) throw fieldInvalid(`${at}redirectHttps`, 'true', 'only where it listens with TLS and without');
  const needs: [string, boolean][] = [['hstsS', site.hstsS > 0], ['cert', site.cert !== undefined], ['clientCert', site.clientCert !== undefined]];
  const needy = tls === 0 ? needs.find(([, set]) => set) : undefined;
  if (needy !== undefined) throw fieldInvalid(`${at}${needy[0]}`, 'set', 'only where it listens with TLS');
  const networks = site.allow.length + site.routes.reduce((sum, route) => sum + route.allow.length, 0);
  if (networks > mostVhost.networks) throw fieldInvalid(`${at}allow`, String(networks), `at most ${String(mostVhost.networks)} networks in a site and its routes together`);
  const bytes = site.routes.reduce((sum, route) => sum + textWeight(route.kind === 'status' ? route.text : '') + route.headers.reduce((total, { name, value }) => total + name.length + textWeight(value), 0), 0);
  if (bytes > mostVhost.textBytes) throw fieldInvalid(`${at}routes`, `${String(bytes)} bytes of headers and texts`, `at most ${String(mostVhost.textBytes)} in a site`);
}
