import type { SiteFile } from '../../engine.js';
import { readAccess, readRoute, takeGuards, type Around } from './read-route.js';
import { Rows } from './rows.js';
import { literal, parseConf, shape, verbatim, type Parsed } from './token.js';

/** What the files of a site say, as plain data with the names of the model. What nothing tells (the title of a site without pages, the routes of one in maintenance) is not there. */
export type ReadSite = Readonly<Record<string, unknown>>;

interface ReadServer {
  readonly listens: readonly { address: string | undefined; port: number; tls: boolean }[];
  readonly defaultServer: boolean;
  readonly names: readonly string[];
  readonly rows: Rows;
  readonly locations: { words: readonly string[]; block: readonly Parsed[] }[];
}

/** Reads the files of a site back. Throws for whatever is not as it has to be. */
export function readSite(files: readonly SiteFile[], modelSha: string): ReadSite {
  const conf = files.find(({ kind }) => kind === 'conf');
  const [head = '', ...lines] = conf?.text.split('\n') ?? [];
  if (head !== `# Managed by Reeve: changes made here are told and not overwritten. model ${modelSha}` || lines.some((line) => line.startsWith('#'))) throw new Error('first line');
  const servers = parseConf(conf?.text ?? '').map((row) => {
    if (row.words.join(' ') !== 'server' || row.block === undefined) throw new Error('not a server');
    return readServer(row.block, modelSha);
  });
  const main = servers.at(-1);
  if (main === undefined || servers.length > 2) throw new Error('servers');
  const other = servers.length === 2 ? servers[0] : undefined;
  const texts = new Map(files.map(({ name, text }) => [name, text]));
  const site = readMain(main, texts, conf?.name.replace(/\.conf$/, '') ?? '');
  if (other === undefined) return site;
  const redirects = readOther(other, site, texts, conf?.name.replace(/\.conf$/, '') ?? '');
  return { ...site, redirectHttps: redirects, listens: [...other.listens, ...main.listens].sort((a, b) => a.port - b.port || ((a.address ?? '') < (b.address ?? '') ? -1 : 1)) };
}

function readServer(block: readonly Parsed[], modelSha: string): ReadServer {
  const rows = new Rows(block);
  const all = rows.all('listen').map(({ words }) => words);
  const listens = new Map<string, { address: string | undefined; port: number; tls: boolean; families: number }>();
  for (const [place = '', ...flags] of all) {
    const at = place.lastIndexOf(':');
    const port = Number(place.slice(at + 1));
    const address = at < 0 || place.startsWith('[::]') ? undefined : place.slice(0, at).replace(/^\[(.*)\]$/, '$1');
    const tls = flags.includes('ssl');
    if (tls !== flags.includes('http2') || flags.some((flag) => !['ssl', 'http2', 'default_server'].includes(flag))) throw new Error(`listen ${place}`);
    const key = `${String(address)} ${String(port)}`;
    listens.set(key, { address, port, tls, families: (listens.get(key)?.families ?? 0) + 1 });
  }
  const names = rows.one('server_name')?.map(verbatim) ?? [];
  const locations = rows.all('location').map(({ words, block: inside }) => ({ words, block: inside ?? [] }));
  const [probe] = locations.splice(locations.findIndex(({ words }) => words.join(' ') === '= /.well-known/reeve-probe'), 1);
  const probed = new Rows(probe?.block ?? []);
  const [local] = probed.conditions();
  if (local?.variable !== 'reeve_local' || local.operator !== '=' || local.operand !== '0' || local.code !== 404) throw new Error('probe');
  probed.must('default_type', 'text/plain');
  probed.must('return', '200', modelSha);
  probed.done();
  const defaults = all.filter((words) => words.includes('default_server')).length;
  if (defaults !== 0 && defaults !== all.length) throw new Error('default_server of some');
  return {
    listens: [...listens.values()].map(({ families, ...listen }) => {
      if (families !== (listen.address === undefined ? 2 : 1)) throw new Error('a family is missing');
      return listen;
    }),
    defaultServer: defaults > 0, names, rows, locations,
  };
}

/** The server for what comes without TLS: whether it sends on to the other; else it refuses, or says the same. */
function readOther(server: ReadServer, site: ReadSite, files: ReadonlyMap<string, string>, base: string): boolean {
  if (server.listens.some(({ tls }) => tls) || JSON.stringify([server.names, server.defaultServer]) !== JSON.stringify([[site.name, ...(site.aliases as string[])], site.defaultServer])) throw new Error('the other server');
  if (!server.rows.has('absolute_redirect')) {
    server.rows.done();
    const [only, more] = server.locations;
    const [said, another] = only?.block ?? [];
    if (more !== undefined || only?.words.join() !== '/' || said?.words[0] !== 'return' || another !== undefined) throw new Error('the other server');
    const port = (site.listens as { port: number }[])[0]?.port;
    if (said.words.join(' ') === 'return 403' && (site.clientCert as { mandatory: boolean }).mandatory) return false;
    if (said.words[1] !== '301' || shape(said.words[2] ?? '') !== `https://$host${port === 443 ? '' : `:${String(port)}`}$request_uri`) throw new Error('redirection to TLS');
    return true;
  }
  const open = readMain(server, files, base);
  for (const key of ['routes', 'allow', 'users', 'bodyLimitBytes', 'snippets', 'maintenance', 'title']) if (JSON.stringify(open[key]) !== JSON.stringify(site[key])) throw new Error(`${key} without TLS`);
  return false;
}

function readMain({ listens, defaultServer, names, rows, locations }: ReadServer, files: ReadonlyMap<string, string>, base: string): ReadSite {
  const secure = listens.some(({ tls }) => tls);
  const tls = secure ? readTls(rows, files, base) : { cert: undefined, clientCert: undefined };
  rows.must('absolute_redirect', 'off');
  const hsts = rows.one('add_header');
  if (hsts !== undefined && (hsts[0] !== 'Strict-Transport-Security' || hsts[2] !== 'always' || listens.some((listen) => !listen.tls))) throw new Error('header of a server');
  const age = hsts === undefined ? undefined : literal(hsts[1] ?? '');
  const [name = '', ...aliases] = names;
  const bodyLimitBytes = Number(rows.word('client_max_body_size'));
  const snippets = rows.all('include').map(({ words }) => /^\/etc\/reeve\/snippets\/(.*)\.conf$/.exec(verbatim(words[0] ?? ''))?.[1]);
  const known: Around = { files, hsts: age, client: undefined, siteUsers: false, wildcard: name.startsWith('*.') };
  const { allow, users } = readAccess(rows, known);
  rows.done();
  const site = { name, aliases, listens, defaultServer, redirectHttps: false, hstsS: Number(age?.replace('max-age=', '') ?? 0), ...tls, bodyLimitBytes, allow, users };
  const maintenance = readMaintenance(locations, age);
  if (maintenance !== undefined) {
    const { clientCert } = tls;
    return { ...site, ...maintenance, clientCert: clientCert === undefined ? undefined : { ...clientCert, mandatory: undefined } };
  }
  const mandatory = locations.some(({ block }) => block.some(({ words }) => words[1] === '($ssl_client_verify'));
  const client = tls.clientCert === undefined ? undefined : mandatory ? 'mandatory' : 'optional';
  const around: Around = { ...known, client, siteUsers: users.length > 0 };
  return { ...site, clientCert: tls.clientCert === undefined ? undefined : { ...tls.clientCert, mandatory }, snippets, maintenance: undefined, ...readLocations(locations, around) };
}

function readTls(rows: Rows, files: ReadonlyMap<string, string>, base: string): { cert: string | undefined; clientCert: { caPem: string | undefined; crlPem: string | undefined } | undefined } {
  const ours = `/etc/nginx/reeve/current/${base}`;
  const [cert, key] = [literal(rows.word('ssl_certificate') ?? ''), literal(rows.word('ssl_certificate_key') ?? '')];
  const named = /^\/etc\/ssl\/reeve\/([^/]+)\/cert\.pem$/.exec(cert)?.[1];
  if (named === undefined ? cert !== `${ours}.crt` || key !== `${ours}.key` : key !== `/etc/ssl/reeve/${named}/key.pem`) throw new Error('certificate and key');
  rows.must('ssl_protocols', 'TLSv1.2', 'TLSv1.3');
  rows.must('ssl_session_tickets', 'off');
  if (rows.word('ssl_verify_client') === undefined) return { cert: named, clientCert: undefined };
  rows.must('ssl_verify_depth', '4');
  rows.must('ssl_client_certificate', `${ours}.ca`);
  const crl = rows.word('ssl_crl');
  if (crl !== undefined && crl !== `${ours}.crl`) throw new Error('ssl_crl');
  return { cert: named, clientCert: { caPem: files.get(`${base}.ca`), crlPem: crl === undefined ? undefined : files.get(`${base}.crl`) } };
}

/** A page of our own: its title twice, nothing that a browser would take for anything else. */
function readPage(block: readonly Parsed[], code: string): { rows: Rows; title: string } {
  const rows = new Rows(block);
  const [returned = '', body = ''] = rows.one('return') ?? [];
  rows.must('default_type', 'text/html; charset=utf-8');
  if (returned !== code || rows.all('types')[0]?.block?.length !== 0) throw new Error(`page ${code}`);
  const [, title = '', heading] = /<title>([^<>]*)<\/title>.*<h1>([^<>]*)<\/h1>/.exec(literal(body)) ?? [];
  if (title !== heading || /["'$]|&(?!#[0-9]+;)/.test(title)) throw new Error(`title of page ${code}`);
  return { rows, title: title.replace(/&#([0-9]+);/g, (_all, point) => String.fromCharCode(Number(point))) };
}

function readMaintenance(locations: ReadServer['locations'], hsts: string | undefined): { maintenance: { retryAfterS: number }; title: string } | undefined {
  const [only, more] = locations;
  if (more !== undefined || only?.block.some(({ words }) => words[1] === 'Retry-After') !== true) return undefined;
  const { rows, title } = readPage(only.block, '503');
  const headers = rows.all('add_header').map(({ words }) => words);
  rows.done();
  if (hsts !== undefined && headers.shift()?.[1] !== hsts) throw new Error('Strict-Transport-Security of a page');
  const [[name, after, always] = []] = headers;
  if (headers.length !== 1 || name !== 'Retry-After' || always !== 'always' || only.words.join() !== '/') throw new Error('maintenance');
  return { maintenance: { retryAfterS: Number(after) }, title };
}

function readLocations(all: ReadServer['locations'], around: Around): { routes: unknown[]; title?: string } {
  const named = new Map(all.filter(({ words }) => words[0]?.startsWith('@')).map(({ words, block }) => [words[0] ?? '', block]));
  const titles = (['502', '504'] as const).flatMap((code) => {
    const block = named.get(`@reeve_${code}`);
    named.delete(`@reeve_${code}`);
    if (block === undefined) return [];
    const { rows, title } = readPage(block, code);
    rows.done();
    return [title];
  });
  const used = new Set<string>();
  const apart = (name: string): readonly Parsed[] => {
    used.add(name);
    return named.get(name) ?? [];
  };
  const routes: Record<string, unknown>[] = [];
  const exacts = new Map<string, Record<string, unknown>>();
  for (const { words, block } of all) {
    const [first = '', path = ''] = words;
    if (first === '=') exacts.set(verbatim(path), readRoute(path, true, block, around, apart));
    else if (first === '^~' && path.endsWith('/')) routes.push(readRoute(path.slice(0, -1), false, block, around, apart));
    else if (first === '/' && words.length === 1 && !isNothing(block, around)) routes.push(readRoute('/', false, block, around, apart));
    else if (!first.startsWith('@') && first !== '/') throw new Error(`location ${words.join(' ')}`);
  }
  for (const route of routes) checkExact(route, exacts.get(String(route.prefix)));
  if (exacts.size !== routes.filter(({ prefix }) => prefix !== '/').length || used.size !== named.size || new Set(titles).size > 1) throw new Error('locations that nothing leads to');
  routes.sort((a, b) => (String(a.prefix) < String(b.prefix) ? -1 : 1));
  return { routes, ...(titles[0] === undefined ? {} : { title: titles[0] }) };
}

/** The location for what no route is for. */
function isNothing(block: readonly Parsed[], around: Around): boolean {
  const guards = block.filter(({ words }) => words[0] === 'if');
  if (block.length !== guards.length + 1 || block.at(-1)?.words.join(' ') !== 'return 404') return false;
  return takeGuards(new Rows(guards).conditions(), around).length === 0;
}

/** The path of a prefix itself is answered as all below, or leads there. */
function checkExact(route: Record<string, unknown>, exact: Record<string, unknown> | undefined): void {
  if (route.prefix === '/') return;
  const folder = route.kind === 'php' || route.kind === 'static' || route.kind === 'spa';
  if (folder ? exact?.toFolder !== true : Object.keys(exact ?? {}).length === 0 || Object.entries(exact ?? {}).some(([key, value]) => JSON.stringify(value) !== JSON.stringify(route[key]))) throw new Error(`the path ${String(route.prefix)} itself`);
}
