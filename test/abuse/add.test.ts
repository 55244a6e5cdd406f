import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { installProgram } from '../support/abuse-program.js';
import { scanFiles, secretForms, setNeedles, watchProcesses } from '../support/abuse-secret.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { installDebian } from '../support/debian.js';
import { add, allowKey, bootBare, fingerprint, leftOfTheWayIn, prepareOperator } from '../support/ssh-host.js';

const password = 'canary-9d41f7-password';
const passphrase = 'canary-5aa0c2-passphrase';

describe.skipIf(!hosts.ok)('secrets of taking a machine in', () => {
  let fleet: TestFleet;
  let web: LabHost;
  let two: LabHost;
  let program: string;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'addsecret', hosts: [], join: false });
    const publicKey = await prepareOperator(fleet);
    [web, two] = await Promise.all([bootBare(fleet, 'web', publicKey), bootBare(fleet, 'two', publicKey)]);
    for (const host of [fleet.hub, web, two]) program = await installProgram(host, 'scan');
    await installDebian(web, ['sudo']);
    await web.run(['useradd', '--create-home', '--shell', '/bin/bash', '--groups', 'sudo', 'admin']);
    await web.run(['chpasswd'], { input: `admin:${password}\n` });
    await fleet.hub.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', passphrase, '-f', '/root/.ssh/locked']);
    await allowKey(two, 'root', (await fleet.hub.read('/root/.ssh/locked.pub')).trim());
  });
  afterAll(() => fleet.close());

  /** Takes a machine in by `work` while all processes of both are watched for `secret` and for any join token, then looks through their files. */
  async function watched(host: LabHost, secret: string, work: () => Promise<void>): Promise<void> {
    const both = [fleet.hub, host];
    for (const one of both) await setNeedles(one, [Buffer.from(secret), Buffer.from('reeve1_A')]);
    const watches = await Promise.all(both.map((one) => watchProcesses(one, program)));
    await work();
    for (const watch of watches) {
      const lines = (await watch.end()).join('\n');
      expect(Number(/^rounds (\d+)$/m.exec(lines)?.[1])).toBeGreaterThan(50);
      expect(lines).not.toMatch(/^hit /m);
    }
    for (const one of both) expect(await scanFiles(one, program, [...secretForms(Buffer.from(secret)), Buffer.from('reeve1_A')])).toEqual([]);
    expect(await leftOfTheWayIn(host)).toEqual([]);
  }

  test('a password, for the login and for sudo, and the token are in no arguments, environment, log or file of either machine', async () => {
    await watched(web, password, async () => {
      const added = await add(fleet, 'web', web, ['--sudo', '--password-stdin', '--policy', 'minimal'], { user: 'admin', key: false, input: `${password}\n` });
      expect(added, added.stderr).toMatchObject({ code: 0 });
      expect(added.stdout + added.stderr).not.toContain(password);
    });
  });

  test('a passphrase is asked for on a terminal and not shown; without one the key is refused', async () => {
    const refused = await add(fleet, 'two', two, ['--identity', '/root/.ssh/locked'], { key: false });
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toMatch(/The SSH key \/root\/\.ssh\/locked cannot be used: it has a passphrase, and nobody can be asked here/);
    await watched(two, passphrase, async () => {
      // script(1) gives the command a terminal, and types what it reads.
      const line = `/usr/bin/reeve host add two --ssh root@${two.address} --identity /root/.ssh/locked --host-key ${await fingerprint(two)}`;
      const added = await fleet.hub.exec(['script', '--quiet', '--return', '--command', line, '/dev/null'], { input: `${passphrase}\n`, timeoutMs: 120_000 });
      expect(added.stdout).toContain('Passphrase of /root/.ssh/locked: ');
      expect(added.stdout).toMatch(/Host "two" is in: agent/);
      expect(added.code).toBe(0);
      // What the terminal itself echoes before the question is no secret of ours to keep: script(1) types at once.
    });
  });
});
