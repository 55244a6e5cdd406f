import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Lab, LabHost } from '../lab/lab.js';
import { property } from './footprint.js';
import type { Figure } from './report.js';

const units = ['reeve-agent.service', 'reeve-privd.service'] as const;

/** What one trace saw. */
export interface Started {
  /** Programs that were started. */
  readonly programs: number;
  /** Processes that were made; threads are not. */
  readonly processes: number;
}

/**
 * Watches agent and helper of a host that nobody asks anything with strace(1), and counts what they start; a unit that systemd started meanwhile, such as a
 * helper woken by its socket, counts as one more.
 */
export async function watchSteadyState(lab: Lab, host: LabHost, seconds: number): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'reeve-steady-'));
  try {
    const before = await invocations(host);
    const traced: string[] = [];
    const traces = await Promise.all(
      units.map(async (unit) => {
        const inner = await property(host, unit, 'MainPID');
        if (inner === '0') return undefined;
        traced.push(unit);
        return trace(outerPid(lab, host, inner), join(folder, unit), seconds);
      }),
    );
    if (!traced.includes('reeve-agent.service')) throw new Error(`reeve-agent does not run on ${host.name}`);
    if (traces.every((found) => found === undefined)) throw new Error('nothing was traced');
    const after = await invocations(host);
    const woken = units.filter((unit) => before.get(unit) !== after.get(unit) && after.get(unit) !== '');
    const found = traces.filter((one) => one !== undefined);
    const sum = (pick: (one: Started) => number): number => found.reduce((total, one) => total + pick(one), 0);
    const what = traced.map((unit) => basename(unit, '.service')).join(' and ');
    return [
      {
        id: 'steady/programs',
        title: `programs started in ${String(seconds)} s of steady state`,
        unit: 'programs',
        values: [sum(({ programs }) => programs) + woken.length],
        bar: { most: 0 },
        note: `traced: ${what}${woken.length === 0 ? '' : `; started by systemd: ${woken.join(', ')}`}`,
      },
      { id: 'steady/processes', title: `processes made in ${String(seconds)} s of steady state`, unit: 'processes', values: [sum(({ processes }) => processes)], bar: { most: 0 } },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function invocations(host: LabHost): Promise<Map<string, string>> {
  return new Map(await Promise.all(units.map(async (unit) => [unit, await property(host, unit, 'InvocationID')] as const)));
}

async function trace(pid: number, file: string, seconds: number): Promise<Started> {
  const strace = spawn('strace', ['-f', '-qq', '-e', 'trace=execve,execveat,fork,vfork,clone,clone3', '-o', file, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  strace.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(strace, 'exit').then(() => true);
  const early = await Promise.race([ended, new Promise<false>((resolve) => setTimeout(() => resolve(false), seconds * 1000))]);
  if (early) throw new Error(`strace ended early: ${said}`);
  strace.kill('SIGINT');
  await ended;
  return countStarted(readFileSync(file, 'utf8'));
}

/** Counts in strace's output: calls that failed, and the second half of calls it shows in two, count once. */
export function countStarted(text: string): Started {
  const calls = text.split('\n').filter((line) => !line.includes('= -1 ') && !line.includes(' resumed>'));
  return {
    programs: calls.filter((line) => /\bexecve(?:at)?\(/.test(line)).length,
    processes: calls.filter((line) => /\b(?:v?fork|clone3?)\(/.test(line) && !line.includes('CLONE_THREAD')).length,
  };
}

/** The pid on this machine of a process of a host; `inner` is its pid there. */
function outerPid(lab: Lab, host: LabHost, inner: string): number {
  const group = `/host-${host.name}/`;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const spaces = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1]?.split(/\s+/) ?? [];
      if (spaces.length < 2 || spaces.at(-1) !== inner) continue;
      const groups = readFileSync(`/proc/${name}/cgroup`, 'utf8');
      if (groups.includes(group) && groups.includes(basename(lab.record.cgroupDir))) return Number(name);
    } catch {
      // It ended while it was looked at.
    }
  }
  throw new Error(`process ${inner} of ${host.name} was not found`);
}
