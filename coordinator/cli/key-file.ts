import { readFileSync } from 'node:fs';
import { reeveError, ReeveError, type ErrorItem } from '../../shared/errors/error.js';
import { sha256 } from '../../shared/kit/digest.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { formatFingerprint, parseFingerprint } from '../../shared/model/fingerprint.js';
import { blobOf, parseKeyLine, rsaBits, type KeyLine } from '../../shared/model/key.js';
import { formatWireOptions } from '../../shared/model/manifest.js';
import type { Context } from './context.js';

/** Largest file of keys, bytes. */
const mostBytes = 65_536;

/** Most keys of one command. */
const mostKeys = 100;

/** The text of a file, or with `-` of standard input. Errors: FIELD_INVALID, FIELD_MISSING, LIMIT_EXCEEDED. */
async function readText(context: Context, file: string): Promise<string> {
  if (file === '-') {
    const typed = await context.terminal.input(mostBytes);
    if (typed === undefined) throw fieldMissing('standard input', 'the keys, e.g. ssh-add -L | reeve key add NAME -');
    return typed;
  }
  try {
    const text = readFileSync(file, 'utf8');
    if (Buffer.byteLength(text) > mostBytes) throw reeveError('LIMIT_EXCEEDED', { field: file, rule: `at most ${String(mostBytes)} bytes` });
    return text;
  } catch (error) {
    if (error instanceof ReeveError) throw error;
    throw fieldInvalid('file', file, 'a file of public keys that can be read');
  }
}

/** The keys of a .pub file or of authorized_keys lines; empty lines and comments are passed over. Errors: FIELD_INVALID with every line that is wrong. */
export async function readKeys(context: Context, file: string): Promise<readonly KeyLine[]> {
  const lines: KeyLine[] = [];
  const problems: ErrorItem[] = [];
  for (const [index, raw] of (await readText(context, file)).split('\n').entries()) {
    const line = raw.replace(/\r$/, '');
    if (line.trim() === '' || line.startsWith('#')) continue;
    if (line.includes('PRIVATE KEY')) throw fieldInvalid('file', file, 'a public key; this one is private, and stays where it is');
    try {
      lines.push(parseKeyLine(line, rsaBits.fresh));
    } catch (error) {
      if (!(error instanceof ReeveError)) throw error;
      problems.push(...error.items.map((item) => ({ ...item, fields: { ...item.fields, field: `line ${String(index + 1)}: ${item.fields['field'] ?? ''}` } })));
    }
  }
  if (problems.length > 0) throw new ReeveError(problems);
  if (lines.length === 0 || lines.length > mostKeys) throw fieldInvalid('file', file, `1 to ${String(mostKeys)} keys`);
  return lines;
}

/** Fingerprints of keys that were named by their fingerprints or as files. Errors: FIELD_INVALID. */
export async function fingerprintsOf(context: Context, texts: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const text of texts) {
    if (text.startsWith('SHA256:')) found.push(formatFingerprint(parseFingerprint(text)));
    else found.push(...(await readKeys(context, text)).map(({ key }) => formatFingerprint(sha256(blobOf(key)).toString('hex'))));
  }
  return found;
}

/** A key as the API takes it. */
export function formatNewKey({ key, options, comment }: KeyLine): { key: { type: string; blob: Buffer }; options: ReturnType<typeof formatWireOptions>; comment: string } {
  return { key: { type: key.type, blob: Buffer.from(blobOf(key)) }, options: formatWireOptions(options), comment };
}
