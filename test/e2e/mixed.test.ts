import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseBuildOptions } from '../../packaging/options.js';
import { previousRelease } from '../../packaging/previous.js';
import type { LabHost } from '../lab/lab.js';
import { apt, aptOk, serveRepository, type TestRepository } from '../support/apt.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { debs } from '../support/packages.js';
import { until } from '../support/until.js';
import { startLoad } from '../support/user-load.js';

describe.skipIf(!hosts.ok)('a coordinator of the release before, with an agent of this one', () => {
  let fleet: TestFleet;
  let web1: LabHost;
  let repository: TestRepository;
  let own: string;
  const previous = previousRelease(parseBuildOptions([], process.env).root).version;
  const passwd = async (name: string): Promise<string> => (await web1.exec(['getent', 'passwd', name])).stdout.trim();
  const coordinatorVersion = async (): Promise<string> => (await fleet.json<{ version: string }>(['status'])).version;

  beforeAll(async () => {
    const current = await debs('normal');
    own = /_([^_]+)_[^_]+\.deb$/.exec(current.get('reeve-agent') ?? '')?.[1] ?? '';
    fleet = await startFleet({ name: 'mixed', hosts: ['web1'], hubPackages: 'previous' });
    web1 = fleet.host('web1');
    repository = await serveRepository(fleet.lab, [...(await debs('previous')).values(), ...current.values()]);
    await repository.use(fleet.hub);
  });
  afterAll(() => {
    repository.close();
    fleet.close();
  });

  test('manages its users: plan, add, alter, lock, adopt, drift, remove', async () => {
    expect(await coordinatorVersion()).toBe(previous);
    expect((await fleet.json<{ status: { agentVersion: string } }>(['host', 'show', 'web1'])).status.agentVersion).toBe(own);
    await fleet.json(['user', 'add', 'ada', '--on', 'all', '--plan']);
    await fleet.json(['user', 'add', 'ada', '--on', 'all', '--groups', 'www-data', '--yes']);
    await fleet.json(['user', 'add', 'ada', '--on', 'all', '--shell', '/bin/sh', '--yes']);
    expect(await passwd('ada')).toMatch(/^ada:x:20000:20000:.*:\/bin\/sh$/);
    await fleet.json(['user', 'lock', 'ada', '--on', 'all', '--yes']);
    await fleet.json(['user', 'unlock', 'ada', '--on', 'all', '--yes']);
    await web1.run(['useradd', '--uid', '1500', '--create-home', 'bob']);
    await fleet.json(['user', 'adopt', 'web1', 'bob', '--yes']);
    await web1.run(['usermod', '--shell', '/bin/bash', 'ada']);
    await until(async () => (await fleet.json<{ drifted: number }>(['status'])).drifted === 1, { timeoutMs: 20_000, everyMs: 200, what: 'the drift to be shown' });
    await fleet.json(['apply', '--yes']);
    expect(await passwd('ada')).toMatch(/:\/bin\/sh$/);
    await fleet.json(['user', 'remove', 'ada', '--on', 'all', '--yes']);
    expect(await passwd('ada')).toBe('');
  });

  test('is upgraded by apt in the middle of its work, and loses nothing of it', async () => {
    const load = startLoad(fleet, 'web1');
    await until(() => load.ended.length >= 3, { timeoutMs: 60_000, what: 'the load to run' });
    await aptOk(fleet.hub, ['upgrade']);
    expect(await coordinatorVersion()).toBe(own);
    await fleet.waitState('web1', 'connected');
    const before = load.ended.length;
    await until(() => load.ended.length >= before + 3, { timeoutMs: 60_000, what: 'the load to go on' });
    const { ended, longestGapMs } = await load.stop();
    expect(longestGapMs).toBeLessThan(60_000);
    // A command that the restart cut off could not be answered (3); what it had stored is settled, and what it had not was never done.
    // The release before reads its contract from a folder that dpkg is just replacing: a command that starts in that moment ends before it asks anything.
    // This release's folder has the version in its name.
    const unread = (said: string): boolean => /ENOENT: no such file or directory, open '(?:\/usr\/lib\/reeve-cli\/proto|reeve)\/|The folder "proto" is missing from this installation/.test(said);
    expect(ended.filter(({ code, said }) => ![0, 3].includes(code) && !unread(said))).toEqual([]);
    await fleet.json(['apply', '--yes']);
    await until(async () => (await fleet.json<{ pending: unknown[] }>(['pending'])).pending.length === 0, { timeoutMs: 30_000, what: 'nothing to be pending' });
    const stored = new Set((await fleet.json<{ users: { user: { name: string } }[] }>(['user', 'list'])).users.map((row) => row.user.name));
    for (const { user, code } of ended) {
      if (code === 0) expect(stored).toContain(user);
      expect((await passwd(user)) !== '', user).toBe(stored.has(user));
    }
    const { operations } = await fleet.json<{ operations: { outcome: string }[] }>(['operation', 'list', '--limit', '1000']);
    expect(operations.filter(({ outcome }) => ['running', 'unknown', 'failed'].includes(outcome))).toEqual([]);
    expect(await fleet.json(['audit', 'verify'])).toMatchObject({ intact: true });
    console.log(`coordinator ${previous} to ${own} under load: ${String(ended.length)} commands, ${String(ended.filter(({ code }) => code !== 0).length)} cut off, longest gap ${(longestGapMs / 1000).toFixed(1)} s`);
  });

  test('is not put back over an inventory that a newer one wrote', async () => {
    const back = await apt(fleet.hub, ['install', `reeve-coordinator=${previous}`, `reeve-runtime=${previous}`, `reeve-cli=${previous}`]);
    expect(back.code).not.toBe(0);
    expect(`${back.stdout}${back.stderr}`).toMatch(/downgrade/i);
    expect(await fleet.hub.read('/var/lib/reeved/format')).toMatch(new RegExp(`^\\d+ ${own.replaceAll('.', '\\.')}\n$`));
    await fleet.hub.run(['sh', '-c', 'echo "999 9.9.9" >/var/lib/reeved/format']);
    const refused = await apt(fleet.hub, ['--reinstall', 'install', 'reeve-runtime', 'reeve-coordinator']);
    expect(refused.code).not.toBe(0);
    expect(`${refused.stdout}${refused.stderr}`).toMatch(/cannot be installed: .*reeve-coordinator 9\.9\.9[\s\S]*Install reeve-coordinator 9\.9\.9 or a later one/);
    expect(await fleet.hub.run(['dpkg', '--audit'])).toBe('');
    expect(await coordinatorVersion()).toBe(own);
  });
});
