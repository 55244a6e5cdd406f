import { readFileSync } from 'node:fs';
import { reeveError } from '../../shared/errors/error.js';
import type { ContainerSecretValueInput } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerSecretValue.js';
import { blobOf } from '../../shared/model/key.js';
import { mostContainer, parseSecretName, parseVariableName, parseVariableValue } from '../../shared/model/container-field.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import type { Context } from './context.js';
import { readKeys } from './key-file.js';

/** Largest file of variables, and most of all secrets of one command, bytes: they go over the wire together. */
const mostBytes = { variables: 1_048_576, secrets: 786_432 } as const;

/** A variable as it is written: NAME=VALUE. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseVariable(field: string, text: string): { readonly name: string; readonly value: string } {
  const at = text.indexOf('=');
  if (at < 0) throw fieldInvalid(field, text, 'NAME=VALUE');
  return { name: parseVariableName(text.slice(0, at), field), value: parseVariableValue(text.slice(at + 1), field) };
}

/** The variables of a file, a line each; empty lines and comments are passed over. Errors: FIELD_INVALID with the line. */
export function readVariables(file: string): readonly { readonly name: string; readonly value: string }[] {
  const lines = readBytes('--env-file', file, mostBytes.variables).toString('utf8').split('\n');
  return lines.flatMap((raw, index) => {
    const line = raw.replace(/\r$/, '');
    return line.trim() === '' || line.startsWith('#') ? [] : [parseVariable(`--env-file, line ${String(index + 1)}`, line)];
  });
}

/** What is said of secrets: those with a value, and those that go (`NAME=`). */
export interface SaidSecrets {
  readonly values: readonly ContainerSecretValueInput[];
  readonly gone: readonly string[];
}

/** Secrets from NAME=FILE. Errors: FIELD_INVALID, FIELD_MISSING, LIMIT_EXCEEDED; they show no value. */
export async function readSecrets(context: Context, given: readonly string[]): Promise<SaidSecrets> {
  const pairs = given.map((text) => {
    const at = text.indexOf('=');
    if (at < 0) throw fieldInvalid('--secret', text, 'NAME=FILE');
    return { name: parseSecretName(text.slice(0, at), '--secret'), file: text.slice(at + 1) };
  });
  const twice = pairs.find(({ name }, index) => pairs.findIndex((other) => other.name === name) !== index);
  if (twice !== undefined) throw fieldInvalid('--secret', twice.name, 'each only once');
  if (pairs.filter(({ file }) => file === '-').length > 1) throw fieldInvalid('--secret', '-', 'standard input for one secret only');
  const values: ContainerSecretValueInput[] = [];
  for (const { name, file } of pairs) if (file !== '') values.push({ name, value: await readSecret(context, name, file) });
  const all = values.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
  if (all > mostBytes.secrets) throw reeveError('LIMIT_EXCEEDED', { field: '--secret', rule: `at most ${String(mostBytes.secrets)} bytes in one command` });
  return { values, gone: pairs.filter(({ file }) => file === '').map(({ name }) => name) };
}

async function readSecret(context: Context, name: string, file: string): Promise<Buffer> {
  const value = file === '-' ? await readInput(context) : readBytes('--secret', file, mostContainer.secretBytes);
  if (value.length === 0) throw fieldMissing(`value of secret "${name}"`, `1 to ${String(mostContainer.secretBytes)} bytes`);
  return value;
}

/** What comes on standard input, as it is. */
async function readInput({ terminal }: Context): Promise<Buffer> {
  const parts = terminal.inputParts();
  if (parts === undefined) throw fieldMissing('standard input', 'the value of the secret');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const part of parts) {
    size += part.length;
    if (size > mostContainer.secretBytes) throw reeveError('LIMIT_EXCEEDED', { field: 'standard input', rule: `at most ${String(mostContainer.secretBytes)} bytes` });
    chunks.push(part);
  }
  return Buffer.concat(chunks);
}

/** The keys of .pub files, as a container gets them. Errors: FIELD_INVALID. */
export async function readFirstKeys(context: Context, files: readonly string[]): Promise<readonly string[]> {
  const keys = [];
  for (const file of files) keys.push(...(await readKeys(context, file)).map(({ key }) => `${key.type} ${Buffer.from(blobOf(key)).toString('base64')}`));
  return keys;
}

function readBytes(field: string, file: string, most: number): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    throw fieldInvalid(field, file, 'a file that can be read');
  }
  if (bytes.length > most) throw fieldInvalid(field, file, `a file of at most ${String(most)} bytes`);
  return bytes;
}
