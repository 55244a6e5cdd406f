import { ReeveError } from '../../shared/errors/error.js';
import { parseRoute, type WireVhostRoute } from '../../shared/model/vhost-route.js';
import { parseUpstreamRef } from '../../shared/model/vhost-upstream.js';
import type { VhostUser } from '../../shared/model/vhost-user.js';
import { readFiles, readPhp, type PhpHandler } from './vhost-adopt-file.js';
import { effective, effectiveOne, passWords, readGateway, readProxy, type LocationScope, type Place, type Surrounding } from './vhost-adopt-pass.js';
import { hasAnswer, readAnswer } from './vhost-adopt-redirect.js';
import { last, named, type Misfits, type SiteNode } from './vhost-adopt-tree.js';
import { isKnownInclude, isOwnWay, siteSize } from './vhost-adopt-word.js';

/** What holds in a whole server. */
export interface ServerScope {
  /** Its directives but for locations. */
  readonly nodes: readonly SiteNode[];
  /** What runs its scripts; undefined: nothing does. */
  readonly php: PhpHandler | undefined;
  /** It is reached with TLS only, without only, or both. */
  readonly schemes: 'http' | 'https' | 'both';
  /** Those whom the operator names for a password. */
  readonly users: readonly VhostUser[];
}

/** A route that says nothing but its prefix. */
export function plainRoute(prefix: string): WireVhostRoute {
  return { prefix, stripPrefix: false, keepEncoded: false, websocket: false, unbuffered: false, timeout: null, headers: [], allow: [], users: [], open: false };
}

/** Words of a location that this folder looks at somewhere. */
const locationWords: ReadonlySet<string> = new Set([
  ...passWords, 'root', 'alias', 'index', 'try_files', 'autoindex', 'return', 'rewrite', 'deny', 'allow', 'internal', 'add_header', 'client_max_body_size', 'auth_basic', 'auth_basic_user_file', 'error_page', 'location', 'expires',
]);

/** What the path of a location is. */
type Where =
  | { readonly kind: 'prefix'; readonly place: Place; readonly exact: boolean; readonly first: boolean }
  /** The scripts of the server: said elsewhere. */
  | { readonly kind: 'script' }
  /** What begins with a dot. */
  | { readonly kind: 'dot' }
  | { readonly kind: 'other' };

/** What a location is about. `first`: no pattern is tried after it. */
export function whereOf({ args }: SiteNode): Where {
  const [one = '', two] = args;
  const [modifier, path] = two === undefined ? ['', one] : [one, two];
  if (modifier === '' || modifier === '^~' || modifier === '=') {
    if (!path.startsWith('/')) return { kind: 'other' };
    return { kind: 'prefix', place: { path, prefix: path === '/' ? '/' : path.replace(/\/$/, '') }, exact: modifier === '=', first: modifier === '^~' };
  }
  if (modifier !== '~' && modifier !== '~*') return { kind: 'other' };
  if (/\\\.php/.test(path)) return { kind: 'script' };
  if (/^\^?(?:\.\*)?(?:\/|\(\^\|\/\)|\(\/\|\^\))\\\./.test(path)) return { kind: 'dot' };
  const plain = /^\^((?:\/[A-Za-z0-9_~-]+)+)(?:\/|\/\?|\(\/\|\$\)|\(\?:\/\|\$\)|\(\/\.\*\)\?\$?)?$/.exec(path)?.[1];
  return plain === undefined ? { kind: 'other' } : { kind: 'prefix', place: { path: plain, prefix: plain }, exact: false, first: true };
}

/** A location as a route; undefined: it is none, and why is told. */
export function readLocation(node: SiteNode, server: ServerScope, around: Surrounding): WireVhostRoute | undefined {
  const { misfits } = around;
  const where = whereOf(node);
  if (where.kind === 'script') return undefined;
  if (where.kind === 'dot') {
    if (!node.children.some(({ name }) => name === 'deny' || name === 'return')) misfits.lost(node, 'what begins with a dot is never served');
    return undefined;
  }
  if (where.kind === 'other') {
    misfits.lost(node, 'a route is for a path and all below it; patterns and named locations are no part of the model');
    return undefined;
  }
  if (where.exact && isOnlyFile(node, where.place)) {
    misfits.passed(node, 'a single file: nothing is said of it');
    return undefined;
  }
  if (where.exact && where.place.prefix !== '/') misfits.passed(node, 'the route is for what is below the path, too');
  else if (!where.exact && where.place.path !== '/' && !where.place.path.endsWith('/')) misfits.passed(node, `paths that only begin alike (${where.place.path}x) go with the rest of the site`);
  const scope: LocationScope = { own: node.children, server: server.nodes };
  const content = readContent(node, scope, { place: where.place, php: readNested(node, server, around) ?? (where.first ? undefined : server.php), schemes: server.schemes, around });
  tellRest(node.children, locationWords, misfits);
  return content === undefined ? undefined : fitting(node, { ...plainRoute(where.place.prefix), ...content, ...readBounds(scope, server, misfits), headers: readHeaders(scope, misfits) }, misfits);
}

/** A route that the model takes; undefined: it does not, and why is told. */
function fitting(node: SiteNode, route: WireVhostRoute, misfits: Misfits): WireVhostRoute | undefined {
  try {
    parseRoute('the route', route, parseUpstreamRef);
    return route;
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    misfits.lost(node, route.prefix.startsWith('/.well-known/acme-challenge') ? 'what an authority asks for before it renews a certificate is not answered any more' : error.message);
    return undefined;
  }
}

/** `location = /favicon.ico { ... }` and the pages of errors, that only say where a file is or that nothing is logged. */
function isOnlyFile(node: SiteNode, { path }: Place): boolean {
  return /\.[a-z0-9]+$/.test(path) && node.children.every((child) => isOwnWay(child) || ['root', 'internal', 'allow', 'expires', 'try_files'].includes(child.name));
}

/** Locations in a location: what runs its scripts, and what begins with a dot. */
function readNested(node: SiteNode, server: ServerScope, around: Surrounding): PhpHandler | undefined {
  let php: PhpHandler | undefined;
  for (const nested of named(node.children, 'location')) {
    const { kind } = whereOf(nested);
    if (kind === 'script') php = readPhp(nested, [...server.nodes, ...node.children], around);
    else if (kind !== 'dot') around.misfits.lost(nested, 'a location in a location is none of its own');
  }
  return php;
}

/** What is known where files are served, and what is around. */
interface Contents {
  readonly place: Place;
  readonly php: PhpHandler | undefined;
  readonly schemes: ServerScope['schemes'];
  readonly around: Surrounding;
}

/** What a location answers. */
export function readContent(node: SiteNode, scope: LocationScope, { place, php, schemes, around }: Contents): Partial<WireVhostRoute> | undefined {
  const { misfits } = around;
  const answer = readAnswer(scope.own, { scheme: schemes, names: around.names, misfits });
  if (answer?.toHttps === true) {
    misfits.lost(node, 'a site is sent to TLS as a whole, or not');
    return undefined;
  }
  if (answer !== undefined) return answer.route;
  // What cannot be said of an answer was told.
  if (hasAnswer(scope.own)) return undefined;
  const proxy = last(scope.own, 'proxy_pass');
  if (proxy !== undefined) return readProxy(proxy, scope, place, around);
  for (const kind of ['uwsgi', 'fastcgi'] as const) {
    const pass = last(scope.own, `${kind}_pass`);
    if (pass !== undefined) return readGateway(kind, pass, scope, around);
  }
  if (named(scope.own, 'deny').some(({ args }) => args[0] === 'all') && named(scope.own, 'allow').length === 0) return { status: { code: 403, text: '' } };
  if (named(scope.own, 'internal').length > 0) return { status: { code: 404, text: '' } };
  return readFiles(node, scope, { place, php, around });
}

/** Tells of every directive that nothing looks at. */
export function tellRest(nodes: readonly SiteNode[], known: ReadonlySet<string>, misfits: Misfits): void {
  for (const node of nodes) {
    if (node.name === 'include') {
      if (!isKnownInclude(node)) misfits.lost(node, 'what stands in that file is not known here');
    } else if (node.name === 'error_page') {
      const own = node.args.slice(0, -1).every((code) => /^5[0-9]{2}$/.test(code));
      if (own) misfits.passed(node, 'Reeve has pages of its own for it');
      else misfits.lost(node, 'pages of errors are those of the web server, or of what is behind');
    } else if (node.name === 'expires') misfits.lost(node, 'say it as a header: reeve vhost route set --header "Cache-Control: ..."');
    else if (!known.has(node.name)) {
      if (isOwnWay(node)) misfits.passed(node);
      else misfits.lost(node, 'the model has no word for it');
    }
  }
}

/** Who may enter a location, and how much may be sent there, where it says so itself. */
function readBounds(scope: LocationScope, server: ServerScope, misfits: Misfits): Pick<WireVhostRoute, 'allow' | 'users' | 'open'> & { bodyLimitBytes?: number } {
  const own = { own: scope.own, server: [] };
  const asked = effectiveOne(own, 'auth_basic');
  const bytes = readBodyLimit(own.own, misfits);
  return {
    allow: readAllow(own.own, misfits),
    open: asked?.args[0] === 'off' && last(server.nodes, 'auth_basic') !== undefined,
    users: asked === undefined || asked.args[0] === 'off' ? [] : readUsers(asked, server.users, misfits),
    ...(bytes === undefined ? {} : { bodyLimitBytes: bytes }),
  };
}

/** The users that the operator names, where directives ask for a password. */
export function readUsers(asked: SiteNode, users: readonly VhostUser[], misfits: Misfits): VhostUser[] {
  if (users.length === 0) misfits.lost(asked, 'passwords of others are not read: name who may enter with --user; given up, everybody gets in');
  return [...users];
}

/** The networks of `allow` and `deny all`. */
export function readAllow(nodes: readonly SiteNode[], misfits: Misfits): string[] {
  const rules = nodes.filter(({ name }) => name === 'allow' || name === 'deny');
  if (rules.length === 0) return [];
  const end = rules.at(-1);
  const allowed = rules.slice(0, -1);
  const simple = end?.name === 'deny' && end.args[0] === 'all' && allowed.every(({ name, args }) => name === 'allow' && args[0] !== 'all' && args[0] !== 'unix:');
  if (simple) return allowed.map(({ args }) => args[0] ?? '');
  if (rules.every(({ name, args }) => name === 'allow' && args[0] === 'all')) return [];
  for (const rule of rules) misfits.lost(rule, 'networks are allowed one by one, and all others denied');
  return [];
}

/** The largest body that directives say, bytes; undefined: they do not. */
export function readBodyLimit(nodes: readonly SiteNode[], misfits: Misfits): number | undefined {
  const node = last(nodes, 'client_max_body_size');
  if (node === undefined) return undefined;
  const bytes = siteSize(node.args[0] ?? '');
  if (bytes === undefined) misfits.lost(node, 'a size of at most 1 TiB, or 0');
  return bytes;
}

/** Headers of the answer. Strict-Transport-Security is the site's own. */
export function readHeaders(scope: LocationScope, misfits: Misfits): WireVhostRoute['headers'] {
  return effective(scope, 'add_header').flatMap((node) => {
    const [name = '', value = ''] = node.args;
    if (name.toLowerCase() === 'strict-transport-security') return [];
    if (!value.includes('$')) return [{ name, value }];
    misfits.lost(node, 'the value of a header has no variables');
    return [];
  });
}

/** How long browsers are to use TLS only, s, as any header in a server says; 0: none does. */
export function readHsts(nodes: readonly SiteNode[], misfits: Misfits): number {
  let longest = 0;
  for (const node of nodes.flatMap((child) => [child, ...child.children]).filter(({ name, args }) => name === 'add_header' && (args[0] ?? '').toLowerCase() === 'strict-transport-security')) {
    const parts = (node.args[1] ?? '').split(';').map((part) => part.trim().toLowerCase()).filter((part) => part !== '');
    const seconds = parts.flatMap((part) => /^max-age="?([0-9]{1,9})"?$/.exec(part)?.[1] ?? []).map(Number);
    if (parts.length > seconds.length || seconds.length !== 1) misfits.lost(node, 'of it only max-age is sent');
    longest = Math.max(longest, Math.min(63_072_000, ...seconds));
  }
  return Number.isFinite(longest) ? longest : 0;
}
