import type { TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';
import type { Figure } from './report.js';

/** Joins real hosts one after another: from starting the join command to "connected" in `reeve host list`. */
export async function benchJoin(fleet: TestFleet, names: readonly string[]): Promise<Figure[]> {
  const connected: number[] = [];
  const commands: number[] = [];
  for (const name of names) {
    const invited = await fleet.reeve(['host', 'invite', name, '--policy', 'standard']);
    if (invited.code !== 0) throw new Error(`reeve host invite ${name} failed: ${invited.stderr}`);
    const startedAt = performance.now();
    await fleet.host(name).run(['/bin/sh', '-c', invited.stdout.trim()]);
    commands.push(performance.now() - startedAt);
    await until(async () => (await listed(fleet, name)) === 'connected', { timeoutMs: 45_000, everyMs: 20, what: `host ${name} to be connected` });
    connected.push(performance.now() - startedAt);
  }
  return [
    { id: 'join/host', title: 'join on a host: from the command to "connected" in reeve host list', unit: 'ms', values: connected, note: 'asked by the command line again and again: its own time is in it' },
    { id: 'join/command', title: '  of it the join command', unit: 'ms', values: commands },
  ];
}

async function listed(fleet: TestFleet, name: string): Promise<string | undefined> {
  const { hosts } = await fleet.json<{ hosts: { name: string; state: string }[] }>(['host', 'list']);
  return hosts.find((host) => host.name === name)?.state;
}
