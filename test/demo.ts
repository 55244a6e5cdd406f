/**
 * `npm run demo [-- --keep]`: the whole of Reeve in a minute, on two real Debian hosts that this machine boots for it. Ends 0 and leaves nothing behind;
 * with --keep the hosts run on until Ctrl-C. Without root it shows what can be shown on this machine alone: a coordinator and an agent that only observes.
 */
import { hosts, startFleet, type TestFleet } from './support/fleet.js';
import { startLocal } from './support/local.js';

const keep = process.argv.includes('--keep');

function title(text: string): void {
  process.stdout.write(`\n== ${text}\n`);
}

function show(command: string, output: string): void {
  process.stdout.write(`\n$ ${command}\n${output}`);
}

async function reeve(fleet: TestFleet, args: readonly string[], wanted = 0): Promise<string> {
  const result = await fleet.reeve(args);
  show(`reeve ${args.join(' ')}`, result.stdout + result.stderr);
  if (result.code !== wanted) throw new Error(`reeve ${args.join(' ')} exited with ${String(result.code)}, wanted ${String(wanted)}`);
  return result.stdout;
}

async function demoOnHosts(): Promise<void> {
  title('Building the packages and booting three Debian hosts: hub (the coordinator), web1 and web2');
  const fleet = await startFleet({ name: 'demo', hosts: ['web1', 'web2'], join: false });
  try {
    title('Both hosts join by invitation: mutual TLS from here on, no SSH');
    for (const name of ['web1', 'web2']) {
      await fleet.join(name, { policy: 'standard', labels: ['role=web'] });
      process.stdout.write(`${name} joined from ${fleet.host(name).address}\n`);
    }
    await reeve(fleet, ['host', 'list']);

    title('A plan changes nothing');
    await reeve(fleet, ['user', 'add', 'ada', '--on', 'role=web', '--comment', 'Ada Lovelace', '--plan']);
    const before = await fleet.host('web1').exec(['getent', 'passwd', 'ada']);
    show('ssh-less look at web1: getent passwd ada', before.stdout === '' ? '(nothing)\n' : before.stdout);
    if (before.code === 0) throw new Error('a plan must not change anything');

    title('Applied on both hosts');
    await reeve(fleet, ['user', 'add', 'ada', '--on', 'role=web', '--comment', 'Ada Lovelace', '--yes']);
    for (const name of ['web1', 'web2']) show(`on ${name}: getent passwd ada`, await fleet.host(name).run(['getent', 'passwd', 'ada']));

    title('The same again: nothing to do');
    const again = await reeve(fleet, ['user', 'add', 'ada', '--on', 'role=web', '--comment', 'Ada Lovelace', '--yes']);
    if (!again.includes('Nothing to do')) throw new Error('a second apply must report no change');

    title('The fleet at a glance');
    await reeve(fleet, ['status']);

    title("The host has the last word: its policy does not let any coordinator put users into sudo");
    await reeve(fleet, ['user', 'add', 'eve', '--on', 'web1', '--groups', 'sudo', '--yes'], 1);

    title('Done');
    process.stdout.write('Go on with README.md; "npm run demo -- --keep" leaves these hosts running.\n');
    if (keep) await keepRunning(fleet);
  } finally {
    fleet.close();
  }
}

async function keepRunning(fleet: TestFleet): Promise<void> {
  const netns = fleet.lab.record.netns;
  process.stdout.write(`
The hosts run on. From another terminal of this machine, as root:
  nsenter --net=/run/netns/${netns} ping ${fleet.host('web1').address}
  ${fleet.hub.enterCommand(['reeve', 'status']).join(' ')}
Ctrl-C ends them.
`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}

/** Without root: observing only, on this machine. */
async function demoObserving(reason: string): Promise<void> {
  title(`Real hosts cannot be booted here (${reason}), so this shows observing only: one coordinator, one agent, this machine`);
  const fleet = await startLocal({ count: 1, policy: 'observe', log: 'ignore' });
  const run = (args: readonly string[], wanted: number): void => {
    const result = fleet.reeve(args);
    show(`reeve ${args.join(' ')}`, result.stdout + result.stderr);
    if (result.status !== wanted) throw new Error(`reeve ${args.join(' ')} exited with ${String(result.status)}, wanted ${String(wanted)}`);
  };
  try {
    run(['host', 'list'], 0);
    run(['host', 'show', 'host1'], 0);
    run(['status'], 0);
    title('The helper without root cannot even look at accounts, and the policy is "observe": the host refuses a change, and nothing is stored');
    run(['user', 'add', 'ada', '--on', 'host1', '--yes'], 1);
    title('Done');
    process.stdout.write('As root, on Debian with systemd-container and mmdebstrap, the same command shows two real hosts.\n');
  } finally {
    fleet.close();
  }
}

try {
  if (hosts.ok) await demoOnHosts();
  else await demoObserving(hosts.reason);
  process.exit(0);
} catch (error) {
  process.stderr.write(`\nThe demo failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
}
