import { fromBase64, toBase64 } from './bytes.js';
import { fieldInvalid, fieldMissing } from './field.js';

/** What a block of PEM holds, as far as sites need it. */
export type PemLabel = 'CERTIFICATE' | 'X509 CRL';

const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * PEM of nothing but blocks of one label, in the strict form of RFC 7468: lines of 64 characters ended by LF, canonical base64 of one DER sequence, no text around. At most `mostBytes`.
 * Errors: FIELD_INVALID, FIELD_MISSING.
 */
export function parsePem(field: string, text: string, label: PemLabel, mostBytes: number): string {
  const rule = `blocks "${label}" of PEM in lines of 64 characters, nothing around them, at most ${String(mostBytes)} bytes`;
  if (text === '') throw fieldMissing(field, rule);
  if (text.length > mostBytes) throw fieldInvalid(field, `${String(text.length)} bytes`, rule);
  const blocks = pemBlocks(text, label);
  if (blocks === undefined || blocks.length === 0 || formatPem(blocks, label) !== text) throw fieldInvalid(field, text, rule);
  return text;
}

/** The strict form of what a person's file has: line ends of any kind, text between the blocks and blanks are gone. Errors: FIELD_INVALID where a block is of another label or broken, FIELD_MISSING where there is none. */
export function cleanPem(field: string, text: string, label: PemLabel, mostBytes: number): string {
  if (text.length > 4 * mostBytes) throw fieldInvalid(field, `${String(text.length)} bytes`, `at most ${String(mostBytes)} bytes`);
  const lines = text.split(/\r\n|\n|\r/).map((line) => line.trim());
  const kept: string[] = [];
  let inside = false;
  for (const line of lines) {
    if (line.startsWith('-----BEGIN ')) inside = true;
    if (inside && line !== '') kept.push(line);
    if (line.startsWith('-----END ')) inside = false;
  }
  const blocks = pemBlocks(kept.map((line) => `${line}\n`).join(''), label);
  if (blocks === undefined) throw fieldInvalid(field, kept.find((line) => line.startsWith('-----BEGIN ') && line !== `-----BEGIN ${label}-----`) ?? 'a block', `blocks "${label}" of PEM only`);
  return parsePem(field, formatPem(blocks, label), label, mostBytes);
}

/** The DER of each block, base64; undefined: something else stands there. */
export function pemBlocks(text: string, label: PemLabel): string[] | undefined {
  const lines = text.split('\n');
  if (lines.pop() !== '') return undefined;
  const blocks: string[] = [];
  let block: string[] | undefined;
  for (const line of lines) {
    if (block === undefined) {
      if (line !== `-----BEGIN ${label}-----`) return undefined;
      block = [];
    } else if (line === `-----END ${label}-----`) {
      const base64 = block.join('');
      if (!isSequence(base64)) return undefined;
      blocks.push(base64);
      block = undefined;
    } else block.push(line);
  }
  return block === undefined ? blocks : undefined;
}

/** Whether base64 is canonical and of one DER sequence (X.690 8.1.3) that is as long as it says. */
function isSequence(base64: string): boolean {
  if (base64.length < 8 || base64.length % 4 !== 0 || !base64Pattern.test(base64)) return false;
  const bytes = fromBase64(base64);
  const [tag, first = 0] = bytes;
  if (tag !== 0x30 || toBase64(bytes) !== base64) return false;
  if (first < 0x80) return bytes.length === 2 + first;
  const count = first & 0x7f;
  if (count === 0 || count > 4) return false;
  return bytes.length === 2 + count + bytes.subarray(2, 2 + count).reduce((sum, byte) => sum * 256 + byte, 0);
}

/** Blocks of PEM in the strict form, from the DER of each, base64. */
export function formatPem(blocks: readonly string[], label: PemLabel): string {
  return blocks.map((base64) => `-----BEGIN ${label}-----\n${(base64.match(/.{1,64}/g) ?? []).join('\n')}\n-----END ${label}-----\n`).join('');
}
