/**
 * The helper for real, as root: useradd and its like run in a private mount namespace whose /etc, /home and /var are copies, so the accounts of this
 * machine stay as they are. Skipped by name for other users.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, chownSync, existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createPrivdClient, encodeRequest, parseOperationId, type PrivdClient } from '../../agent/host/privd.js';
import type { PrivdReply, PrivdRequest, PrivdVerbName } from '../../shared/gen/privd.js';
import { hostileFrames, randomFrom } from './hostile.js';

const here = dirname(fileURLToPath(import.meta.url));
const isRoot = process.getuid?.() === 0;
const allowAll = `version 1
allow observe.user
allow user.add
allow user.set
allow user.lock
allow user.unlock
allow user.remove
allow user.release
allow user.adopt
allow group.member group=games,users
deny user.add name=zz-*
`;
const setup = `set -e
mount -t tmpfs -o mode=755 none "$1"
for d in etc var home; do mkdir "$1/$d-up" "$1/$d-work"; done
mount -t overlay none -o lowerdir=/etc,upperdir="$1/etc-up",workdir="$1/etc-work" /etc
mount -t tmpfs -o mode=755 none /home
for d in lib log mail spool; do mount -t tmpfs -o mode=755 none /var/$d; done
mkdir -m 755 -p /etc/reeve
echo ready
exec sleep 3600`;

describe.skipIf(!isRoot)('reeve-privd as root', () => {
  const dir = isRoot ? mkdtempSync(join(tmpdir(), 'privd-')) : '';
  const build = process.env['REEVE_PRIVD_TEST'] ?? join(dir, 'build/reeve-privd-test');
  const socketPath = join(dir, 'sock');
  let holder: ChildProcess;
  let helper: ChildProcess;
  let client: PrivdClient;
  let root = '';
  const stops: (() => unknown)[] = [];
  const state = '/var/lib/reeve-privd';

  const inside = (...command: string[]): string =>
    execFileSync('nsenter', ['-t', String(holder.pid), '-m', '--', ...command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const ends = (child: ChildProcess): Promise<unknown> => new Promise((resolve) => { if (child.exitCode !== null || child.signalCode !== null) resolve(undefined); else child.once('exit', resolve); });
  async function startHelper(callerUid = 0, path = socketPath): Promise<ChildProcess> {
    rmSync(path, { force: true });
    const child = spawn('nsenter', ['-t', String(holder.pid), '-m', '--', build, '--listen', path, '--caller-uid', String(callerUid), '--state', state],
      { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (chunk: Buffer) => { if (process.env['REEVE_SHOW_LOG'] !== undefined) process.stderr.write(chunk); });
    await vi.waitFor(async () => { if (!await canConnect(path)) throw new Error('the helper does not listen'); }, { timeout: 5000, interval: 10 });
    return child;
  }
  const canConnect = (path: string): Promise<boolean> => new Promise((resolve) => {
    const socket = connect(path, () => { socket.destroy(); resolve(true); });
    socket.on('error', () => { resolve(false); });
  });
  const call = <V extends PrivdVerbName>(verb: V, request: PrivdRequest<V>, operation = randomUUID()): Promise<PrivdReply<V>> => client.call(verb, operation, request);
  const writePolicy = (text: string): void => { rmSync(`${root}/etc/reeve/policy`, { force: true, recursive: true }); writeFileSync(`${root}/etc/reeve/policy`, text, { mode: 0o644 }); };
  const passwd = (name: string): string[] | undefined => readFileSync(`${root}/etc/passwd`, 'utf8').split('\n').map((line) => line.split(':')).find((parts) => parts[0] === name);
  const shadow = (name: string): string[] | undefined => readFileSync(`${root}/etc/shadow`, 'utf8').split('\n').map((line) => line.split(':')).find((parts) => parts[0] === name);
  const members = (name: string): string => readFileSync(`${root}/etc/group`, 'utf8').split('\n').map((line) => line.split(':')).find((parts) => parts[0] === name)?.[3] ?? 'absent';
  const marker = (name: string): string => { try { return readFileSync(`${root}${state}/owned/user/${name}`, 'utf8'); } catch { return ''; } };
  const audit = (): Record<string, unknown>[] => readFileSync(`${root}${state}/audit/audit.log`, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
  const digestOfAccounts = (): string => ['passwd', 'shadow', 'group', 'gshadow'].map((file) => readFileSync(`${root}/etc/${file}`, 'utf8')).join('\n---\n') + readdirSync(`${root}/home`).join() + readdirSync(`${root}${state}/owned/user`).join();
  const failsWith = (promise: Promise<unknown>, code: string, fields: Record<string, unknown> = {}): Promise<void> =>
    expect(promise).rejects.toMatchObject({ code, ...(Object.keys(fields).length > 0 ? { fields: expect.objectContaining(fields) as unknown } : {}) });
  const add = (name: string, more: Partial<PrivdRequest<'user.add'>> = {}): Promise<PrivdReply<'user.add'>> => call('user.add', { name, shell: '/bin/sh', kind: 'home', ...more });
  const children = (): number[] => readFileSync(`/proc/${String(helper.pid)}/task/${String(helper.pid)}/children`, 'utf8').split(' ').filter((pid) => pid !== '').map(Number);
  /** Bytes over a new connection; the answer's status, or undefined when it was closed without one. */
  const raw = (bytes: Buffer, end = true, path = socketPath): Promise<number | undefined> => new Promise((resolve) => {
    let got = Buffer.alloc(0);
    const socket = connect({ path, allowHalfOpen: true }, () => { if (end) socket.end(bytes); else socket.write(bytes); });
    socket.on('data', (chunk) => { got = Buffer.concat([got, chunk]); });
    socket.on('error', () => undefined);
    socket.on('end', () => { socket.end(); });
    socket.on('close', () => { resolve(got.length >= 26 ? got.readUInt16BE(24) : undefined); });
  });

  beforeAll(async () => {
    if (process.env['REEVE_PRIVD_TEST'] === undefined) execFileSync('make', ['-s', '-C', here, `OUT=${join(dir, 'build')}`, 'test-build', 'all'], { stdio: ['ignore', 'ignore', 'inherit'] });
    chmodSync(dir, 0o755);
    mkdirSync(join(dir, 'over'));
    holder = spawn('unshare', ['-m', 'sh', '-c', setup, 'sh', join(dir, 'over')], { stdio: ['ignore', 'pipe', 'inherit'] });
    stops.push(() => { holder.kill('SIGKILL'); return ends(holder); });
    await new Promise<void>((resolve, reject) => { holder.stdout?.once('data', () => { resolve(); }); holder.once('exit', () => { reject(new Error('the namespace could not be set up')); }); });
    root = `/proc/${String(holder.pid)}/root`;
    writePolicy(allowAll);
    helper = await startHelper();
    stops.push(() => { helper.kill('SIGTERM'); return ends(helper); });
    client = createPrivdClient({ socketPath, timeoutMs: 40_000 });
    stops.push(() => { client.close(); });
  }, 120_000);
  afterAll(async () => {
    for (const stop of stops.reverse()) await stop();
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);
  beforeEach(() => { writePolicy(allowAll); });

  test('status works without a policy, nothing else does, and the reason is named', async () => {
    const file = `${root}/etc/reeve/policy`;
    const states: [string, () => void][] = [
      ['missing', () => { rmSync(file); }],
      ['mode', () => { chmodSync(file, 0o664); }],
      ['mode', () => { chmodSync(file, 0o646); }],
      ['mode', () => { chmodSync(`${root}/etc/reeve`, 0o775); }],
      ['owner', () => { chownSync(file, 1000, 0); }],
      ['size', () => { writeFileSync(file, `version 1\n${'#'.repeat(65_600)}\n`); }],
      ['syntax', () => { writeFileSync(file, 'version 1\nallow everything\n'); }],
      ['type', () => { rmSync(file); mkdirSync(file); }],
      ['type', () => { rmSync(file); symlinkSync('/etc/reeve/other', file); }],
      ['type', () => { rmSync(file); inside('mkfifo', '/etc/reeve/policy'); }],
    ];
    for (const [expected, spoil] of states) {
      writePolicy(allowAll);
      chmodSync(`${root}/etc/reeve`, 0o755);
      spoil();
      const status = await call('status.get', {});
      expect(status.policyState).toBe(expected);
      expect(status.policyReason).not.toBe('');
      await failsWith(call('observe.user', { scope: 'all' }), 'POLICY_UNUSABLE', { reason: status.policyReason });
      await failsWith(add('nobody1'), 'POLICY_UNUSABLE');
    }
    chmodSync(`${root}/etc/reeve`, 0o755);
    writePolicy(allowAll);
    expect(await call('status.get', {})).toMatchObject({ policyState: 'ok', policyReason: '', seccomp: true, openat2: true, auditState: 'ok' });
  });

  test('an account is made, changed, locked, unlocked and removed, and each step can be repeated', async () => {
    expect(await add('alice', { comment: 'Alice A.' })).toEqual({ uid: 20000 });
    expect(passwd('alice')).toEqual(['alice', 'x', '20000', '20000', 'Alice A.', '/home/alice', '/bin/sh']);
    expect(lstatSync(`${root}/home/alice`).uid).toBe(20000);
    expect(await add('alice')).toEqual({ uid: 20000 });
    expect(await call('user.add', { name: 'svc', kind: 'system', shell: '/usr/sbin/nologin', uid: 20077 })).toEqual({ uid: 20077 });
    expect(passwd('svc')).toEqual(['svc', 'x', '20077', '20077', '', '/nonexistent', '/usr/sbin/nologin']);
    for (let i = 0; i < 2; i++) {
      await call('user.set', { name: 'alice', shell: '/bin/bash', comment: 'A' });
      expect(passwd('alice')?.slice(4)).toEqual(['A', '/home/alice', '/bin/bash']);
    }
    await call('user.set', { name: 'alice', comment: '' });
    expect(passwd('alice')?.[4]).toBe('');
    for (let i = 0; i < 2; i++) {
      await call('group.member', { name: 'alice', group: 'games', action: 'add' });
      expect(members('games')).toBe('alice');
    }
    for (let i = 0; i < 2; i++) {
      await call('user.lock', { name: 'alice' });
      expect(shadow('alice')?.slice(1, 2).concat(shadow('alice')?.[7] ?? '')).toEqual(['!', '1']);
    }
    const seen = (await call('observe.user', { scope: 'managed' })).user;
    expect(seen.map((user) => user.name)).toEqual(['alice', 'svc']);
    expect(seen[0]).toEqual({ name: 'alice', uid: 20000, gid: 20000, shell: '/bin/bash', comment: '', home: '/home/alice', group: ['games'], locked: true, marker: 'home', present: true });
    for (let i = 0; i < 2; i++) {
      await call('user.unlock', { name: 'alice' });
      expect([shadow('alice')?.[1], shadow('alice')?.[7]]).toEqual(['!', '']);
    }
    for (let i = 0; i < 2; i++) {
      await call('group.member', { name: 'alice', group: 'games', action: 'remove' });
      expect(members('games')).toBe('');
    }
    const operation = randomUUID();
    const removed = await call('user.remove', { name: 'alice' }, operation);
    expect(removed).toEqual({ trash: `alice.${parseOperationId(operation).toString('hex')}`, ended: 0 });
    expect([passwd('alice'), shadow('alice'), members('alice'), marker('alice'), existsSync(`${root}/home/alice`)]).toEqual([undefined, undefined, 'absent', '', false]);
    expect(existsSync(`${root}/home/.reeve-trash/${removed.trash}/.profile`)).toBe(true);
    expect(statSync(`${root}/home/.reeve-trash`).mode & 0o7777).toBe(0o700);
    expect(await call('user.remove', { name: 'alice' })).toEqual({ trash: '', ended: 0 });
    expect(await add('bella'), 'a uid is never given away twice').toEqual({ uid: 20001 });
    await failsWith(add('carl', { uid: 20000 }), 'USER_UID_TAKEN', { value: '20000', owner: 'alice, removed' });
    await call('user.remove', { name: 'bella', keepHome: true });
    expect(existsSync(`${root}/home/bella`)).toBe(true);
    await failsWith(add('bella'), 'HOME_TAKEN', { value: '/home/bella' });
    await call('user.remove', { name: 'svc' });
  });

  test('a password survives a lock, and an account without one never becomes open', async () => {
    await add('pw');
    inside('usermod', '--password', '$6$abc$def', 'pw');
    await call('user.lock', { name: 'pw' });
    expect(shadow('pw')?.[1]).toBe('!$6$abc$def');
    await call('user.unlock', { name: 'pw' });
    expect(shadow('pw')?.[1]).toBe('$6$abc$def');
    inside('usermod', '--password', '!', 'pw');
    await call('user.lock', { name: 'pw' });
    await call('user.unlock', { name: 'pw' });
    expect(shadow('pw')?.[1]).toBe('!');
    inside('usermod', '--expiredate', '2099-01-01', 'pw');
    await call('user.unlock', { name: 'pw' });
    expect(shadow('pw')?.[7], "an expiry of root's own is left alone").not.toBe('');
    await call('user.remove', { name: 'pw' });
  });

  test('what the floors and the policy forbid is refused with its own code', async () => {
    const before = digestOfAccounts();
    await failsWith(add('root'), 'USER_RESERVED');
    await failsWith(add('reeve-x'), 'USER_RESERVED');
    await failsWith(add('A'), 'FIELD_INVALID', { field: 'name' });
    await failsWith(add('-x'), 'FIELD_INVALID');
    await failsWith(add('x', { uid: 999 }), 'FIELD_INVALID', { field: 'uid' });
    await failsWith(add('x', { uid: 30000 }), 'POLICY_DENIED', { line: 'allow user.add name=x uid=30000 shell=/bin/sh kind=home' });
    await failsWith(add('zz-x'), 'POLICY_DENIED', { line: 'allow user.add name=zz-x shell=/bin/sh kind=home # and remove line 11, which denies it' });
    await failsWith(add('x', { shell: '/bin/zsh' }), 'POLICY_DENIED', { op: 'user.add', args: 'name=x shell=/bin/zsh kind=home' });
    await failsWith(add('x', { comment: 'a,b' }), 'FIELD_INVALID');
    await failsWith(call('user.lock', { name: 'root' }), 'USER_PROTECTED');
    await failsWith(call('user.remove', { name: 'daemon' }), 'USER_PROTECTED');
    await failsWith(call('user.set', { name: 'www-data', shell: '/bin/sh' }), 'USER_PROTECTED');
    await failsWith(call('user.lock', { name: 'ghost' }), 'USER_ABSENT');
    await failsWith(call('user.adopt', { name: 'root' }), 'POLICY_DENIED', { line: 'allow user.adopt name=root system=yes' });
    await failsWith(call('group.member', { name: 'ghost', group: 'sudo', action: 'add' }), 'GROUP_DANGEROUS');
    await failsWith(call('group.member', { name: 'ghost', group: 'audio', action: 'add' }), 'POLICY_DENIED');
    writePolicy(allowAll.replace('allow user.add', 'allow user.add shell=/bin/zsh,/bin/sh uid=1000-1001'));
    await failsWith(add('x', { shell: '/bin/zsh' }), 'SHELL_ABSENT', { value: '/bin/zsh' });
    expect(digestOfAccounts()).toBe(before);
  });

  test('accounts of others are not ours until they are adopted, and then only for keys and lock', async () => {
    inside('useradd', '--create-home', '--uid', '1500', '--shell', '/bin/sh', 'carol');
    await failsWith(add('carol'), 'USER_FOREIGN');
    const set = (): Promise<unknown> => call('user.set', { name: 'carol', shell: '/bin/bash' });
    const remove = (): Promise<unknown> => call('user.remove', { name: 'carol' });
    for (const refused of [set, remove, () => call('user.lock', { name: 'carol' })]) await failsWith(refused(), 'USER_FOREIGN');
    expect(await call('user.adopt', { name: 'carol' })).toEqual({ marker: 'adopted' });
    expect(await call('user.adopt', { name: 'carol' })).toEqual({ marker: 'adopted' });
    await call('user.lock', { name: 'carol' });
    expect(shadow('carol')?.[7]).toBe('1');
    await call('user.unlock', { name: 'carol' });
    for (const refused of [set, remove, () => add('carol'), () => call('group.member', { name: 'carol', group: 'games', action: 'add' })]) {
      await failsWith(refused(), 'USER_PROTECTED', { rule: 'adopted: keys and lock only' });
    }
    await call('user.release', { name: 'carol' });
    await call('user.release', { name: 'carol' });
    expect([marker('carol'), passwd('carol')?.[2]]).toEqual(['', '1500']);
    writePolicy(`${allowAll}allow user.adopt name=root system=yes\n`);
    expect(await call('user.adopt', { name: 'root' })).toEqual({ marker: 'adopted-keys' });
    for (const verb of ['user.lock', 'user.unlock', 'user.set', 'user.remove'] as const) await failsWith(call(verb, { name: 'root' }), 'USER_PROTECTED');
    await call('user.release', { name: 'root' });
    await failsWith(call('user.adopt', { name: 'ghost' }), 'USER_ABSENT');
    inside('userdel', '--remove', 'carol');
  });

  test('uid and kind of an account never change', async () => {
    await add('kurt');
    const uid = Number(passwd('kurt')?.[2]);
    await failsWith(add('kurt', { uid: uid + 1 }), 'USER_UID_FIXED', { owner: String(uid) });
    await failsWith(add('kurt', { kind: 'system' }), 'USER_KIND_FIXED', { owner: 'home' });
    await failsWith(add('kurt', { shell: '/bin/bash' }), 'STATE_MOVED');
    await failsWith(add('lena', { uid }), 'USER_UID_TAKEN', { owner: 'kurt' });
    writePolicy(allowAll.replace('allow user.add', `allow user.add uid=${String(uid)}`));
    await failsWith(add('lena'), 'USER_UID_RANGE_FULL');
    await call('user.remove', { name: 'kurt' });
  });

  test('processes of a removed user end, also those that ignore TERM', { timeout: 60_000 }, async () => {
    await add('proc');
    const uid = Number(passwd('proc')?.[2]);
    const polite = spawn('sleep', ['600'], { uid, gid: uid, stdio: 'ignore', cwd: '/' });
    const rude = spawn('sh', ['-c', "trap '' TERM; echo ready; while :; do sleep 1; done"], { uid, gid: uid, stdio: ['ignore', 'pipe', 'ignore'], cwd: '/' });
    await new Promise((resolve) => rude.stdout.once('data', resolve));
    const both = Promise.all([ends(polite), ends(rude)]);
    const { ended } = await call('user.remove', { name: 'proc' });
    await both;
    expect(ended).toBeGreaterThanOrEqual(2);
    expect([polite.signalCode, rude.signalCode]).toEqual(['SIGTERM', 'SIGKILL']);
    expect(passwd('proc')).toBeUndefined();
  });

  test('a home that is not plainly the user\'s is left alone, the account stays locked, and a repeat finishes after repair', async () => {
    const outside = `${root}/etc/victim`;
    mkdirSync(outside);
    const spoils: [string, (home: string) => void][] = [
      ['it is a symbolic link', (home) => { symlinkSync('/etc/victim', home); }],
      ['it is not a folder', (home) => { writeFileSync(`${root}/home/file`, 'x'); linkSync(`${root}/home/file`, home); }],
      ['it is not a folder', (home) => { inside('mkfifo', home.slice(root.length)); }],
      ['it does not belong to the user', (home) => { mkdirSync(home); }],
      ['it is a mount point', (home) => { mkdirSync(home); inside('mount', '--bind', '/etc/victim', home.slice(root.length)); }],
    ];
    for (const [at, [rule, spoil]] of spoils.entries()) {
      const name = `odd${String(at)}`;
      const home = `${root}/home/${name}`;
      await add(name);
      const operation = randomUUID();
      inside('mv', `/home/${name}`, '/home/aside');
      spoil(home);
      await failsWith(call('user.remove', { name }, operation), 'PATH_UNSAFE', { value: `/home/${name}`, rule });
      expect(marker(name)).toContain('state=removing');
      await failsWith(add(name), 'STATE_MOVED');
      expect((await call('observe.user', { scope: 'managed' })).user.find((user) => user.name === name)).toMatchObject({ marker: 'removing', present: false });
      if (rule === 'it is a mount point') inside('umount', `/home/${name}`);
      rmSync(home, { recursive: true });
      inside('mv', '/home/aside', `/home/${name}`);
      expect((await call('user.remove', { name }, operation)).trash).toBe(`${name}.${parseOperationId(operation).toString('hex')}`);
      expect(marker(name)).toBe('');
    }
    expect(existsSync(outside)).toBe(true);
    rmSync(`${root}/home/file`);
    await add('trashy');
    const trash = `${root}/home/.reeve-trash`;
    chmodSync(trash, 0o755);
    await failsWith(call('user.remove', { name: 'trashy' }), 'PATH_UNSAFE', { value: '/home/.reeve-trash' });
    chmodSync(trash, 0o700);
    await call('user.remove', { name: 'trashy' });
    chmodSync(`${root}/home`, 0o777);
    await failsWith(add('wide'), 'PATH_UNSAFE', { value: '/home' });
    chmodSync(`${root}/home`, 0o755);
  });

  test('kill -9 at every failpoint: a repeat of the same call finishes, and the audit log shows the gap closed', { timeout: 120_000 }, async () => {
    const named = new Set(readdirSync(here).filter((file) => file.endsWith('.c')).flatMap((file) => [...readFileSync(join(here, file), 'utf8').matchAll(/FAILPOINT\("([^"]+)"\)/g)].map((match) => match[1] ?? '')));
    const exercised = new Set<string>();
    const kill = async (point: string, attempt: () => Promise<unknown>, final: () => void): Promise<void> => {
      const recovered = audit().filter((record) => record['phase'] === 'recovered').length;
      writeFileSync(`${root}${state}/failpoint.${point}`, '');
      await failsWith(attempt(), 'HELPER_UNREACHABLE');
      expect(existsSync(`${root}${state}/failpoint.${point}`), point).toBe(false);
      await attempt();
      final();
      expect(audit().filter((record) => record['phase'] === 'recovered').length, point).toBe(recovered + 1);
      exercised.add(point);
    };
    let n = 0;
    const present = (name: string): void => { expect([passwd(name)?.[5], marker(name).includes('state=owned'), existsSync(`${root}/home/${name}`)]).toEqual([`/home/${name}`, true, true]); };
    const gone = (name: string): void => { expect([passwd(name), marker(name), existsSync(`${root}/home/${name}`), members(name)]).toEqual([undefined, '', false, 'absent']); };
    for (const point of ['audit.intent', 'audit.result', 'marker.written', 'add.marked', 'add.used', 'add.cleared', 'add.made', 'add.owned']) {
      const name = `fp${String(n++)}`;
      const operation = randomUUID();
      await kill(point, () => call('user.add', { name, shell: '/bin/sh', kind: 'home' }, operation), () => { present(name); });
      await call('user.remove', { name });
    }
    for (const point of ['remove.marked', 'remove.locked', 'remove.ended', 'remove.deleted', 'remove.moved', 'remove.forgotten']) {
      const name = `fp${String(n++)}`;
      const operation = randomUUID();
      await add(name);
      await kill(point, () => call('user.remove', { name }, operation), () => { gone(name); });
      expect(readdirSync(`${root}/home/.reeve-trash`).filter((entry) => entry.startsWith(`${name}.`))).toHaveLength(1);
    }
    await add('fpx');
    await kill('set.done', () => call('user.set', { name: 'fpx', shell: '/bin/bash' }), () => { expect(passwd('fpx')?.[6]).toBe('/bin/bash'); });
    await kill('lock.done', () => call('user.lock', { name: 'fpx' }), () => { expect(shadow('fpx')?.[7]).toBe('1'); });
    writeFileSync(`${root}${state}/failpoint.unlock.done`, '');
    await failsWith(call('user.unlock', { name: 'fpx' }), 'HELPER_UNREACHABLE');
    exercised.add('unlock.done');
    await call('user.unlock', { name: 'fpx' });
    expect(shadow('fpx')?.[7]).toBe('');
    await kill('member.done', () => call('group.member', { name: 'fpx', group: 'games', action: 'add' }), () => { expect(members('games')).toBe('fpx'); });
    writeFileSync(`${root}${state}/failpoint.release.forgotten`, '');
    await failsWith(call('user.release', { name: 'fpx' }), 'HELPER_UNREACHABLE');
    exercised.add('release.forgotten');
    await call('user.release', { name: 'fpx' });
    await kill('adopt.marked', () => call('user.adopt', { name: 'fpx' }), () => { expect(marker('fpx')).toContain('state=adopted'); });
    await call('user.release', { name: 'fpx' });
    inside('userdel', '--remove', 'fpx');
    expect([...exercised].sort()).toEqual([...named].sort());
    expect(inside(build, '--verify-audit')).toMatch(/^intact/);
  });

  test('kill -9 of the child at random moments: a repeat finishes', { timeout: 120_000 }, async () => {
    const random = randomFrom(Number(process.env['REEVE_SEED'] ?? '7'));
    const rounds = Number(process.env['REEVE_KILLS'] ?? '40');
    let hits = 0;
    const killed = async (attempt: () => Promise<unknown>): Promise<void> => {
      const done = attempt().then(() => true, () => false);
      const until = performance.now() + random(1200) / 100;
      while (performance.now() < until) await new Promise((resolve) => { setImmediate(resolve); });
      for (const pid of children()) { try { process.kill(pid, 'SIGKILL'); } catch { /* it had ended */ } }
      if (!await done) hits++;
      await attempt();
    };
    for (let i = 0; i < rounds; i++) {
      const name = `rk${String(i)}`;
      await killed(() => call('user.add', { name, shell: '/bin/sh', kind: 'home' }));
      expect([passwd(name)?.[5], marker(name).includes('state=owned'), lstatSync(`${root}/home/${name}`).uid]).toEqual([`/home/${name}`, true, Number(passwd(name)?.[2])]);
      await killed(() => call('user.remove', { name }));
      expect([passwd(name), members(name), marker(name), existsSync(`${root}/home/${name}`)]).toEqual([undefined, 'absent', '', false]);
    }
    expect(inside(build, '--verify-audit')).toMatch(/^intact/);
    process.stdout.write(`privd: ${String(2 * rounds)} kills at random moments, ${String(hits)} of them hit a running call\n`);
  });

  test('a violation of the filter ends the child, is answered, and the helper lives on', async () => {
    writeFileSync(`${root}${state}/violate`, '');
    await failsWith(call('status.get', {}), 'SANDBOX_VIOLATION');
    expect((await call('status.get', {})).seccomp).toBe(true);
  });

  test('an open intent is closed when the helper starts again, and edits of the log are found', { timeout: 60_000 }, async () => {
    writeFileSync(`${root}${state}/failpoint.audit.intent`, '');
    await failsWith(add('late'), 'HELPER_UNREACHABLE');
    helper.kill('SIGTERM');
    await ends(helper);
    helper = await startHelper();
    expect(audit().at(-1)).toMatchObject({ phase: 'recovered', verb: 'user.add' });
    const log = `${root}${state}/audit/audit.log`;
    const text = readFileSync(log, 'utf8');
    const lines = text.trimEnd().split('\n');
    const copy = join(dir, 'copy.log');
    const verify = (changed: string): string => {
      writeFileSync(copy, changed);
      try { return execFileSync(build, ['--verify-audit', copy], { encoding: 'utf8' }); } catch (error) { return String((error as { stdout?: unknown }).stdout); }
    };
    expect(verify(text)).toMatch(/^intact/);
    const random = randomFrom(3);
    for (let i = 0; i < 200; i++) {
      const at = 1 + random(lines.length - 2);
      const changed = [...lines];
      switch (random(4)) {
        case 0: changed.splice(at, 1); break;
        case 1: changed.splice(at, 0, changed[at - 1] ?? ''); break;
        case 2: [changed[at], changed[at - 1]] = [changed[at - 1] ?? '', changed[at] ?? '']; break;
        default: {
          const line = changed[at] ?? '';
          const where = random(line.length);
          changed[at] = `${line.slice(0, where)}${line[where] === '1' ? '2' : '1'}${line.slice(where + 1)}`;
        }
      }
      if (changed.join('\n') !== lines.join('\n')) expect(verify(`${changed.join('\n')}\n`), `${String(i)}: line ${String(at + 1)}`).toMatch(/^bad\t/);
    }
  });

  test('when audit records cannot be written nothing changes, except what ends access', { timeout: 60_000 }, async () => {
    await add('full');
    const folder = `${state}/audit`;
    inside('mount', '-t', 'tmpfs', '-o', 'mode=700,size=256k', 'none', folder);
    try {
      await call('user.set', { name: 'full', comment: 'x' });
      try { writeFileSync(`${root}${folder}/filler`, Buffer.alloc(300_000)); } catch { /* full is what is wanted */ }
      const log = `${root}${folder}/audit.log`;
      const room = 4096 - (statSync(log).size % 4096);
      writeFileSync(log, readFileSync(log, 'utf8'));
      for (let i = 0; i * 300 < room + 600; i++) await call('user.set', { name: 'full', comment: 'x' }).catch(() => undefined);
      const before = digestOfAccounts();
      await failsWith(call('user.set', { name: 'full', comment: 'y' }), 'AUDIT_UNWRITABLE', { reason: 'no space is left' });
      expect(digestOfAccounts()).toBe(before);
      expect((await call('observe.user', { scope: 'managed' })).user).toHaveLength(1);
      expect((await call('status.get', {})).auditState).toBe('no space is left');
      await call('user.lock', { name: 'full' });
      expect(shadow('full')?.[7]).toBe('1');
      inside('mount', '-o', 'remount,ro', folder);
      await failsWith(call('user.unlock', { name: 'full' }), 'AUDIT_UNWRITABLE', { reason: 'the file system is read-only' });
    } finally {
      inside('umount', folder);
    }
    await call('user.remove', { name: 'full' });
  });

  test('only the agent\'s uid is answered: not root, not nobody, not a member of its group; audited at most once a second', { timeout: 60_000 }, async () => {
    const path = join(dir, 'strict');
    const before = audit().filter((record) => record['verb'] === 'connect').length;
    const start = Date.now();
    const strict = await startHelper(64123, path);
    stops.push(() => { strict.kill('SIGKILL'); return ends(strict); });
    chmodSync(path, 0o666);
    const script = `const s=require('net').connect(${JSON.stringify(path)},()=>{s.write(Buffer.from(process.argv[1],'hex'))});let n=0;s.on('data',d=>n+=d.length);s.on('error',()=>{});s.on('close',()=>console.log(n))`;
    const frame = encodeRequest('status.get', randomUUID(), {}).toString('hex');
    const as = (uid: number, gid: number): number => Number(execFileSync(process.execPath, ['-e', script, frame], { uid, gid, encoding: 'utf8', env: {}, cwd: '/' }));
    for (let i = 0; i < 20; i++) expect(await raw(Buffer.from(frame, 'hex'), false, path)).toBeUndefined();
    expect(as(65534, 65534)).toBe(0);
    expect(as(64124, 64123)).toBe(0);
    const lines = audit().filter((record) => record['verb'] === 'connect').length - before;
    expect(lines).toBeGreaterThanOrEqual(1);
    expect(lines).toBeLessThanOrEqual(2 + Math.floor((Date.now() - start) / 1000));
    expect(as(64123, 64123)).toBeGreaterThan(100);
    strict.kill('SIGTERM');
    await ends(strict);
  });

  test('malformed frames are answered or closed, and slow ones block nobody', { timeout: 60_000 }, async () => {
    const good = encodeRequest('observe.user', randomUUID(), { scope: 'managed' });
    const with32 = (bytes: Buffer, at: number, value: number): Buffer => { const out = Buffer.from(bytes); out.writeUInt32BE(value, at); return out; };
    expect(await raw(Buffer.alloc(0))).toBeUndefined();
    expect(await raw(good.subarray(0, 3))).toBe(13);
    expect(await raw(good.subarray(0, 20))).toBe(13);
    expect(await raw(with32(good, 0, 65_537))).toBe(67);
    expect(await raw(with32(good, 0, 0xffffffff))).toBe(67);
    expect(await raw(with32(good, 26, 0xffffffff))).toBe(13);
    expect(await raw(Buffer.concat([with32(good, 0, good.length + 6), Buffer.from([0, 99, 0, 0, 0, 4, 1, 2, 3, 4])]))).toBe(12);
    const slow = Array.from({ length: 7 }, () => connect(socketPath, function (this: import('node:net').Socket) { this.write(good.subarray(0, 10)); }));
    const start = Date.now();
    await call('status.get', {});
    expect(Date.now() - start).toBeLessThan(1000);
    for (const socket of slow) socket.destroy();
  });

  test('8 requests run, 32 wait, the next one is told BUSY', { timeout: 60_000 }, async () => {
    await expect.poll(children, { timeout: 15_000 }).toEqual([]); // those of earlier tests would make room again
    const open = Array.from({ length: 40 }, () => connect(socketPath));
    await Promise.all(open.map((socket) => new Promise((resolve) => { socket.once('connect', resolve); })));
    try {
      for (let i = 0; i < 20; i++) await failsWith(call('status.get', {}), 'BUSY');
    } finally {
      for (const socket of open) socket.destroy();
    }
    await expect.poll(() => call('status.get', {}).then(() => true, () => false), { timeout: 15_000 }).toBe(true);
  });

  test('hostile frames change nothing, and the helper stays small', { timeout: 300_000 }, async () => {
    const next = hostileFrames(Number(process.env['REEVE_SEED'] ?? '1'));
    const count = Number(process.env['REEVE_HOSTILE'] ?? '3000');
    const before = digestOfAccounts();
    let sent = 0;
    await Promise.all(Array.from({ length: 6 }, async () => {
      while (sent < count) {
        sent++;
        await raw(next().bytes);
      }
    }));
    expect(digestOfAccounts()).toBe(before);
    const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${String(helper.pid)}/status`, 'utf8'))?.[1]);
    expect(rss).toBeLessThan(16 * 1024);
    expect(helper.exitCode).toBeNull();
    expect(audit().filter((record) => record['phase'] === 'refused').length).toBeLessThan(2000);
    expect(inside(build, '--verify-audit')).toMatch(/^intact/);
    process.stdout.write(`privd: ${String(sent)} hostile frames, 0 changes, helper ${String(rss)} KiB\n`);
  });

  test('the package build holds no failpoint, is hardened and small', () => {
    if (process.env['REEVE_PRIVD_TEST'] !== undefined) return;
    const binary = join(dir, 'build/reeve-privd');
    const bytes = readFileSync(binary);
    expect(bytes.length).toBeLessThanOrEqual(200 * 1024);
    for (const text of ['failpoint', 'FAILPOINT', 'violate', 'add.marked']) expect(bytes.includes(text), text).toBe(false);
    const elf = execFileSync('readelf', ['--wide', '--headers', '--dynamic', '--segments', binary], { encoding: 'utf8' });
    expect(elf).toMatch(/Type:\s+DYN/);
    expect(elf).toMatch(/BIND_NOW/);
    expect(elf).toMatch(/GNU_RELRO/);
    expect(elf).toMatch(/GNU_STACK.*\sRW\s/);
    expect(elf).not.toMatch(/LOAD.*RWE/);
    const symbols = execFileSync('readelf', ['--wide', '--dyn-syms', binary], { encoding: 'utf8' });
    expect(symbols).toMatch(/__stack_chk_fail/);
    for (const symbol of ['system', 'popen', 'dlopen', 'getpwnam', 'execvp', 'execlp']) expect(symbols).not.toMatch(new RegExp(`\\s${symbol}(@|$)`, 'm'));
    unlinkSync(binary);
  });
});
