import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { parseBackup } from '../../shared/model/backup.js';
import { backupChange } from './backup-change.js';
import { compareEntries, compareEntry, type ComparedEntry } from './backup-compare.js';

const file = (more: Partial<ComparedEntry> = {}): ComparedEntry => ({ path: 'srv/a', kind: 'file', size: 3, modifiedMs: 5, mode: 0o644, uid: 1, gid: 2, sha256: 'aa', target: '', ...more });

describe('a file of a snapshot', () => {
  test.each<[string, ComparedEntry, ComparedEntry | undefined, string]>([
    ['is as it is', file(), file(), 'ok'],
    ['was only touched', file(), file({ modifiedMs: 9 }), 'ok'],
    ['has changed since', file(), file({ size: 4, sha256: 'bb' }), 'skipped'],
    ['was written again since', file(), file({ modifiedMs: 9, sha256: 'bb' }), 'skipped'],
    ['is another one though nobody touched it', file(), file({ sha256: 'bb' }), 'different'],
    ['cannot be read in the snapshot', file({ sha256: '' }), file(), 'different'],
    ['cannot be read on the source', file(), file({ sha256: '' }), 'skipped'],
    ['is missing on the source', file(), file({ kind: 'missing' }), 'skipped'],
    ['was not told of by the source', file(), undefined, 'skipped'],
    ['is a folder by now', file(), file({ kind: 'directory' }), 'skipped'],
    ['is a link to the same', file({ kind: 'symlink', target: 'x' }), file({ kind: 'symlink', target: 'x' }), 'ok'],
    ['is a link to something else', file({ kind: 'symlink', target: 'x' }), file({ kind: 'symlink', target: 'y' }), 'skipped'],
    ['is a folder', file({ kind: 'directory', sha256: '' }), file({ kind: 'directory', sha256: '' }), 'ok'],
  ])('%s', (_title, kept, source, found) => {
    expect(compareEntry(kept, source)).toBe(found);
  });

  it('that was restored just now may neither be missing nor changed', () => {
    expect(compareEntries([file(), file({ path: 'b' })], [file({ size: 4, sha256: 'bb' })], { strict: true })).toMatchObject({ files: 2, skipped: 0, different: ['srv/a', 'b'] });
  });

  it.each<[string, Partial<ComparedEntry>, Partial<ComparedEntry>, string]>([
    ['as it was', {}, {}, 'ok'],
    ['of another owner', {}, { uid: 9 }, 'different'],
    ['of another group', {}, { gid: 9 }, 'different'],
    ['that more may read', {}, { mode: 0o666 }, 'different'],
    ['without the set-id bit that a policy keeps', { mode: 0o4755 }, { mode: 0o755 }, 'ok'],
    ['that is a link, whose mode says nothing', { kind: 'symlink', mode: 0o777 }, { kind: 'symlink', mode: 0 }, 'ok'],
    ['that is a link of another owner', { kind: 'symlink' }, { kind: 'symlink', uid: 9 }, 'different'],
    ['that is a folder of another mode', { kind: 'directory' }, { kind: 'directory', mode: 0o755 }, 'different'],
    ['that is a device, and is not there', { kind: 'char' }, { kind: 'missing' }, 'skipped'],
  ])('that was restored just now %s', (_title, kept, restored, found) => {
    expect(compareEntries([file(kept)], [file(restored)], { strict: true }).lines[0]).toMatch(new RegExp(`^${found} `));
    expect(compareEntries([file(kept)], [file(restored)]).different).toEqual([]);
  });

  it('makes one line of a proof, whatever its name has', () => {
    const path = 'a b\\\n\xff';
    expect(compareEntries([file({ path })], [file({ path })]).lines).toEqual(['ok aa 3 a\\x20b\\x5c\\x0a\\xff']);
  });

  it('gives the same lines in whatever order hosts answer, and the counts add up', () => {
    const entries = fc.uniqueArray(fc.record({ path: fc.stringMatching(/^[a-z/]{1,6}$/), kind: fc.constantFrom('file', 'symlink', 'directory'), size: fc.nat(3), modifiedMs: fc.nat(3), mode: fc.nat(3), uid: fc.nat(1), gid: fc.nat(1), sha256: fc.constantFrom('', 'aa', 'bb'), target: fc.constantFrom('', 'x') }), { selector: ({ path }) => path });
    fc.assert(
      fc.property(entries, entries, (kept, source) => {
        const found = compareEntries(kept, source);
        expect(compareEntries([...kept].reverse(), [...source].reverse()).lines).toEqual(found.lines);
        expect(found.files + found.skipped).toBe(kept.length);
        expect(compareEntries(kept, kept).different.length).toBe(0);
      }),
    );
  });
});

describe('what a plan shows of a job', () => {
  const job = (more: object = {}) => parseBackup({
    name: 'web', source: 'a', folders: ['/srv'], destination: 'b', folder: '/b', excludes: [], systemFolders: false, schedule: null, retention: null, bandwidthKib: 0, timeLimitMinutes: 0, dumps: [], active: true, shrinkPercent: 0,
    verifyDays: 0, drill: null, ...more,
  });
  const nameOf = (id: string): string => id.toUpperCase();

  it('are the fields that differ, with the names of hosts', () => {
    expect(backupChange(job(), job({ destination: 'c', schedule: { cron: '', windowMinutes: 5 }, dumps: [{ engine: 'mysql', database: 'shop' }] }), nameOf)).toEqual({
      kind: 'update', noun: 'backup', subject: 'web',
      fields: [{ field: 'dumps', from: '', to: 'mysql:shop' }, { field: 'destination', from: 'B', to: 'C' }, { field: 'schedule', from: 'never', to: 'by the retention, within 5 minutes' }],
    });
    expect(backupChange(job(), job(), nameOf)).toBeUndefined();
    expect(backupChange(job(), undefined, nameOf)).toEqual({ kind: 'remove', noun: 'backup', subject: 'web', fields: [] });
    expect(backupChange(undefined, job(), nameOf)?.fields.map(({ field }) => field)).toContain('retention');
  });
});
