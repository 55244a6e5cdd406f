/** One DER value (X.690): tag, length, content. */
export function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag, ...lengthOf(body.length)]), body]);
}

/** SEQUENCE (8.9). */
export function sequence(...values: readonly Uint8Array[]): Buffer {
  return der(0x30, ...values);
}

/** SET of one value (8.11). */
export function setOf(value: Uint8Array): Buffer {
  return der(0x31, value);
}

/** INTEGER of a number that is not negative, from its bytes, big end first (8.3). */
export function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const short = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  return der(0x02, (short[0] ?? 0) < 0x80 ? short : Buffer.concat([Uint8Array.of(0), short]));
}

/** BOOLEAN of true (11.1). */
export const yes: Buffer = der(0x01, Uint8Array.of(0xff));

/** OCTET STRING (8.7). */
export function octets(bytes: Uint8Array): Buffer {
  return der(0x04, bytes);
}

/** BIT STRING; `unused`: how many bits of the last byte are none (8.6). */
export function bits(bytes: Uint8Array, unused = 0): Buffer {
  return der(0x03, Uint8Array.of(unused), bytes);
}

/** UTF8String (8.23). */
export function utf8(text: string): Buffer {
  return der(0x0c, Buffer.from(text, 'utf8'));
}

/** OBJECT IDENTIFIER from its numbers joined by dots (8.19). */
export function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  return der(0x06, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

/** A time of a certificate, to the second: UTCTime until 2049, GeneralizedTime from then on (RFC 5280 4.1.2.5). `ms`: Unix. */
export function time(ms: number): Buffer {
  const text = `${new Date(ms).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
  return Number(text.slice(0, 4)) < 2050 ? der(0x17, Buffer.from(text.slice(2), 'latin1')) : der(0x18, Buffer.from(text, 'latin1'));
}

function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) digits.unshift((rest & 0x7f) | 0x80);
  return digits;
}

function lengthOf(n: number): number[] {
  if (n < 0x80) return [n];
  const bytes: number[] = [];
  for (let rest = n; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 | bytes.length, ...bytes];
}
