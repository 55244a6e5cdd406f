import { expect, it } from 'vitest';
import { openDatabase } from './database.js';
import { noteChange, revisionAfter, revisionOf } from './revision.js';
import { noting, writing } from './write.js';
import { pino } from 'pino';

const log = pino({ level: 'silent' });
const never = new AbortController().signal;

it('grows with what people did, and not with what is noted by itself', () => {
  const db = openDatabase(':memory:');
  const first = revisionOf(db);
  expect(noting(db, log, () => undefined)).toBe(true);
  expect(revisionOf(db)).toBe(first);
  writing(db, () => undefined);
  expect(revisionOf(db)).toBe(first + 1);
  expect(() => writing(db, () => {
    throw new Error('no');
  })).toThrow('no');
  expect(revisionOf(db)).toBe(first + 1);
  db.close();
});

it('wakes all who wait, once, and nobody whose wait was ended', async () => {
  const db = openDatabase(':memory:');
  const told: string[] = [];
  const gone = new AbortController();
  const waits = [revisionAfter(db, revisionOf(db), never).then(() => told.push('a')), revisionAfter(db, revisionOf(db), never).then(() => told.push('b')), revisionAfter(db, revisionOf(db), gone.signal).then(() => told.push('gone'))];
  gone.abort();
  await waits[2];
  expect(told).toEqual(['gone']);
  noteChange(db);
  await Promise.all(waits);
  expect(told).toEqual(['gone', 'a', 'b']);
  db.close();
});

it('does not let wait who knows an older one', async () => {
  const db = openDatabase(':memory:');
  const known = revisionOf(db);
  noteChange(db);
  await revisionAfter(db, known, never);
  db.close();
});

it('begins at another number in each database', () => {
  const [one, other] = [openDatabase(':memory:'), openDatabase(':memory:')];
  expect(revisionOf(one)).not.toBe(revisionOf(other));
  one.close();
  other.close();
});
