import { pino } from 'pino';
import { expect, test } from 'vitest';
import { listAudit, verifyAudit } from '../inventory/audit.js';
import { openDatabase } from '../inventory/database.js';
import { refuseWrites } from '../inventory/write.js';
import { createRefusals } from './refusal.js';

const log = pino({ level: 'silent' });

test('a flood of refusals is recorded up to its rate, and the rest is counted to the last one', () => {
  const db = openDatabase(':memory:');
  let monotonic = 0;
  const refusals = createRefusals({ db: () => db, clock: { now: () => 1_700_000_000_000, monotonic: () => monotonic }, log });
  for (let index = 0; index < 1_000; index += 1) refusals.note('Service/Method', 'uid:mallory', { code: 'ROLE_REFUSED' });
  expect(listAudit(db, 1_000)).toHaveLength(50);
  monotonic = 1_000;
  for (let index = 0; index < 10; index += 1) refusals.note('Service/Method', 'uid:mallory', { code: 'ROLE_REFUSED' });
  refusals.flush();
  refusals.flush();
  const rows = listAudit(db, 1_000);
  expect(rows).toHaveLength(56);
  expect(rows[0]).toMatchObject({ principal: 'reeved', action: 'refusals', phase: 'refused', arguments: '955 more refusals were counted and not recorded one by one' });
  expect(verifyAudit(db)).toMatchObject({ intact: true });
  refusals.close();
  db.close();
});

test('a refusal that cannot be written is counted, and stays a refusal', () => {
  const db = openDatabase(':memory:');
  refuseWrites(db, 'page 3 is torn');
  const refusals = createRefusals({ db: () => db, clock: { now: () => 0, monotonic: () => 0 }, log });
  expect(() => refusals.note('Service/Method', 'uid:ada', { code: 'ROLE_REFUSED' })).not.toThrow();
  refusals.close();
  expect(listAudit(db, 10)).toEqual([]);
  db.close();
});
