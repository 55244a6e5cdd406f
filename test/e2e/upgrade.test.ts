import { mkdtempSync, rmSync, truncateSync, writeFileSync, copyFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { previousRelease } from '../../packaging/previous.js';
import { parseBuildOptions } from '../../packaging/options.js';
import type { LabHost } from '../lab/lab.js';
import { apt, aptOk, serveRepository, type TestRepository } from '../support/apt.js';
import { putOnSmallDisk } from '../support/chaos-disk.js';
import { debVariant } from '../support/deb-variant.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { debs } from '../support/packages.js';
import { until } from '../support/until.js';
import { startLoad } from '../support/user-load.js';

/** Longest time that a host may be without a serving agent, ms. */
const OUTAGE_MS = 60_000;
const AGENT_JS = 'usr/lib/reeve-agent/agent.js';

/** Programs that are broken, each in a version of its own; in order, because apt goes up. */
const BROKEN: readonly { version: string; what: string; because: RegExp; edit: (tree: string) => void }[] = [
  { version: '0.9.1', what: 'an agent that crashes at its start', because: /it ended \d+ times at once, last with code 3/, edit: (tree) => writeFileSync(join(tree, AGENT_JS), 'process.exit(3);\n') },
  { version: '0.9.2', what: 'an agent that never becomes ready', because: /it was not ready after \d+ s \(state activating\)/, edit: (tree) => writeFileSync(join(tree, AGENT_JS), 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6);\n') },
  { version: '0.9.3', what: 'a helper that does not start', because: /the helper does not answer/, edit: (tree) => copyFileSync('/bin/false', join(tree, 'usr/lib/reeve-agent/reeve-privd')) },
];

describe.skipIf(!hosts.ok)('an upgrade of the agent by apt', () => {
  let fleet: TestFleet;
  let web1: LabHost;
  let repository: TestRepository;
  let current: ReadonlyMap<string, string>;
  let own: string;
  const { root } = parseBuildOptions([], process.env);
  const previous = previousRelease(root).version;
  const folder = mkdtempSync(join(tmpdir(), 'reeve-upgrade-'));
  const agentDeb = (): string => current.get('reeve-agent') ?? '';
  const variant = (version: string, edit?: (tree: string) => void): string => debVariant(agentDeb(), folder, { version, ...(edit === undefined ? {} : { edit }) });
  /** The version that answers the coordinator. */
  const running = async (): Promise<string> => (await fleet.json<{ status: { agentVersion: string } | null }>(['host', 'show', 'web1'])).status?.agentVersion ?? '';
  const installed = (host: LabHost): Promise<string> => host.run(['dpkg-query', '--show', '--showformat=${db:Status-Status} ${Version}', 'reeve-agent']);
  /** From the stop of the old agent to the moment in which it runs again, by the clock of the unit that does both, ms. */
  const outageMs = async (): Promise<number> => {
    const shown = await web1.run(['systemctl', 'show', 'reeve-agent-upgrade.service', '--property=ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic']);
    const at = (name: string): number => Number(new RegExp(`^ExecMain${name}TimestampMonotonic=([1-9][0-9]*)$`, 'm').exec(shown)?.[1]);
    return (at('Exit') - at('Start')) / 1000;
  };
  const serves = async (): Promise<void> => {
    await fleet.waitState('web1', 'connected', OUTAGE_MS);
    await fleet.json(['user', 'add', 'after', '--on', 'web1', '--yes']);
    expect((await web1.run(['reeve-agent', 'status']))).toMatch(/^helper +ok /m);
  };

  beforeAll(async () => {
    current = await debs('normal');
    own = /_([^_]+)_[^_]+\.deb$/.exec(agentDeb())?.[1] ?? '';
    fleet = await startFleet({ name: 'upgrade', hosts: ['web1'], packages: 'previous', hubPackages: 'normal' });
    web1 = fleet.host('web1');
    repository = await serveRepository(fleet.lab, [...(await debs('previous')).values(), ...current.values()]);
    await repository.use(web1);
  });
  afterAll(() => {
    repository.close();
    fleet.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('from the release before, under load: no result is lost, and the host is back within 60 s', async () => {
    expect(await running()).toBe(previous);
    const load = startLoad(fleet, 'web1');
    await until(() => load.ended.length >= 3, { timeoutMs: 60_000, what: 'the load to run' });
    await aptOk(web1, ['upgrade']);
    expect(await installed(web1)).toBe(`installed ${own}`);
    await until(async () => (await running()) === own, { timeoutMs: OUTAGE_MS, what: 'the new agent to answer' });
    const before = load.ended.length;
    await until(() => load.ended.length >= before + 3, { timeoutMs: OUTAGE_MS, what: 'the load to go on' });
    const { ended, longestGapMs } = await load.stop();
    expect(ended.filter(({ code }) => ![0, 3].includes(code))).toEqual([]);
    expect(longestGapMs).toBeLessThan(OUTAGE_MS);
    await fleet.json(['apply', '--yes']);
    const { operations } = await fleet.json<{ operations: { outcome: string; summary: string }[] }>(['operation', 'list', '--limit', '1000']);
    // What was refused and given again has failed once, and said so.
    const refused = ended.filter(({ again }) => again).map(({ user }) => `user add ${user} on web1`);
    expect(operations.filter(({ outcome, summary }) => !['OUTCOME_OK', 'OUTCOME_PENDING', 'ok', 'pending'].includes(outcome) && !refused.includes(summary))).toEqual([]);
    const names = (await web1.run(['getent', 'passwd'])).split('\n').map((line) => line.split(':')[0]);
    for (const { user } of ended) expect(names).toContain(user);
    expect((await fleet.json<{ pending: unknown[] }>(['pending'])).pending).toEqual([]);
    console.log(`upgrade ${previous} to ${own} under load: ${String(ended.length)} operations, longest gap ${(longestGapMs / 1000).toFixed(1)} s`);
    expect(await web1.run(['sh', '-c', 'ls /usr/lib/reeve-agent /usr/lib/reeve'])).not.toContain('previous');
  });

  test.each(BROKEN)('to $what is reverted within 60 s, and everybody is told why', async ({ version, because, edit }) => {
    repository.add([variant(version, edit)]);
    await aptOk(web1, ['update']);
    const said = await aptOk(web1, ['install', 'reeve-agent']);
    expect(said).toMatch(new RegExp(`reeve-agent ${version} does not serve; the host runs the version before it`));
    const tookMs = await outageMs();
    expect(tookMs).toBeLessThan(OUTAGE_MS);
    await serves();
    expect(await running()).toBe(own);
    expect(await installed(web1)).toBe(`installed ${version}`);
    expect(await web1.run(['dpkg', '--audit'])).toBe('');
    const local = await web1.run(['reeve-agent', 'status']);
    expect(local).toMatch(new RegExp(`^upgrade +the upgrade to ${version} was reverted to .* because ${because.source}`, 'm'));
    const shown = await until(async () => {
      const { status, host } = await fleet.json<{ status: { upgrade: string } | null; host: { upgrade: string } }>(['host', 'show', 'web1']);
      return status?.upgrade.includes(version) === true ? host.upgrade : undefined;
    }, { timeoutMs: 20_000, what: 'the coordinator to know' });
    expect(shown).toMatch(because);
    expect((await fleet.reeve(['status'])).stdout).toMatch(new RegExp(`an upgrade of its agent was reverted[\\s\\S]*upgrade to ${version}`));
    console.log(`${version}: reverted and back in ${(tookMs / 1000).toFixed(1)} s`);
  });

  test('to a version whose runtime is broken too goes back to the runtime that it ran on', async () => {
    const runtime = debVariant(current.get('reeve-runtime') ?? '', folder, { version: '0.9.4', edit: (tree) => copyFileSync('/bin/false', join(tree, 'usr/lib/reeve/node')) });
    repository.add([runtime, debVariant(agentDeb(), folder, { version: '0.9.4', runtime: '0.9.4' })]);
    await aptOk(web1, ['update']);
    expect(await aptOk(web1, ['install', 'reeve-agent'])).toContain('does not serve');
    await fleet.waitState('web1', 'connected', OUTAGE_MS);
    expect(await running()).toBe(own);
    await fleet.json(['user', 'add', 'after', '--on', 'web1', '--yes']);
  });

  test('to a version that serves takes the note away', async () => {
    const runtime = debVariant(current.get('reeve-runtime') ?? '', folder, { version: '0.9.5' });
    repository.add([runtime, debVariant(agentDeb(), folder, { version: '0.9.5', runtime: '0.9.5' })]);
    await aptOk(web1, ['update']);
    expect(await aptOk(web1, ['install', 'reeve-agent'])).not.toContain('does not serve');
    await serves();
    expect(await web1.run(['reeve-agent', 'status'])).not.toMatch(/^upgrade/m);
    await until(async () => (await fleet.json<{ host: { upgrade: string } }>(['host', 'show', 'web1'])).host.upgrade === '', { timeoutMs: 20_000, what: 'the coordinator to know' });
    expect(await web1.run(['readlink', '/usr/lib/reeve-agent/current'])).toBe('.\n');
  });

  test('with a package that is cut off, or on a full disk, fails in dpkg; the old one keeps serving, and a retry works', async () => {
    const file = debVariant(agentDeb(), folder, { version: '0.9.6', runtime: '0.9.6' });
    const runtime = debVariant(current.get('reeve-runtime') ?? '', folder, { version: '0.9.6' });
    repository.add([runtime, file]);
    await web1.put(runtime, '/root/runtime.deb');
    copyFileSync(file, join(folder, 'cut.deb'));
    truncateSync(join(folder, 'cut.deb'), 60_000);
    await web1.put(join(folder, 'cut.deb'), '/root/cut.deb');
    const cut = await web1.exec(['dpkg', '--install', '/root/cut.deb']);
    expect(cut.code).not.toBe(0);
    await serves();

    // The runtime alone takes 100 MB: its new file does not fit beside the old one.
    const disk = await putOnSmallDisk(web1, { folder: '/usr/lib/reeve', size: '150m', units: ['reeve-agent.service'] });
    const full = await web1.exec(['dpkg', '--install', '/root/runtime.deb'], { timeoutMs: 120_000 });
    expect(full).toMatchObject({ code: 1, stderr: expect.stringMatching(/No space left on device/) as string });
    await serves();
    await disk.fill();
    expect((await web1.exec(['dpkg', '--install', '/root/runtime.deb'], { timeoutMs: 120_000 })).code).toBe(1);
    await serves();
    await disk.free();
    await web1.run(['umount', '--lazy', '/usr/lib/reeve']);
    await aptOk(web1, ['update']);
    await aptOk(web1, ['--fix-broken', 'install']);
    await aptOk(web1, ['install', 'reeve-agent']);
    expect(await installed(web1)).toBe('installed 0.9.6');
    await serves();
  });

  test('cut off by a power failure between unpacking and configuring: the old one serves after the boot, and the upgrade can be finished', async () => {
    await web1.put(debVariant(agentDeb(), folder, { version: '0.9.7', runtime: '0.9.6' }), '/root/next.deb');
    await web1.run(['dpkg', '--unpack', '/root/next.deb']);
    await serves();
    await web1.kill();
    await web1.powerOn();
    await serves();
    expect(await web1.run(['readlink', '/usr/lib/reeve-agent/current'])).toBe('previous\n');
    await web1.run(['dpkg', '--configure', '--pending'], { timeoutMs: 120_000 });
    expect(await installed(web1)).toBe('installed 0.9.7');
    await serves();
    expect(await web1.run(['readlink', '/usr/lib/reeve-agent/current'])).toBe('.\n');
  });

  test('cut off by a power failure while a broken agent is watched: it is reverted after the boot', async () => {
    await web1.put(debVariant(agentDeb(), folder, { version: '0.9.8', runtime: '0.9.6', edit: BROKEN[0]?.edit ?? (() => undefined) }), '/root/next.deb');
    const upgrade = web1.exec(['dpkg', '--install', '/root/next.deb'], { timeoutMs: 120_000 }).catch(() => undefined);
    await until(async () => (await web1.run(['readlink', '/usr/lib/reeve-agent/current'])) === '.\n' && (await web1.exec(['test', '-e', '/var/lib/reeve-agent-upgrade/pending'])).code === 0,
      { timeoutMs: 60_000, everyMs: 100, what: 'the new agent to be started' });
    await web1.kill();
    await upgrade;
    await web1.powerOn().catch((error: unknown) => {
      // The unit that reverted it has failed, as it should say.
      if (!String((error as Error).cause).includes('degraded')) throw error;
    });
    await fleet.waitState('web1', 'connected', 2 * OUTAGE_MS);
    expect(await web1.run(['readlink', '/usr/lib/reeve-agent/current'])).toBe('previous\n');
    await fleet.json(['user', 'add', 'after', '--on', 'web1', '--yes']);
    await web1.put(debVariant(agentDeb(), folder, { version: '0.9.9', runtime: '0.9.6' }), '/root/next.deb');
    await web1.run(['dpkg', '--install', '/root/next.deb'], { timeoutMs: 120_000 });
    await serves();
    expect(await web1.run(['dpkg', '--audit'])).toBe('');
  });

  test('is judged without a port when the agent only dials out', async () => {
    await web1.write('/etc/reeve/agent.conf', 'dial-out yes\n');
    await web1.run(['systemctl', 'restart', 'reeve-agent.service']);
    expect(await web1.run(['reeve-agent', 'serving'])).toBe('The agent serves.\n');
    await web1.run(['rm', '/etc/reeve/agent.conf']);
    expect((await web1.exec(['reeve-agent', 'serving'])).stderr).toMatch(/^Error: The agent does not serve: it does not accept TLS on 127\.0\.0\.1 port 7420: ECONNREFUSED/);
    await web1.run(['systemctl', 'restart', 'reeve-agent.service']);
    await serves();
  });

  test('back to an older version is refused: by apt, and by the packages when the state is newer', async () => {
    const back = await apt(web1, ['install', `reeve-agent=${own}`, `reeve-runtime=${own}`]);
    expect(back.code).not.toBe(0);
    expect(`${back.stdout}${back.stderr}`).toMatch(/downgrade/i);
    const format = await web1.read('/var/lib/reeve-agent/format');
    await web1.run(['sh', '-c', 'echo "99 9.9.9" >/var/lib/reeve-agent/format']);
    const refused = await apt(web1, ['--allow-downgrades', 'install', `reeve-agent=${own}`, `reeve-runtime=${own}`]);
    expect(refused.code).not.toBe(0);
    expect(`${refused.stdout}${refused.stderr}`).toMatch(/cannot be installed: .*reeve-agent 9\.9\.9[\s\S]*Install reeve-agent 9\.9\.9 or a later one/);
    expect(await installed(web1)).toBe('installed 0.9.9');
    expect(await web1.run(['dpkg', '--audit'])).toBe('');
    await serves();
    await web1.write('/var/lib/reeve-agent/format', format);
  });
});
