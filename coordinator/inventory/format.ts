import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { version } from '../../shared/kit/version.js';
import { migrations } from './migration.js';

/** File beside the database: its schema, and the version that brought it there. The package of an older coordinator refuses to be installed over it. */
const fileName = 'format';

/** Notes the schema that the database was brought to. Repeatable; what is noted already stays. */
export function noteFormat(stateDir: string): void {
  const path = join(stateDir, fileName);
  if (readFormat(path)?.schema === migrations.length) return;
  const staged = `${path}.new`;
  const file = openSync(staged, 'w', 0o600);
  try {
    writeSync(file, `${String(migrations.length)} ${version}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(staged, path);
}

/** Which version wrote a database of this schema, for people. */
export function writerOf(stateDir: string, schema: number): string {
  const noted = readFormat(join(stateDir, fileName));
  return noted !== undefined && noted.schema >= schema ? noted.writer : `of schema ${String(schema)}`;
}

function readFormat(path: string): { schema: number; writer: string } | undefined {
  const [, schema, writer] = existsSync(path) ? (/^(\d{1,9}) (\S{1,64})\n$/.exec(readFileSync(path, 'utf8')) ?? []) : [];
  return schema === undefined || writer === undefined ? undefined : { schema: Number(schema), writer };
}
