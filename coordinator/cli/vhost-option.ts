import { changeExclusive, type Option } from './command.js';

/** Options that say where a route leads: exactly one of them but for those that go with one. */
export const targetOptions = {
  to: { kind: 'value', value: 'URL', text: 'A program: http://ADDRESS:PORT, https://HOST:PORT (HOST: of the inventory, its address is followed), unix:/SOCKET, uwsgi:/SOCKET, fastcgi:ADDRESS:PORT' },
  'host-header': { kind: 'value', value: 'NAME', text: 'With --to http: the Host header that is sent (default: the one of the client)' },
  php: { kind: 'value', value: 'FOLDER', text: 'Scripts of a folder, by PHP-FPM; with --php-socket' },
  'php-socket': { kind: 'value', value: 'PATH', text: 'With --php: the socket of PHP-FPM' },
  'front-controller': { kind: 'value', value: 'PATH', text: 'With --php: the script for every path that is no file, e.g. /index.php' },
  deny: { kind: 'list', value: 'PATH', text: 'With --php: a path that is refused; may be repeated' },
  static: { kind: 'value', value: 'FOLDER', text: 'Files of a folder' },
  spa: { kind: 'value', value: 'FOLDER', text: 'Files of a folder, and its index.html for every other path' },
  redirect: { kind: 'value', value: 'URL', text: 'Another address' },
  code: { kind: 'value', value: 'CODE', text: 'With --redirect: 301 (default), 302, 307 or 308' },
  'keep-path': { kind: 'flag', text: 'With --redirect: the path below the prefix, and the query, are appended' },
  status: { kind: 'value', value: 'CODE', text: 'Always the same answer: 200 to 599' },
  text: { kind: 'value', value: 'TEXT', text: 'With --status: what the answer says' },
} as const satisfies Record<string, Option>;

/** Options of a route besides. */
export const routeOptions = {
  websocket: { kind: 'flag', text: 'Connections may become websockets' },
  'strip-prefix': { kind: 'flag', text: 'The program sees the path without the prefix' },
  'keep-encoded': { kind: 'flag', text: 'With --strip-prefix: the rest of the path stays as the client sent it, %2F too' },
  unbuffered: { kind: 'flag', text: 'Answers are passed on as they come' },
  timeout: { kind: 'value', value: 'TIME', text: 'Longest silence of the program, 1s to 1d (default: 60s)' },
  header: { kind: 'list', value: "'NAME: VALUE'", text: 'A header of every answer; may be repeated' },
} as const satisfies Record<string, Option>;

/** Who may enter: of a site, or of a route instead. */
export const boundOptions = {
  'body-limit': { kind: 'value', value: 'SIZE', text: 'Largest request body: 50m, 2g; 0: as large as the client likes (default: 100m)' },
  allow: { kind: 'list', value: 'NETWORK', text: 'Only from this network or address; may be repeated' },
  user: { kind: 'list', value: 'NAME', text: 'Who may enter with a password, which is asked for; may be repeated' },
  'password-stdin': { kind: 'flag', text: 'The passwords come on standard input, a line for each --user' },
} as const satisfies Record<string, Option>;

/** Options of a site. */
export const siteOptions = {
  alias: { kind: 'list', value: 'NAME', text: 'Another name that it answers to; may be repeated' },
  listen: { kind: 'list', value: '[ADDRESS:]PORT[/tls]', text: 'Where it listens; may be repeated (default: 80, and 443 with TLS, on all addresses)' },
  'no-tls': { kind: 'flag', text: 'Without TLS; without --listen at port 80 only' },
  cert: { kind: 'value', value: 'NAME', text: 'A cert of the host (default: a self-signed one that the host makes)' },
  'redirect-https': { kind: 'flag', text: 'What comes without TLS is sent to TLS (default where it listens with both)' },
  'no-redirect-https': { kind: 'flag', text: 'It is not' },
  hsts: { kind: 'value', value: 'TIME', text: 'Browsers use TLS only for so long: 1y, 30d; 0: not said (default)' },
  ...boundOptions,
  'client-ca': { kind: 'value', value: 'FILE', text: 'Clients show certificates of these authorities (PEM)' },
  'client-crl': { kind: 'value', value: 'FILE', text: 'With --client-ca: their revocation lists (PEM)' },
  'client-cert': { kind: 'value', value: 'HOW', text: 'With --client-ca: whether who has none is refused (mandatory, default)', choices: ['optional', 'mandatory'] },
  default: { kind: 'flag', text: 'It answers to names that no site has' },
  title: { kind: 'value', value: 'TEXT', text: 'What pages of Reeve call it (default: its name)' },
  snippet: { kind: 'list', value: 'NAME', text: 'Directives that root of the host wrote and its policy lists; may be repeated' },
  overwrite: { kind: 'flag', text: 'Also where somebody altered it by hand on the host' },
} as const satisfies Record<string, Option>;

/** Options that take back what those of a route said. */
export const routeUndoOptions = {
  'no-websocket': { kind: 'flag', text: 'No websockets' },
  'no-strip-prefix': { kind: 'flag', text: 'The program sees the whole path' },
  'no-keep-encoded': { kind: 'flag', text: 'The rest of the path is normalised' },
  'no-unbuffered': { kind: 'flag', text: 'Answers are buffered' },
  'no-header': { kind: 'list', value: 'NAME', text: 'A header that is not sent any more; may be repeated' },
} as const satisfies Record<string, Option>;

/** Options that take back what those of bounds said. */
export const boundUndoOptions = {
  'no-allow': { kind: 'flag', text: 'From anywhere' },
  'no-user': { kind: 'list', value: 'NAME', text: 'Who may enter no more; may be repeated' },
} as const satisfies Record<string, Option>;

/** Options that take back what those of a site said. */
export const siteUndoOptions = {
  'no-alias': { kind: 'list', value: 'NAME', text: 'A name that it answers to no more; may be repeated' },
  'no-cert': { kind: 'flag', text: 'A self-signed certificate' },
  ...boundUndoOptions,
  'no-client-ca': { kind: 'flag', text: 'No certificates of clients' },
  'no-default': { kind: 'flag', text: 'It answers to its names only' },
  'no-title': { kind: 'flag', text: 'Pages of Reeve call it by its name' },
  'no-snippet': { kind: 'list', value: 'NAME', text: 'A snippet that it uses no more; may be repeated' },
} as const satisfies Record<string, Option>;

/** Options that exclude each other because one takes back what the other says, besides those that say where a route leads. */
export const vhostExclusive: readonly (readonly [string, string])[] = [
  ['redirect-https', 'no-redirect-https'], ['no-tls', 'redirect-https'], ['no-tls', 'cert'], ['no-tls', 'hsts'], ['no-tls', 'client-ca'],
  ...changeExclusive,
];

/** The same for commands that alter. */
export const undoExclusive: readonly (readonly [string, string])[] = [
  ['cert', 'no-cert'], ['client-ca', 'no-client-ca'], ['default', 'no-default'], ['title', 'no-title'], ['websocket', 'no-websocket'], ['strip-prefix', 'no-strip-prefix'], ['keep-encoded', 'no-keep-encoded'],
  ['unbuffered', 'no-unbuffered'], ['no-strip-prefix', 'keep-encoded'],
  ...vhostExclusive,
];
