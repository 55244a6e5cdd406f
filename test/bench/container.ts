import type { LabHost } from '../lab/lab.js';
import type { ContainerAnswer, ContainerCall } from '../support/bench-container-caller.js';
import { importArchive } from '../support/container-command.js';
import { prepareContainers } from '../support/container-fleet.js';
import { systemRoot, webCommand, webRoot } from '../support/container-image.js';
import type { TestFleet } from '../support/fleet.js';
import { startLineProgram } from '../support/line-program.js';
import type { Figure } from './report.js';
import { inTurns } from './round.js';

/** Of podman, half of them made by Reeve, the others by hand; and as many of lxc by hand. All run. */
const count = { ours: 50, byHand: 50, lxc: 100 };
const rounds = { warmUp: 1, rounds: 9 };
const bar = 1.2;
/** Beside the command line, whose description of the API it uses. */
const program = '/usr/lib/reeve-cli/bench-container-caller.mjs';

/**
 * A list of 200 containers of one host, 100 of each engine: the coordinator's answer, which asks the agent and matches the inventory. Beside it podman(1) and lxc-ls(1),
 * each for its own 100. And the whole command that starts or stops one, beside podman(1) doing so.
 */
export async function benchContainer(fleet: TestFleet, name: string): Promise<Figure[]> {
  const host = fleet.host(name);
  await prepareContainers(host);
  const image = await importArchive(fleet, name, webRoot('bench'), 'rootfs', 'localhost/bench:1');
  const caller = await startCaller(fleet.hub);
  try {
    for (let n = 0; n < count.ours; n++) await caller.ask({ method: 'AddContainer', host: name, name: `ours-${String(n)}`, image, command: webCommand });
    for (let n = 0; n < count.byHand; n++) await host.run(['podman', 'create', '--name', `hand-${String(n)}`, image, ...webCommand]);
    await host.run(['podman', 'start', '--all']);
    await startByHand(host);
    const all = count.ours + count.byHand + count.lxc;
    const times = { list: [] as number[], podman: [] as number[], lxc: [] as number[], stop: [] as number[], start: [] as number[], podmanStop: [] as number[], podmanStart: [] as number[] };
    await inTurns(
      [
        {
          name: 'reeve',
          run: async () => {
            const { rows, ms } = await caller.ask({ method: 'ListContainers', host: name });
            if (rows !== all) throw new Error(`${String(rows)} containers were listed, not ${String(all)}`);
            times.list.push(ms);
            times.stop.push((await caller.ask({ method: 'StopContainer', host: name, name: 'ours-0' })).ms);
            times.start.push((await caller.ask({ method: 'StartContainer', host: name, name: 'ours-0' })).ms);
          },
        },
        {
          name: 'peers',
          run: async () => {
            times.podman.push(await timed(host, ['podman', 'ps', '--all']));
            times.lxc.push(await timed(host, ['lxc-ls', '-f']));
            times.podmanStop.push(await timed(host, ['podman', 'stop', 'hand-0']));
            times.podmanStart.push(await timed(host, ['podman', 'start', 'hand-0']));
          },
        },
      ],
      rounds,
    );
    const kept = (values: readonly number[]): number[] => values.slice(rounds.warmUp);
    const list = { unit: 'ms', values: kept(times.list) } as const;
    return [
      { ...list, id: 'container/list/podman', title: `list of ${String(all)} containers`, peers: [{ name: 'podman ps --all of 100', values: kept(times.podman) }], bar: { most: bar, peer: 'podman ps --all of 100' } },
      { ...list, id: 'container/list/lxc', title: '  the same', peers: [{ name: 'lxc-ls -f of 100', values: kept(times.lxc) }], bar: { most: bar, peer: 'lxc-ls -f of 100' } },
      { id: 'container/stop', title: 'stop of one: plan, store, apply', unit: 'ms', values: kept(times.stop), peers: [{ name: 'podman stop', values: kept(times.podmanStop) }] },
      { id: 'container/start', title: 'start of one: plan, store, apply, until it is healthy', unit: 'ms', values: kept(times.start), peers: [{ name: 'podman start', values: kept(times.podmanStart) }] },
    ];
  } finally {
    caller.close();
  }
}

/** Containers of lxc as Debian starts them, which share one root file system. */
async function startByHand(host: LabHost): Promise<void> {
  await host.run(['mkdir', '/srv/system']);
  await host.run(['tar', '-x', '--directory=/srv/system'], { input: systemRoot('bench') });
  const names = Array.from({ length: count.lxc }, (_, n) => `sys-${String(n)}`);
  for (const name of names) {
    await host.run(['mkdir', '-p', `/var/lib/lxc/${name}`]);
    await host.write(`/var/lib/lxc/${name}/config`, `lxc.uts.name = ${name}\nlxc.rootfs.path = dir:/srv/system\nlxc.net.0.type = empty\nlxc.init.cmd = /bin/sleep 100000\n`);
  }
  await host.run(['systemctl', 'start', ...names.map((name) => `lxc@${name}.service`)], { timeoutMs: 120_000 });
  for (const name of names) await host.run(['lxc-wait', '--name', name, '--state', 'RUNNING', '--timeout', '30']);
}

/** Runs a program, timed in the host; ms. */
async function timed(host: LabHost, argv: readonly string[]): Promise<number> {
  const script = 'began=${EPOCHREALTIME/./}; "$@" >/dev/null || exit; echo $((${EPOCHREALTIME/./} - began))';
  return Number(await host.run(['bash', '-c', script, 'timed', ...argv])) / 1000;
}

async function startCaller(hub: LabHost): Promise<{ ask(call: ContainerCall): Promise<ContainerAnswer>; close(): void }> {
  const { ask, close } = await startLineProgram(hub, { entry: 'bench-container-caller.ts', path: program });
  return {
    async ask(call) {
      const answer = JSON.parse(await ask(JSON.stringify(call))) as ContainerAnswer;
      if (answer.problem !== '') throw new Error(`${call.method} failed: ${answer.problem}`);
      return answer;
    },
    close,
  };
}
