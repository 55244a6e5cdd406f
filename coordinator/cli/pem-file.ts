import { readFileSync } from 'node:fs';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { cleanPem, type PemLabel } from '../../shared/model/pem.js';
import type { Context } from './context.js';

/** The blocks of a file in strict PEM; what stands around them is left out. Errors: FIELD_INVALID, FIELD_MISSING. */
export function readPem(field: string, file: string, label: PemLabel, mostBytes: number): string {
  return cleanPem(field, readBytes(field, file).toString('latin1'), label, mostBytes);
}

/** A private key, from a file or with `-` from standard input; who takes it looks at what it is. Errors: FIELD_INVALID, FIELD_MISSING. */
export async function readPrivateKey(context: Context, field: string, file: string, mostBytes: number): Promise<Buffer> {
  const bytes = file === '-' ? Buffer.from((await context.terminal.input(mostBytes)) ?? '', 'latin1') : readBytes(field, file);
  if (bytes.length === 0) throw fieldMissing(file === '-' ? 'standard input' : field, 'a private key in PEM');
  if (bytes.length > mostBytes) throw fieldInvalid(field, file, `a file of at most ${String(mostBytes)} bytes`);
  return bytes;
}

function readBytes(field: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    throw fieldInvalid(field, file, 'a file that can be read');
  }
}
