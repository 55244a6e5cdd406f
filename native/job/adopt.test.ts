/** What rsnapshot has made becomes snapshots as rsync would have stored them, without a copy. Root only. */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, linkSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isRoot, makeStore, storeUid, type Said, type Store } from './testing/store.js';

const [oldest, older, newest] = ['2026-01-01T000000Z', '2026-01-02T000000Z', '2026-01-02T000001Z'] as const;
const hostile = 'a\nb\u001b[31m\u00ff\u00fe';
const seconds = (snapshot: string): number => Date.parse(snapshot.replace(/(\d\d)(\d\d)(\d\d)Z$/, '$1:$2:$3Z')) / 1000;

function makeTree(root: string): void {
  mkdirSync(join(root, 'etc/deep'), { recursive: true });
  writeFileSync(join(root, 'etc/plain'), 'plain', { mode: 0o444 });
  writeFileSync(join(root, 'etc/mine'), 'mine', { mode: 0o640 });
  chownSync(join(root, 'etc/mine'), storeUid, storeUid);
  writeFileSync(join(root, 'etc/mine-setuid'), 'mine');
  chownSync(join(root, 'etc/mine-setuid'), storeUid, storeUid);
  writeFileSync(join(root, 'etc/setuid'), 'setuid');
  chownSync(join(root, 'etc/setuid'), 1000, 1001);
  execFileSync('chmod', ['4711', join(root, 'etc/setuid'), join(root, 'etc/mine-setuid')]);
  linkSync(join(root, 'etc/setuid'), join(root, 'etc/again'));
  symlinkSync('/etc/passwd', join(root, 'etc/link'));
  linkSync(join(root, 'etc/link'), join(root, 'etc/link-again'));
  execFileSync('mkfifo', [join(root, 'etc/fifo')]);
  execFileSync('mknod', ['-m', '640', join(root, 'etc/null'), 'c', '1', '3']);
  writeFileSync(Buffer.from(join(root, 'etc', hostile), 'latin1'), 'hostile');
  execFileSync('chmod', ['1777', join(root, 'etc/deep')]);
  chmodSync(root, 0o555);
  for (const path of ['etc', 'etc/deep', 'etc/plain', '']) utimesSync(join(root, path), 1_700_000_000, 1_700_000_000);
}

describe.skipIf(!isRoot)('adopting what rsnapshot has made', () => {
  let s: Store;
  let from: string;
  let original: string;
  const adopt = (plan = false, more: readonly (readonly [string, string])[] = []): Promise<Said> => {
    const has = new Set(more.map(([key]) => key));
    const pairs: readonly (readonly [string, string])[] = [['fleet', '01890000-0000-7000-8000-000000000001'], ['from', from], ['point', 'web1'], ['plan', plan ? '1' : '0']];
    return s.work('adopt', [...pairs.filter(([key]) => !has.has(key)), ...more]);
  };
  const snapshots = (): string[] => readdirSync(join(s.folder, 'snapshots')).sort();

  beforeEach(() => {
    s = makeStore();
    [from, original] = [join(s.dir, 'rsnapshot'), join(s.dir, 'original')];
    mkdirSync(from, { mode: 0o700 });
    mkdirSync(original);
    makeTree(original);
    for (const [level, name] of [['daily.1', oldest], ['hourly.1', older], ['hourly.0', older]] as const) {
      mkdirSync(join(from, level));
      execFileSync('cp', level === 'daily.1' ? ['-a', original, join(from, level, 'web1')] : ['-al', join(from, 'daily.1/web1'), join(from, level, 'web1')]);
      utimesSync(join(from, level), seconds(name), seconds(name));
    }
    mkdirSync(join(from, 'hourly.2/other'), { recursive: true });
    mkdirSync(join(from, 'notes'));
    execFileSync('chown', [`${String(storeUid)}:${String(storeUid)}`, s.folder, ...['snapshots', 'info', 'trash', '.reeve-backup'].map((name) => join(s.folder, name))]);
  }, 120_000);
  afterEach(() => { s.close(); });

  /** What rsync, which reads it as it was stored, sees to be different from the original. */
  function differences(snapshot: string): string {
    const as = `setpriv --reuid=${String(storeUid)} --regid=${String(storeUid)} --clear-groups rsync --fake-super`;
    return execFileSync('rsync', ['-aHAXn', '-i', '--checksum', '--delete', '--numeric-ids', '-e', 'sh -c \'shift; exec sh -c "$*"\' sh', `--rsync-path=${as}`, `x:${join(s.folder, 'snapshots', snapshot)}/`, `${original}/`]).toString();
  }

  test('a plan says what would become of what, and changes nothing', async () => {
    const said = await adopt(true);
    expect(said).toMatchObject({ exit: 0, result: { ok: '1', count: '3' } });
    expect(said.rows.map((row) => [row['snapshot'], row['path']])).toEqual([[oldest, 'daily.1/web1'], [older, 'hourly.1/web1'], [newest, 'hourly.0/web1']]);
    expect(snapshots()).toEqual([]);
    expect(statSync(join(from, 'daily.1/web1/etc/plain')).uid).toBe(0);
  });

  test('each level becomes a snapshot, the same as what it was, and again there is nothing to do', async () => {
    const inode = statSync(join(from, 'daily.1/web1/etc/plain')).ino;
    const said = await adopt();
    expect(said).toMatchObject({ exit: 0, result: { ok: '1', count: '3' } });
    expect(said.rows).toMatchObject([{ snapshot: oldest, complete: '1', files: '12' }, { snapshot: older, files: '12' }, { snapshot: newest, files: '12' }]);
    expect(snapshots()).toEqual([oldest, older, newest]);
    for (const snapshot of snapshots()) {
      expect(differences(snapshot)).toBe('');
      const at = (path: string): ReturnType<typeof lstatSync> => lstatSync(join(s.folder, 'snapshots', snapshot, path));
      expect(statSync(join(s.folder, 'snapshots', snapshot, 'etc/plain'))).toMatchObject({ ino: inode, nlink: 3, uid: storeUid });
      expect(at('etc/link')?.nlink).toBe(6);
      expect(at('etc')?.mtimeMs).toBe(1_700_000_000_000);
      expect(readFileSync(join(s.folder, 'info', snapshot), 'utf8')).toBe(`complete=1\nfiles=12\nbytes=${said.rows[0]?.['bytes'] ?? ''}\nsent-bytes=0\n`);
    }
    expect(execFileSync('find', [join(s.folder, 'snapshots'), '!', '-user', String(storeUid)]).toString()).toBe('');
    expect(readdirSync(from).sort()).toEqual(['daily.1', 'hourly.0', 'hourly.1', 'hourly.2', 'notes']);
    expect(await adopt()).toMatchObject({ exit: 0, rows: [], result: { count: '0' } });
    expect((await s.work('sample', [['snapshot', newest], ['all', '1']])).rows.find((row) => row['path'] === 'etc/link')).toMatchObject({ kind: 'symlink', target: '/etc/passwd' });
  }, 60_000);

  test('one that is killed again and again comes to the same', async () => {
    const many = join(original, 'etc/deep/many');
    mkdirSync(many);
    for (let i = 0; i < 300; i++) {
      writeFileSync(join(many, `f${String(i)}`), '', { mode: 0o444 });
      symlinkSync(String(i), join(many, `l${String(i)}`));
    }
    execFileSync('cp', ['-a', many, join(from, 'daily.1/web1/etc/deep')]);
    for (const level of ['hourly.1', 'hourly.0']) execFileSync('cp', ['-al', join(from, 'daily.1/web1/etc/deep/many'), join(from, level, 'web1/etc/deep')]);
    for (const root of [original, ...['daily.1', 'hourly.0', 'hourly.1'].map((level) => join(from, level, 'web1'))]) utimesSync(join(root, 'etc/deep'), 1_700_000_000, 1_700_000_000);
    let ended = 0;
    for (let i = 0; i < 60 && snapshots().length < 3; i++) {
      const killed = s.work('adopt', [['fleet', '01890000-0000-7000-8000-000000000001'], ['from', from], ['point', 'web1'], ['plan', '0']], {
        begun: (_, child) => { setTimeout(() => { child.kill('SIGKILL'); }, 4 + i % 30); },
      });
      ended += (await killed).exit === null ? 1 : 0;
    }
    expect(ended).toBeGreaterThan(0);
    expect(await adopt()).toMatchObject({ exit: 0, result: { ok: '1' } });
    expect(snapshots()).toHaveLength(3);
    for (const snapshot of snapshots()) expect(differences(snapshot)).toBe('');
  }, 60_000);

  test('what is not root\'s alone, is elsewhere or leads elsewhere is refused', async () => {
    const refused = async (more: readonly (readonly [string, string])[] = []): Promise<void> => {
      expect(await adopt(false, more)).toMatchObject({ exit: 1, result: { ok: '0' } });
      expect(snapshots()).toEqual([]);
    };
    chmodSync(from, 0o755);
    await refused();
    chmodSync(from, 0o700);
    chownSync(from, 1000, 0);
    await refused();
    chownSync(from, 0, 0);
    for (const point of ['', '..', 'web1/..', '/etc', './web1']) await refused([['point', point]]);
    symlinkSync(from, join(s.dir, 'link'));
    await refused([['from', join(s.dir, 'link')]]);
    if (existsSync('/dev/shm')) {
      const other = `/dev/shm/reeve-adopt-${String(process.pid)}`;
      mkdirSync(other, { mode: 0o700 });
      await refused([['from', other]]);
      rmSync(other, { recursive: true });
    }
    rmSync(join(from, 'daily.1'), { recursive: true });
    symlinkSync('/', join(from, 'daily.1'));
    const said = await adopt(true, [['point', 'etc']]);
    expect(said).toMatchObject({ rows: [], result: { count: '0' } });
  });
});
