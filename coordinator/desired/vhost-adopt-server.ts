import { ReeveError } from '../../shared/errors/error.js';
import { isIpv4, parseEndpoint } from '../../shared/model/host.js';
import type { WireVhostListen } from '../../shared/model/vhost-listen.js';
import type { WireVhostRoute } from '../../shared/model/vhost-route.js';
import type { VhostUser } from '../../shared/model/vhost-user.js';
import { readPhp } from './vhost-adopt-file.js';
import { plainRoute, readAllow, readBodyLimit, readContent, readHeaders, readHsts, readLocation, readUsers, tellRest, whereOf, type ServerScope } from './vhost-adopt-location.js';
import { passWords, type Surrounding } from './vhost-adopt-pass.js';
import { hasAnswer, readAnswer } from './vhost-adopt-redirect.js';
import { last, named, type Misfits, type SiteNode } from './vhost-adopt-tree.js';

/** One server block, as far as it can be said. */
export interface ServerDraft {
  readonly node: SiteNode;
  readonly names: readonly string[];
  readonly listens: readonly WireVhostListen[];
  readonly defaultServer: boolean;
  /** Names of which all requests are sent to the same address with TLS. */
  readonly toHttps: ReadonlySet<string>;
  /** Requests without TLS are sent to it, where the block has both. */
  readonly redirectHttps: boolean;
  readonly hstsS: number;
  readonly routes: readonly WireVhostRoute[];
  readonly bodyLimitBytes: number | undefined;
  readonly allow: readonly string[];
  readonly users: readonly VhostUser[];
}

const serverWords: ReadonlySet<string> = new Set([
  ...passWords, 'listen', 'server_name', 'location', 'root', 'index', 'autoindex', 'add_header', 'client_max_body_size', 'allow', 'deny', 'auth_basic', 'auth_basic_user_file', 'return', 'rewrite', 'if', 'try_files',
  'ssl', 'ssl_certificate', 'ssl_verify_client', 'ssl_client_certificate', 'ssl_crl',
]);

/** A server block; undefined: nothing of it can be said, and why is told. */
export function readServer(node: SiteNode, around: Omit<Surrounding, 'names'>, users: readonly VhostUser[]): ServerDraft | undefined {
  const { misfits } = around;
  const names = readNames(node, misfits);
  const { listens, defaultServer } = readListens(node, misfits);
  if (names.length === 0) {
    misfits.lost(node, 'a site has a name, and this one has none that can be kept');
    return undefined;
  }
  const nodes = node.children.filter(({ name }) => name !== 'location');
  const plain = listens.some(({ tls }) => !tls);
  const schemes = listens.every(({ tls }) => tls) ? 'https' : listens.some(({ tls }) => tls) ? 'both' : 'http';
  const within: Surrounding = { ...around, names };
  const script = named(node.children, 'location').find((location) => whereOf(location).kind === 'script');
  const php = script === undefined ? undefined : readPhp(script, nodes, within);
  const server: ServerScope = { nodes, php, schemes, users };
  const ifs = readIfs(nodes, { names, plain, misfits });
  const own = readOwn(node, server, within, ifs.sent.size > 0);
  tellRest(nodes, serverWords, misfits);
  const asked = last(nodes, 'auth_basic');
  return {
    node,
    names,
    listens,
    defaultServer,
    toHttps: own.toHttps ? new Set(names) : ifs.sent,
    redirectHttps: ifs.all && schemes === 'both',
    hstsS: schemes === 'http' ? 0 : readHsts(node.children, misfits),
    routes: own.routes,
    bodyLimitBytes: readBodyLimit(nodes, misfits),
    allow: readAllow(nodes, misfits),
    users: asked === undefined || asked.args[0] === 'off' ? [] : readUsers(asked, users, misfits),
  };
}

/** Names that a site can have; those that match nothing are passed over. */
function readNames(node: SiteNode, misfits: Misfits): string[] {
  return named(node.children, 'server_name').flatMap((row) =>
    row.args.flatMap((text) => {
      const name = text.toLowerCase();
      if (name === '' || name === '_' || name === 'localhost' || isIpv4(name)) {
        misfits.passed(row, `"${text}" is no name of a site`);
        return [];
      }
      if (name.startsWith('~') || name.endsWith('.*') || name.includes('$')) {
        misfits.lost(row, `"${text}": names are domain names, and "*." before one at most`);
        return [];
      }
      return name.startsWith('.') ? [name.slice(1), `*${name}`] : [name];
    }),
  );
}

/** Parameters of `listen` that say nothing about a site. */
const listenParameters = /^(?:ssl|http2|default_server|default|ipv6only=(?:on|off)|reuseport|backlog=[0-9]+|fastopen=[0-9]+|deferred|so_keepalive=.*|rcvbuf=.*|sndbuf=.*)$/;

function readListens(node: SiteNode, misfits: Misfits): { listens: WireVhostListen[]; defaultServer: boolean } {
  const rows = named(node.children, 'listen');
  const ssl = last(node.children, 'ssl')?.args[0] === 'on';
  const found = new Map<string, WireVhostListen>();
  for (const row of rows) {
    const [text = '', ...parameters] = row.args;
    const listen = readListen(text, ssl || parameters.includes('ssl'));
    if (listen === undefined || parameters.some((word) => !listenParameters.test(word))) misfits.lost(row, 'a site listens at a port of all addresses, or of one');
    if (listen !== undefined) found.set(`${listen.address} ${String(listen.port)}`, listen);
  }
  if (rows.length === 0) found.set('', { address: '', port: 80, tls: ssl });
  const listens = [...found.values()];
  const mixed = listens.find(({ address, port }) => address === '' && listens.some((other) => other.address !== '' && other.port === port));
  if (mixed !== undefined) misfits.lost(rows[0] ?? node, `port ${String(mixed.port)} is on all addresses for all sites, or on named ones for all`);
  return { listens, defaultServer: rows.some(({ args }) => args.includes('default_server') || args.includes('default')) };
}

function readListen(text: string, tls: boolean): WireVhostListen | undefined {
  const all = /^(?:(?:\*|0\.0\.0\.0|\[::\]|):)?([0-9]{1,5})$/.exec(text);
  if (all !== null) return { address: '', port: Number(all[1]), tls };
  if (text === '*' || text === '0.0.0.0' || text === '[::]') return { address: '', port: 80, tls };
  try {
    const { address, port } = parseEndpoint(text, 80);
    return { address, port, tls };
  } catch (error) {
    if (error instanceof ReeveError) return undefined;
    throw error;
  }
}

/** `if` blocks that send to TLS: the names that they name, or all of the block's requests without it. */
function readIfs(nodes: readonly SiteNode[], { names, plain, misfits }: { names: readonly string[]; plain: boolean; misfits: Misfits }): { sent: Set<string>; all: boolean } {
  const sent = new Set<string>();
  let all = false;
  for (const node of named(nodes, 'if')) {
    const answer = hasAnswer(node.children) && plain ? readAnswer(node.children, { scheme: 'http', names, misfits }) : undefined;
    const condition = node.args.join(' ').replaceAll(/^\(\s*|\s*\)$/g, '').replaceAll(/["']/g, '').trim();
    const name = /^\$host = ([a-z0-9.-]+)$/.exec(condition)?.[1];
    if (answer?.toHttps === true && name !== undefined && names.includes(name)) sent.add(name);
    else if (answer?.toHttps === true && /^\$(?:scheme (?:= http|!= https)|https (?:!= on|=)|server_port = 80)$/.test(condition)) all = true;
    else misfits.lost(node, 'a site has no conditions');
  }
  return { sent, all };
}

/** What the block answers below each path. `sent`: some names are sent to TLS, so that what it answers to others is for nobody. */
function readOwn(node: SiteNode, server: ServerScope, around: Surrounding, sent: boolean): { toHttps: boolean; routes: WireVhostRoute[] } {
  const { misfits } = around;
  const answer = sent ? undefined : readAnswer(server.nodes, { scheme: server.schemes, names: around.names, misfits });
  const routes: WireVhostRoute[] = [];
  let toHttps = answer?.toHttps === true;
  for (const location of named(node.children, 'location')) {
    const where = whereOf(location);
    const whole = where.kind === 'prefix' && where.place.prefix === '/' && !where.exact;
    if (whole && server.schemes === 'http' && readAnswer(location.children, { scheme: 'http', names: around.names, misfits })?.toHttps === true) {
      toHttps = true;
      continue;
    }
    const route = readLocation(location, server, around);
    if (route !== undefined && !routes.some(({ prefix }) => prefix === route.prefix)) routes.push(route);
  }
  const headers = readHeaders({ own: [], server: server.nodes }, misfits);
  if (answer !== undefined && !answer.toHttps) routes.splice(0, routes.length, { ...plainRoute('/'), ...answer.route, headers });
  const rooted = last(server.nodes, 'root') !== undefined && !routes.some(({ prefix }) => prefix === '/') && !toHttps && !sent && answer === undefined;
  const files = rooted ? readContent(node, { own: [], server: server.nodes }, { place: { path: '/', prefix: '/' }, php: server.php, schemes: server.schemes, around }) : undefined;
  if (files !== undefined) routes.push({ ...plainRoute('/'), ...files, headers });
  return { toHttps, routes };
}
