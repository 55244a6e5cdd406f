import { Rows } from './rows.js';
import { interpolate, literal, shape, verbatim, type Parsed } from './token.js';

/** What a location says. */
export interface ReadLocation {
  readonly fields: Readonly<Record<string, unknown>>;
  /** The named location it leads to for what it does not answer itself. */
  readonly named: string | undefined;
}

/** What is known of the site before its locations are read. */
export interface Around {
  readonly files: ReadonlyMap<string, string>;
  readonly hsts: string | undefined;
  /** `optional`, `mandatory` or undefined, where TLS is spoken only. */
  readonly client: 'optional' | 'mandatory' | undefined;
  readonly siteUsers: boolean;
  readonly wildcard: boolean;
}

type Condition = ReturnType<Rows['conditions']>[number];

/** Takes the conditions that guard a location of a site with certificates of clients away; they have to come first. */
export function takeGuards(conditions: Condition[], { client }: Around): Condition[] {
  const wanted = client === undefined ? [] : client === 'mandatory' ? ['ssl_client_verify != SUCCESS 403', 'ssl_server_name != $host 421'] : ['ssl_server_name != $host 421'];
  const found = conditions.slice(0, wanted.length).map((row) => `${row.variable} ${row.operator} ${row.operand} ${String(row.code)}`);
  if (found.join() !== wanted.join()) throw new Error(`guards are ${found.join()}, not ${wanted.join()}`);
  const rest = conditions.slice(wanted.length);
  if (rest.some((row) => row.variable.startsWith('ssl_'))) throw new Error('a guard too many');
  return rest;
}

/** A pattern of nginx as JavaScript has it. */
function pattern(source: string): RegExp {
  const known = patterns.get(source);
  if (known !== undefined) return known;
  const made = new RegExp(verbatim(source).replace(/^\(\?s\)/, '').replaceAll('\\z', '$'), source.startsWith('(?s)') ? 's' : '');
  patterns.set(source, made);
  return made;
}

const patterns = new Map<string, RegExp>();

/** allow and deny; auth_basic; headers; the limit of a body. */
export function readAccess(rows: Rows, around: Around): { allow: string[]; users: { name: string; hash: string }[]; open: boolean } {
  const allow = rows.all('allow').map(({ words }) => verbatim(words[0] ?? ''));
  if (allow.length > 0) rows.must('deny', 'all');
  const realm = rows.word('auth_basic');
  const file = rows.word('auth_basic_user_file');
  if (realm === 'off' && file !== undefined) throw new Error('a file of users where nobody is asked');
  const text = file === undefined ? undefined : around.files.get(literal(file).replace('/etc/nginx/reeve/current/', ''));
  if (file !== undefined && text === undefined) throw new Error(`no file ${file}`);
  const users = (text ?? '').split('\n').slice(0, -1).map((line) => ({ name: line.slice(0, line.indexOf(':')), hash: line.slice(line.indexOf(':') + 1) }));
  if ((realm !== undefined && realm !== 'off') !== users.length > 0) throw new Error('auth_basic without users');
  if (allow.length > 0 || users.length > 0) rows.must('satisfy', 'all');
  return { allow, users, open: realm === 'off' };
}

function readHeaders(rows: Rows, { hsts }: Around): { name: string; value: string }[] {
  const headers = rows.all('add_header').map(({ words: [name = '', value = '', always] }) => {
    if (always !== 'always') throw new Error(`header ${name} not always`);
    return { name, value: literal(value) };
  });
  if (hsts === undefined || headers.length === 0) return headers;
  const first = headers.shift();
  if (first?.name !== 'Strict-Transport-Security' || first.value !== hsts) throw new Error('a location lost Strict-Transport-Security');
  return headers;
}

/** One location of a route. `prefix`: of the route; `exact`: it is that of the prefix itself. `apart`: the named one that it leads to. */
export function readRoute(prefix: string, exact: boolean, block: readonly Parsed[], around: Around, apart: (name: string) => readonly Parsed[]): Record<string, unknown> {
  const rows = new Rows(block);
  const conditions = takeGuards(rows.conditions(), around);
  const redirect = rows.one('return');
  if (exact && conditions.length === 0 && redirect?.[0] === '301' && shape(redirect[1] ?? '') === `${prefix}/$is_args$args`) {
    rows.done();
    return { toFolder: true };
  }
  const access = readAccess(rows, around);
  const limit = rows.word('client_max_body_size');
  const base = { ...access, bodyLimitBytes: limit === undefined ? undefined : Number(limit), headers: readHeaders(rows, around) };
  const asked = !access.open && (access.users.length > 0 || around.siteUsers);
  const fields = readTarget({ prefix, exact, rows, conditions, redirect, around, apart, asked, base });
  rows.done();
  return { prefix, ...base, ...fields };
}

interface Context {
  readonly prefix: string;
  readonly exact: boolean;
  readonly rows: Rows;
  readonly conditions: readonly Condition[];
  readonly redirect: readonly string[] | undefined;
  readonly around: Around;
  readonly apart: (name: string) => readonly Parsed[];
  readonly asked: boolean;
  readonly base: object;
}

function readTarget(context: Context): Record<string, unknown> {
  const { rows, redirect, prefix, exact, around, apart } = context;
  if (redirect !== undefined) return readReturn(context, redirect);
  const proxy = rows.word('proxy_pass');
  if (proxy !== undefined) return readProxy(context, proxy);
  for (const kind of ['uwsgi', 'fastcgi'] as const) {
    const pass = rows.word(`${kind}_pass`);
    if (pass !== undefined) return readGateway(context, kind, pass);
  }
  const tries = rows.one('try_files');
  if (tries?.[0] === '/dev/null/none') {
    const { prefix: _prefix, ...fields } = readRoute(prefix, exact, apart(tries[1] ?? ''), around, apart);
    if (JSON.stringify({ ...fields, ...context.base }) !== JSON.stringify(fields)) throw new Error('a named location has another access');
    return fields;
  }
  return readFolder(context, tries);
}

/** redirect, status. */
function readReturn({ rows, conditions, prefix }: Context, [code = '', to = '']: readonly string[]): Record<string, unknown> {
  const type = rows.one('default_type');
  if (type !== undefined) {
    if (type[0] !== 'text/plain; charset=utf-8' || rows.all('types')[0]?.block?.length !== 0 || conditions.length > 0) throw new Error('status');
    return { kind: 'status', code: Number(code), text: literal(to) };
  }
  const [condition, more] = conditions;
  if (condition === undefined) return { kind: 'redirect', code: Number(code), to: literal(to), keepPath: false };
  const parts = interpolate(to);
  const rest = parts.at(-1);
  if (more !== undefined || condition.variable !== 'request_uri' || condition.operator !== '!~' || condition.code !== 400 || typeof rest !== 'object' || rest.name !== 'reeve_rest') throw new Error('redirect');
  const regex = pattern(condition.operand);
  const before = prefix === '/' ? '' : prefix;
  for (const [asked, wanted] of [['/a%0Ab//\n?c', '/a%0Ab//\n?c'], ['?a', '?a'], ['', '']] as const) {
    if (regex.exec(before + asked)?.groups?.reeve_rest !== wanted) throw new Error(`rest of ${asked}`);
  }
  if (regex.test(`${before}x`) || regex.test(`x${before}/`) || (prefix.includes('.') && regex.test(prefix.replace('.', 'x')))) throw new Error('redirect of another path');
  const base = parts.slice(0, -1).map((part) => (typeof part === 'string' ? part : `$${part.name}`)).join('');
  return { kind: 'redirect', code: Number(code), to: parts.length === 5 ? (base === '$scheme://$host$reeve_port' ? '/' : base) : base, keepPath: true };
}

function readTimeout(rows: Rows, module: string): number {
  const [connect, send, read] = ['connect', 'send', 'read'].map((what) => rows.word(`${module}_${what}_timeout`));
  const seconds = Number(read?.slice(0, -1));
  if (send !== read || read?.endsWith('s') !== true || connect !== `${String(Math.min(10, seconds))}s`) throw new Error('timeouts');
  return seconds;
}

function readPages(rows: Rows): void {
  const pages = rows.all('error_page').map(({ words }) => words.join(' '));
  if (pages.join() !== '502 @reeve_502,504 @reeve_504') throw new Error('error pages');
}

function readHidden(rows: Rows, module: string, { base, around }: Context): void {
  const { headers } = base as { headers: { name: string }[] };
  const hidden = rows.all(`${module}_hide_header`).map(({ words }) => words[0]);
  const own = hidden[0] === 'Strict-Transport-Security' ? hidden.slice(1) : hidden;
  if (own.join() !== headers.map(({ name }) => name).join() || (around.hsts !== undefined && own === hidden)) throw new Error('hidden headers');
}

function readUpstream(text: string): object {
  const socket = /^unix:(\/.*)$/.exec(text)?.[1];
  if (socket !== undefined) return { kind: 'socket', path: socket };
  const at = text.lastIndexOf(':');
  return { kind: 'address', address: text.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(at + 1)) };
}

/** Headers that a stranger must not set, and what they have to be; undefined: not sent. */
function checkForwarded(sent: ReadonlyMap<string, string>, { asked, around }: Context): void {
  const wanted: Record<string, string> = {
    'X-Real-IP': '$remote_addr', 'X-Forwarded-For': '$remote_addr', 'X-Forwarded-Proto': '$scheme', 'X-Forwarded-Host': '$host$reeve_port', 'X-Forwarded-Port': '$server_port', 'X-Forwarded-User': asked ? '$remote_user' : '',
    Forwarded: '', Proxy: '', 'X-Original-URL': '', 'X-Rewrite-URL': '', ...(asked ? { Authorization: '' } : {}),
  };
  for (const [name, value] of Object.entries(wanted)) if (sent.get(name.toUpperCase()) !== value) throw new Error(`${name} is ${String(sent.get(name.toUpperCase()))}`);
  if (!asked && sent.has('AUTHORIZATION')) throw new Error('Authorization is taken away');
  for (const [name, value] of [['X-SSL-CLIENT-VERIFY', '$ssl_client_verify'], ['X-SSL-CLIENT-SERIAL', '$ssl_client_serial']] as const) {
    const found = sent.get(name);
    if (found !== value && (found !== '' || around.client !== undefined)) throw new Error(`${name} is ${String(found)}`);
  }
}

function readProxy(context: Context, pass: string): Record<string, unknown> {
  const { rows, prefix, exact, conditions } = context;
  const [, scheme, where = '', uri = ''] = /^(https?):\/\/(unix:\/[^:]*(?=:)|[^/$]+):?(.*)$/.exec(shape(pass)) ?? [];
  const headers = new Map(rows.all('proxy_set_header').map(({ words: [name = '', value = ''] }) => [name.toUpperCase(), shape(value)]));
  checkForwarded(headers, context);
  const strip = uri !== '';
  const [condition, more] = conditions;
  if ((condition !== undefined) !== (uri === '$reeve_rest') || more !== undefined || !['', '/', '$reeve_rest'].includes(uri)) throw new Error(`proxy_pass ${pass}`);
  if (condition !== undefined) checkRest(prefix, condition, 'request_uri');
  if (headers.get('X-FORWARDED-PREFIX') !== (strip ? prefix : '')) throw new Error('X-Forwarded-Prefix');
  const [websocket, host] = [headers.get('UPGRADE') === '$reeve_upgrade', headers.get('HOST')];
  if (headers.get('CONNECTION') !== (websocket ? '$reeve_connection' : undefined)) throw new Error('Connection');
  const hostHeader = host === '$host$reeve_port' ? undefined : host;
  rows.must('proxy_http_version', '1.1');
  readHidden(rows, 'proxy', context);
  readPages(rows);
  if (scheme === 'https') {
    rows.must('proxy_ssl_server_name', 'on');
    rows.must('proxy_ssl_protocols', 'TLSv1.2', 'TLSv1.3');
    rows.must('proxy_ssl_name', hostHeader === undefined ? '$host' : hostHeader.replace(/:[0-9]+$/, ''));
  }
  return {
    kind: 'proxy', to: readUpstream(where), tls: scheme === 'https', hostHeader, stripPrefix: strip, ...(exact && strip ? {} : { keepEncoded: uri === '$reeve_rest' }), websocket,
    unbuffered: rows.word('proxy_buffering') === 'off', timeoutS: readTimeout(rows, 'proxy'),
  };
}

/** A condition that cuts a prefix off, and cuts nothing else. */
function checkRest(prefix: string, { variable, operator, operand, code }: Condition, wanted: string): void {
  const regex = pattern(operand);
  if (variable !== wanted || operator !== '!~' || code !== 400 || regex.exec(`${prefix}/a/\nb?c`)?.groups?.reeve_rest !== '/a/\nb?c') throw new Error(`if $${variable}`);
  if (regex.test(prefix) || regex.test(`${prefix}x/`) || regex.test(`/x${prefix}/`) || (prefix.includes('.') && regex.test(`${prefix.replace('.', 'x')}/`))) throw new Error('cuts another prefix');
}

function readParameters(rows: Rows, module: string, context: Context): Map<string, string> {
  const sent = new Map<string, string>();
  for (const { words: [name = '', value = '', flag] } of rows.all(`${module}_param`)) {
    if ((flag === undefined) === (name === 'HTTPS')) throw new Error(`flag of ${name}`);
    sent.set(name, shape(value));
  }
  checkForwarded(new Map([...sent].filter(([name]) => name.startsWith('HTTP_')).map(([name, value]) => [name.slice(5).replaceAll('_', '-'), value])), context);
  for (const name of ['QUERY_STRING', 'REQUEST_METHOD', 'CONTENT_TYPE', 'CONTENT_LENGTH', 'REQUEST_URI', 'SERVER_PROTOCOL', 'SERVER_PORT', 'REMOTE_ADDR', 'REMOTE_PORT', 'HTTPS']) {
    if (sent.get(name) !== `$${name.toLowerCase()}`) throw new Error(`parameter ${name}`);
  }
  if (sent.get('SERVER_NAME') !== (context.around.wildcard ? '$host' : '$server_name') || sent.get('HTTP_HOST') !== '$host$reeve_port' || sent.has('REMOTE_USER') !== context.asked) throw new Error('SERVER_NAME, HTTP_HOST or REMOTE_USER');
  return sent;
}

function readGateway(context: Context, kind: 'uwsgi' | 'fastcgi', pass: string): Record<string, unknown> {
  const { rows, prefix, exact, conditions } = context;
  const sent = readParameters(rows, kind, context);
  const path = sent.get('PATH_INFO');
  const strip = path !== '$document_uri';
  if (sent.get('SCRIPT_NAME') !== (strip ? prefix : '') || sent.get('HTTP_X_FORWARDED_PREFIX') !== (strip ? prefix : '') || (strip && path !== (exact ? '/' : '$reeve_rest'))) throw new Error('PATH_INFO');
  const [condition, more] = conditions;
  if (more !== undefined || (condition !== undefined) !== (strip && !exact)) throw new Error('conditions');
  if (condition !== undefined) checkRest(prefix, condition, 'uri');
  readHidden(rows, kind, context);
  readPages(rows);
  return { kind, to: readUpstream(literal(pass)), stripPrefix: strip, unbuffered: rows.word(`${kind}_buffering`) === 'off', timeoutS: readTimeout(rows, kind) };
}

/** static, spa, php. */
function readFolder(context: Context, tries: readonly string[] | undefined): Record<string, unknown> {
  const { rows, prefix, conditions } = context;
  const alias = rows.word('alias');
  const root = rows.word('root');
  if ((prefix === '/') !== (root !== undefined) || (root === undefined) !== (alias?.endsWith('/') === true)) throw new Error('root or alias');
  const folder = literal(root ?? alias ?? '').replace(/\/$/, '');
  rows.must('autoindex', 'off');
  const below = prefix === '/' ? '/' : `${prefix}/`;
  const [hidden, ...denied] = conditions;
  checkHidden(hidden, below);
  const [script] = rows.all('location');
  if (script !== undefined) return { kind: 'php', folder, ...readPhp(context, script, tries ?? [], denied, folder) };
  rows.must('index', 'index.html');
  if (denied.length > 0) throw new Error('denied paths');
  if (tries !== undefined && tries.join(' ') !== `$uri ${prefix === '/' ? '/' : ''}index.html =404`) throw new Error(`try_files ${tries.join(' ')}`);
  return { kind: tries === undefined ? 'static' : 'spa', folder };
}

function checkHidden(condition: Condition | undefined, below: string): void {
  const regex = pattern(condition?.operand ?? '');
  const refused = ['.env', 'a/.git/config', 'a\nb/.x', '.well-knownx/a'];
  const served = ['a.b', 'a/b.c', '.well-known/x', '.well-known'];
  if (condition?.variable !== 'uri' || condition.operator !== '~' || condition.code !== 403) throw new Error('hidden files');
  if (!refused.every((path) => regex.test(below + path)) || served.some((path) => regex.test(below + path))) throw new Error(`hidden files of ${condition.operand}`);
}

function readPhp(context: Context, script: { words: readonly string[]; block: readonly Parsed[] | undefined }, tries: readonly string[], denied: readonly Condition[], folder: string): Record<string, unknown> {
  const { rows, around, prefix } = context;
  const below = prefix === '/' ? '/' : `${prefix}/`;
  const inside = new Rows(script.block ?? []);
  if (script.words.join(' ') !== '~* \\.php\\z') throw new Error('location of scripts');
  const repeated = takeGuards(inside.conditions(), around);
  if (JSON.stringify(repeated) !== JSON.stringify(context.conditions)) throw new Error('scripts are not refused like files');
  const [, , last = ''] = tries;
  if (tries.join(' ') !== `$uri $uri/ ${last}` || inside.one('try_files')?.join(' ') !== `$uri ${last}`) throw new Error('try_files of php');
  const run = readRun(context, inside, { SCRIPT_NAME: '$document_uri', SCRIPT_FILENAME: '$request_filename', DOCUMENT_ROOT: folder });
  inside.done();
  const [first, second, front] = rows.one('index') ?? [];
  if (first !== 'index.php' || second !== 'index.html' || (front === undefined) !== (last === '=404')) throw new Error('index of php');
  const frontController = front === undefined ? undefined : `/${literal(front).slice(below.length)}`;
  if (frontController !== undefined) {
    const apart = new Rows(context.apart(last));
    takeGuards(apart.conditions(), around);
    const access = readAccess(apart, around);
    const limit = apart.word('client_max_body_size');
    const same = { ...access, bodyLimitBytes: limit === undefined ? undefined : Number(limit), headers: readHeaders(apart, around) };
    if (JSON.stringify(same) !== JSON.stringify(context.base)) throw new Error('the front controller has another access');
    const other = readRun(context, apart, { SCRIPT_NAME: `${below}${frontController.slice(1)}`, SCRIPT_FILENAME: `${folder}${frontController}`, DOCUMENT_ROOT: folder });
    if (JSON.stringify(other) !== JSON.stringify(run)) throw new Error('the front controller runs elsewhere');
    apart.done();
  }
  return { ...run, frontController, denied: denied.map((row) => readDenied(row, below)) };
}

function readRun(context: Context, rows: Rows, wanted: Record<string, string>): { socket: string; timeoutS: number } {
  const sent = readParameters(rows, 'fastcgi', context);
  for (const [name, value] of Object.entries(wanted)) if (sent.get(name) !== value) throw new Error(`${name} is ${String(sent.get(name))}`);
  readHidden(rows, 'fastcgi', context);
  readPages(rows);
  return { socket: literal(rows.word('fastcgi_pass') ?? '').replace(/^unix:/, ''), timeoutS: readTimeout(rows, 'fastcgi') };
}

function readDenied({ variable, operator, operand, code }: Condition, below: string): string {
  const source = verbatim(operand).replaceAll('\\.', '.');
  const tail = '(?:/|\\z)';
  if (variable !== 'uri' || operator !== '~' || code !== 403 || !source.startsWith(`^${below}`) || !source.endsWith(tail)) throw new Error(`denied ${operand}`);
  return `/${source.slice(below.length + 1, -tail.length)}`;
}
