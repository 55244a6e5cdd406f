import type { WireVhostRoute } from '../../../../shared/model/vhost-route.js';
import type { WireVhost } from '../../../../shared/model/vhost.js';

/** Numbers from a seed, the same on every machine (mulberry32). */
export class Dice {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** 0 to `sides` - 1. */
  roll(sides: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % sides;
  }

  /** True once in `sides`. */
  once(sides: number): boolean {
    return this.roll(sides) === 0;
  }

  pick<T>(from: readonly T[]): T {
    const found = from[this.roll(from.length)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  }

  /** Up to `most` of them, often none. */
  list<T>(most: number, make: (index: number) => T): T[] {
    const length = this.roll(3) > 0 ? 0 : this.once(20) ? this.roll(most + 1) : this.roll(Math.min(most, 3) + 1);
    return Array.from({ length }, (_none, index) => make(index));
  }
}

/** What somebody would write who wants to leave the quotes that a text is put in. */
const hostile = [
  '"', '\\', '$', "'", '{', '}', ';', '#', ' ', '\\"', '\\\\', '"; return 200 "', '";}', "';", '${host}', '$host', '${', '$1', '${reeve_dollar}', '$reeve_dollar', '$$', '# ', '*', '/*', '*/', '`', '|', '&', '<', '>',
  '<b>', '</title>', '&#36;', '&amp;', '%0a', '%00', '\\n', '\\r', '\\t', '\\x', '..', 'a', 'Z', '9', '0', '=', '(', ')', '[', ']', '^', '~', '?', '+', '-', '@', ',', ':', 'include /etc/passwd;', 'location / {',
] as const;

const unicode = ['ü', 'ß', '東京', '🙂', 'é', '„', '“', '¤', '€', '＄', '；', '｛', '＂', '\u{1f469}', 'ﬀ', 'Ω', '٣'] as const;

/** A text of hostile pieces that follows the rules of a line: in NFC, no blanks at its ends, not too long. */
function line(dice: Dice, most: number, wide: boolean): string {
  const long = dice.once(20);
  let text = '';
  for (let pieces = dice.roll(long ? most : 12) + 1; pieces > 0 && text.length < most; pieces -= 1) text += wide && dice.once(4) ? dice.pick(unicode) : dice.pick(hostile);
  const cut = Array.from(text.normalize('NFC')).slice(0, most).join('').trim();
  // As textWeight counts: few dollars in a very long text.
  return weight(cut) > 4000 ? cut.replaceAll('$', 'S').slice(0, 900).trim() : cut;
}

function weight(text: string): number {
  return Buffer.byteLength(text) + 14 * (text.split('$').length - 1) + (text.split(/["\\]/).length - 1);
}

const label = (dice: Dice): string => dice.pick(['a', 'www', 'x-1', 'xn--bcher-kva', 'shop', '9', 'b'.repeat(63), 'm--', 'q0']).replace(/-+$/, 'z');
const domain = (dice: Dice, index: number): string => `${dice.once(8) ? '*.' : ''}n${String(index)}${Array.from({ length: dice.roll(3) }, () => `.${label(dice)}`).join('')}.example`;

const part = (dice: Dice): string => dice.pick(['app', 'a', 'v1.2', '~user', '_x', '-', 'A.b-c~d_e', '.well-known', 'index.html', 'x'.repeat(40), 'api', 'conf', 'conf2']);
const prefix = (dice: Dice): string => (dice.once(2) ? '/' : `/${Array.from({ length: dice.roll(4) + 1 }, () => part(dice)).join('/')}`);

const folder = (dice: Dice): string => `/srv${Array.from({ length: dice.roll(3) }, () => `/${dice.pick(['www', 'a_b', 'x+y', 'z@2', '~o', 'q.r'])}`).join('')}`;
const socket = (dice: Dice): string => `/run/${dice.pick(['php/php8.2-fpm.sock', 'app.sock', 'u/w+s@1.socket'])}`;
const address = (dice: Dice): string => dice.pick(['10.0.0.5', '127.0.0.1', '192.168.255.254', '::1', 'fd00::5', '2001:db8:1:2:3:4:5:6']);
const networks = (dice: Dice): string[] => dice.list(64, (index) => dice.pick([`10.${String(index)}.0.0/16`, `192.0.2.${String(index)}`, `fd00:${(index + 1).toString(16)}::/32`, `2001:db8::${(index + 1).toString(16)}`]));

function upstream(dice: Dice): { address: string; port: number; socket: string; host: string } {
  return dice.once(3) ? { address: '', port: 0, socket: socket(dice), host: '' } : { address: address(dice), port: dice.roll(65535) + 1, socket: '', host: '' };
}

function users(dice: Dice): { name: string; hash: string }[] {
  const digits = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  return dice.list(6, (index) => ({ name: `${dice.pick(['al', 'B.o', '-x', '@', 'c_d'])}${String(index)}`, hash: `$2b$1${String(dice.roll(5))}$${Array.from({ length: 53 }, () => digits[dice.roll(64)]).join('')}` }));
}

function redirectTo(dice: Dice, plainPath: boolean): string {
  const path = Array.from({ length: dice.roll(6) }, () => dice.pick(['a', '/', '$', "'", ';', '(', ')', '*', ',', '+', '=', '!', '&', ':', '@', '~', '%22', '%5C', '%0A', '/b'])).join('');
  const query = plainPath ? '' : dice.pick(['', '', '?a=$b', '?', '#x', "?';$1#{".slice(0, 5)]);
  return dice.once(3) ? `/${path.replace(/^\/+/, '')}${query}` : `${dice.pick(['http://x.example', 'https://10.0.0.1:8443', 'https://[fd00::1]', 'https://a.b.example:1'])}${path === '' ? '' : `/${path}`}${query}`;
}

function route(dice: Dice): WireVhostRoute {
  // Most texts are in the last two, which also have the shortest files.
  const kind = dice.pick([0, 1, 2, 3, 4, 5, 6, 6, 7, 7, 7]);
  const [isProxy, isGateway, isPhp] = [kind === 0, kind === 1 || kind === 2, kind === 3];
  const stripPrefix = (isProxy || isGateway) && dice.once(2);
  const keepPath = dice.once(2);
  const open = dice.once(4);
  const target: Partial<WireVhostRoute> = [
    { proxy: { to: upstream(dice), tls: dice.once(3), hostHeader: dice.pick(['', '', 'inner', 'a.example:8080', '[fd00::1]:1', '10.0.0.1']) } },
    { uwsgi: upstream(dice) },
    { fastcgi: upstream(dice) },
    { php: { folder: folder(dice), socket: socket(dice), frontController: dice.pick(['', '/index.php', '/a/b-1.php']), denied: [...new Set(dice.list(32, () => prefix(dice)).filter((path) => path !== '/'))] } },
    { static: { folder: folder(dice) } },
    { spa: { folder: folder(dice) } },
    { redirect: { to: redirectTo(dice, keepPath), code: dice.pick([301, 302, 307, 308]), keepPath } },
    { status: { code: dice.pick([200, 201, 404, 410, 418, 500, 503]), text: dice.once(4) ? '' : line(dice, 1000, true) } },
  ][kind] ?? {};
  const headers = dice.list(32, (index) => ({ name: `${dice.pick(['X-A', 'Cache-Control', 'x', 'Permissions-Policy'])}${index === 0 ? '' : String(index)}`, value: `${line(dice, dice.once(10) ? 999 : 60, false)}.` }));
  return {
    prefix: prefix(dice), ...target, stripPrefix, keepEncoded: isProxy && stripPrefix && dice.once(2), websocket: isProxy && dice.once(3), unbuffered: (isProxy || isGateway) && dice.once(3),
    timeout: (isProxy || isGateway || isPhp) && dice.once(2) ? { seconds: dice.roll(86_400) + 1, nanos: 0 } : null,
    headers, allow: networks(dice), users: open ? [] : users(dice), open, ...(dice.once(3) ? { bodyLimitBytes: dice.pick([0, 1, 2 ** 40, 1_048_576]) } : {}),
  };
}

/** PEM whose block holds one DER sequence of random bytes. */
function pem(dice: Dice, kind: string): string {
  const bytes = Uint8Array.from([0x30, 0x20, ...Array.from({ length: 32 }, () => dice.roll(256))]);
  return `-----BEGIN ${kind}-----\n${Buffer.from(bytes).toString('base64')}\n-----END ${kind}-----\n`;
}

/** A site that the model accepts, as it comes over the wire, with the worst texts that are allowed. The same for the same seed. */
export function randomSite(seed: number): WireVhost {
  const dice = new Dice(seed);
  const kinds = dice.pick(['usual', 'usual', 'both', 'both', 'tls', 'open'] as const);
  const ports = [...(kinds === 'tls' ? [] : [{ port: dice.pick([80, 8080]), tls: false }]), ...(kinds === 'open' ? [] : [{ port: dice.pick([443, 8443]), tls: true }])];
  const listens = kinds === 'usual' ? [] : ports.flatMap((listen) => dice.pick([[''], ['192.0.2.1'], ['192.0.2.1', '2001:db8::1']]).map((on) => ({ address: on, ...listen })));
  const [secure, open] = [kinds !== 'open', kinds !== 'tls'];
  const maintenance = dice.once(10);
  const routes = Array.from({ length: dice.once(3) ? (dice.once(30) ? 20 : dice.roll(4) + 2) : 1 }, () => route(dice));
  return {
    name: domain(dice, 0), aliases: dice.list(64, (index) => domain(dice, index + 1)), listens, defaultServer: dice.once(4), redirectHttps: secure && open && dice.once(2), hstsS: secure && dice.once(3) ? dice.roll(63_072_000) + 1 : 0,
    cert: secure && dice.once(3) ? dice.pick(['c', 'a.example', '0_x-y.z']) : '', routes: routes.filter(({ prefix: own }, index) => routes.findIndex((other) => other.prefix === own) === index), bodyLimitBytes: dice.pick([104_857_600, 0, 1]),
    allow: networks(dice), users: users(dice), clientCert: secure && dice.once(4) ? { mandatory: dice.once(2), caPem: pem(dice, 'CERTIFICATE'), crlPem: dice.once(2) ? pem(dice, 'X509 CRL') : '' } : null,
    title: dice.once(2) ? '' : line(dice, 100, true), maintenance, retryAfterS: maintenance && dice.once(2) ? dice.roll(86_400) + 1 : 0, snippets: dice.list(8, (index) => `s-${String(index)}`), overwrite: dice.once(2),
  };
}
