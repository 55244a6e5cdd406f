/** Digests of files of a source: in order, only below its folders, through no link, and never of what is no file. Root only. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isRoot, jobId, makeStore, type Said, type Store } from './testing/store.js';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hostile = 'a\nb\u001b[31m\u00ff\u00fe';

describe.skipIf(!isRoot)('digests of files of a source', () => {
  let s: Store;
  let folder: string;
  const hash = (input: readonly string[], folders = [folder]): Promise<Said> =>
    s.work('hash', folders.map((path) => ['folder', path] as const), { input });
  beforeAll(() => {
    s = makeStore();
    folder = join(s.dir, 'www');
    mkdirSync(join(folder, 'deep'), { recursive: true });
    mkdirSync(join(s.dir, 'www-secret'));
    writeFileSync(join(s.dir, 'www-secret/file'), 'secret');
    writeFileSync(join(folder, 'private'), 'private', { mode: 0o600 });
    chownSync(join(folder, 'private'), 1000, 1001);
    writeFileSync(Buffer.from(join(folder, hostile), 'latin1'), 'hostile');
    symlinkSync(join(s.dir, 'www-secret'), join(folder, 'out'));
    symlinkSync('private', join(folder, 'link'));
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    execFileSync('mknod', [join(folder, 'tty'), 'c', '5', '0']);
    chmodSync(join(folder, 'deep'), 0o700);
  }, 120_000);
  afterAll(() => { s.close(); });

  test('rows come in the order asked for, and say what each path is', async () => {
    const said = await hash(['private', 'none', 'deep', hostile, 'link', 'fifo', 'tty', 'private/below', 'private'].map((name) => join(folder, name)).concat(folder));
    expect(said).toMatchObject({ exit: 0, result: { ok: '1', count: '10' } });
    expect(said.rows).toMatchObject([
      { path: join(folder, 'private'), kind: 'file', size: '7', mode: String(0o600), uid: '1000', gid: '1001', sha256: sha256('private') },
      { kind: 'missing' }, { kind: 'directory', size: '0', mode: String(0o700) }, { path: join(folder, hostile), kind: 'file', sha256: sha256('hostile') },
      { kind: 'symlink', target: 'private', size: '7' }, { kind: 'fifo' }, { kind: 'char' }, { kind: 'missing' }, { kind: 'file', sha256: sha256('private') },
      { path: folder, kind: 'directory' },
    ]);
    expect(said.rows.filter((row) => row['sha256'] !== undefined)).toHaveLength(3);
  });

  test('nothing outside of the folders is read, by whatever path', async () => {
    const paths = ['/etc/shadow', 'etc/shadow', `${s.dir}/www-secret/file`, `${folder}/../www-secret/file`, `${folder}/out/file`, `${folder}//proc/self/root/etc/shadow`, ''];
    const said = await hash(paths);
    expect(said.rows.map((row) => [row['kind'], row['sha256']])).toEqual(paths.map(() => ['missing', undefined]));
    expect(said.rows.filter((row) => (row['problem'] ?? '') !== '').length).toBeGreaterThanOrEqual(5);
  });

  test('a folder that is not there has nothing in it, and one through a link is refused', async () => {
    expect((await hash([join(s.dir, 'none/a')], [join(s.dir, 'none')])).rows).toEqual([{ path: join(s.dir, 'none/a'), kind: 'missing' }]);
    expect((await hash([], [join(folder, 'out')])).result).toMatchObject({ ok: '0' });
  });

  test('dumps of the job may be read, those of others not', async () => {
    const varLib = join(s.dir, 'lib');
    for (const id of [jobId, `${jobId.slice(0, -1)}2`]) {
      mkdirSync(join(varLib, 'reeve-backup/dump', id), { recursive: true, mode: 0o700 });
      writeFileSync(join(varLib, 'reeve-backup/dump', id, 'mysql-a.dump'), 'dump', { mode: 0o600 });
    }
    const path = (id: string): string => `/var/lib/reeve-backup/dump/${id}/mysql-a.dump`;
    const said = await s.work('hash', [['folder', folder]], { input: [path(jobId), path(`${jobId.slice(0, -1)}2`)], over: [[varLib, '/var/lib']] });
    expect(said.rows).toMatchObject([{ kind: 'file', sha256: sha256('dump') }, { kind: 'missing' }]);
  });

  test('a list that is malformed or too long is refused', async () => {
    const said = await hash(Array.from({ length: 20_001 }, () => join(folder, 'none')));
    expect(said).toMatchObject({ rows: [], result: { ok: '0', reason: 'the list of paths is malformed or too long' } });
  });

  test('a file that changes while it is read is a problem, not a digest', async () => {
    const file = join(folder, 'growing');
    writeFileSync(file, Buffer.alloc(64 << 20));
    const timer = setInterval(() => { writeFileSync(file, 'x', { flag: 'a' }); }, 5);
    const said = await hash([file]);
    clearInterval(timer);
    expect(said.rows).toMatchObject([{ kind: 'file', problem: 'it changed while it was read' }]);
    expect(said.rows[0]?.['sha256']).toBeUndefined();
  });
});
