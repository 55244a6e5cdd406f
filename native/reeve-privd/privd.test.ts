/**
 * Every verb for real, as root: useradd and its like run in namespaces of their own, so the accounts of this machine stay as they are. Skipped for others.
 */
import { randomUUID } from 'node:crypto';
import {
  chmodSync, chownSync, existsSync, linkSync, lstatSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseOperationId } from '../../agent/host/privd.js';
import { allowAll, ends, failsWith, isRoot, startPrivd, type Privd } from './testing/namespace.js';

describe.skipIf(!isRoot)('the verbs of reeve-privd', () => {
  let privd: Privd;
  beforeAll(async () => { privd = await startPrivd(); }, 120_000);
  afterAll(() => privd.close(), 60_000);
  beforeEach(() => { privd.writePolicy(allowAll); });

  test('status works without a policy, nothing else does, and the reason is named', async () => {
    const file = `${privd.root}/etc/reeve/policy`;
    const states: [string, () => void][] = [
      ['missing', () => { rmSync(file); }],
      ['mode', () => { chmodSync(file, 0o664); }],
      ['mode', () => { chmodSync(file, 0o646); }],
      ['mode', () => { chmodSync(`${privd.root}/etc/reeve`, 0o775); }],
      ['owner', () => { chownSync(file, 1000, 0); }],
      ['size', () => { writeFileSync(file, `version 1\n${'#'.repeat(65_600)}\n`); }],
      ['syntax', () => { writeFileSync(file, 'version 1\nallow everything\n'); }],
      ['type', () => { rmSync(file); mkdirSync(file); }],
      ['type', () => { rmSync(file); symlinkSync('/etc/reeve/other', file); }],
      ['type', () => { rmSync(file); privd.inside('mkfifo', '/etc/reeve/policy'); }],
    ];
    for (const [expected, spoil] of states) {
      privd.writePolicy(allowAll);
      chmodSync(`${privd.root}/etc/reeve`, 0o755);
      spoil();
      const status = await privd.call('status.get', {});
      expect(status.policyState).toBe(expected);
      expect(status.policyReason).not.toBe('');
      await failsWith(privd.call('observe.user', { scope: 'all' }), 'POLICY_UNUSABLE', { reason: status.policyReason });
      await failsWith(privd.add('nobody1'), 'POLICY_UNUSABLE');
    }
    chmodSync(`${privd.root}/etc/reeve`, 0o755);
    privd.writePolicy(allowAll);
    expect(await privd.call('status.get', {})).toMatchObject({ policyState: 'ok', policyReason: '', seccomp: true, openat2: true, auditState: 'ok' });
  });

  test('an account is made, changed, locked, unlocked and removed, and each step can be repeated', async () => {
    expect(await privd.add('alice', { comment: 'Alice A.' })).toEqual({ uid: 20000 });
    expect(privd.passwd('alice')).toEqual(['alice', 'x', '20000', '20000', 'Alice A.', '/home/alice', '/bin/sh']);
    expect(lstatSync(`${privd.root}/home/alice`).uid).toBe(20000);
    expect(await privd.add('alice')).toEqual({ uid: 20000 });
    expect(await privd.call('user.add', { name: 'svc', kind: 'system', shell: '/usr/sbin/nologin', uid: 20077 })).toEqual({ uid: 20077 });
    expect(privd.passwd('svc')).toEqual(['svc', 'x', '20077', '20077', '', '/nonexistent', '/usr/sbin/nologin']);
    for (let i = 0; i < 2; i++) {
      await privd.call('user.set', { name: 'alice', shell: '/bin/bash', comment: 'A' });
      expect(privd.passwd('alice')?.slice(4)).toEqual(['A', '/home/alice', '/bin/bash']);
    }
    await privd.call('user.set', { name: 'alice', comment: '' });
    expect(privd.passwd('alice')?.[4]).toBe('');
    for (let i = 0; i < 2; i++) {
      await privd.call('group.member', { name: 'alice', group: 'games', action: 'add' });
      expect(privd.members('games')).toBe('alice');
    }
    for (let i = 0; i < 2; i++) {
      await privd.call('user.lock', { name: 'alice' });
      expect(privd.shadow('alice')?.slice(1, 2).concat(privd.shadow('alice')?.[7] ?? '')).toEqual(['!', '1']);
    }
    const seen = (await privd.call('observe.user', { scope: 'managed' })).user;
    expect(seen.map((user) => user.name)).toEqual(['alice', 'svc']);
    expect(seen[0]).toEqual({
      name: 'alice', uid: 20000, gid: 20000, shell: '/bin/bash', comment: '', home: '/home/alice',
      group: ['games'], locked: true, marker: 'home', present: true,
    });
    for (let i = 0; i < 2; i++) {
      await privd.call('user.unlock', { name: 'alice' });
      expect([privd.shadow('alice')?.[1], privd.shadow('alice')?.[7]]).toEqual(['!', '']);
    }
    for (let i = 0; i < 2; i++) {
      await privd.call('group.member', { name: 'alice', group: 'games', action: 'remove' });
      expect(privd.members('games')).toBe('');
    }
    const operation = randomUUID();
    const removed = await privd.call('user.remove', { name: 'alice' }, operation);
    expect(removed).toEqual({ trash: `alice.${parseOperationId(operation).toString('hex')}`, ended: 0 });
    expect([privd.passwd('alice'), privd.shadow('alice'), privd.members('alice'), privd.marker('alice')]).toEqual([undefined, undefined, 'absent', '']);
    expect(existsSync(`${privd.root}/home/alice`)).toBe(false);
    expect(existsSync(`${privd.root}/home/.reeve-trash/${removed.trash}/.profile`)).toBe(true);
    expect(statSync(`${privd.root}/home/.reeve-trash`).mode & 0o7777).toBe(0o700);
    expect(await privd.call('user.remove', { name: 'alice' })).toEqual({ trash: '', ended: 0 });
    expect(await privd.add('bella'), 'a uid is never given away twice').toEqual({ uid: 20001 });
    await failsWith(privd.add('carl', { uid: 20000 }), 'USER_UID_TAKEN', { value: '20000', owner: 'alice, removed' });
    await privd.call('user.remove', { name: 'bella', keepHome: true });
    expect(existsSync(`${privd.root}/home/bella`)).toBe(true);
    await failsWith(privd.add('bella'), 'HOME_TAKEN', { value: '/home/bella' });
    await privd.call('user.remove', { name: 'svc' });
  });

  test('a password survives a lock, and an account without one never becomes open', async () => {
    await privd.add('pw');
    privd.inside('usermod', '--password', '$6$abc$def', 'pw');
    await privd.call('user.lock', { name: 'pw' });
    expect(privd.shadow('pw')?.[1]).toBe('!$6$abc$def');
    await privd.call('user.unlock', { name: 'pw' });
    expect(privd.shadow('pw')?.[1]).toBe('$6$abc$def');
    privd.inside('usermod', '--password', '!', 'pw');
    await privd.call('user.lock', { name: 'pw' });
    await privd.call('user.unlock', { name: 'pw' });
    expect(privd.shadow('pw')?.[1]).toBe('!');
    privd.inside('usermod', '--expiredate', '2099-01-01', 'pw');
    await privd.call('user.unlock', { name: 'pw' });
    expect(privd.shadow('pw')?.[7], "an expiry of root's own is left alone").not.toBe('');
    await privd.call('user.remove', { name: 'pw' });
  });

  test('what the floors and the policy forbid is refused with its own code', async () => {
    const before = privd.accounts();
    await failsWith(privd.add('root'), 'USER_RESERVED');
    await failsWith(privd.add('reeve-x'), 'USER_RESERVED');
    await failsWith(privd.add('A'), 'FIELD_INVALID', { field: 'name' });
    await failsWith(privd.add('-x'), 'FIELD_INVALID');
    await failsWith(privd.add('x', { uid: 999 }), 'FIELD_INVALID', { field: 'uid' });
    await failsWith(privd.add('x', { uid: 30000 }), 'POLICY_DENIED', { line: 'allow user.add name=x uid=30000 shell=/bin/sh kind=home' });
    await failsWith(privd.add('zz-x'), 'POLICY_DENIED', { line: 'allow user.add name=zz-x shell=/bin/sh kind=home # and remove line 11, which denies it' });
    await failsWith(privd.add('x', { shell: '/bin/nosuchsh' }), 'POLICY_DENIED', { op: 'user.add', args: 'name=x shell=/bin/nosuchsh kind=home' });
    await failsWith(privd.add('x', { comment: 'a,b' }), 'FIELD_INVALID');
    await failsWith(privd.call('user.lock', { name: 'root' }), 'USER_PROTECTED');
    await failsWith(privd.call('user.remove', { name: 'daemon' }), 'USER_PROTECTED');
    await failsWith(privd.call('user.set', { name: 'www-data', shell: '/bin/sh' }), 'USER_PROTECTED');
    await failsWith(privd.call('user.lock', { name: 'ghost' }), 'USER_ABSENT');
    await failsWith(privd.call('user.adopt', { name: 'root' }), 'POLICY_DENIED', { line: 'allow user.adopt name=root system=yes' });
    await failsWith(privd.call('group.member', { name: 'ghost', group: 'sudo', action: 'add' }), 'GROUP_DANGEROUS');
    await failsWith(privd.call('group.member', { name: 'ghost', group: 'audio', action: 'add' }), 'POLICY_DENIED');
    privd.writePolicy(allowAll.replace('allow user.add', 'allow user.add shell=/bin/nosuchsh,/bin/sh uid=1000-1001'));
    await failsWith(privd.add('x', { shell: '/bin/nosuchsh' }), 'SHELL_ABSENT', { value: '/bin/nosuchsh' });
    expect(privd.accounts()).toBe(before);
  });

  test('accounts of others are not ours until they are adopted, and then only for keys and lock', async () => {
    privd.inside('useradd', '--create-home', '--uid', '1500', '--shell', '/bin/sh', 'carol');
    await failsWith(privd.add('carol'), 'USER_FOREIGN');
    const set = (): Promise<unknown> => privd.call('user.set', { name: 'carol', shell: '/bin/bash' });
    const remove = (): Promise<unknown> => privd.call('user.remove', { name: 'carol' });
    for (const refused of [set, remove, () => privd.call('user.lock', { name: 'carol' })]) await failsWith(refused(), 'USER_FOREIGN');
    expect(await privd.call('user.adopt', { name: 'carol' })).toEqual({ marker: 'adopted' });
    expect(await privd.call('user.adopt', { name: 'carol' })).toEqual({ marker: 'adopted' });
    await privd.call('user.lock', { name: 'carol' });
    expect(privd.shadow('carol')?.[7]).toBe('1');
    await privd.call('user.unlock', { name: 'carol' });
    for (const refused of [set, remove, () => privd.add('carol'), () => privd.call('group.member', { name: 'carol', group: 'games', action: 'add' })]) {
      await failsWith(refused(), 'USER_PROTECTED', { rule: 'adopted: keys and lock only' });
    }
    await privd.call('user.release', { name: 'carol' });
    await privd.call('user.release', { name: 'carol' });
    expect([privd.marker('carol'), privd.passwd('carol')?.[2]]).toEqual(['', '1500']);
    privd.writePolicy(`${allowAll}allow user.adopt name=root system=yes\n`);
    expect(await privd.call('user.adopt', { name: 'root' })).toEqual({ marker: 'adopted-keys' });
    for (const verb of ['user.lock', 'user.unlock', 'user.set', 'user.remove'] as const) {
      await failsWith(privd.call(verb, { name: 'root' }), 'USER_PROTECTED');
    }
    await privd.call('user.release', { name: 'root' });
    await failsWith(privd.call('user.adopt', { name: 'ghost' }), 'USER_ABSENT');
    privd.inside('userdel', '--remove', 'carol');
  });

  test('uid and kind of an account never change', async () => {
    await privd.add('kurt');
    const uid = Number(privd.passwd('kurt')?.[2]);
    await failsWith(privd.add('kurt', { uid: uid + 1 }), 'USER_UID_FIXED', { owner: String(uid) });
    await failsWith(privd.add('kurt', { kind: 'system' }), 'USER_KIND_FIXED', { owner: 'home' });
    await failsWith(privd.add('kurt', { shell: '/bin/bash' }), 'STATE_MOVED');
    await failsWith(privd.add('lena', { uid }), 'USER_UID_TAKEN', { owner: 'kurt' });
    privd.writePolicy(allowAll.replace('allow user.add', `allow user.add uid=${String(uid)}`));
    await failsWith(privd.add('lena'), 'USER_UID_RANGE_FULL');
    await privd.call('user.remove', { name: 'kurt' });
  });

  test('processes of a removed user end, also those that ignore TERM', { timeout: 60_000 }, async () => {
    await privd.add('proc');
    const uid = Number(privd.passwd('proc')?.[2]);
    const polite = privd.spawnAs(uid, 'sh', '-c', 'echo ready; exec sleep 600');
    const rude = privd.spawnAs(uid, 'sh', '-c', "trap '' TERM; echo ready; while :; do sleep 1; done");
    await Promise.all([polite, rude].map((child) => new Promise((resolve) => child.stdout?.once('data', resolve))));
    const both = Promise.all([ends(polite), ends(rude)]);
    const { ended } = await privd.call('user.remove', { name: 'proc' });
    await both;
    expect(ended).toBeGreaterThanOrEqual(2);
    expect([polite.signalCode, rude.signalCode]).toEqual(['SIGTERM', 'SIGKILL']);
    expect(privd.passwd('proc')).toBeUndefined();
  });

  test('a home that is not plainly the user\'s is left alone, the account stays locked, and a repeat finishes after repair', async () => {
    const outside = `${privd.root}/etc/victim`;
    mkdirSync(outside);
    const spoils: [string, (home: string) => void][] = [
      ['it is a symbolic link', (home) => { symlinkSync('/etc/victim', home); }],
      ['it is not a folder', (home) => { writeFileSync(`${privd.root}/home/file`, 'x'); linkSync(`${privd.root}/home/file`, home); }],
      ['it is not a folder', (home) => { privd.inside('mkfifo', home.slice(privd.root.length)); }],
      ['it does not belong to the user', (home) => { mkdirSync(home); }],
      ['it is a mount point', (home) => { mkdirSync(home); privd.inside('mount', '--bind', '/etc/victim', home.slice(privd.root.length)); }],
    ];
    for (const [at, [rule, spoil]] of spoils.entries()) {
      const name = `odd${String(at)}`;
      const home = `${privd.root}/home/${name}`;
      await privd.add(name);
      const operation = randomUUID();
      privd.inside('mv', `/home/${name}`, '/home/aside');
      spoil(home);
      await failsWith(privd.call('user.remove', { name }, operation), 'PATH_UNSAFE', { value: `/home/${name}`, rule });
      expect(privd.marker(name)).toContain('state=removing');
      await failsWith(privd.add(name), 'STATE_MOVED');
      const { user } = await privd.call('observe.user', { scope: 'managed' });
      expect(user.find((one) => one.name === name)).toMatchObject({ marker: 'removing', present: false });
      if (rule === 'it is a mount point') privd.inside('umount', `/home/${name}`);
      rmSync(home, { recursive: true });
      privd.inside('mv', '/home/aside', `/home/${name}`);
      expect((await privd.call('user.remove', { name }, operation)).trash).toBe(`${name}.${parseOperationId(operation).toString('hex')}`);
      expect(privd.marker(name)).toBe('');
    }
    expect(existsSync(outside)).toBe(true);
    rmSync(`${privd.root}/home/file`);
    await privd.add('trashy');
    const trash = `${privd.root}/home/.reeve-trash`;
    chmodSync(trash, 0o755);
    await failsWith(privd.call('user.remove', { name: 'trashy' }), 'PATH_UNSAFE', { value: '/home/.reeve-trash' });
    chmodSync(trash, 0o700);
    await privd.call('user.remove', { name: 'trashy' });
    chmodSync(`${privd.root}/home`, 0o777);
    await failsWith(privd.add('wide'), 'PATH_UNSAFE', { value: '/home' });
    chmodSync(`${privd.root}/home`, 0o755);
  });
});
