import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { agentKeyPoints, agentUserPoints, keyPoints } from '../support/chaos-points.js';
import { answerOf, arm, helperRecords, leftovers, prepareUnit, waitReachable, waitRestarted, waitSettled, type CommandAnswer } from '../support/chaos.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { letsIn, makeKey } from '../support/ssh-login.js';
import { until } from '../support/until.js';

/** Files that only a crash leaves in the folders of keys, of sshd and of pending changes. */
async function halfDone(host: LabHost): Promise<string[]> {
  const found = await host.run(['find', '/etc/ssh', '/var/lib/reeve-privd/pending', '/var/lib/reeve-privd/undo', '/var/lib/reeve-privd/owned', '/home', '-name', '.*', '-type', 'f', '-not', '-path', '/home/*/.bash*', '-not', '-name', '.profile']);
  return [...found.split('\n').filter((line) => line !== ''), ...(await leftovers(host))];
}

describe.skipIf(!hosts.ok)('kill -9 while keys are changed', () => {
  let fleet: TestFleet;
  let web1: LabHost;
  const survived: string[] = [];

  beforeAll(async () => {
    fleet = await startFleet({ name: 'chaoskey', hosts: ['web1'], packages: 'test', resident: true });
    web1 = fleet.host('web1');
    await prepareUnit(web1, 'reeve-agent');
    for (const name of ['ada', 'bob']) {
      await makeKey(fleet.hub, name);
      await fleet.json(['person', 'add', name, '--yes']);
      await fleet.json(['key', 'add', name, `/root/${name}.pub`, '--yes']);
    }
    await fleet.json(['user', 'add', 'deploy', '--on', 'web1', '--yes']);
    // The way in that must never be lost, whatever happens to Reeve.
    await web1.write('/home/deploy/.ssh/authorized_keys', await fleet.hub.read('/root/bob.pub'), 0o600);
    await web1.run(['sh', '-c', 'chmod 700 /home/deploy/.ssh && chown -R deploy: /home/deploy/.ssh']);
  });
  afterAll(() => {
    console.log(`kill -9 at failpoints of keys: ${String(survived.length)} survived`);
    fleet.close();
  });

  /** Lets the helper's next child die at a point while a command runs, which ends well all the same: the agent asks again. */
  async function kill(point: string, args: readonly string[]): Promise<void> {
    const file = `/var/lib/reeve-privd/failpoint.${point}`;
    await web1.write(file, '');
    const answer = await fleet.json<CommandAnswer>([...args, '--yes', '--json']);
    expect(answer.outcome, point).toBe('ok');
    expect((await web1.exec(['test', '-e', file])).code, `${point} was passed`).toBe(1);
    expect(await letsIn(fleet.hub, web1, 'deploy', 'bob'), `by the own file, after ${point}`).toBe(true);
    expect(await halfDone(web1)).toEqual([]);
    survived.push(point);
  }
  const grants = async (): Promise<string[]> => (await fleet.json<{ grants: { id: number }[] }>(['grant', 'list'])).grants.map(({ id }) => String(id));
  const grant = ['grant', 'add', 'ada', '--on', 'web1', '--user', 'deploy'];
  const ungrant = async (): Promise<string[]> => ['grant', 'remove', (await grants())[0] ?? ''];
  /** As it was before Reeve knew of its keys. */
  async function forget(): Promise<void> {
    await web1.run(['sh', '-c', 'rm -rf /etc/ssh/reeve-keys.d /etc/ssh/sshd_config.d/00-reeve-keys.conf && systemctl reload ssh']);
    for (const id of await grants()) await fleet.json(['grant', 'remove', id, '--yes']);
  }

  test('the helper’s child, at each of its failpoints: the agent asks again and the command succeeds', async () => {
    for (const point of [...keyPoints.put.slice(0, 1), ...keyPoints.sshd, ...keyPoints.confirm]) {
      await kill(point, grant);
      expect(await letsIn(fleet.hub, web1, 'deploy', 'ada'), point).toBe(true);
      await fleet.json(['host', 'release', 'web1', '--noun', 'key', '--yes']);
      await forget();
    }
    await fleet.json([...grant, '--yes']);
    for (const point of keyPoints.put.slice(1)) {
      await fleet.json([...(await ungrant()), '--yes']);
      await web1.run(['rm', '-f', '/etc/ssh/reeve-keys.d/deploy', '/var/lib/reeve-privd/owned/key/deploy']);
      await kill(point, grant);
      expect(await letsIn(fleet.hub, web1, 'deploy', 'ada'), point).toBe(true);
    }
    await kill('key.unlinked', await ungrant());
    expect(await letsIn(fleet.hub, web1, 'deploy', 'ada')).toBe(false);
    await fleet.json([...grant, '--yes']);
    for (const point of keyPoints.release) {
      await kill(point, ['host', 'release', 'web1', '--noun', 'key']);
      expect(await letsIn(fleet.hub, web1, 'deploy', 'ada'), 'it works without Reeve').toBe(true);
      await forget();
      await fleet.json([...grant, '--yes']);
    }
    await helperRecords(web1);
  });

  test('the agent, at each of its failpoints: what nobody knew is known soon, and is wholly so', async () => {
    for (const point of [...agentUserPoints.filter((name) => name !== 'agent.user.step'), ...agentKeyPoints]) {
      const had = (await grants()).length > 0;
      const args = had ? await ungrant() : grant;
      await arm(web1, 'reeve-agent', point);
      await waitReachable(fleet, 'web1');
      const result = await fleet.reeve([...args, '--yes', '--json']);
      expect([result.code, answerOf(result)?.hosts.at(-1)?.outcome], `${point}: ${result.stdout}${result.stderr}`).toEqual([3, 'unknown']);
      await waitRestarted(web1, 'reeve-agent');
      await waitReachable(fleet, 'web1');
      await waitSettled(fleet);
      await until(async () => (await letsIn(fleet.hub, web1, 'deploy', 'ada')) === !had, { timeoutMs: 30_000, everyMs: 500, what: `the keys to be as wanted after ${point}` });
      expect(await letsIn(fleet.hub, web1, 'deploy', 'bob')).toBe(true);
      const again = await fleet.json<CommandAnswer>(['apply', '--on', 'web1', '--noun', 'key', '--yes']);
      expect(again.hosts.flatMap((host) => host.changes), point).toEqual([]);
      expect(await halfDone(web1)).toEqual([]);
      survived.push(point);
    }
    await helperRecords(web1);
  });

  test('what works as the user, when a key is taken out of its own file: the old file or the new one, and a repeat finishes it', async () => {
    const dropIn = '/run/systemd/system/reeve-privd.service.d/chaos.conf';
    // What works as a user cannot take a file of root away, so this point is armed for every child by the environment.
    const armed = async (point: string | undefined): Promise<void> => {
      if (point === undefined) await web1.run(['rm', dropIn]);
      else await web1.write(dropIn, `[Service]\nEnvironment=REEVE_FAILPOINT=${point}\n`);
      await web1.run(['systemctl', 'daemon-reload']);
      await web1.run(['systemctl', 'stop', 'reeve-privd']);
    };
    const before = (await fleet.hub.read('/root/bob.pub')).trim();
    const cleaned = `# mine\n${before}\n`;
    for (const point of keyPoints.purge) {
      const full = `${cleaned}${(await fleet.hub.read('/root/ada.pub')).trim()} kept\n`;
      await web1.write('/home/deploy/.ssh/authorized_keys', full, 0o600);
      await web1.run(['chown', 'deploy:', '/home/deploy/.ssh/authorized_keys']);
      await fleet.json(['person', 'set', 'ada', '--active', '--yes']);
      await armed(point);
      const killed = await fleet.reeve(['revoke', 'ada', '--purge-foreign', '--yes']);
      expect(killed.code, `${point}: ${killed.stdout}${killed.stderr}`).not.toBe(0);
      expect([full, cleaned], point).toContain(await web1.read('/home/deploy/.ssh/authorized_keys'));
      await armed(undefined);
      await until(async () => (await fleet.reeve(['revoke', 'ada', '--purge-foreign', '--yes'])).code === 0, { timeoutMs: 30_000, everyMs: 500, what: 'the revocation to be done' });
      expect(await web1.read('/home/deploy/.ssh/authorized_keys')).toBe(cleaned);
      expect(await letsIn(fleet.hub, web1, 'deploy', 'bob')).toBe(true);
      expect(await halfDone(web1)).toEqual([]);
      survived.push(point);
    }
  });
});
