import { ReeveError } from '../../shared/errors/error.js';
import type { VhostUser } from '../../shared/model/vhost-user.js';
import { parseVhostDraft, usualBodyLimitBytes, type VhostDraft, type WireVhost } from '../../shared/model/vhost.js';
import { readServer, type ServerDraft } from './vhost-adopt-server.js';
import { createMisfits, last, named, siteTree, type Misfit, type Misfits, type SiteDirective } from './vhost-adopt-tree.js';
import { isOwnWay } from './vhost-adopt-word.js';

/** What the operator says of a file that is taken over. */
export interface AdoptOptions {
  /** Name of a cert of the host for those with TLS; undefined: self-signed. */
  readonly cert: string | undefined;
  /** Who may enter where the file asks for a password. */
  readonly users: readonly VhostUser[];
  /** Whether a name is one of a host of the inventory. */
  readonly isHost: (name: string) => boolean;
}

/** What a file comes to. */
export interface Adoptable {
  /** By name. */
  readonly sites: readonly VhostDraft[];
  /** By line. */
  readonly misfits: readonly Misfit[];
}

/** The sites of a file of the web server, as far as the model goes, and all that does not fit it. */
export function adoptSites(directives: readonly SiteDirective[], options: AdoptOptions): Adoptable {
  const misfits = createMisfits();
  const top = siteTree(directives);
  const upstreams = new Map(named(top, 'upstream').map((node) => [node.args[0] ?? '', node]));
  for (const node of top) {
    if (node.name === 'server' || node.name === 'upstream' || (node.name === 'map' && node.args.join(' ') === '$http_upgrade $connection_upgrade')) continue;
    if (isOwnWay(node)) misfits.passed(node);
    else misfits.lost(node, 'what stands beside sites is not taken over');
  }
  const drafts = named(top, 'server').flatMap((node) => readServer(node, { misfits, upstreams, isHost: options.isHost }, options.users) ?? []);
  const wires = joinSites(drafts, misfits).map((draft) => [draft, wireOf(draft, options, misfits)] as const);
  const sites = wires.flatMap(([draft, wire]) => parsed(draft, wire, misfits));
  return { sites: sites.sort((a, b) => (a.name < b.name ? -1 : 1)), misfits: misfits.all() };
}

function parsed(draft: ServerDraft, wire: WireVhost, misfits: Misfits): VhostDraft[] {
  try {
    return [parseVhostDraft(wire)];
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    misfits.lost(draft.node, error.message);
    return [];
  }
}

/** A block that answers itself, and those without TLS that belong to it. */
interface JoinedDraft extends ServerDraft {
  readonly without: readonly ServerDraft[];
}

const isTls = (draft: ServerDraft): boolean => draft.listens.some(({ tls }) => tls);
const shareNames = (a: ServerDraft, b: ServerDraft): boolean => a.names.some((name) => b.names.includes(name));

/** Blocks that are one site: the one without TLS sends to the one with TLS, or answers the same. */
function joinSites(drafts: readonly ServerDraft[], misfits: Misfits): ServerDraft[] {
  const senders = drafts.filter(({ toHttps }) => toHttps.size > 0);
  const secure = drafts.filter((draft) => isTls(draft) && draft.toHttps.size === 0);
  const plain = drafts.filter((draft) => !isTls(draft) && draft.toHttps.size === 0);
  for (const sender of senders) tellSender(sender, secure, misfits);
  const joined = secure.map((draft): JoinedDraft => ({ ...draft, without: [...senders, ...plain].filter((other) => shareNames(draft, other)) }));
  for (const { names, routes, without } of joined) {
    for (const other of without.filter(({ toHttps }) => toHttps.size === 0)) {
      const more = other.names.filter((name) => !names.includes(name));
      if (more.length > 0) misfits.lost(other.node, `${more.join(', ')} is reached without TLS only, unlike the other names of the site`);
      if (!sameAnswers(routes, other.routes)) misfits.lost(other.node, `site "${names[0] ?? ''}" answers the same with and without TLS, or sends to TLS`);
    }
  }
  const alone = plain.filter((draft) => !secure.some((other) => shareNames(draft, other)));
  const all = [...joined.map(join), ...alone];
  for (const { node, routes } of all) if (routes.length === 0) misfits.lost(node, 'nothing of what it answers fits');
  return all.filter(({ routes }) => routes.length > 0);
}

/** A block that only sends to TLS belongs to those that have its names. */
function tellSender(sender: ServerDraft, secure: readonly ServerDraft[], misfits: Misfits): void {
  const missing = sender.names.filter((name) => !secure.some(({ names }) => names.includes(name)));
  if (missing.length > 0) misfits.lost(last(sender.node.children, 'server_name') ?? sender.node, `${missing.join(', ')} is sent to TLS, and no site of this file has it there`);
  const unsent = sender.names.filter((name) => !sender.toHttps.has(name) && !missing.includes(name));
  if (unsent.length > 0) misfits.lost(sender.node, `${unsent.join(', ')} is not sent to TLS`);
}

function join(draft: JoinedDraft): ServerDraft {
  const others = draft.without;
  const known = new Set(draft.listens.map(({ address, port }) => `${address} ${String(port)}`));
  const listens = others.flatMap((other) => other.listens).filter(({ address, port }, index, all) => !known.has(`${address} ${String(port)}`) && all.findIndex((row) => row.address === address && row.port === port) === index);
  const prefixes = new Set(draft.routes.map(({ prefix }) => prefix));
  const more = others.filter(({ toHttps }) => toHttps.size > 0).flatMap(({ routes }) => routes).filter(({ prefix }, index, all) => !prefixes.has(prefix) && all.findIndex((row) => row.prefix === prefix) === index);
  return {
    ...draft,
    listens: [...draft.listens, ...listens],
    redirectHttps: draft.redirectHttps || others.some(({ toHttps }) => toHttps.size > 0),
    // Who is sent on for a challenge of an authority follows.
    routes: [...draft.routes, ...more],
  };
}

function sameAnswers(a: readonly unknown[], b: readonly unknown[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function wireOf(draft: ServerDraft, { cert }: AdoptOptions, misfits: Misfits): WireVhost {
  const [name = '', ...aliases] = [...new Set(draft.names)];
  const tls = isTls(draft);
  const own = tls ? last(draft.node.children, 'ssl_certificate') : undefined;
  if (own !== undefined && cert === undefined) misfits.lost(own, 'certificates of others stay theirs: name one of the host with --cert (see: reeve cert add); given up, the site has a self-signed one');
  for (const word of ['ssl_verify_client', 'ssl_client_certificate', 'ssl_crl']) {
    const node = last(draft.node.children, word);
    if (node !== undefined) misfits.lost(node, 'certificates of clients are not read from files of others: give them up, and then: reeve vhost set --client-ca');
  }
  return {
    name, aliases, listens: [...draft.listens], defaultServer: draft.defaultServer, redirectHttps: draft.redirectHttps, hstsS: tls ? draft.hstsS : 0, cert: tls ? (cert ?? '') : '', routes: [...draft.routes],
    bodyLimitBytes: draft.bodyLimitBytes ?? usualBodyLimitBytes, allow: [...draft.allow], users: [...draft.users], clientCert: null, title: '', maintenance: false, retryAfterS: 0, snippets: [], overwrite: false,
  };
}
