import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { identityFolder, obeyedKeys } from '../support/chaos-identity.js';
import { addPoints, joinPoints } from '../support/chaos-points.js';
import { arm, prepareUnit, waitReachable, waitRestarted } from '../support/chaos.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { add, bootBare, fingerprint, leftOfTheWayIn, operatorKey, prepareOperator } from '../support/ssh-host.js';
import { until } from '../support/until.js';

describe.skipIf(!hosts.ok)('kill -9 while a machine is taken in', () => {
  let fleet: TestFleet;
  let web: LabHost;
  let survived = 0;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'chaosadd', hosts: [], packages: 'test', join: false });
    web = await bootBare(fleet, 'web', await prepareOperator(fleet, 'test'));
    await prepareUnit(fleet.hub, 'reeved');
  });
  afterAll(() => {
    console.log(`kill -9 while a machine is taken in: ${String(survived)} survived`);
    fleet.close();
  });

  /** The machine has never been in: the coordinator does not know it, it has no identity; with `packages` it keeps them. */
  async function forget(keep: 'packages' | 'nothing'): Promise<void> {
    await fleet.reeve(['host', 'retire', 'web', '--yes']);
    if (keep === 'nothing') await web.exec(['dpkg', '--purge', 'reeve-agent', 'reeve-runtime'], { timeoutMs: 60_000 });
    else await web.run(['/bin/sh', '-c', 'systemctl stop reeve-agent; rm -rf /var/lib/reeve-agent/identity; cp /usr/share/reeve/policy/observe /etc/reeve/policy']);
    // Joins are limited to a few a minute from one address; the limit is in memory.
    await fleet.hub.run(['systemctl', 'restart', 'reeved'], { timeoutMs: 60_000 });
    await fleet.waitCoordinator();
  }

  /** The same command again takes it in: one identity, one host, the wanted policy, and nothing left of either try. */
  async function finish(why: string): Promise<void> {
    const again = await add(fleet, 'web', web, ['--policy', 'standard']);
    expect(again, `${why}: ${again.stderr}`).toMatchObject({ code: 0 });
    await waitReachable(fleet, 'web');
    expect(await obeyedKeys(fleet.hub, 'web'), why).toMatchObject({ current: 1 });
    const { current, whole, staged } = await identityFolder(web);
    expect([whole, staged], why).toEqual([[current], []]);
    expect(await leftOfTheWayIn(web), why).toEqual([]);
    expect(await web.read('/etc/reeve/policy'), why).toBe(await web.read('/usr/share/reeve/policy/standard'));
    expect(await web.run(['dpkg', '--audit']), why).toBe('');
    expect((await fleet.json<{ hosts: { name: string }[] }>(['host', 'list'])).hosts.map((host) => host.name), why).toEqual(['web']);
    survived += 1;
  }

  const installed = addPoints.indexOf('cli.add.cleared');
  test.each(addPoints.map((point, index) => ({ point, keep: index > installed ? 'packages' : 'nothing' } as const)))('the command line, at $point', async ({ point, keep }) => {
    await forget(keep);
    const killed = await add(fleet, 'web', web, ['--policy', 'standard'], { failpoint: point });
    expect([killed.code, killed.stdout], killed.stderr).toEqual([137, '']);
    await finish(point);
  });

  test.each(joinPoints.coordinator)('the coordinator, while the machine joins, at %s: the answer is lost, and the token with it', async (point) => {
    await forget('packages');
    await arm(fleet.hub, 'reeved', point);
    await fleet.waitCoordinator();
    const broken = await add(fleet, 'web', web, ['--policy', 'standard']);
    expect(broken.code, broken.stderr).toBe(1);
    expect(broken.stderr).toMatch(/could not be taken in, at join: .*may be spent/);
    await waitRestarted(fleet.hub, 'reeved');
    await fleet.waitCoordinator();
    await finish(point);
  });

  test.each(joinPoints.agent)('the agent, while it joins, at %s', async (point) => {
    await forget('packages');
    // Every login of the host gets it; the agent's own service does not.
    await web.write('/etc/environment', `REEVE_FAILPOINT=${point}\n`);
    const broken = await add(fleet, 'web', web, ['--policy', 'standard']);
    expect(broken.code, broken.stderr).toBe(1);
    await web.write('/etc/environment', '');
    await finish(point);
  });

  test('the session on the host in the middle of the upload, and dpkg between its two steps', async () => {
    await forget('nothing');
    const child = fleet.hub.spawn(['/usr/bin/reeve', 'host', 'add', 'web', '--ssh', `root@${web.address}`, '--identity', operatorKey, '--host-key', await fingerprint(web), '--policy', 'standard']);
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => void (said += chunk.toString()));
    const code = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await until(() => said.includes('web: upload reeve-runtime'), { timeoutMs: 60_000, everyMs: 5, what: 'the upload to begin' });
    await until(async () => (await web.exec(['pkill', '-KILL', '-f', 'sshd: root'])).code === 0, { timeoutMs: 10_000, everyMs: 5, what: 'the session to be killed' });
    expect(await code, said).toBe(3);
    expect(said).toMatch(/SSH to \S+ failed: the connection (?:was|broke)/);
    await finish('session');

    await forget('nothing');
    for (const name of ['reeve-runtime', 'reeve-agent']) await web.write(`/run/${name}.deb`, await packageBytes(fleet, name));
    await web.run(['/bin/sh', '-c', 'dpkg --install /run/reeve-runtime.deb && dpkg --unpack /run/reeve-agent.deb && rm /run/*.deb'], { timeoutMs: 60_000 });
    await finish('dpkg');
  });
});

async function packageBytes(fleet: TestFleet, name: string): Promise<Buffer> {
  const path = (await fleet.hub.run(['/bin/sh', '-c', `ls /usr/share/reeve/packages/${name}_*.deb`])).trim();
  return readFileSync(`${fleet.hub.rootDir}${path}`);
}
