/**
 * `npm run bench [-- --check] [--only NAME]...`: measures, prints a line per figure, and writes build/bench.json. With --check it ends with 1 when a bar is
 * missed. See README.md beside this file.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { RUNTIME } from '../../packaging/native.js';
import { bundlePrograms } from '../support/bench-bundle.js';
import { startProgram } from '../support/bench-process.js';
import { benchAlert } from './alert.js';
import { benchInstalled, installedBenches } from './installed.js';
import { benchKey } from './key.js';
import { benchMetric } from './metric.js';
import { benchWeb } from './web.js';
import { formatFigure, judge, toJson, type Figure, type Skipped } from './report.js';
import type { SimulatedRequest } from './simulated.js';

const root = join(import.meta.dirname, '../..');
const simulatedBenches = ['no-op', 'apply', 'enrol', 'connect'];
const known = [...simulatedBenches, 'key', 'metric', 'alert', 'web', ...installedBenches];

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false }, only: { type: 'string', multiple: true, default: known }, agents: { type: 'string', default: '200' } } });
  const unknown = values.only.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    process.stderr.write(`There is no bench ${unknown.join(', ')}; there are ${known.join(', ')}\n`);
    return 2;
  }
  const figures: Figure[] = [];
  const skipped: Skipped[] = [];
  const tell = (found: readonly Figure[]): void => {
    figures.push(...found);
    for (const figure of found) process.stdout.write(`${formatFigure(figure)}\n`);
  };
  const simulated = simulatedBenches.filter((name) => values.only.includes(name));
  if (simulated.length > 0) tell(await benchSimulated(simulated, Number(values.agents)));
  if (values.only.includes('key')) tell(await benchProgram(benchKey));
  if (values.only.includes('metric')) tell(await benchProgram(benchMetric));
  if (values.only.includes('alert')) tell(await benchProgram(benchAlert));
  if (values.only.includes('web')) tell(await benchProgram(benchWeb));
  for (const skip of await benchInstalled(installedBenches.filter((name) => values.only.includes(name)), tell)) {
    skipped.push(skip);
    process.stdout.write(`${skip.id}: skipped: ${skip.reason}\n`);
  }
  writeReport(figures, skipped);

  const missed = figures.filter((figure) => judge(figure)?.met === false);
  for (const figure of missed) process.stdout.write(`missed: ${formatFigure(figure)}\n`);
  return values.check && missed.length > 0 ? 1 : 0;
}

/** The benches with simulated agents, in processes of their own made from bundles like those of the packages. */
async function benchSimulated(benches: readonly string[], agents: number): Promise<Figure[]> {
  const folder = join(root, 'build/bench');
  await bundlePrograms(root, folder);
  const stateDir = mkdtempSync(join(tmpdir(), 'reeve-bench-'));
  const coordinator = startProgram(folder, 'test/bench/simulated.ts');
  try {
    return await coordinator.ask<Figure[]>({ stateDir, agents, benches } satisfies SimulatedRequest);
  } finally {
    await coordinator.close();
    rmSync(stateDir, { recursive: true, force: true });
  }
}

/** A bench that needs no agents, in a process of its own. */
async function benchProgram(bench: (programs: string, folder: string) => Promise<Figure[]>): Promise<Figure[]> {
  const folder = join(root, 'build/bench');
  await bundlePrograms(root, folder);
  const stateDir = mkdtempSync(join(tmpdir(), 'reeve-bench-'));
  try {
    return await bench(folder, stateDir);
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
}

function writeReport(figures: readonly Figure[], skipped: readonly Skipped[]): void {
  mkdirSync(join(root, 'build'), { recursive: true });
  const { version } = JSON.parse(readFileSync(join(root, RUNTIME, 'package.json'), 'utf8')) as { version: string };
  const machine = { cpus: cpus().length, cpu: cpus()[0]?.model ?? '', runtime: version, load: loadavg() };
  writeFileSync(join(root, 'build/bench.json'), `${JSON.stringify({ at: new Date().toISOString(), machine, figures: figures.map(toJson), skipped }, undefined, 2)}\n`);
}

process.exitCode = await main();
