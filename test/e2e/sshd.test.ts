import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startLab, type Lab, type LabHost } from '../lab/lab.js';
import { callHelper, type HelperCaller } from '../support/abuse-helper.js';
import { bootAgentHost } from '../support/abuse-host.js';
import { hosts } from '../support/fleet.js';
import { addAccount, bytesOf, filesBelow, login, makeLoginKey, putManaged, replyOf, type LoginKey } from '../support/sshd-host.js';
import { until } from '../support/until.js';

const MAIN = '/etc/ssh/sshd_config';
const DROP_IN = '/etc/ssh/sshd_config.d/00-reeve-keys.conf';
const PROBE = 'ada';

/** One way to have sshd configured so that the drop-in would do nothing, or would lock somebody out. */
interface Broken {
  readonly name: string;
  /** Run as a shell script on the host. */
  readonly by: string;
  /** What the refusal says. */
  readonly says: RegExp;
  readonly code?: string;
  /** By itself it keeps everybody out. */
  readonly shut?: true;
}

const broken: readonly Broken[] = [
  { name: 'there is no Include', by: `sed -i '/^Include/d' ${MAIN}`, says: /has no "Include/ },
  { name: 'the Include stands below a Match', by: `sed -i '/^Include/d' ${MAIN} && printf 'Match User bob\\nInclude /etc/ssh/sshd_config.d/*.conf\\n' >>${MAIN}`, says: /below a Match/ },
  { name: 'an earlier drop-in sets AuthorizedKeysFile none', by: 'echo "AuthorizedKeysFile none" >/etc/ssh/sshd_config.d/00-a.conf', says: /another line comes before ours/ },
  { name: 'a line before the Include sets other paths', by: `sed -i '1i AuthorizedKeysFile /etc/keys/%u' ${MAIN}`, says: /another line comes before ours/ },
  { name: 'a Match block has other paths for the user', by: `printf 'Match User ${PROBE}\\n    AuthorizedKeysFile .ssh/special\\n' >>${MAIN}`, says: /another line comes before ours/ },
  { name: 'a Match block has other paths for the group', by: `printf 'Match Group ${PROBE}\\n    AuthorizedKeysFile .ssh/special\\n' >>${MAIN}`, says: /another line comes before ours/ },
  { name: 'keys are switched off', by: `echo 'PubkeyAuthentication no' >>${MAIN}`, says: /PubkeyAuthentication is off/ },
  { name: 'only somebody else may log in', by: `echo 'AllowUsers nobodyatall' >>${MAIN}`, says: /not listed in AllowUsers/ },
  { name: "the user's group may not log in", by: `echo 'DenyGroups ${PROBE}' >>${MAIN}`, says: /listed in DenyGroups/ },
  { name: 'another method is wanted', by: `echo 'AuthenticationMethods password' >>${MAIN}`, says: /throw-away key/ },
  { name: 'no key type is taken', by: `echo 'PubkeyAcceptedAlgorithms rsa-sha2-512' >>${MAIN}`, says: /throw-away key/ },
  { name: 'the main file has a syntax error', by: `echo 'PermitRootLogin perhaps' >>${MAIN}`, says: /refuses its configuration/ },
  { name: 'a drop-in has a syntax error', by: 'echo "Nonsense yes" >/etc/ssh/sshd_config.d/90-own.conf', says: /refuses its configuration/ },
  { name: 'the paths have a token that sshd does not know', by: `echo 'AuthorizedKeysFile .ssh/%q' >>${MAIN}`, says: /./ },
  { name: 'there is no host key that can be read', by: 'mv /etc/ssh/ssh_host_ed25519_key /etc/ssh/away && printf junk >/etc/ssh/ssh_host_ed25519_key && chmod 600 /etc/ssh/ssh_host_ed25519_key', says: /refuses its configuration|host key/, shut: true },
  { name: 'others may write on the way to the key files', by: 'mkdir -p /etc/ssh/reeve-keys.d && chmod 777 /etc/ssh/reeve-keys.d', says: /a folder of root/ },
  { name: 'the configuration names a port that sshd does not have', by: `echo 'Port 2222' >>${MAIN}`, says: /does not answer on port 2222/ },
  { name: 'sshd is started with options of its own', by: `echo 'SSHD_OPTS="-o AuthorizedKeysFile=none"' >/etc/default/ssh`, says: /options of its own/ },
  { name: 'a file of that name is somebody else\'s', by: `echo '# mine' >${DROP_IN}`, says: /not made by Reeve/ },
  { name: 'the account is locked', by: `usermod --expiredate 1 ${PROBE}`, says: /throw-away key/, shut: true },
  { name: 'the reload of the unit fails', by: 'mkdir -p /etc/systemd/system/ssh.service.d && printf "[Service]\\nExecReload=\\nExecReload=/bin/false\\n" >/etc/systemd/system/ssh.service.d/x.conf && systemctl daemon-reload', says: /reload of ssh.service failed/ },
  { name: 'the dead-man service cannot run', by: 'systemctl mask --runtime --now reeve-deadman.service reeve-deadman.path', says: /reeve-deadman.service does not run/ },
  { name: 'nobody starts the check', by: 'systemctl stop reeve-sshd-check.path', says: /reeve-sshd-check.path/ },
  { name: 'sshd is not installed', by: 'mv /usr/sbin/sshd /usr/sbin/sshd.away', says: /there is no .usr.sbin.sshd/, code: 'SSHD_ABSENT', shut: true },
];

const repair = [
  'rm -rf /etc/ssh && cp -a /root/ssh.kept /etc/ssh', 'rm -rf /etc/default/ssh && cp -a /root/default.kept /etc/default/ssh', 'rm -rf /etc/systemd/system/ssh.service.d',
  '[ ! -e /usr/sbin/sshd.away ] || mv /usr/sbin/sshd.away /usr/sbin/sshd', `usermod --expiredate '' ${PROBE}`,
  'systemctl unmask --runtime reeve-deadman.service reeve-deadman.path 2>/dev/null', 'systemctl daemon-reload', 'systemctl start reeve-deadman.path reeve-sshd-check.path',
].join('\n');

/** Files that a change or its checks would leave. */
async function leftOvers(host: LabHost): Promise<string> {
  return (await host.exec(['find', '/var/lib/reeve-privd/pending', '/run/reeve-sshd', '/tmp', '/etc/ssh', '-type', 'f', '(', '-path', '*/pending/*', '-o', '-path', '/run/reeve-sshd/*', '-o', '-path', '*reeve-sshd-*', '-o', '-name', '*.new', ')'])).stdout;
}

describe.skipIf(!hosts.ok)('telling sshd of managed key files', () => {
  let lab: Lab;
  let host: LabHost;
  let helper: HelperCaller;
  let own: LoginKey;
  let managed: LoginKey;
  const set = (more: { exclusive?: string; confirmS?: number } = {}, operation = randomUUID()) => helper.call('key.sshd', { action: 'set', probe: PROBE, confirmS: 60, ...more }, operation);
  const state = async () => replyOf('observe.sshd', await helper.call('observe.sshd', { name: PROBE }));
  const confirm = (operation: string) => helper.call('pending.confirm', { noun: 'key', operation: bytesOf(operation) });
  const canLogIn = async (key: LoginKey): Promise<boolean> => (await login(lab, host, PROBE, key)).code === 0;

  beforeAll(async () => {
    lab = await startLab({ name: 'sshd' });
    host = await bootAgentHost(lab, 'host');
    own = await makeLoginKey('own');
    managed = await makeLoginKey('managed');
    await addAccount(host, PROBE, own);
    await host.run(['cp', '-a', '/etc/ssh', '/root/ssh.kept']);
    await host.run(['cp', '-a', '/etc/default/ssh', '/root/default.kept']);
    helper = await callHelper(host);
  });
  afterAll(() => {
    helper.close();
    own.remove();
    managed.remove();
    lab.close();
  });

  describe('is refused, with everything as before and every login working, when', () => {
    afterEach(async () => {
      await host.run(['/bin/sh', '-c', repair]);
    });
    test.each(broken)('$name', async ({ by, says, code, shut }) => {
      await host.run(['/bin/sh', '-ec', by]);
      const before = await filesBelow(host, '/etc/ssh');
      const answer = await set();
      expect(answer.code, JSON.stringify(answer)).toBe(code ?? 'SSHD_CHECK');
      expect(answer.fields?.['rule']).toMatch(says);
      const after = await filesBelow(host, '/etc/ssh');
      expect(after.replace(/^.*reeve-keys.d.*\n/gm, '')).toBe(before.replace(/^.*reeve-keys.d.*\n/gm, ''));
      expect(await leftOvers(host)).toBe('');
      expect(replyOf('pending.get', await helper.call('pending.get', {})).change).toEqual([]);
      if (shut !== true) expect(await canLogIn(own)).toBe(true);
    });
  });

  describe('when the host is as it should be', () => {
    beforeAll(async () => {
      await host.run(['/bin/sh', '-c', repair]);
      await putManaged(host, PROBE, [managed]);
    });

    test('both keys let in at once, and the change waits to be confirmed', async () => {
      expect([await canLogIn(own), await canLogIn(managed)]).toEqual([true, false]);
      const operation = randomUUID();
      const reply = replyOf('key.sshd', await set({}, operation));
      expect(reply.pending).toBe(true);
      expect(Math.abs(reply.deadlineMs - 60_000 - Date.now())).toBeLessThan(15_000);
      expect([await canLogIn(own), await canLogIn(managed)]).toEqual([true, true]);
      expect(await host.read(DROP_IN)).toBe('# Managed by Reeve: changes made here are undone. See reeve-agent(8).\nAuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys2 /etc/ssh/reeve-keys.d/%u\n');
      expect(await state()).toMatchObject({ dropIn: 'pending', port: [22], pubkey: true, exclusive: '', path: ['.ssh/authorized_keys', '.ssh/authorized_keys2', '/etc/ssh/reeve-keys.d/%u'] });
      const { change, reverted } = replyOf('pending.get', await helper.call('pending.get', {}));
      expect(change).toEqual([{ noun: 'key', operation: bytesOf(operation), deadlineMs: reply.deadlineMs, state: 'pending' }]);
      expect(reverted).toEqual([]);
      // The same call again, as after a lost answer; and another one meanwhile.
      expect(replyOf('key.sshd', await set({}, operation))).toEqual(reply);
      expect(await set()).toMatchObject({ code: 'CONFIRM_PENDING', fields: { noun: 'key' } });
      expect((await helper.call('key.sshd', { action: 'release' })).code).toBe('CONFIRM_PENDING');

      expect((await confirm(randomUUID())).code).toBe('CONFIRM_UNKNOWN');
      expect((await confirm(operation)).code).toBe('OK');
      expect((await confirm(operation)).code, 'it is repeatable').toBe('OK');
      expect(await state()).toMatchObject({ dropIn: 'confirmed' });
      expect(replyOf('key.sshd', await set()).pending).toBe(false);
      await until(async () => (await host.exec(['systemctl', 'is-active', 'reeve-deadman.service'])).stdout.trim() === 'inactive', { timeoutMs: 30_000, what: 'the dead-man service to end' });
      expect(await leftOvers(host)).toBe('');
    });

    test('an unconfirmed change of who is exclusive goes back to the confirmed state at its deadline', async () => {
      const before = await host.read(DROP_IN);
      const operation = randomUUID();
      expect(replyOf('key.sshd', await set({ exclusive: PROBE, confirmS: 10 }, operation)).pending).toBe(true);
      expect([await canLogIn(own), await canLogIn(managed)]).toEqual([false, true]);
      expect(await state()).toMatchObject({ dropIn: 'pending', exclusive: PROBE, path: ['/etc/ssh/reeve-keys.d/%u'] });
      await until(async () => (await host.read(DROP_IN)) === before, { timeoutMs: 15_000, what: 'the change to be taken back' });
      await until(async () => canLogIn(own), { timeoutMs: 30_000, what: 'sshd to be told' });
      expect(await canLogIn(managed)).toBe(true);
      const { change, reverted } = replyOf('pending.get', await helper.call('pending.get', {}));
      expect(change).toEqual([]);
      expect(reverted).toMatchObject([{ noun: 'key', operation: bytesOf(operation), reason: 'it was not confirmed in time' }]);
      expect(await confirm(operation)).toMatchObject({ code: 'CONFIRM_UNKNOWN' });
      expect(await state()).toMatchObject({ dropIn: 'confirmed' });
    }, 60_000);

    test('nobody becomes exclusive without a managed key file', async () => {
      expect(await set({ exclusive: 'root' })).toMatchObject({ code: 'SSHD_CHECK', fields: { rule: expect.stringMatching(/"root" has no managed key file/) as string } });
    });

    test('a drop-in that was altered by hand is told, and put right', async () => {
      await host.run(['/bin/sh', '-c', `echo '# hello' >>${DROP_IN}`]);
      expect(await state()).toMatchObject({ dropIn: 'altered' });
      const operation = randomUUID();
      expect(replyOf('key.sshd', await set({}, operation)).pending).toBe(true);
      expect((await confirm(operation)).code).toBe('OK');
      expect(await host.read(DROP_IN)).not.toContain('hello');
    });

    test('a login is seen with its key and address, and can be ended', async () => {
      expect((await helper.call('user.adopt', { name: PROBE })).code).toBe('OK');
      const session = login(lab, host, PROBE, managed, 'echo up; exec sleep 300');
      const seen = await until(async () => replyOf('observe.session', await helper.call('observe.session', {})).session.find((one) => one.user === PROBE && one.fingerprint.length > 0), { timeoutMs: 15_000, what: 'the session to be seen' });
      const print = (await lab.run(['ssh-keygen', '-lf', managed.file])).split(' ')[1] ?? '';
      expect(`SHA256:${Buffer.from(seen.fingerprint).toString('base64').replace(/=+$/, '')}`).toBe(print);
      expect(seen.from).toBe(lab.address);
      expect(Math.abs(seen.sinceMs - Date.now())).toBeLessThan(30_000);
      expect((await helper.call('session.end', { name: 'root', pid: seen.pid })).code).not.toBe('OK');
      expect((await helper.call('session.end', { name: PROBE, pid: seen.pid })).code).toBe('OK');
      expect((await session).code).toBe(255);
      expect((await helper.call('session.end', { name: PROBE, pid: seen.pid })).code, 'it is repeatable').toBe('OK');
      expect(replyOf('observe.session', await helper.call('observe.session', {})).session).toEqual([]);
    });

    test('let go, it stays as plain configuration and is taken over again', async () => {
      expect((await helper.call('key.sshd', { action: 'release' })).code).toBe('OK');
      expect(await host.read(DROP_IN)).toMatch(/^# Left by Reeve/);
      expect((await helper.call('key.sshd', { action: 'release' })).code, 'it is repeatable').toBe('OK');
      expect(await canLogIn(managed)).toBe(true);
      const operation = randomUUID();
      expect(replyOf('key.sshd', await set({}, operation)).pending).toBe(true);
      expect((await confirm(operation)).code).toBe('OK');
      expect(await host.read(DROP_IN)).toMatch(/^# Managed by Reeve/);
    });

    test('with a socket unit and no daemon there is nothing to reload', async () => {
      await host.run(['systemctl', 'disable', '--now', 'ssh.service']);
      await host.run(['systemctl', 'start', 'ssh.socket']);
      const operation = randomUUID();
      expect(replyOf('key.sshd', await set({ exclusive: PROBE }, operation)).pending).toBe(true);
      expect([await canLogIn(own), await canLogIn(managed)]).toEqual([false, true]);
      expect((await confirm(operation)).code).toBe('OK');
    });
  });
});
