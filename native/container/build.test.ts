/** Archives become root file systems: good ones whole, hostile ones never beyond it. Root only. */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { tar, type TarEntry } from '../../test/support/tar.js';
import { until } from '../../test/support/until.js';
import type { Said } from '../job/testing/talk.js';
import { lxc } from '../reeve-privd/testing/container.js';
import { firstId, isRoot, makeHost, type TestHost } from './testing/host.js';

const init: readonly TarEntry[] = [{ name: 'sbin', kind: 'folder' }, { name: 'sbin/init', mode: 0o755, content: 'init' }];
const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEGdMyQ6/2SNpYKkDgWe5uAE7y8n8bXjwsQ0NjmPjD/s';

describe.skipIf(!isRoot)('building a container of lxc', () => {
  let host: TestHost;
  let root: string;
  beforeEach(() => {
    host = makeHost();
    root = join(host.lxc, 'sys/rootfs');
    mkdirSync(join(host.lxc, 'sys'), { mode: 0o755 });
  }, 120_000);
  afterEach(() => { host.close(); });

  const build = (archive: Buffer, more: Parameters<typeof lxc>[0] = {}, wrap?: string): Promise<Said> => {
    const sum = createHash('sha256').update(archive).digest('hex');
    writeFileSync(join(host.state, 'archive', sum), archive, { mode: 0o600 });
    host.record('sys', lxc({ archive: sum, ...more }), 3);
    return host.work('build', [['name', 'sys']], wrap === undefined ? {} : { wrap });
  };
  const own = firstId + 3 * 65_536;

  test('owners, modes, links and set-id bits are those of the archive, within ids of its own', async () => {
    const said = await build(tar([
      ...init, { name: 'etc', kind: 'folder', mode: 0o750, gid: 8 }, { name: 'etc/shadow', uid: 0, gid: 42, mode: 0o640, content: 'x' }, { name: 'su', mode: 0o4755, content: 'su' },
      { name: 'link', kind: 'symlink', target: '/etc/shadow' }, { name: 'hard', kind: 'hardlink', target: 'su' }, { name: 'fifo', kind: 'fifo' }, { name: 'proc', kind: 'folder', mode: 0o555 }, { name: 'proc/below', kind: 'folder' },
    ]));
    expect(said).toMatchObject({ exit: 0, result: { ok: '1', skipped: '0' } });
    expect([statSync(root), statSync(join(root, 'proc')), statSync(join(root, 'etc')), statSync(join(root, 'etc/shadow')), statSync(join(root, 'su'))].map(({ uid, gid, mode }) => [uid - own, gid - own, (mode & 0o7777).toString(8)]))
      .toEqual([[0, 0, '755'], [0, 0, '555'], [0, 8, '750'], [0, 42, '640'], [0, 0, '4755']]);
    expect(statSync(join(root, 'hard')).ino).toBe(statSync(join(root, 'su')).ino);
    expect(readlinkSync(join(root, 'link'))).toBe('/etc/shadow');
    expect(lstatSync(join(root, 'fifo')).isFIFO()).toBe(true);
    expect(readdirSync(join(host.lxc, 'sys'))).toEqual(['rootfs']);
  });

  test('with host ids, root of the archive is root of the host', async () => {
    expect(await build(tar([...init]), { ids: 'host' })).toMatchObject({ exit: 0 });
    expect(statSync(join(root, 'sbin/init')).uid).toBe(0);
  });

  test('it is given its name and the first keys of root, and a second time changes nothing', async () => {
    const archive = tar([...init, { name: 'etc', kind: 'folder' }, { name: 'root', kind: 'folder', mode: 0o700 }]);
    expect(await build(archive, { key: [key] })).toMatchObject({ exit: 0 });
    const keys = join(root, 'root/.ssh/authorized_keys');
    expect([readFileSync(keys, 'utf8'), statSync(keys).uid, statSync(keys).mode & 0o777]).toEqual([`${key}\n`, own, 0o600]);
    expect(readFileSync(join(root, 'etc/hostname'), 'utf8')).toBe('sys\n');
    writeFileSync(keys, 'theirs');
    expect(await build(archive, { key: [key] })).toMatchObject({ exit: 0, result: { ok: '1' } });
    expect(readFileSync(keys, 'utf8')).toBe('theirs');
  });

  test('one that is packed is unpacked; what was left by one that was cut is removed first', async () => {
    mkdirSync(join(host.lxc, 'sys/rootfs.new/half'), { recursive: true });
    expect(await build(gzipSync(tar([...init])))).toMatchObject({ exit: 0 });
    expect([readFileSync(join(root, 'sbin/init'), 'utf8'), existsSync(join(root, 'half')), readdirSync(join(host.lxc, 'sys'))]).toEqual(['init', false, ['rootfs']]);
  });

  test('devices are left out and counted', async () => {
    const said = await build(tar([...init, { name: 'dev', kind: 'folder' }, { name: 'dev/sda', kind: 'block', device: [8, 0], mode: 0o666 }, { name: 'dev/mem', kind: 'character', device: [1, 1] }]));
    expect(said).toMatchObject({ exit: 0, result: { ok: '1', skipped: '2' } });
    expect(readdirSync(join(root, 'dev'))).toEqual([]);
  });

  /** What an archive may not do outside: `outside` is a folder of the test that anybody may write in. */
  const hostile: readonly (readonly [string, (outside: string) => readonly TarEntry[]])[] = [
    ['an absolute name', (outside) => [{ name: `${outside}/absolute`, content: 'x' }]],
    ['a name with ..', (outside) => [{ name: `${'../'.repeat(12)}${outside.slice(1)}/up`, content: 'x' }]],
    ['a link out, and a file through it', (outside) => [{ name: 'out', kind: 'symlink', target: outside }, { name: 'out/through', content: 'x' }]],
    ['a link up, and a file through it', (outside) => [{ name: 'out', kind: 'symlink', target: `${'../'.repeat(12)}${outside.slice(1)}` }, { name: 'out/through', content: 'x' }]],
    ['a hard link to a file of the host, and its content', (outside) => [{ name: 'hard', kind: 'hardlink', target: `${outside}/theirs` }, { name: 'hard', content: 'x' }]],
    ['a folder that becomes a link', (outside) => [{ name: 'd', kind: 'folder' }, { name: 'd', kind: 'symlink', target: outside }, { name: 'd/through', content: 'x' }]],
  ];
  test.each(hostile)('%s leads nowhere', async (_, entries) => {
    const outside = join(host.dir, 'outside');
    mkdirSync(outside, { mode: 0o777 });
    writeFileSync(join(outside, 'theirs'), 'theirs', { mode: 0o666 });
    await build(tar([...init, ...entries(outside)]));
    expect(readdirSync(outside)).toEqual(['theirs']);
    expect(readFileSync(join(outside, 'theirs'), 'utf8')).toBe('theirs');
    expect(statSync(join(outside, 'theirs')).nlink).toBe(1);
  });

  test('links in the place of /root, .ssh and hostname do not carry keys or a name out', async () => {
    const outside = join(host.dir, 'outside');
    mkdirSync(outside, { mode: 0o777 });
    writeFileSync(join(outside, 'hostname'), 'theirs', { mode: 0o666 });
    const said = await build(tar([...init, { name: 'root', kind: 'symlink', target: outside }, { name: 'etc', kind: 'folder' }, { name: 'etc/hostname', kind: 'symlink', target: `${outside}/hostname` }]), { key: [key] });
    expect(said).toMatchObject({ exit: 1, result: { ok: '0', reason: 'there is no folder /root/.ssh for the first keys' } });
    expect([readdirSync(outside), readFileSync(join(outside, 'hostname'), 'utf8'), readdirSync(join(host.lxc, 'sys'))]).toEqual([['hostname'], 'theirs', []]);
  });

  test.each([
    ['nothing of a machine', tar([{ name: 'README', content: 'x' }]), 'the archive is no root file system of a machine: it has no /sbin/init'],
    ['no archive', Buffer.alloc(4_096, 'x'), expect.stringContaining('the archive cannot be unpacked: ')],
    ['one that is cut', tar([...init, { name: 'big', content: Buffer.alloc(100_000) }]).subarray(0, 50_000), expect.stringContaining('the archive cannot be unpacked: ')],
  ])('%s: it is refused, and nothing is left', async (_, archive, reason) => {
    expect(await build(archive)).toMatchObject({ exit: 1, result: { ok: '0', reason: reason as string } });
    expect(readdirSync(join(host.lxc, 'sys'))).toEqual([]);
  });

  test('an archive that was altered after it was imported is not unpacked', async () => {
    const archive = tar([...init]);
    const sum = createHash('sha256').update(archive).digest('hex');
    host.record('sys', lxc({ archive: sum }));
    expect(await host.work('build', [['name', 'sys']])).toMatchObject({ result: { reason: `archive ${sum} is not on this host: import it first` } });
    writeFileSync(join(host.state, 'archive', sum), tar([...init, { name: 'more' }]));
    expect(await host.work('build', [['name', 'sys']])).toMatchObject({ result: { reason: `archive ${sum} on this host is not what was imported any more: import it again` } });
    expect(readdirSync(join(host.lxc, 'sys'))).toEqual([]);
  });

  test('one that is larger than the file system ends before that is full, and leaves nothing', async () => {
    const bomb = gzipSync(tar([...init, ...Array.from({ length: 40 }, (_, at): TarEntry => ({ name: `zero-${String(at)}`, content: Buffer.alloc(1 << 20) }))]));
    const left = join(host.dir, 'left');
    const wrap = `mount -t tmpfs -o size=16m none '${host.lxc}' && mkdir -m 755 '${host.lxc}/sys' && "$@"; code=$?; ls -A '${host.lxc}/sys' >'${left}'; exit $code`;
    expect(await build(bomb, {}, wrap)).toMatchObject({ exit: 1, result: { ok: '0', reason: expect.stringMatching(/full|No space left/) as string } });
    expect(readFileSync(left, 'utf8')).toBe('');
  });

  test('the agent goes in the middle: nothing is left that a repeat cannot finish', async () => {
    const archive = tar([...init, { name: 'big', content: Buffer.alloc(100 << 20) }]);
    const sum = createHash('sha256').update(archive).digest('hex');
    writeFileSync(join(host.state, 'archive', sum), archive);
    host.record('sys', lxc({ archive: sum }));
    const cut = await host.work('build', [['name', 'sys']], {
      begun: (connection) => { void until(() => existsSync(join(host.lxc, 'sys/rootfs.new')), { timeoutMs: 20_000, everyMs: 1, what: 'unpacking to begin' }).finally(() => connection.destroy()); },
    });
    expect([cut.exit, existsSync(root)]).toEqual([1, false]);
    expect(await host.work('build', [['name', 'sys']])).toMatchObject({ exit: 0, result: { ok: '1' } });
    expect([statSync(join(root, 'big')).size, readdirSync(join(host.lxc, 'sys'))]).toEqual([100 << 20, ['rootfs']]);
  });
});
