import { fromBase64, toBase64, toLatin1 } from './bytes.js';
import { fieldInvalid } from './field.js';
import { formatNetwork, parseNetwork } from './network.js';

/** Types of keys that let in, as they stand in text and blob. */
export const keyTypes = [
  'ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'ssh-rsa', 'sk-ssh-ed25519@openssh.com', 'sk-ecdsa-sha2-nistp256@openssh.com',
] as const;

/** Type of a key. */
export type KeyType = (typeof keyTypes)[number];

/** An SSH public key: RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4, PROTOCOL.u2f of OpenSSH. */
export interface PublicKey {
  readonly type: KeyType;
  /** Base64 without line breaks, as authorized_keys has it: the canonical form that keys are compared by. */
  readonly base64: string;
}

/** Options of a line that are only on or off, in the order in which they are written. */
export const keyFlags = ['restrict', 'no-agent-forwarding', 'no-port-forwarding', 'no-pty', 'no-user-rc', 'no-X11-forwarding'] as const;

/** An option that is on or off. */
export type KeyFlag = (typeof keyFlags)[number];

/** What a line says before the key; see authorized_keys in sshd(8). */
export interface KeyOptions {
  /** Without repeats, in the order of keyFlags. */
  readonly flags: readonly KeyFlag[];
  /** Networks in canonical form, sorted; empty: from everywhere. */
  readonly from: readonly string[];
  /** Unix ms, whole seconds; undefined: for ever. */
  readonly expiresAtMs: number | undefined;
}

/** Nothing before the key. */
export const noKeyOptions: KeyOptions = { flags: [], from: [], expiresAtMs: undefined };

/** One line of a key file. */
export interface KeyLine {
  readonly key: PublicKey;
  readonly options: KeyOptions;
  /** `[ -~]{0,128}` without `"` and `\`, not beginning with `#` or a blank. */
  readonly comment: string;
}

/** Fewest bits of an RSA key: of one that is new, and of one that a host already lets in. */
export const rsaBits = { fresh: 3072, known: 2048 } as const;

/** Most networks of one line. */
export const mostNetworks = 32;

/** Longest blob, bytes. */
const mostBlobBytes = 4096;

/** Longest line, characters: the longest key with all options and the longest comment has fewer. */
const mostLine = 8192;

/** Longest options, characters: all flags, the most networks and an end have fewer. */
const mostOptions = 2048;

const commentPattern = /^(?![# ])[ !#-[\]-~]{0,128}$/;
const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The comment of a line. Errors: FIELD_INVALID. */
export function parseKeyComment(text: string): string {
  if (!commentPattern.test(text) || text.endsWith(' ')) throw fieldInvalid('comment of a key', text, 'at most 128 printable ASCII characters without " and \\, not beginning with # and without blanks around');
  return text;
}

/** A key from its type and blob. `minRsaBits`: rsaBits.fresh or rsaBits.known. Errors: FIELD_INVALID. */
export function parsePublicKey(type: string, blob: Uint8Array, minRsaBits: number): PublicKey {
  const known = keyTypes.find((candidate) => candidate === type);
  if (known === undefined) throw fieldInvalid('type of a key', type, `one of ${keyTypes.join(', ')}`);
  if (blob.length > mostBlobBytes) throw fieldInvalid('key', `${String(blob.length)} bytes`, `at most ${String(mostBlobBytes)} bytes`);
  const problem = blobProblem(known, blob, minRsaBits);
  if (problem !== undefined) throw fieldInvalid('key', `${type} of ${String(blob.length)} bytes`, problem);
  return { type: known, base64: toBase64(blob) };
}

/** The blob of a key. */
export function blobOf(key: PublicKey): Uint8Array {
  return fromBase64(key.base64);
}

/** Reads the fields of a blob: each a length in four bytes, big endian, and as many bytes. */
function blobFields(blob: Uint8Array): Uint8Array[] | undefined {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const fields: Uint8Array[] = [];
  let at = 0;
  while (at < blob.length) {
    if (at + 4 > blob.length) return undefined;
    const length = view.getUint32(at);
    if (length > blob.length - at - 4) return undefined;
    fields.push(blob.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return fields;
}

const ascii = (bytes: Uint8Array | undefined): string => (bytes === undefined ? '' : toLatin1(bytes));

/** Sizes of the points of the three curves, uncompressed. */
const curves: Readonly<Record<string, { name: string; pointBytes: number }>> = {
  'ecdsa-sha2-nistp256': { name: 'nistp256', pointBytes: 65 },
  'ecdsa-sha2-nistp384': { name: 'nistp384', pointBytes: 97 },
  'ecdsa-sha2-nistp521': { name: 'nistp521', pointBytes: 133 },
  'sk-ecdsa-sha2-nistp256@openssh.com': { name: 'nistp256', pointBytes: 65 },
};

/** Why a blob is no key of this type; undefined: it is one. */
function blobProblem(type: KeyType, blob: Uint8Array, minRsaBits: number): string | undefined {
  const fields = blobFields(blob);
  if (fields === undefined) return 'its lengths do not fit';
  if (ascii(fields[0]) !== type) return 'the type inside is another';
  const count = (wanted: number): string | undefined => (fields.length === wanted ? undefined : 'it has too few or too many parts');
  switch (type) {
    case 'ssh-ed25519':
      return count(2) ?? (fields[1]?.length === 32 ? undefined : 'an Ed25519 key has 32 bytes');
    case 'sk-ssh-ed25519@openssh.com':
      return count(3) ?? (fields[1]?.length === 32 ? applicationProblem(fields[2]) : 'an Ed25519 key has 32 bytes');
    case 'ssh-rsa':
      return count(3) ?? rsaProblem(fields[1] ?? new Uint8Array(), fields[2] ?? new Uint8Array(), minRsaBits);
    default: {
      const curve = curves[type];
      const hardware = type.startsWith('sk-');
      const point = fields[2];
      if (count(hardware ? 4 : 3) !== undefined) return count(hardware ? 4 : 3);
      if (ascii(fields[1]) !== curve?.name) return 'the curve inside is another';
      if (point?.length !== curve.pointBytes || point[0] !== 4) return 'its point is not of this curve';
      return hardware ? applicationProblem(fields[3]) : undefined;
    }
  }
}

function applicationProblem(application: Uint8Array | undefined): string | undefined {
  return /^ssh:[!-~]{0,255}$|^ssh:$/.test(ascii(application)) ? undefined : 'its application does not begin with "ssh:"';
}

/** Numbers are big endian, without needless zero bytes, not negative (RFC 4251 5). */
function rsaProblem(exponent: Uint8Array, modulus: Uint8Array, minBits: number): string | undefined {
  for (const number of [exponent, modulus]) {
    const [first = 0x80, second = 0x80] = number;
    if (first >= 0x80 || (first === 0 && second < 0x80)) return 'a number in it is not in its shortest form';
  }
  const bits = bitsOf(modulus);
  if (bits < minBits || bits > 16_384) return `an RSA key of ${String(minBits)} to 16384 bits is wanted, it has ${String(bits)}`;
  const last = exponent.at(-1) ?? 0;
  if (bitsOf(exponent) > 32 || (exponent.length === 1 && last < 3) || last % 2 === 0) return 'its exponent is not an odd number from 3 to 2^32';
  return (modulus.at(-1) ?? 0) % 2 === 0 ? 'its modulus is even' : undefined;
}

function bitsOf(number: Uint8Array): number {
  const rest = number[0] === 0 ? number.subarray(1) : number;
  return rest.length === 0 ? 0 : (rest.length - 1) * 8 + (32 - Math.clz32(rest[0] ?? 0));
}

/** A key from base64. Errors: FIELD_INVALID. */
export function parseKeyText(type: string, base64: string, minRsaBits: number): PublicKey {
  if (base64.length > 2 * mostBlobBytes || base64 === '' || !base64Pattern.test(base64)) throw fieldInvalid('key', base64, 'strict base64');
  const blob = fromBase64(base64);
  // The last characters may have bits that mean nothing: there is one way to write a key.
  if (toBase64(blob) !== base64) throw fieldInvalid('key', base64, 'base64 in its canonical form');
  return parsePublicKey(type, blob, minRsaBits);
}

/** The line of a .pub file or a line of authorized_keys, with the options that Reeve knows. Errors: FIELD_INVALID. */
export function parseKeyLine(line: string, minRsaBits: number): KeyLine {
  const text = withoutEnd(line);
  if (line.length > mostLine || !/^[ -~]*$/.test(text)) throw fieldInvalid('line of a key', line, 'one line of printable ASCII characters');
  const plain = keyTypes.some((type) => text.startsWith(`${type} `));
  const end = plain ? 0 : optionsEnd(text);
  const options = plain ? noKeyOptions : parseKeyOptions(text.slice(0, end));
  const [type = '', base64 = '', ...comment] = text.slice(plain ? 0 : end + 1).split(' ');
  // sshd takes a second key for a comment; whoever wrote it did not.
  if (comment.some((word) => keyTypes.some((known) => known === word))) throw fieldInvalid('line of a key', line, 'one key');
  return { key: parseKeyText(type, base64, minRsaBits), options, comment: parseKeyComment(comment.join(' ')) };
}

function withoutEnd(line: string): string {
  let end = line.length;
  while (end > 0 && line[end - 1] === ' ') end -= 1;
  return line.slice(0, end);
}

/** Where the options end: at the first blank outside of quotes, which is not the first character. */
function optionsEnd(text: string): number {
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '"') quoted = !quoted;
    else if (text[at] === ' ' && !quoted && at > 0) return at;
  }
  throw fieldInvalid('line of a key', text, '[options] type base64 [comment]');
}

/** Options as text. Errors: FIELD_INVALID for what Reeve does not know: command, environment, cert-authority and their like are never managed. */
export function parseKeyOptions(text: string): KeyOptions {
  const flags = new Set<KeyFlag>();
  let from: readonly string[] = [];
  let expiresAtMs: number | undefined;
  const rule = `only ${keyFlags.join(', ')}, from="NETWORK,..." and expiry-time="YYYYMMDDHHMM[SS]Z", each once`;
  if (text.length > mostOptions) throw fieldInvalid('options of a key', text.slice(0, mostOptions), rule);
  for (const option of splitOptions(text)) {
    const flag = keyFlags.find((known) => known === option);
    const [, name, value] = /^(from|expiry-time)="([!#-~]+)"$/.exec(option) ?? [];
    if (flag !== undefined && !flags.has(flag)) flags.add(flag);
    else if (name === 'from' && from.length === 0) from = parseNetworks((value ?? '').split(','));
    else if (name === 'expiry-time' && expiresAtMs === undefined) expiresAtMs = parseExpiry(value ?? '');
    else throw fieldInvalid('option of a key', option, rule);
  }
  return { flags: keyFlags.filter((flag) => flags.has(flag)), from, expiresAtMs };
}

function splitOptions(text: string): string[] {
  return text === '' ? [] : [...text.matchAll(/(?:[^,"]|"[^"]*"?)+|(?<=,|^)(?=,|$)/g)].map((match) => match[0]);
}

/** Networks of "from", canonical, sorted. Errors: FIELD_INVALID. */
export function parseNetworks(texts: readonly string[]): readonly string[] {
  if (texts.length > mostNetworks) throw fieldInvalid('from', `${String(texts.length)} networks`, `at most ${String(mostNetworks)}`);
  const networks = [...new Set(texts.map((text) => formatNetwork(parseNetwork('from', text))))].sort();
  if (networks.length !== texts.length) throw fieldInvalid('from', texts.join(','), 'each network once');
  return networks;
}

/** `YYYYMMDDHHMM[SS]Z`, after the beginning of 1970, which sshd takes for never. Errors: FIELD_INVALID. */
function parseExpiry(text: string): number {
  const [, year, month, day, hour, minute, second = '00'] = /^([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})?Z$/.exec(text) ?? [];
  const iso = `${year ?? ''}-${month ?? ''}-${day ?? ''}T${hour ?? ''}:${minute ?? ''}:${second}.000Z`;
  const ms = Date.parse(iso);
  if (year === undefined || Number.isNaN(ms) || ms <= 0 || new Date(ms).toISOString() !== iso) throw fieldInvalid('expiry-time', text, 'a time in UTC after 1970 began, as YYYYMMDDHHMM[SS]Z');
  return ms;
}

/** Options as a line has them; empty: none. The canonical form: parseKeyOptions of it gives the same. */
export function formatKeyOptions(options: KeyOptions): string {
  if (options.flags.length === 0 && options.from.length === 0 && options.expiresAtMs === undefined) return '';
  const expiry = options.expiresAtMs === undefined ? [] : [`expiry-time="${new Date(options.expiresAtMs).toISOString().replace(/[-:T]|\.000/g, '')}"`];
  return [...options.flags, ...(options.from.length === 0 ? [] : [`from="${options.from.join(',')}"`]), ...expiry].join(',');
}

/** A line without its line end. */
export function formatKeyLine({ key, options, comment }: KeyLine): string {
  const before = formatKeyOptions(options);
  return `${before === '' ? '' : `${before} `}${key.type} ${key.base64}${comment === '' ? '' : ` ${comment}`}`;
}
