import { mkdtempSync, openSync, writeSync, closeSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ReeveError } from '../../shared/errors/error.js';
import { addAudit } from './audit.js';
import { findDamage } from './check.js';
import { openDatabase } from './database.js';
import { addHost } from './host.js';
import { refuseWrites, writing } from './write.js';

const id = (index: number): string => `01936f3e-8c2a-7c4e-9a3c-${index.toString(16).padStart(12, '0')}`;

function filled(): string {
  const file = join(mkdtempSync(join(tmpdir(), 'reeve-check-')), 'reeve.db');
  const db = openDatabase(file);
  writing(db, () => {
    for (let index = 0; index < 500; index += 1) addHost(db, { id: id(index), name: `host${String(index)}`, endpoint: undefined, parentId: undefined, now: 1 });
  });
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
  return file;
}

test('a sound database has no damage, an overwritten one has', () => {
  const file = filled();
  expect(findDamage(file, {})).toBe('');
  const handle = openSync(file, 'r+');
  const pages = Math.floor(statSync(file).size / 4096);
  for (let page = 8; page < pages; page += 3) writeSync(handle, Buffer.alloc(4096, 0x5a), 0, 4096, page * 4096);
  closeSync(handle);
  expect(findDamage(file, {})).not.toBe('');
});

test('a damaged database is read and not written, and says how to restore it', () => {
  const db = openDatabase(':memory:');
  const write = (): void => writing(db, () => addAudit(db, { timeMs: 1, principal: 'x', action: 'x', arguments: '', phase: 'ok', operationId: '', code: '' }));
  write();
  refuseWrites(db, 'page 7 is torn');
  expect(write).toThrow(/page 7 is torn/);
  expect(write).toThrow(ReeveError);
  expect(db.prepare('SELECT count(*) FROM audit').pluck().get()).toBe(1);
});
