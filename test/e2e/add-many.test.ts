import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forEachLimited } from '../../shared/kit/queue.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { bootBare, operatorKey, prepareOperator } from '../support/ssh-host.js';

interface Added {
  readonly hosts: readonly { readonly name: string; readonly outcome: string; readonly step?: string; readonly errors: readonly { readonly code: string }[] }[];
}

describe.skipIf(!hosts.ok)('reeve host add --from', () => {
  let fleet: TestFleet;
  let publicKey: string;
  const name = (number: number): string => `n${String(number).padStart(2, '0')}`;
  const address = (number: number): string => `198.18.7.${String(number)}`;
  const all = Array.from({ length: 20 }, (_item, index) => index + 1);
  const late = [4, 11, 20];

  beforeAll(async () => {
    fleet = await startFleet({ name: 'addmany', hosts: [], join: false });
    publicKey = await prepareOperator(fleet);
    await boot(all.filter((number) => !late.includes(number)));
    const lines = all.map((number) => `${name(number)} root@${address(number)} label=rank=r${String(number)}`);
    await fleet.hub.write('/root/hosts.txt', `# all of them\n${lines.join('\n')}\n`);
  });
  afterAll(() => fleet.close());

  /** Boots a few at a time; each comes with the key that the operator's known_hosts has of it. */
  async function boot(numbers: readonly number[]): Promise<void> {
    await forEachLimited(numbers, 4, async (number) => {
      const host = await bootBare(fleet, name(number), publicKey, { address: address(number) });
      const key = (await host.read('/etc/ssh/ssh_host_ed25519_key.pub')).split(' ').slice(0, 2).join(' ');
      await fleet.hub.run(['tee', '-a', '/root/.ssh/known_hosts'], { input: `${address(number)} ${key}\n` });
    });
  }

  const command = ['/usr/bin/reeve', 'host', 'add', '--from', '/root/hosts.txt', '--identity', operatorKey, '--policy', 'minimal', '--label', 'fleet=many'];

  test('20 hosts, 3 of them nowhere: 17 are in, 3 are listed with their reasons, and the same command finishes them', async () => {
    const first = await fleet.hub.exec(command, { timeoutMs: 290_000 });
    expect(first, first.stderr).toMatchObject({ code: 3 });
    for (const number of late) expect(first.stdout).toMatch(new RegExp(`^Host "${name(number)}" is not in: SSH to ${address(number).replaceAll('.', '\\.')} failed: `, 'm'));
    expect(first.stdout).toMatch(/^17 of 20 hosts are in; 3 failed, 3 of them not reachable\. The same command again does only those\.\n$/m);
    expect(first.stderr.trim().split('\n')).toHaveLength(20);
    const listed = await fleet.json<{ hosts: { name: string; state: string; labels: string[] }[] }>(['host', 'list']);
    expect(listed.hosts.map((host) => [host.name, host.state, host.labels])).toEqual(
      all.filter((number) => !late.includes(number)).map((number) => [name(number), 'connected', ['fleet=many', `rank=r${String(number)}`]]),
    );
    await boot(late);
    const again = await fleet.hub.exec([...command, '--json'], { timeoutMs: 290_000 });
    expect(again, again.stderr).toMatchObject({ code: 0 });
    const outcomes = (JSON.parse(again.stdout) as Added).hosts;
    expect(outcomes.map((host) => [host.name, host.outcome])).toEqual(all.map((number) => [name(number), late.includes(number) ? 'added' : 'present']));
  }, 900_000);

  test('a file with mistakes is refused whole, before anybody is asked anything', async () => {
    await fleet.hub.write('/root/bad.ini', '[web]\nweb1 ansible_host=198.18.7.1 ansible_port=70000\nWEB2\n[web:children]\nnone\n');
    const refused = await fleet.hub.exec(['/usr/bin/reeve', 'host', 'add', '--from', '/root/bad.ini', '--identity', operatorKey]);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr.match(/line \d+/g)).toEqual(['line 5', 'line 2', 'line 3', 'line 3']);
  });
});
