import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PrivdRequest, PrivdVerbName } from '../../shared/gen/privd.js';
import type { LabHost } from '../lab/lab.js';
import { setPolicy } from '../support/abuse-host.js';
import { callHelper, type HelperCaller } from '../support/abuse-helper.js';
import { differences, helperReach, stateOf } from '../support/abuse-state.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

const POLICY = '/etc/reeve/policy';
/** What no request may alter: policy, units, our programs, sshd, PAM, sudo, cron, the loader. */
const PROTECTED = ['/etc/reeve', '/etc/systemd', '/usr/lib/systemd/system', '/usr/lib/reeve', '/usr/lib/reeve-agent', '/usr/bin/reeve-agent', '/etc/ssh', '/etc/pam.d', '/etc/security', '/etc/cron.d', '/etc/cron.daily'];

/** How a policy becomes unusable, and what is said about it. `asRoot`: the helper can still read it, the agent cannot. */
const UNUSABLE: readonly { name: string; make: string; state: string; reason: string; asRoot?: true }[] = [
  { name: 'missing', make: '', state: 'missing', reason: 'the policy file does not exist' },
  { name: 'unreadable for the agent', make: 'cp good policy && chmod 600 policy', state: 'unreadable', reason: 'the policy file cannot be opened', asRoot: true },
  { name: 'writable by its group', make: 'cp good policy && chmod 664 policy', state: 'mode', reason: 'others than root can write the policy file' },
  { name: 'writable by others', make: 'cp good policy && chmod 646 policy', state: 'mode', reason: 'others than root can write the policy file' },
  { name: 'owned by the agent', make: 'cp good policy && chmod 644 policy && chown reeve-agent policy', state: 'owner', reason: 'the policy file does not belong to root' },
  { name: 'larger than 64 KiB', make: 'cp good policy && head -c 65600 /dev/zero | tr "\\0" "\\n" >>policy && chmod 644 policy', state: 'size', reason: 'the policy file is larger than 65536 bytes' },
  { name: 'unparsable', make: 'cp good policy && echo "allow everything" >>policy && chmod 644 policy', state: 'syntax', reason: 'unknown operation "everything"' },
  { name: 'a folder', make: 'mkdir policy', state: 'type', reason: 'the policy is not a regular file' },
  { name: 'a symbolic link', make: 'ln -s good policy', state: 'type', reason: 'the policy is not a regular file' },
  { name: 'a FIFO', make: 'mkfifo -m 644 policy', state: 'type', reason: 'the policy is not a regular file' },
  { name: 'in a folder that others can write', make: 'cp good policy && chmod 644 policy && chmod 777 .', state: 'mode', reason: 'others than root can write the folder of the policy file' },
];

describe.skipIf(!hosts.ok)('the policy of a host', () => {
  let fleet: TestFleet;
  let host: LabHost;
  let helper: HelperCaller;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'policy', hosts: ['web'] });
    host = fleet.host('web');
    await host.run(['useradd', '--create-home', 'mate']);
    helper = await callHelper(host);
  });
  afterAll(() => {
    helper.close();
    fleet.close();
  });

  async function replacePolicy(make: string): Promise<void> {
    await host.run(['/bin/sh', '-c', `cd /etc/reeve && chmod 755 . && cp /usr/share/reeve/policy/standard good && rm -rf policy && { ${make === '' ? 'true' : make}; }`]);
  }

  test('gives what it allows, so that the next tests can fail', async () => {
    expect(await helper.call('observe.user', { scope: 'all' })).toMatchObject({ code: 'OK' });
    expect(await fleet.json(['user', 'add', 'ada', '--on', 'web', '--yes'])).toBeTruthy();
    expect((await fleet.reeve(['host', 'show', 'web'])).stdout).toMatch(/^policy +ok$/m);
  });

  test.each(UNUSABLE)('allows nothing but status when it is $name, and says so to operators', async ({ make, state, reason, asRoot }) => {
    await replacePolicy(make);
    const before = await stateOf(host, helperReach);
    const status = JSON.parse((await helper.call('status.get', {})).reply ?? '{}') as { policyState?: string; policyReason?: string };
    if (asRoot === true) expect(status).toMatchObject({ policyState: 'ok' });
    else {
      expect(status.policyState).toBe(state);
      expect(status.policyReason).toContain(reason);
      for (const [verb, request] of everyVerb('ada')) {
        const answer = await helper.call(verb, request);
        expect(answer, verb).toMatchObject({ code: 'POLICY_UNUSABLE' });
        expect(answer.fields?.['reason'], verb).toContain(reason);
      }
    }
    for (const args of [['user', 'lock', 'ada', '--on', 'web', '--yes'], ['user', 'observe', 'web']]) {
      const refused = await fleet.reeve(args);
      expect(refused.code, args.join(' ')).toBe(1);
      expect(refused.stdout + refused.stderr).toContain(reason);
    }
    await until(async () => {
      const [shown, all] = await Promise.all([fleet.reeve(['host', 'show', 'web']), fleet.reeve(['status'])]);
      return shown.stdout.includes(`${state} (`) && shown.stdout.includes(reason) && all.stdout.includes(reason);
    }, { timeoutMs: 30_000, everyMs: 500, what: `"host show" and "status" to say: ${reason}` });
    const explained = await host.exec(['reeve-agent', 'policy', 'explain', 'user.lock', 'name=ada']);
    if (asRoot === true) expect(explained, 'root and the helper can read it').toMatchObject({ code: 0 });
    else {
      expect(explained.code, 'explain agrees with the helper').toBe(state === 'syntax' ? 2 : 1);
      expect(explained.stderr).toContain(reason);
    }
    expect(differences(before, await stateOf(host, helperReach))).toEqual([]);
  });

  test('cannot be altered by any field of any verb, and neither can units, programs, sshd, PAM, sudo or cron', async () => {
    // As wide as a policy can be written.
    await replacePolicy(`cat >policy <<'END'
version 1
allow observe.user
allow user.add uid=1000-4294967294 shell=/bin/bash,/bin/sh,/etc/reeve/policy
allow user.set shell=/bin/bash,/bin/sh,/etc/reeve/policy
allow user.lock
allow user.unlock
allow user.remove
allow user.release
allow user.adopt
allow group.member group=users
END
chmod 644 policy`);
    const [before, control] = [await stateOf(host, PROTECTED), await stateOf(host, ['/etc/cron.d'])];
    await host.run(['touch', '/etc/cron.d/control']);
    expect(differences(control, await stateOf(host, ['/etc/cron.d'])).length, 'the instrument sees a change').toBeGreaterThan(0);
    await host.run(['/bin/sh', '-c', 'rm /etc/cron.d/control && touch -d "$(stat -c %y /etc)" /etc/cron.d']);
    const base = await stateOf(host, PROTECTED);
    expect(differences(before, base).filter((line) => !line.includes('/etc/cron.d ')), 'only the control').toEqual([]);

    const targets = ['/etc/reeve/policy', '../../etc/reeve/policy', '/etc/systemd/system/reeve-agent.service', '/usr/lib/reeve-agent/agent.js', '/etc/ssh/sshd_config', '/etc/sudoers', '/etc/sudoers.d/x', '/etc/pam.d/sshd', '/etc/cron.d/x', '../cron.d/x', '--root=/etc/reeve', '-R/etc'];
    const answers = new Map<string, string>();
    for (const target of targets) {
      for (const [verb, request] of everyVerb(target)) answers.set(`${verb} name=${target}`, (await helper.call(verb, request)).code);
      for (const text of [target, `x\n${target}`, `x:0:0::/:${target}`]) {
        answers.set(`comment ${text}`, (await helper.call('user.add', { name: 'mallory', shell: '/bin/sh', kind: 'home', comment: text })).code);
        answers.set(`set comment ${text}`, (await helper.call('user.set', { name: 'ada', comment: text })).code);
      }
      answers.set(`shell ${target}`, (await helper.call('user.add', { name: 'mallory', shell: target, kind: 'home' })).code);
      answers.set(`set shell ${target}`, (await helper.call('user.set', { name: 'ada', shell: target })).code);
      answers.set(`group ${target}`, (await helper.call('group.member', { name: 'ada', group: target, action: 'add' })).code);
    }
    for (const group of ['sudo', 'root', 'shadow', 'disk', 'adm', 'reeve-agent', 'docker']) {
      answers.set(`group ${group}`, (await helper.call('group.member', { name: 'ada', group, action: 'add' })).code);
    }
    for (const name of ['root', 'sshd', 'reeve-agent', 'mate']) {
      for (const [verb, request] of everyVerb(name)) if (verb !== 'user.adopt' || name !== 'mate') answers.set(`${verb} name=${name}`, (await helper.call(verb, request)).code);
    }
    const done = [...answers].filter(([what, code]) => code === 'OK' && !what.startsWith('user.release'));
    expect(done).toEqual([]);
    expect(differences(base, await stateOf(host, PROTECTED))).toEqual([]);
    expect((await host.run(['id', '-Gn', 'ada'])).trim()).toBe('ada');
    expect((await host.exec(['id', 'mallory'])).code).toBe(1);
  });

  test('is explained by the agent as the helper decides', async () => {
    for (const preset of ['observe', 'minimal', 'web', 'standard', 'full']) {
      await replacePolicy('cp good policy');
      await setPolicy(host, preset);
      const text = (await host.read(POLICY)).split('\n');
      const script = CASES.map(({ explain }) => `reeve-agent policy explain ${explain}; echo "exit $?"`).join('\n');
      const explained = (await host.run(['/bin/sh', '-c', script], { timeoutMs: 120_000 })).trim().split('\n');
      for (const [index, { explain, verb, request }] of CASES.entries()) {
        const [said = '', exit = ''] = explained.slice(2 * index);
        const { code } = await helper.call(verb, request);
        const denied = code === 'POLICY_DENIED' || code === 'GROUP_DANGEROUS';
        expect({ preset, explain, code, exit }).toEqual({ preset, explain, code, exit: denied ? 'exit 1' : 'exit 0' });
        const line = /^allowed by line (\d+): (.*)$/.exec(said);
        if (denied) expect(said).toBe(`not allowed; this line would allow it: allow ${explain}`);
        else expect(text[Number(line?.[1]) - 1]).toContain(line?.[2] ?? 'a line');
      }
    }
  }, 300_000);
});

/** Each verb but status, on one account. */
function everyVerb(name: string): [PrivdVerbName, PrivdRequest<PrivdVerbName>][] {
  return [
    ['user.add', { name, shell: '/bin/sh', kind: 'home' }],
    ['user.set', { name, shell: '/bin/sh' }],
    ['user.lock', { name }],
    ['user.unlock', { name }],
    ['user.remove', { name }],
    ['user.adopt', { name }],
    ['user.release', { name }],
    ['group.member', { name, group: 'users', action: 'add' }],
  ];
}

/** The same question for both; none of them changes anything where it is allowed: "mate" is not ours and "ghost" does not exist. */
const CASES: readonly { explain: string; verb: PrivdVerbName; request: PrivdRequest<PrivdVerbName> }[] = [
  { explain: 'observe.user', verb: 'observe.user', request: { scope: 'managed' } },
  { explain: 'user.add name=mate shell=/bin/sh kind=home', verb: 'user.add', request: { name: 'mate', shell: '/bin/sh', kind: 'home' } },
  { explain: 'user.add name=mate uid=19999 shell=/bin/sh kind=home', verb: 'user.add', request: { name: 'mate', uid: 19_999, shell: '/bin/sh', kind: 'home' } },
  { explain: 'user.add name=mate uid=29999 shell=/bin/sh kind=system', verb: 'user.add', request: { name: 'mate', uid: 29_999, shell: '/bin/sh', kind: 'system' } },
  { explain: 'user.add name=mate shell=/bin/dash kind=home', verb: 'user.add', request: { name: 'mate', shell: '/bin/dash', kind: 'home' } },
  { explain: 'user.set name=ghost shell=/bin/dash', verb: 'user.set', request: { name: 'ghost', shell: '/bin/dash' } },
  { explain: 'user.lock name=ghost', verb: 'user.lock', request: { name: 'ghost' } },
  { explain: 'user.unlock name=ghost', verb: 'user.unlock', request: { name: 'ghost' } },
  { explain: 'user.remove name=ghost', verb: 'user.remove', request: { name: 'ghost' } },
  { explain: 'user.adopt name=root system=yes', verb: 'user.adopt', request: { name: 'root' } },
  { explain: 'user.release name=ghost', verb: 'user.release', request: { name: 'ghost' } },
  { explain: 'group.member name=ghost group=www-data', verb: 'group.member', request: { name: 'ghost', group: 'www-data', action: 'add' } },
  { explain: 'group.member name=ghost group=dialout', verb: 'group.member', request: { name: 'ghost', group: 'dialout', action: 'add' } },
  { explain: 'group.member name=ghost group=sudo', verb: 'group.member', request: { name: 'ghost', group: 'sudo', action: 'add' } },
];
