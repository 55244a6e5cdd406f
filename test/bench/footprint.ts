import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import type { LabHost } from '../lab/lab.js';
import { summarise, type Figure } from './report.js';

const startRounds = 5;

/** Proportional memory of a process, MB: all of it, what is its own, and what can be read again from files. */
interface Memory {
  readonly pss: number;
  readonly own: number;
  readonly file: number;
}

/** Memory of a unit's main process (proc_pid_smaps(5)); undefined when it does not run. */
async function memoryOf(host: LabHost, unit: string): Promise<Memory | undefined> {
  const pid = await property(host, unit, 'MainPID');
  if (pid === '0') return undefined;
  const text = await host.read(`/proc/${pid}/smaps_rollup`);
  const megabytes = (key: string): number => {
    const found = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
    if (found === undefined) throw new Error(`smaps_rollup of ${unit} on ${host.name} has no ${key}`);
    return Number(found) / 1024;
  };
  return { pss: megabytes('Pss'), own: megabytes('Pss_Anon'), file: megabytes('Pss_File') };
}

/** One property of a unit, as systemctl(1) shows it. */
export async function property(host: LabHost, unit: string, name: string): Promise<string> {
  return (await host.run(['systemctl', 'show', '--property', name, '--value', unit])).trim();
}

/** Memory of agents and helpers that were left alone, and of the coordinator that holds their connections. */
export async function measureIdle(hub: LabHost, hosts: readonly LabHost[], idleS: number): Promise<Figure[]> {
  const agents: Memory[] = [];
  const helpers: number[] = [];
  for (const host of hosts) {
    const agent = await memoryOf(host, 'reeve-agent.service');
    if (agent === undefined) throw new Error(`reeve-agent does not run on ${host.name}`);
    agents.push(agent);
    const helper = await memoryOf(host, 'reeve-privd.service');
    if (helper !== undefined) helpers.push(helper.pss);
  }
  const coordinator = await memoryOf(hub, 'reeved.service');
  const stopped = hosts.length - helpers.length;
  const middle = (values: readonly number[]): string => summarise(values).median.toFixed(1);
  return [
    {
      id: 'footprint/agent',
      title: `agent, PSS after ${String(idleS)} s idle with the coordinator connected`,
      unit: 'MB',
      values: agents.map(({ pss }) => pss),
      bar: { most: 60 },
      note: `${middle(agents.map(({ own }) => own))} MB of its own, ${middle(agents.map(({ file }) => file))} MB of files, nearly all the runtime's`,
    },
    // A helper that is not asked for a while ends; systemd holds its socket.
    { id: 'footprint/helper', title: 'helper, PSS', unit: 'MB', values: helpers.length === 0 ? [0] : helpers, note: `${String(stopped)} of ${String(hosts.length)} not running: ended when idle` },
    ...(coordinator === undefined ? [] : [{ id: 'footprint/coordinator', title: `coordinator, PSS with ${String(hosts.length)} hosts`, unit: 'MB', values: [coordinator.pss] }]),
  ];
}

/** From exec of the runtime to the unit's readiness, as systemd saw both. */
export async function measureStart(host: LabHost): Promise<Figure> {
  const times: number[] = [];
  for (let round = 0; round < startRounds; round += 1) {
    await host.run(['systemctl', 'restart', 'reeve-agent.service']);
    const began = Number(await property(host, 'reeve-agent.service', 'ExecMainStartTimestampMonotonic'));
    const ready = Number(await property(host, 'reeve-agent.service', 'ActiveEnterTimestampMonotonic'));
    times.push((ready - began) / 1000);
  }
  return { id: 'footprint/start', title: 'agent, exec to ready', unit: 'ms', values: times };
}

/** What the packages weigh, packed and installed. */
export function sizeOfPackages(files: ReadonlyMap<string, string>): Figure[] {
  return [...files].map(([name, file]) => {
    const installedKb = Number(execFileSync('dpkg-deb', ['--field', file, 'Installed-Size'], { encoding: 'utf8' }));
    return { id: `size/${name}`, title: `package ${name}`, unit: 'MB', values: [statSync(file).size / 1e6], note: `installed ${(installedKb / 1024).toFixed(1)} MB` };
  });
}
