import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keepSnapshots, rotatedSnapshots, type Rotated } from './backup-retention.js';

const none = { hourly: 0, daily: 0, weekly: 0, monthly: 0 };
const nameOf = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replaceAll(':', '')}Z`;
const complete = (...names: string[]): Rotated[] => names.map((name) => ({ name, complete: true }));
const kept = (snapshots: readonly Rotated[], retention: Partial<typeof none>): string[] => keepSnapshots(snapshots, { ...none, ...retention }).filter(({ stays }) => stays).map(({ snapshot }) => snapshot.name);

describe('a retention', () => {
  it('keeps the newest of each of the last periods that have one', () => {
    const days = complete('2026-01-01T000000Z', '2026-01-01T230000Z', '2026-01-02T010000Z', '2026-01-09T010000Z');
    expect(kept(days, { daily: 2 })).toEqual(['2026-01-09T010000Z', '2026-01-02T010000Z']);
    expect(kept(days, { daily: 9 })).toEqual(['2026-01-09T010000Z', '2026-01-02T010000Z', '2026-01-01T230000Z']);
    expect(kept(days, { hourly: 2 })).toEqual(['2026-01-09T010000Z', '2026-01-02T010000Z']);
  });

  it('begins weeks on Mondays and months on their first, UTC', () => {
    // 2026-01-04 is a Sunday.
    expect(kept(complete('2026-01-04T235959Z', '2026-01-05T000000Z'), { weekly: 5 })).toHaveLength(2);
    expect(kept(complete('2026-01-05T000000Z', '2026-01-11T235959Z'), { weekly: 5 })).toEqual(['2026-01-11T235959Z']);
    expect(kept(complete('2026-01-31T235959Z', '2026-02-01T000000Z'), { monthly: 5 })).toHaveLength(2);
  });

  it('says which levels keep a snapshot', () => {
    const rows = keepSnapshots(complete('2026-01-01T000000Z', '2026-02-01T000000Z'), { hourly: 0, daily: 1, weekly: 0, monthly: 6 });
    expect(rows.map(({ snapshot, levels }) => [snapshot.name, levels])).toEqual([['2026-02-01T000000Z', ['daily', 'monthly']], ['2026-01-01T000000Z', ['monthly']]]);
  });

  it('keeps incomplete ones while they are newer than the newest complete one, for no level', () => {
    const rows = [{ name: '2026-01-01T000000Z', complete: false }, { name: '2026-01-02T000000Z', complete: true }, { name: '2026-01-03T000000Z', complete: false }];
    expect(kept(rows, { daily: 7 })).toEqual(['2026-01-03T000000Z', '2026-01-02T000000Z']);
    expect(kept(rows.slice(0, 1), { daily: 7 })).toEqual(['2026-01-01T000000Z']);
  });

  it('leaves out what is no name of a snapshot', () => {
    expect(keepSnapshots(complete('x', '2026-13-01T000000Z'), { ...none, daily: 1 })).toEqual([]);
  });

  const count = fc.integer({ min: 0, max: 8 });
  const retentions = fc.record({ hourly: count, daily: count, weekly: count, monthly: count }).filter((retention) => Object.values(retention).some((n) => n > 0));
  const snapshots = fc.uniqueArray(fc.record({ ms: fc.integer({ min: Date.parse('2026-01-01T00:00:00Z') / 1000, max: Date.parse('2027-06-01T00:00:00Z') / 1000 }), complete: fc.boolean() }), { selector: ({ ms }) => ms, maxLength: 80 })
    .map((rows) => rows.map(({ ms, complete: whole }) => ({ name: nameOf(ms * 1000), complete: whole })));

  it('never takes the newest complete one, keeps at most what it says, and takes nothing more the second time', () => {
    fc.assert(
      fc.property(snapshots, retentions, (rows, retention) => {
        const gone = new Set(rotatedSnapshots(rows, retention));
        const left = rows.filter(({ name }) => !gone.has(name));
        const whole = rows.filter((row) => row.complete).map(({ name }) => name).sort();
        const newest = whole.at(-1);
        if (newest !== undefined) expect(gone.has(newest)).toBe(false);
        expect(left.filter((row) => row.complete).length).toBeLessThanOrEqual(Math.max(1, retention.hourly + retention.daily + retention.weekly + retention.monthly));
        for (const row of left) if (!row.complete) expect(newest === undefined || row.name > newest).toBe(true);
        expect(rotatedSnapshots(left, retention)).toEqual([]);
      }),
    );
  });

  it('keeps with each run what a rotation after all runs would keep of the newest periods', () => {
    fc.assert(
      fc.property(snapshots, retentions, (rows, retention) => {
        let left: Rotated[] = [];
        for (const row of [...rows].filter((each) => each.complete).sort((a, b) => (a.name < b.name ? -1 : 1))) {
          left = [...left, row];
          const gone = new Set(rotatedSnapshots(left, retention));
          left = left.filter(({ name }) => !gone.has(name));
        }
        const atOnce = keepSnapshots(rows.filter((each) => each.complete), retention).filter(({ stays }) => stays).map(({ snapshot }) => snapshot.name);
        expect(left.map(({ name }) => name).sort().reverse()).toEqual(atOnce);
      }),
    );
  });
});
