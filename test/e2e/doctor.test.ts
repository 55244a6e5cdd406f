import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { forgeCertificate, keyPem, newKey, stolenRoots, usage } from '../support/certificate-forge.js';
import { fakeClock, prepareClock, setClock } from '../support/chaos-identity.js';
import { carryOut, doctor, localDoctor, waitWell, type Blame } from '../support/doctor.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

const port = '7420';
const day = 86_400_000;

/** The version under test, and one that is two releases later. */
const { version: ours } = JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8')) as { version: string };
const later = ours.replace(/^(\d+)\.(\d+)\..*/, (_version, major: string, minor: string) => `${major}.${String(Number(minor) + 2)}.0`);

/** One way to be broken, and what the doctors must say of it. */
interface Trouble {
  readonly name: string;
  readonly harm: () => Promise<unknown>;
  /** First failed check, its words, and the exit code of `reeve doctor`. */
  readonly check: string;
  readonly text: RegExp;
  readonly code: number;
  /** The same for `reeve-agent doctor`, where the host itself can know. */
  readonly local?: { readonly check: string; readonly text: RegExp; readonly env?: readonly string[] };
  /** What somebody does who follows the fix; absent: its command, word for word, is all. */
  readonly follow?: (blame: Blame) => Promise<unknown>;
  /** Makes room for the next trouble. */
  readonly after?: () => Promise<unknown>;
}

describe.skipIf(!hosts.ok)('the doctor on real hosts', () => {
  let fleet: TestFleet;
  let web1: LabHost;
  let web2: LabHost;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'doctor', hosts: ['web1', 'web2'] });
    web1 = fleet.host('web1');
    web2 = fleet.host('web2');
    await prepareClock(fleet.hub, 'reeved');
    await prepareClock(web1, 'reeve-agent');
    await fleet.hub.run(['systemctl', 'restart', 'reeved'], { timeoutMs: 60_000 });
    await web1.run(['systemctl', 'restart', 'reeve-agent'], { timeoutMs: 60_000 });
  });
  afterAll(() => fleet.close());

  const shell = (host: LabHost, script: string): Promise<string> => host.run(['/bin/sh', '-c', script], { timeoutMs: 120_000 });
  const reeved = async (verb: string): Promise<void> => {
    const { code } = await fleet.hub.exec(['systemctl', verb, 'reeved'], { timeoutMs: 60_000 });
    if (code !== 0) throw new Error(`reeved: ${await fleet.hub.run(['journalctl', '--no-pager', '--output=cat', '--lines=15', '--unit=reeved'])}`);
    if (verb !== 'stop') await fleet.waitCoordinator();
  };
  /** Puts what is in a folder on a small file system of its own, and fills it. */
  const fill = (host: LabHost, unit: string, folder: string, size: string): Promise<string> =>
    shell(host, `systemctl stop ${unit} && cp -a ${folder} /root/kept && mount -t tmpfs -o size=${size} none ${folder} && cp -a /root/kept/. ${folder}/ && chown --reference=/root/kept ${folder} && chmod 700 ${folder} && systemctl start ${unit} && (dd if=/dev/zero of=${folder}/filler bs=4k status=none; true)`);
  const empty = (host: LabHost, unit: string, folder: string): Promise<string> =>
    shell(host, `systemctl stop ${unit} && cp -a ${folder}/. /root/kept/ && umount ${folder} && cp -a /root/kept/. ${folder}/ && rm -rf /root/kept && systemctl start ${unit}`);
  const bundle = (host: LabHost): string => (host === fleet.hub ? '/usr/lib/reeve-coordinator/reeved.js' : '/usr/lib/reeve-agent/agent.js');
  /** Makes an installed program one of another release: its version, and the name of the contract beside it. */
  const release = (host: LabHost, from: string, to: string): Promise<string> => shell(host, `cd $(dirname ${bundle(host)}) && mv proto-${from} proto-${to} && grep -q '"${from}' ${bundle(host)} && sed -i 's/"${from}/"${to}/g' ${bundle(host)}`);

  const troubles: readonly Trouble[] = [
    {
      name: 'a firewall that drops what comes in',
      harm: () => shell(web1, `nft add table inet wall && nft 'add chain inet wall input { type filter hook input priority 0; }' && nft add rule inet wall input tcp dport ${port} drop`),
      check: 'route', text: /the host is there, its port 22 answers: a firewall drops what is sent to the agent/, code: 3,
      follow: async (blame) => {
        expect(await carryOut(fleet, blame)).toMatch(new RegExp(`tcp dport ${port} drop`));
        await web1.run(['nft', 'delete', 'table', 'inet', 'wall']);
      },
    },
    {
      name: 'an agent that was stopped',
      harm: () => web1.run(['systemctl', 'stop', 'reeve-agent'], { timeoutMs: 60_000 }),
      check: 'route', text: /nothing listens there/, code: 3,
      local: { check: 'units', text: /reeve-agent\.service does not run \(inactive\)/ },
    },
    {
      name: 'a wrong address',
      harm: () => fleet.json(['host', 'set', 'web1', '--address', '198.18.99.99']),
      check: 'route', text: /no route to 198\.18\.99\.99/, code: 3,
    },
    {
      name: 'the address of another host',
      harm: () => fleet.json(['host', 'set', 'web1', '--address', web2.address]),
      check: 'certificate', text: /answers host "web2"/, code: 1,
      follow: async (blame) => {
        expect(blame.fix).toContain('reeve host set web1 --address IP');
        await fleet.json(['host', 'set', 'web1', '--address', web1.address]);
      },
    },
    {
      name: 'another service on the port',
      harm: () => shell(web1, `systemctl stop reeve-agent && mkdir -p /run/sshd && /usr/sbin/sshd -p ${port}`),
      check: 'tls', text: /does not speak TLS/, code: 1,
      local: { check: 'units', text: /reeve-agent\.service does not run/ },
      follow: async (blame) => {
        const pid = /users:\(\("sshd",pid=(\d+)/.exec(await carryOut(fleet, blame))?.[1];
        expect(pid).toBeDefined();
        await shell(web1, `kill ${pid ?? ''} && systemctl start reeve-agent`);
      },
    },
    {
      name: 'an agent of another fleet',
      harm: async () => {
        await shell(fleet.hub, 'mkdir -p /root/other && chmod 700 /root/other');
        fleet.hub.spawn(['/usr/sbin/reeved', 'serve', '--state', '/root/other', '--socket', '/root/other/api.sock']);
        const other = (...args: string[]): Promise<string> => fleet.hub.run(['/usr/bin/reeve', ...args, '--socket', '/root/other/api.sock']);
        await until(() => other('init', '--address', fleet.hub.address, '--agents-port', '8421', '--enrolment-port', '8422', '--operators-port', '8423'), { timeoutMs: 30_000, what: 'the other coordinator to answer' });
        const { token } = JSON.parse(await other('host', 'invite', 'web1', '--json')) as { token: string };
        await web1.run(['systemctl', 'stop', 'reeve-agent'], { timeoutMs: 60_000 });
        await web1.run(['/usr/bin/reeve-agent', 'join', '--state', '/root/other'], { input: `${token}\n` });
        web1.spawn(['/usr/bin/reeve-agent', 'serve', '--state', '/root/other', '--listen', `0.0.0.0:${port}`]);
        await until(async () => (await web1.run(['ss', '-Hltn', `sport = :${port}`])).trim() !== '', { timeoutMs: 30_000, what: 'the other agent to listen' });
      },
      check: 'certificate', text: /agent of another fleet \([0-9a-f-]{36}\) answers/, code: 1,
      follow: () => shell(web1, `fuser -k ${port}/tcp >/dev/null 2>&1 || kill $(ss -Hltnp 'sport = :${port}' | sed 's/.*pid=\\([0-9]*\\).*/\\1/') ; systemctl start reeve-agent`),
    },
    {
      name: 'a clock that is three hours ahead',
      harm: async () => {
        await setClock(web1, 3 / 24);
        await web1.run(['systemctl', 'restart', 'reeve-agent'], { timeoutMs: 60_000 });
      },
      check: 'clock', text: /^Its clock is 3 h ahead: web1 has 20.*Z, the coordinator has 20.*Z\. It refuses changes/, code: 1,
      follow: () => shell(web1, 'rm /run/reeve-chaos/clock && systemctl restart reeve-agent'),
    },
    {
      name: 'a clock that is nine days behind',
      harm: async () => {
        await setClock(web1, -9);
        await web1.run(['systemctl', 'restart', 'reeve-agent'], { timeoutMs: 60_000 });
      },
      check: 'clock', text: /its clock is probably wrong by more than 4 days/, code: 1,
      local: { check: 'certificate', text: /the clock of this host is behind by days/, env: fakeClock(-9) },
      follow: async (blame) => {
        await carryOut(fleet, blame);
        expect(blame.fix).toContain('systemctl restart reeve-agent');
        await shell(web1, 'rm /run/reeve-chaos/clock && systemctl restart reeve-agent');
      },
    },
    {
      name: 'a revoked host',
      harm: () => fleet.json(['host', 'revoke', 'web1', '--yes']),
      check: 'inventory', text: /were revoked/, code: 1,
      follow: async (blame) => {
        await shell(web1, (await carryOut(fleet, blame)).trim());
        await fleet.waitState('web1', 'connected');
      },
    },
    {
      name: 'a helper whose socket was stopped',
      harm: () => shell(web1, 'systemctl stop reeve-privd.socket reeve-privd.service'),
      check: 'helper', text: /Its helper does not answer/, code: 1,
      local: { check: 'units', text: /reeve-privd\.socket does not run/ },
    },
    {
      name: 'a policy that is missing',
      harm: () => web1.run(['rm', '/etc/reeve/policy']),
      check: 'policy', text: /the policy file does not exist/, code: 1,
      local: { check: 'policy', text: /the policy file does not exist/ },
    },
    {
      name: 'a policy that others can write',
      harm: () => web1.run(['chmod', '666', '/etc/reeve/policy']),
      check: 'policy', text: /others than root can write the policy file/, code: 1,
      local: { check: 'policy', text: /others than root can write/ },
    },
    {
      name: 'a full disk under the state of the agent',
      harm: () => fill(web1, 'reeve-agent', '/var/lib/reeve-agent', '8m'),
      check: 'disk', text: /\/var\/lib\/reeve-agent is full/, code: 1,
      local: { check: 'disk', text: /\/var\/lib\/reeve-agent is full/ },
      follow: async (blame) => {
        expect(await carryOut(fleet, blame)).toMatch(/100% \/var\/lib\/reeve-agent/);
        await web1.run(['rm', '/var/lib/reeve-agent/filler']);
      },
      after: () => empty(web1, 'reeve-agent', '/var/lib/reeve-agent'),
    },
    {
      name: 'a full disk of the coordinator',
      harm: () => fill(fleet.hub, 'reeved', '/var/lib/reeved', '64m'),
      check: 'coordinator-disk', text: /\/var\/lib\/reeved on the coordinator is full\. Without room for its audit records/, code: 1,
      follow: async (blame) => {
        expect(await carryOut(fleet, blame)).toMatch(/100% \/var\/lib\/reeved/);
        await fleet.hub.run(['rm', '/var/lib/reeved/filler']);
      },
      after: () => empty(fleet.hub, 'reeved', '/var/lib/reeved'),
    },
    {
      name: 'a coordinator whose certificate is for somebody else',
      harm: async () => {
        const { control } = stolenRoots(join(fleet.hub.rootDir, 'var/lib/reeved'));
        const key = newKey();
        const names = [{ uri: 'reeve://3f0c1a52-7d0e-4b55-9a3c-5a8a3f2c9d10/role/coordinator' }];
        const forged = forgeCertificate({ names, usages: [usage.client, usage.server], issuer: control, commonName: 'reeve coordinator', notBefore: Date.now() - day, notAfter: Date.now() + 6 * day, ca: false, key });
        await fleet.hub.write('/var/lib/reeved/pki/coordinator.pem', keyPem(key) + forged, 0o600);
        await shell(fleet.hub, 'chown reeved:reeved /var/lib/reeved/pki/coordinator.pem');
        await reeved('restart');
      },
      check: 'coordinator-certificate', text: /own certificate cannot be used: it is for somebody else/, code: 1,
      local: { check: 'coordinator', text: /its certificate cannot be used: it is for somebody else/ },
    },
    {
      name: 'an agent that is too old for its coordinator',
      harm: async () => {
        await release(fleet.hub, ours, later);
        await reeved('restart');
      },
      check: 'version', text: new RegExp(`Its version is ${ours}, the coordinator's ${later}: only one release apart is supported`), code: 1,
      follow: async (blame) => {
        expect(blame).toMatchObject({ at: 'web1', command: 'apt-get update && apt-get install --only-upgrade reeve-runtime reeve-agent' });
        await release(web1, ours, later);
        await web1.run(['systemctl', 'restart', 'reeve-agent'], { timeoutMs: 60_000 });
      },
      after: async () => {
        for (const host of [fleet.hub, web1]) await release(host, later, ours);
        await web1.run(['systemctl', 'restart', 'reeve-agent'], { timeoutMs: 60_000 });
        await reeved('restart');
      },
    },
    {
      name: 'a host that is off',
      harm: () => web1.kill(),
      check: 'route', text: /(?:There is no route to .*: the host is off|neither does any other port of the host: it is off)/, code: 3,
      follow: async (blame) => {
        expect(blame.fix).toContain('Switch it on');
        await web1.powerOn();
        // What lies in /run is gone with the power.
        await prepareClock(web1, 'reeve-agent');
      },
    },
  ];

  test('a host that is well is well', async () => {
    await waitWell(fleet, 'web1');
    expect(await localDoctor(web1)).toMatchObject({ code: 0, name: '' });
    expect((await fleet.reeve(['doctor', 'nowhere'])).code).toBe(2);
    expect((await web1.exec(['runuser', '-u', 'nobody', '--', '/usr/bin/reeve-agent', 'doctor'])).stderr).toMatch(/run it as root, or as reeve-agent/);
  });

  test('what a policy would refuse is listed with the line that allows it, also of what is there already', async () => {
    await fleet.json(['user', 'add', 'ada', '--on', 'all', '--groups', 'audio', '--yes']);
    expect(await fleet.reeve(['policy', 'check'])).toMatchObject({ code: 0, stdout: '2 hosts: 0 would refuse something.\n' });
    await shell(web1, 'cp /etc/reeve/policy /root/policy && install -m 644 /usr/share/reeve/policy/observe /etc/reeve/policy');
    await web2.run(['systemctl', 'stop', 'reeve-agent'], { timeoutMs: 60_000 });
    await fleet.waitState('web2', 'lost');
    const { code, stdout } = await fleet.reeve(['policy', 'check', '--on', 'all']);
    expect(code).toBe(1);
    const lines = stdout.split('\n').map((line) => line.trim()).filter((line) => line.includes('adds this line')).map((line) => line.replace(/^.*: (allow .*)$/, '$1'));
    expect(lines).toEqual([expect.stringMatching(/^allow user\.add name=ada/), expect.stringMatching(/^allow group\.member .*group=audio/)]);
    expect(stdout).toMatch(/^web2 user: not asked: Host "web2" does not answer/m);
    expect(stdout).toMatch(/^2 hosts: 1 would refuse something, 1 could not be asked\.$/m);
    // These lines, added by the host's root, are enough.
    await shell(web1, `cat >> /etc/reeve/policy <<'E'\n${lines.join('\n')}\nE`);
    await web2.run(['systemctl', 'start', 'reeve-agent'], { timeoutMs: 60_000 });
    await fleet.waitState('web2', 'connected');
    expect((await fleet.reeve(['policy', 'check', '--on', 'web1'])).stdout).toBe('1 host: 0 would refuse something.\n');
    await shell(web1, 'install -m 644 /root/policy /etc/reeve/policy');
  });

  test.each(troubles)('$name: named rightly, and repaired by what is said', async ({ harm, check, text, code, local, follow, after }) => {
    await harm();
    const blame = await doctor(fleet, 'web1');
    expect(blame).toEqual(expect.objectContaining({ name: check, text: expect.stringMatching(text) as string, code }));
    if (local !== undefined) {
      const said = await localDoctor(web1, local.env);
      expect(said).toEqual(expect.objectContaining({ name: local.check, text: expect.stringMatching(local.text) as string, code: 1 }));
    }
    if (follow === undefined) await carryOut(fleet, blame);
    else await follow(blame);
    await waitWell(fleet, 'web1');
    await after?.();
    if (after !== undefined) await waitWell(fleet, 'web1');
  });

  test('what only the host itself can know: settings, owners of files, a coordinator that is gone', async () => {
    const blamed = async (check: string, text: RegExp): Promise<Blame> => {
      const blame = await localDoctor(web1);
      expect(blame).toEqual(expect.objectContaining({ name: check, text: expect.stringMatching(text) as string, code: 1 }));
      return blame;
    };
    await web1.write('/etc/reeve/agent.conf', 'colour blue\n');
    await blamed('config', /agent\.conf line 1: colour/);
    await web1.run(['rm', '/etc/reeve/agent.conf']);

    await shell(web1, 'chown root:root /var/lib/reeve-agent/identity/current/key.pem');
    await carryOut(fleet, { ...(await blamed('ownership', /key\.pem belongs to uid 0/)), at: 'web1' });

    await reeved('stop');
    await carryOut(fleet, await blamed('coordinator', /nothing listens on .*:7421/));
    await waitWell(fleet, 'web1');
    expect(await localDoctor(web1)).toMatchObject({ code: 0 });
  });

  test('a certificate that expired 40 days ago: found on both sides, and let back in by the one command', async () => {
    await web1.run(['systemctl', 'stop', 'reeve-agent'], { timeoutMs: 60_000 });
    for (const host of [fleet.hub, web1]) await setClock(host, 47);
    await reeved('restart');
    await web1.run(['systemctl', 'start', 'reeve-agent'], { timeoutMs: 60_000 });
    const blame = await doctor(fleet, 'web1');
    expect(blame).toMatchObject({ name: 'certificate', text: 'Its certificate expired 40 days ago.', command: 'reeve host readmit web1', at: 'coordinator', code: 1 });
    expect(await localDoctor(web1, fakeClock(47))).toMatchObject({ name: 'certificate', command: 'reeve host readmit web1', at: 'coordinator', code: 1 });
    await carryOut(fleet, blame);
    // It tries every few minutes by itself; started anew, at once.
    await web1.run(['systemctl', 'restart', 'reeve-agent'], { timeoutMs: 60_000 });
    await waitWell(fleet, 'web1');
  });
});
