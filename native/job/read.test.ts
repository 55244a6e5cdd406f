/** Snapshots are listed, searched and sampled as what they were on their source, whatever their names are. Root only. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, linkSync, lutimesSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isRoot, makeStore, storeUid, type Fields, type Store } from './testing/store.js';

const snapshot = '2026-01-31T090500Z';
const older = '2026-01-30T090500Z';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
/** A newline, an escape sequence, and bytes that are no UTF-8. */
const hostile = 'a\nb\u001b[31m\u00ff\u00fe';

/** As rsync stores it: by rsync itself, as another user with --fake-super. */
function store(source: string, target: string): void {
  const as = `setpriv --reuid=${String(storeUid)} --regid=${String(storeUid)} --clear-groups rsync --fake-super`;
  execFileSync('rsync', ['-aHAX', '--numeric-ids', '-e', 'sh -c \'shift; exec sh -c "$*"\' sh', `--rsync-path=${as}`, `${source}/`, `x:${target}/`]);
}

function makeSource(source: string): void {
  mkdirSync(join(source, 'etc/deep/deeper'), { recursive: true });
  writeFileSync(join(source, 'etc/plain'), 'plain', { mode: 0o644 });
  writeFileSync(join(source, 'etc/setuid'), 'setuid');
  chownSync(join(source, 'etc/setuid'), 1000, 1001);
  execFileSync('chmod', ['4711', join(source, 'etc/setuid')]);
  linkSync(join(source, 'etc/setuid'), join(source, 'etc/again'));
  symlinkSync('/etc/passwd', join(source, 'etc/link'));
  execFileSync('mkfifo', [join(source, 'etc/fifo')]);
  execFileSync('mknod', [join(source, 'etc/null'), 'c', '1', '3']);
  writeFileSync(Buffer.concat([latin1(join(source, 'etc/')), latin1(hostile)]), 'hostile');
  writeFileSync(join(source, 'etc/deep/deeper/found.conf'), 'found');
  utimesSync(join(source, 'etc/plain'), 1_700_000_000.5, 1_700_000_000.5);
  lutimesSync(join(source, 'etc/link'), 1_700_000_000, 1_700_000_000);
}

describe.skipIf(!isRoot)('what is read of snapshots', () => {
  let s: Store;
  beforeAll(() => {
    s = makeStore();
    const source = join(s.dir, 'source');
    makeSource(source);
    for (const [name, complete] of [[snapshot, true], [older, false]] as const) s.addSnapshot(name, complete);
    s.addSnapshot('2026-02-01T000000Z');
    mkdirSync(join(s.folder, 'snapshots/other'));
    s.own();
    execFileSync('chmod', ['755', s.folder, join(s.folder, 'snapshots')]);
    for (const name of [snapshot, older]) store(source, join(s.folder, 'snapshots', name));
  }, 120_000);
  afterAll(() => { s.close(); });
  const byPath = (rows: readonly Fields[]): Map<string, Fields> => new Map(rows.map((row) => [row['path'] ?? '', row]));

  test('snapshots come oldest first, and one without a note is not complete', async () => {
    const said = await s.work('snapshots');
    expect(said.rows).toEqual([
      { snapshot: older, complete: '0', files: '3', bytes: '4', 'sent-bytes': '5' },
      { snapshot, complete: '1', files: '3', bytes: '4', 'sent-bytes': '5' },
      { snapshot: '2026-02-01T000000Z', complete: '0', files: '0', bytes: '0', 'sent-bytes': '0' },
    ]);
    expect(said).toMatchObject({ exit: 0, result: { ok: '1' } });
  });

  test('a folder is listed by name, as it was on the source', async () => {
    const said = await s.work('list', [['snapshot', snapshot], ['path', '/etc/']]);
    expect(said.result).toEqual({ ok: '1' });
    expect(said.rows.map((row) => row['path'])).toEqual([hostile, 'again', 'deep', 'fifo', 'link', 'null', 'plain', 'setuid'].map((name) => `etc/${name}`));
    const rows = byPath(said.rows);
    expect(rows.get('etc/plain')).toEqual({
      snapshot, path: 'etc/plain', kind: 'file', size: '5', 'modified-ms': '1700000000500', mode: String(0o644), uid: '0', gid: '0',
    });
    expect(rows.get('etc/setuid')).toMatchObject({ kind: 'file', size: '6', mode: String(0o4711), uid: '1000', gid: '1001' });
    expect(rows.get('etc/again')).toMatchObject({ kind: 'file', mode: String(0o4711), uid: '1000' });
    expect(rows.get('etc/link')).toMatchObject({ kind: 'symlink', target: '/etc/passwd', size: '11', 'modified-ms': '1700000000000' });
    expect(rows.get('etc/fifo')).toMatchObject({ kind: 'fifo', size: '0' });
    expect(rows.get('etc/null')).toMatchObject({ kind: 'char', size: '0' });
    expect(rows.get('etc/deep')).toMatchObject({ kind: 'directory', size: '0' });
    expect(rows.get(`etc/${hostile}`)).toMatchObject({ kind: 'file', size: '7' });
  });

  test('a file is itself, and what is not there is missing', async () => {
    const list = async (path: string): Promise<unknown> => (await s.work('list', [['snapshot', snapshot], ['path', path]])).rows;
    expect(await list('')).toMatchObject([{ path: 'etc', kind: 'directory' }]);
    expect(await list('etc/plain')).toMatchObject([{ path: 'etc/plain', kind: 'file', size: '5' }]);
    expect(await list('etc/link')).toMatchObject([{ path: 'etc/link', kind: 'symlink' }]);
    for (const path of ['etc/none', 'none/none', 'etc/plain/below', 'etc/link/below']) expect(await list(path)).toEqual([{ snapshot, path, kind: 'missing' }]);
  });

  test('a path or a snapshot that is none is refused', async () => {
    for (const path of ['..', 'etc/../..', 'etc//plain', './etc']) {
      expect((await s.work('list', [['snapshot', snapshot], ['path', path]])).result).toMatchObject({ ok: '0' });
    }
    for (const name of ['../info', 'other', '2026-03-01T000000Z', '']) {
      for (const work of ['list', 'sample']) {
        const said = await s.work(work, [['snapshot', name], ['path', ''], ['files', '1'], ['permille', '0'], ['most', '0']]);
        expect(said).toMatchObject({ exit: 1, result: { ok: '0' }, rows: [] });
      }
    }
    expect((await s.work('snapshots', [['job', jobOfOthers]])).result).toMatchObject({ ok: '0', reason: expect.stringContaining('another backup job') as string });
  });
  const jobOfOthers = '01890000-0000-7000-8000-000000000002';

  test('a pattern is for names, or for whole paths when it has a slash; newest first', async () => {
    const find = async (pattern: string): Promise<(string | undefined)[][]> =>
      (await s.work('find', [['pattern', pattern]])).rows.map((row) => [row['snapshot'], row['path']]);
    expect(await find('*.conf')).toEqual([[snapshot, 'etc/deep/deeper/found.conf'], [older, 'etc/deep/deeper/found.conf']]);
    expect(await find('/etc/*/*/f*')).toEqual([[snapshot, 'etc/deep/deeper/found.conf'], [older, 'etc/deep/deeper/found.conf']]);
    expect(await find('etc/*.conf')).toEqual([]);
    expect(await find('a?b*')).toEqual([[snapshot, `etc/${hostile}`], [older, `etc/${hostile}`]]);
    expect((await s.work('find', [['pattern', '']])).result).toMatchObject({ ok: '0' });
  });

  test('a sample has as many files as asked for, each with its digest, and counts all', async () => {
    const sample = (files: number, permille: number, most: number): ReturnType<Store['work']> =>
      s.work('sample', [['snapshot', snapshot], ['files', String(files)], ['permille', String(permille)], ['most', String(most)]]);
    const contents = new Map([['etc/plain', 'plain'], ['etc/setuid', 'setuid'], ['etc/again', 'setuid'], [`etc/${hostile}`, 'hostile'], ['etc/deep/deeper/found.conf', 'found']]);
    const all = await sample(100, 0, 0);
    expect(all.result).toEqual({ ok: '1', count: '5', bytes: '29' });
    expect(new Map(all.rows.map((row) => [row['path'], row['sha256']]))).toEqual(new Map([...contents].map(([path, text]) => [path, sha256(text)])));
    expect((await sample(2, 0, 0)).rows).toHaveLength(2);
    expect((await sample(0, 1000, 0)).rows).toHaveLength(5);
    expect((await sample(0, 0, 1)).rows).toHaveLength(1);
    const bounded = (await sample(5, 1000, 12)).rows.reduce((sum, row) => sum + Number(row['size']), 0);
    expect(bounded).toBeLessThanOrEqual(12);
    const seen = new Set<string | undefined>();
    for (let i = 0; i < 200 && seen.size < 5; i++) for (const row of (await sample(1, 0, 0)).rows) seen.add(row['path']);
    expect(seen.size).toBe(5);
  });

  test('all of a snapshot is every entry, digests for files only', async () => {
    const said = await s.work('sample', [['snapshot', snapshot], ['all', '1']]);
    expect(said.result).toEqual({ ok: '1', count: '5', bytes: '29' });
    const rows = byPath(said.rows);
    expect([...rows.keys()].sort()).toEqual(['etc', 'etc/again', `etc/${hostile}`, 'etc/deep', 'etc/deep/deeper', 'etc/deep/deeper/found.conf', 'etc/fifo', 'etc/link', 'etc/null', 'etc/plain', 'etc/setuid'].sort());
    expect(rows.get('etc/link')).toMatchObject({ kind: 'symlink', target: '/etc/passwd' });
    expect([...rows.values()].filter((row) => row['sha256'] !== undefined).every((row) => row['kind'] === 'file')).toBe(true);
  });
});
