/** Snapshots of containers of lxc: whole copies that lead nowhere, and a rollback that is old or new. Root only. */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Said } from '../job/testing/talk.js';
import { lxc } from '../reeve-privd/testing/container.js';
import { firstId, isRoot, makeHost, type TestHost } from './testing/host.js';

describe.skipIf(!isRoot)('snapshots of a container of lxc', () => {
  let host: TestHost;
  let root: string;
  const own = firstId + 65_536;
  const work = (action: string, snapshot: string): Promise<Said> => host.work(action, [['name', 'sys'], ['snapshot', snapshot]]);
  /** Everything but times of folders and inode numbers. */
  const look = (): string => execFileSync('sh', ['-c', "cd \"$1\" && find . -printf '%p %y %m %U %G %n %l\\n' | sort && find . -type f | sort | xargs sha256sum", 'sh', root], { encoding: 'utf8' });

  beforeEach(() => {
    host = makeHost();
    root = join(host.lxc, 'sys/rootfs');
    mkdirSync(join(root, 'etc/deep'), { recursive: true });
    writeFileSync(join(host.lxc, 'sys/config'), 'lxc.uts.name = sys\n');
    execFileSync('sh', ['-c', 'cd "$1" && echo one >etc/file && ln etc/file hard && cp /bin/true su && mkfifo fifo && ln -s /etc/passwd link && truncate -s 20M sparse && mkdir -p sys/below && chmod 0555 sys && chown -hR "$2:$2" . && chown "$(($2 + 33))" etc/file && chmod 4755 su', 'sh', root, String(own)]);
    host.record('sys', lxc(), 1);
  }, 120_000);
  afterEach(() => { host.close(); });

  test('what was changed is as it was after a rollback, with owners, links and set-id bits', async () => {
    const before = look();
    expect(await work('snapshot', 'first')).toMatchObject({ exit: 0, result: { ok: '1', consistent: '1' } });
    writeFileSync(join(root, 'etc/file'), 'two');
    rmSync(join(root, 'su'));
    mkdirSync(join(root, 'more'));
    expect(await work('rollback', 'first')).toMatchObject({ exit: 0, result: { ok: '1' } });
    expect(look()).toBe(before);
    expect(readdirSync(join(host.lxc, 'sys')).sort()).toEqual(['config', 'rootfs']);
  });

  test('they are listed by name, each only once, and go', async () => {
    for (const name of ['second', 'first']) expect((await work('snapshot', name)).result['ok']).toBe('1');
    expect(await work('snapshot', 'first')).toMatchObject({ exit: 1, result: { reason: 'there is a snapshot "first" already' } });
    const { rows } = await host.work('snapshots', [['name', 'sys']]);
    expect(rows.map(({ snapshot, consistent }) => [snapshot, consistent])).toEqual([['first', '1'], ['second', '1']]);
    expect(Number(rows[0]?.['created-ms'])).toBeGreaterThan(Date.now() - 60_000);
    expect(Number(rows[0]?.['bytes'])).toBeGreaterThan(0);
    for (let i = 0; i < 2; i++) expect(await work('drop', 'first')).toMatchObject({ exit: 0, result: { ok: '1' } });
    expect(readdirSync(join(host.state, 'snapshot/sys'))).toEqual(['second']);
    expect(await work('rollback', 'first')).toMatchObject({ exit: 1, result: { reason: 'there is no snapshot "first"' } });
  });

  test.each(['../first', '', '.', 'first/..', '--help', 'A', 'current'])('snapshot %j is none', async (name) => {
    for (const action of ['snapshot', 'rollback', 'drop']) expect(await work(action, name)).toMatchObject({ exit: 1, result: { ok: '0', reason: 'the ticket names no snapshot' } });
  });

  test('what a copy or a rollback that was cut has left is in nobody\'s way', async () => {
    await work('snapshot', 'first');
    mkdirSync(join(host.state, 'snapshot/sys/.new/rootfs/half'), { recursive: true });
    mkdirSync(join(host.lxc, 'sys/rootfs.new/half'), { recursive: true });
    expect((await work('snapshot', 'second')).result['ok']).toBe('1');
    expect((await work('rollback', 'second')).result['ok']).toBe('1');
    expect([existsSync(join(root, 'half')), readdirSync(join(host.lxc, 'sys')).sort()]).toEqual([false, ['config', 'rootfs']]);
  });

  test('folders of the container that are links to the host are copied as links', async () => {
    const secret = join(host.dir, 'secret');
    mkdirSync(secret);
    writeFileSync(join(secret, 'theirs'), 'theirs');
    rmSync(join(root, 'etc'), { recursive: true });
    symlinkSync(secret, join(root, 'etc'));
    expect((await work('snapshot', 'first')).result['ok']).toBe('1');
    expect(lstatSync(join(host.state, 'snapshot/sys/first/rootfs/etc')).isSymbolicLink()).toBe(true);
    expect((await work('rollback', 'first')).result['ok']).toBe('1');
    expect(readFileSync(join(secret, 'theirs'), 'utf8')).toBe('theirs');
  });

  test('a root file system that is a link itself is not followed', async () => {
    rmSync(root, { recursive: true });
    symlinkSync('/etc', root);
    expect((await work('snapshot', 'first')).result['ok']).toBe('0');
  });
});
