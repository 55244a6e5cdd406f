/** Snapshots go, but never so many that too few are left; what was interrupted is finished by the next. Root only. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isRoot, makeStore, type Said, type Store } from './testing/store.js';

const names = ['2026-01-01T000000Z', '2026-01-02T000000Z', '2026-01-03T000000Z', '2026-01-04T000000Z'] as const;

describe.skipIf(!isRoot)('removing snapshots', () => {
  let s: Store;
  const prune = (gone: readonly string[], keep: number): Promise<Said> =>
    s.work('prune', [...gone.map((name) => ['name', name] as const), ['keep', String(keep)]]);
  const left = (): string[] => readdirSync(join(s.folder, 'snapshots')).sort();
  beforeEach(() => {
    s = makeStore();
    for (const name of names) {
      const root = s.addSnapshot(name, name !== names[3]);
      mkdirSync(join(root, 'etc/deep/deeper'), { recursive: true });
      writeFileSync(join(root, 'etc/deep/file'), 'file');
      symlinkSync('/etc', join(root, 'etc/link'));
    }
    s.own();
  }, 120_000);
  afterEach(() => { s.close(); });

  test('they are gone with their notes, and so is what is on the disk; again is no error', async () => {
    for (let i = 0; i < 2; i++) {
      expect(await prune([names[0], names[1]], 1)).toMatchObject({ exit: 0, result: { ok: '1', count: '2' } });
      expect(left()).toEqual([names[2], names[3]]);
      expect(readdirSync(join(s.folder, 'info')).sort()).toEqual([names[2], names[3]]);
      expect(readdirSync(join(s.folder, 'trash'))).toEqual([]);
    }
  });

  test('too few complete ones left: nothing is touched', async () => {
    for (const [gone, keep] of [[[names[0], names[1]], 2], [names, 1], [[], 4], [[names[0], names[0]], 3]] as const) {
      expect(await prune(gone, keep)).toMatchObject({ exit: 1, result: { ok: '0', reason: expect.stringContaining('nothing was removed') as string } });
      expect(left()).toEqual([...names]);
    }
    expect(await s.work('prune', [['name', names[0]]])).toMatchObject({ result: { ok: '0' } });
    expect(await prune(['../../..', names[0]], 0)).toMatchObject({ result: { ok: '0' } });
    expect(left()).toEqual([...names]);
  });

  test('what was interrupted goes with the next, of any depth and whatever its modes', async () => {
    const old = join(s.folder, 'trash', names[0]);
    mkdirSync(join(old, 'sub'), { recursive: true });
    execFileSync('sh', ['-c', 'cd "$1" && for i in $(seq 150); do mkdir aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa && cd -P aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa || exit 1; done; touch end', 'sh', join(old, 'sub')]);
    s.own();
    chmodSync(join(old, 'sub'), 0);
    chmodSync(join(s.folder, 'snapshots', names[0], 'etc/deep'), 0o500);
    expect(await prune([names[0]], 2)).toMatchObject({ exit: 0, result: { ok: '1', count: '1' } });
    expect(readdirSync(join(s.folder, 'trash'))).toEqual([]);
    expect(existsSync('/etc/passwd')).toBe(true);
  });

  test('while another piece of work writes there, it is refused', async () => {
    const lock = join(s.folder, 'lock');
    const holder = spawn('flock', ['--no-fork', lock, 'sh', '-c', 'echo held; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((done) => { holder.stdout.once('data', done); });
    expect(await prune([names[0]], 0)).toMatchObject({ result: { ok: '0', reason: 'another piece of work writes in the folder' } });
    holder.kill();
    expect(left()).toEqual([...names]);
  });
});
