import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { mainPid } from '../support/abuse-host.js';
import { parseExecutions, straceArgv, traceProcess, type Execution, type Trace } from '../support/abuse-trace.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';

/** What we start, with its whole argument list: everything that varies has a grammar, and a name that somebody chose stands behind "--". */
const OURS: Readonly<Record<string, RegExp>> = {
  '/usr/sbin/useradd': /^useradd --uid \d+ --user-group --shell \/[a-z/]+ --home-dir \/(home\/[a-z][a-z0-9-]*|nonexistent) --(no-)?create-home --comment [A-Za-z ]* -- [a-z][a-z0-9-]*$/,
  '/usr/sbin/usermod': /^usermod (--lock --expiredate 1|(--unlock )?--expiredate |--shell \/[a-z/]+|--comment [A-Za-z ]*|--shell \/[a-z/]+ --comment [A-Za-z ]*) -- [a-z][a-z0-9-]*$/,
  '/usr/sbin/userdel': /^userdel -- [a-z][a-z0-9-]*$/,
  '/usr/sbin/groupdel': /^groupdel -- [a-z][a-z0-9-]*$/,
  '/usr/bin/gpasswd': /^gpasswd --(add|delete) [a-z][a-z0-9-]* -- [a-z][a-z0-9-]*$/,
};
/** What noun nat starts; a run without it starts none of them. */
const NAT: Readonly<Record<string, RegExp>> = {
  '/usr/sbin/nft': /^nft (-f -|-s -n list table inet reeve|-j list counters table inet reeve|-s -j list ruleset)$/,
  '/usr/sbin/iptables-nft-save': /^iptables-nft-save$/,
  '/usr/sbin/ip6tables-nft-save': /^ip6tables-nft-save$/,
};
/** What those start by themselves, when it is there: they tell caches of accounts. Not ours, not with our environment. */
const FOREIGN = ['/usr/sbin/nscd', '/usr/sbin/sss_cache'];
const ENVIRONMENT = ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C'];
const PEERCRED = '/usr/lib/reeve-coordinator/peercred';
const NOTIFY = '/usr/lib/reeve/reeve-notify';

/** What is wrong with the programs that a helper started. */
function problems(executions: readonly Execution[]): string[] {
  return executions.flatMap(({ file, argv, envp }) => {
    const line = argv.join(' ');
    if (FOREIGN.includes(file)) return [];
    const form = OURS[file] ?? NAT[file];
    if (form === undefined) return [`${file} is on no list: ${line}`];
    return [...(form.test(line) ? [] : [`not the fixed form: ${line}`]), ...(JSON.stringify(envp) === JSON.stringify(ENVIRONMENT) ? [] : [`${file} has the environment ${JSON.stringify(envp)}`])];
  });
}

describe.skipIf(!hosts.ok)('the programs that Reeve starts', () => {
  let fleet: TestFleet;
  let web: LabHost;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'exec', hosts: ['web'], join: false });
    web = fleet.host('web');
    await web.run(['useradd', '--create-home', 'debian']);
  });
  afterAll(() => fleet.close());

  test('are told from others, so that the next tests can fail', async () => {
    await web.run([...straceArgv('/var/tmp/trace-control'), '/bin/sh', '-c', '/usr/sbin/userdel nobody-here; /usr/bin/env -i /usr/sbin/userdel -- x; true']);
    const seen = parseExecutions(await web.read('/var/tmp/trace-control'));
    const wrong = problems(seen).join('\n');
    expect(wrong).toContain('/bin/sh is on no list');
    expect(wrong).toContain('not the fixed form: /usr/sbin/userdel nobody-here');
    expect(wrong).toContain('/usr/sbin/userdel has the environment []');
  });

  test('are none but the lists, with fixed arguments and environment, in a whole life of a host', async () => {
    const traced: Record<'reeved' | 'helper' | 'agent', readonly Execution[]> = { reeved: [], helper: [], agent: [] };
    const reeved = await traceProcess(fleet.hub, await mainPid(fleet.hub, 'reeved.service'), 'reeved');

    const invited = await fleet.reeve(['host', 'invite', 'web', '--policy', 'standard']);
    const command = invited.stdout.trim().replace('reeve-agent join', `${straceArgv('/var/tmp/trace-join').join(' ')} /usr/bin/reeve-agent join`);
    await web.run(['/bin/sh'], { input: command, timeoutMs: 120_000 });
    await fleet.waitState('web', 'connected', 90_000);
    const joining = parseExecutions(await web.read('/var/tmp/trace-join'));
    expect(joining.length).toBeGreaterThan(0);
    expect(joining.filter(({ file }) => !['/usr/bin/reeve-agent', '/usr/lib/reeve/node'].includes(file)), 'joining starts nothing').toEqual([]);

    const agent = await traceProcess(web, await mainPid(web, 'reeve-agent.service'), 'agent');
    await fleet.json(['user', 'observe', 'web']);
    const helper = await traceProcess(web, await mainPid(web, 'reeve-privd.service'), 'helper');
    for (const [args, code] of RUN) {
      const done = await fleet.reeve(args);
      expect(done.code, `${args.join(' ')}: ${done.stdout}${done.stderr}`).toBe(code);
    }
    for (const [name, trace] of Object.entries({ reeved, helper, agent }) as [keyof typeof traced, Trace][]) traced[name] = await trace.stop();

    console.info(Object.entries(traced).map(([name, list]) => `${name}: ${JSON.stringify(countOf(list))}`).join('; '));
    expect(traced.agent, 'the agent starts nothing').toEqual([]);
    expect(problems(traced.helper)).toEqual([]);
    // The run made the helper start everything on the first list, so nothing on it is idle, but the one that cleans up after a crash.
    expect(Object.keys(OURS).filter((file) => !traced.helper.some((one) => one.file === file))).toEqual(['/usr/sbin/groupdel']);
    expect(traced.reeved.length).toBeGreaterThanOrEqual(RUN.length);
    expect(traced.reeved.filter(({ file, argv, envp }) => file !== PEERCRED || argv.length !== 1 || argv[0] !== PEERCRED || envp.length !== 0)).toEqual([]);
  }, 280_000);

  test('are one word to systemd at start, and nothing else', async () => {
    for (const [host, unit, node] of [[web, 'reeve-agent.service', '/usr/lib/reeve-agent/current/node'], [fleet.hub, 'reeved.service', '/usr/lib/reeve/node']] as const) {
      const trace = await traceProcess(host, 1, unit);
      await host.run(['systemctl', 'restart', unit], { timeoutMs: 120_000 });
      const mine = (await trace.stop()).filter(({ file }) => !file.startsWith('/lib/systemd/') && !file.startsWith('/usr/lib/systemd/'));
      const files = mine.map(({ file }) => file).filter((file) => file !== PEERCRED);
      expect(files, unit).toEqual([node, NOTIFY]);
      const [, notify] = mine.filter(({ file }) => file !== PEERCRED);
      expect(notify?.argv.slice(1)).toEqual(['READY=1']);
      expect(notify?.envp.filter((entry) => !entry.startsWith('NOTIFY_SOCKET='))).toEqual([]);
    }
  });
});

function countOf(list: readonly Execution[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { file } of list) counts[file] = (counts[file] ?? 0) + 1;
  return counts;
}

/** Commands of an operator and how they end. */
const RUN: readonly (readonly [readonly string[], number])[] = [
  [['user', 'add', 'ada', '--on', 'web', '--groups', 'users,www-data', '--comment', 'Ada L', '--yes'], 0],
  [['user', 'add', 'svc', '--on', 'web', '--system', '--yes'], 0],
  [['user', 'add', 'ada', '--on', 'web', '--groups', 'users', '--comment', 'Ada L', '--shell', '/bin/sh', '--yes'], 0],
  [['user', 'lock', 'ada', '--on', 'web', '--yes'], 0],
  [['user', 'unlock', 'ada', '--on', 'web', '--yes'], 0],
  [['user', 'adopt', 'web', 'debian', '--yes'], 0],
  [['user', 'lock', 'debian', '--on', 'web', '--yes'], 0],
  [['user', 'add', 'bob', '--on', 'web', '--groups', 'sudo', '--yes'], 1],
  [['user', 'add', 'eve', '--on', 'web', '--uid', '4000', '--yes'], 1],
  [['user', 'add', 'eve', '--on', 'web', '--shell', '/tmp/sh', '--yes'], 1],
  [['user', 'add', 'root', '--on', 'web', '--yes'], 2],
  [['user', 'adopt', 'web', 'root', '--yes'], 1],
  [['user', 'remove', 'svc', '--on', 'web', '--yes'], 0],
  [['user', 'remove', 'ada', '--on', 'web', '--yes'], 0],
  [['user', 'remove', 'debian', '--on', 'web', '--yes'], 0],
  [['user', 'observe', 'web'], 0],
  [['host', 'show', 'web'], 0],
  [['status'], 0],
];
