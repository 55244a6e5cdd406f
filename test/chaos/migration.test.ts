import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrate, openDatabase } from '../../coordinator/inventory/database.js';
import { migrations } from '../../coordinator/inventory/migration.js';
import { markCount, steps, withMarks } from '../support/chaos-steps.js';

const program = fileURLToPath(new URL('../support/chaos-migrate.ts', import.meta.url));
const unsafe = (reason: string): Error => new Error(reason);

/** Everything that makes two schemas the same, and the rows that the steps write. */
function shape(db: Sqlite.Database): unknown {
  return {
    schema: db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name').all(),
    version: db.pragma('user_version', { simple: true }),
    sites: db.prepare('SELECT * FROM site').all(),
    check: db.pragma('integrity_check', { simple: true }),
  };
}

describe('migration of the inventory', () => {
  let dir: string;
  let whole: unknown;
  /** The schema after each number of steps. */
  const after: unknown[] = [];
  const schemaOf = (db: Sqlite.Database): unknown => db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name').all();

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'reeve-migration-'));
    const db = new Sqlite(':memory:');
    db.function('reeve_chaos', () => 0);
    for (let count = 0; count <= steps.length; count += 1) {
      migrate(db, unsafe, withMarks().slice(0, count));
      after.push(schemaOf(db));
    }
    whole = shape(db);
    db.close();
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  /** What the killed process printed; empty: it was killed. */
  function migrateUntil(file: string, mark: number): Promise<string> {
    return new Promise((resolve) => {
      execFile(process.execPath, ['--import', 'tsx', program, file, String(mark)], { timeout: 60_000 }, (error, stdout) => {
        resolve(error?.signal === 'SIGKILL' ? '' : `${stdout}${error?.message ?? ''}`);
      });
    });
  }

  test('kill -9 at every statement leaves the step before or the step after, and the next start goes on from there', { timeout: 900_000 }, async () => {
    const marks = Array.from({ length: markCount() }, (_, index) => index + 1);
    expect(marks.length).toBeGreaterThan(40);
    let killed = 0;
    const work = async (): Promise<void> => {
      for (let mark = marks.shift(); mark !== undefined; mark = marks.shift()) {
        const file = join(dir, `${String(mark)}.db`);
        expect(await migrateUntil(file, mark), `statement ${String(mark)}`).toBe('');
        killed += 1;
        const db = new Sqlite(file);
        db.function('reeve_chaos', () => 0);
        const version = Number(db.pragma('user_version', { simple: true }));
        expect(schemaOf(db), `statement ${String(mark)}: schema ${String(version)} as a whole`).toEqual(after[version]);
        migrate(db, unsafe, withMarks());
        expect(shape(db), `statement ${String(mark)}`).toEqual(whole);
        migrate(db, unsafe, withMarks());
        expect(shape(db), 'a further start changes nothing').toEqual(whole);
        db.close();
      }
    };
    await Promise.all([work(), work()]);
    console.log(`kill -9 during migration: ${String(killed)}/${String(markCount())} whole afterwards`);
    expect(await migrateUntil(join(dir, 'unkilled.db'), 0), 'the same program, not killed, finishes').toContain('done');
  });

  test('a fresh inventory has the schema of one that came through every step', () => {
    const fresh = openDatabase(join(dir, 'fresh.db'));
    const migrated = new Sqlite(join(dir, 'migrated.db'));
    for (let count = 1; count <= migrations.length; count += 1) migrate(migrated, unsafe, migrations.slice(0, count));
    expect(schemaOf(fresh)).toEqual(schemaOf(migrated));
    expect(fresh.pragma('user_version', { simple: true })).toBe(migrated.pragma('user_version', { simple: true }));
    fresh.close();
    migrated.close();
  });

  test('an inventory of a newer Reeve is refused with both versions, and is not touched', () => {
    const file = join(dir, 'newer.db');
    openDatabase(file).close();
    const newer = new Sqlite(file);
    migrate(newer, unsafe, steps);
    newer.close();
    copyFileSync(file, `${file}.before`);
    expect(() => openDatabase(file)).toThrow(expect.objectContaining({
      code: 'DATABASE_NEWER',
      message: expect.stringMatching(new RegExp(`newer one.*schema ${String(steps.length)}.*knows ${String(migrations.length)}`)),
    }));
    const [found, before] = [new Sqlite(file), new Sqlite(`${file}.before`)];
    expect(schemaOf(found)).toEqual(schemaOf(before));
    expect(found.pragma('user_version', { simple: true })).toBe(steps.length);
    found.close();
    before.close();
  });
});
