import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { agentContainerPoints, agentUserPoints, containerPoints } from '../support/chaos-points.js';
import { answerOf, arm, helperRecords, leftovers, prepareUnit, waitReachable, waitRestarted, type CommandAnswer } from '../support/chaos.js';
import { askContainer, importArchive, rowOf } from '../support/container-command.js';
import { startContainerFleet } from '../support/container-fleet.js';
import { webCommand, webRoot } from '../support/container-image.js';
import { hosts, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

describe.skipIf(!hosts.ok)('kill -9 while a container is changed', () => {
  let fleet: TestFleet;
  let box: LabHost;
  const image: Record<'one' | 'two' | 'crashing', string> = { one: '', two: '', crashing: '' };
  let round = 0;
  const survived: string[] = [];

  beforeAll(async () => {
    fleet = await startContainerFleet({ name: 'chaosctr', hosts: ['box'], packages: 'test', resident: true });
    box = fleet.host('box');
    await prepareUnit(box, 'reeve-agent');
    for (const [name, bytes] of [['one', webRoot('one')], ['two', webRoot('two')], ['crashing', webRoot('bad', 'crashing')]] as const) image[name] = await importArchive(fleet, 'box', bytes, 'rootfs', `localhost/${name}:1`);
    await change(['add', 'box', 'web', '--image', image.one, '--publish', '8080:80', '--health-http', '8080', '--', ...webCommand]);
  });
  afterAll(() => {
    console.log(`kill -9 at failpoints of container: ${String(survived.length)} survived`);
    fleet.close();
  });

  /** Runs a command of noun container that ends with `code`. What follows "--" in it is the container's. */
  async function change([verb = '', ...rest]: readonly string[], code = 0): Promise<CommandAnswer> {
    const result = await fleet.reeve(['container', verb, '--yes', '--json', ...rest]);
    const answer = answerOf(result);
    if (result.code !== code || answer === undefined) throw new Error(`${rest.join(' ')} exited with ${String(result.code)}: ${result.stdout}${result.stderr}`);
    return answer;
  }
  /** Replaces it by the other image. */
  const replace = (): string[] => {
    round += 1;
    return ['set', 'box', 'web', '--image', round % 2 === 0 ? image.one : image.two];
  };

  /** What is wanted runs, once, and nothing is left behind; a repeat has nothing to do. */
  async function expectWhole(point: string): Promise<void> {
    await until(() => fleet.json(['apply', '--on', 'box', '--noun', 'container', '--yes']), { timeoutMs: 60_000, everyMs: 500, what: `box to be as wanted after ${point}` });
    const again = await fleet.json<CommandAnswer>(['apply', '--on', 'box', '--noun', 'container', '--yes']);
    expect(again.hosts.flatMap((host) => host.changes), point).toEqual([]);
    const { spec, status } = await rowOf(fleet, 'box', 'web');
    expect(status, point).toBe('ok');
    expect(await askContainer(fleet, `http://${box.address}:8080/`), point).toBe(spec?.image === image.two ? 'two\n' : 'one\n');
    const script = 'podman ps --all --format {{.Names}}; ls /etc/systemd/system | grep ^reeve-container; ls /var/lib/reeve-privd/container /var/lib/reeve-privd/container/web; cat /proc/[0-9]*/comm | grep -c conmon';
    expect((await box.run(['/bin/sh', '-c', script])).split('\n').filter((line) => line !== 'secret'), point).toEqual([
      'web', 'reeve-container-web.service', '/var/lib/reeve-privd/container:', 'web', '', '/var/lib/reeve-privd/container/web:', 'slot', 'spec', '1', '',
    ]);
    expect(await leftovers(box), point).toEqual([]);
    survived.push(point);
  }

  /** Has the child of the helper die at a point that a command passes, and gives what came of the command. */
  async function dieIn(point: string, command: readonly string[], code = 0): Promise<CommandAnswer> {
    const file = `/var/lib/reeve-privd/failpoint.${point}`;
    await box.write(file, '');
    const answer = await change(command, code);
    expect((await box.exec(['test', '-e', file])).code, `${point} was passed`).toBe(1);
    return answer;
  }

  test('the child of the helper, at each of its failpoints: the agent asks again and the command succeeds', async () => {
    for (const point of [...containerPoints.put, ...containerPoints.settle]) {
      await dieIn(point, replace());
      await expectWhole(point);
    }
    for (const point of containerPoints.back) {
      const answer = await dieIn(point, ['set', 'box', 'web', '--image', image.crashing], 1);
      expect(answer.hosts.flatMap(({ errors }) => errors.map(({ code }) => code)), point).toEqual(['CONTAINER_UNHEALTHY']);
      await expectWhole(point);
    }
    for (const point of containerPoints.make) {
      await dieIn(point, ['add', 'box', 'other', '--image', image.one, '--', ...webCommand]);
      await change(['remove', 'box', 'other']);
      await expectWhole(point);
    }
    for (const point of containerPoints.awake) {
      await change(['add', 'box', 'other', '--image', image.one, '--publish', '8081:80', '--idle', '60', '--', ...webCommand]);
      await dieIn(point, ['set', 'box', 'other', '--idle', '']);
      await change(['remove', 'box', 'other']);
      await expectWhole(point);
    }
    await fleet.hub.write('/root/token', 'a value', 0o600);
    for (const point of containerPoints.secret) {
      await dieIn(point, ['set', 'box', 'web', '--secret', 'token=/root/token']);
      await expectWhole(point);
    }
    await helperRecords(box);
  });

  test('the agent, at each of its failpoints: the old one or the new one runs', async () => {
    for (const point of [...agentUserPoints.filter((name) => name !== 'agent.user.step'), ...agentContainerPoints.make, ...agentContainerPoints.back]) {
      await arm(box, 'reeve-agent', point);
      await waitReachable(fleet, 'box');
      const back = (agentContainerPoints.back as readonly string[]).includes(point);
      const [verb = '', ...rest] = back ? ['set', 'box', 'web', '--image', image.crashing] : replace();
      const result = await fleet.reeve(['container', verb, '--yes', '--json', ...rest]);
      expect([1, 3], `${point}: ${result.stdout}${result.stderr}`).toContain(result.code);
      expect(answerOf(result)?.stored, point).toBe(true);
      await waitRestarted(box, 'reeve-agent');
      await waitReachable(fleet, 'box');
      if (back) await until(async () => (await rowOf(fleet, 'box', 'web')).spec?.image !== image.crashing, { timeoutMs: 60_000, everyMs: 500, what: 'the one that crashes not to be wanted any more' });
      await expectWhole(point);
    }
  });

  test('the program that does the work, in the middle of it', async () => {
    for (let n = 0; n < 5; n++) {
      let ended = false;
      const [verb = '', ...rest] = replace();
      const command = fleet.reeve(['container', verb, '--yes', '--json', ...rest]).finally(() => (ended = true));
      await until(async () => ended || (await box.exec(['systemctl', 'kill', '--signal=KILL', 'reeve-container@*.service'])).code === 0, { timeoutMs: 30_000, everyMs: 20 + 40 * n, what: 'the work to be killed' });
      await command;
      await expectWhole(`reeve-container, ${String(n)}`);
    }
  });

  test('the plug is pulled: the old one or the new one, whole, once the host runs again', async () => {
    for (const point of ['container.put.spec', 'container.files.reloaded', 'container.settle.begun'] as const) {
      const file = `/var/lib/reeve-privd/failpoint.${point}`;
      await box.write(file, '');
      const [verb = '', ...rest] = replace();
      const command = fleet.reeve(['container', verb, '--yes', '--json', ...rest]);
      await until(async () => (await box.exec(['test', '-e', file])).code === 1, { timeoutMs: 30_000, everyMs: 10, what: `${point} to be passed` });
      await box.kill();
      await box.powerOn();
      await command;
      await until(() => askContainer(fleet, `http://${box.address}:8080/`).then(() => true, () => false), { timeoutMs: 60_000, everyMs: 500, what: `the container to answer after ${point} and a power cut` });
      await fleet.waitState('box', 'connected', 90_000);
      await expectWhole(`${point} and a power cut`);
    }
  });

  test('the child of the helper while it lets go, at one point after the other: it goes on, without Reeve too', async () => {
    const files = containerPoints.release.map((point) => `/var/lib/reeve-privd/failpoint.${point}`);
    for (const file of files) await box.write(file, '');
    expect((await fleet.json<CommandAnswer>(['host', 'release', 'box', '--noun', 'container', '--yes'])).outcome).toBe('ok');
    for (const file of files) expect((await box.exec(['test', '-e', file])).code, `${file} was passed`).toBe(1);
    await box.run(['systemctl', 'restart', 'reeve-container-web.service']);
    await until(() => askContainer(fleet, `http://${box.address}:8080/`).then(() => true, () => false), { timeoutMs: 30_000, everyMs: 500, what: 'the container to answer' });
    survived.push(...containerPoints.release);
  });
});
