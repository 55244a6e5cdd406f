/**
 * `npm test`: types, lint, and every test. Packages are built once for all tests that need them. What cannot run here (no root, no systemd-nspawn) is named
 * at the end; with REEVE_NO_SKIP set, as in CI, that is a failure.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { hosts } from './support/fleet.js';
import { packageFolders } from './support/packages.js';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly { readonly name: string; readonly startTime: number; readonly endTime: number; readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[] }[];
}

const top = join(import.meta.dirname, '..');
const tool = (name: string): string => join(top, 'node_modules', '.bin', name);
const work = mkdtempSync(join(tmpdir(), 'reeve-test-'));
const env: NodeJS.ProcessEnv = { ...process.env };
let failed = false;

function step(what: string, file: string, args: readonly string[]): void {
  process.stdout.write(`\n--- ${what}\n`);
  const started = performance.now();
  const result = spawnSync(file, args, { cwd: top, stdio: 'inherit', env });
  if (result.status !== 0) failed = true;
  process.stdout.write(`--- ${what}: ${result.status === 0 ? 'ok' : 'FAILED'} in ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
}

/** Begins to build packages, beside whatever else is done; answers how to wait for them. */
function startPackages(kind: 'normal' | 'test'): () => Promise<void> {
  const out = join(work, kind);
  const child = spawn(process.execPath, ['--import', 'tsx', join(top, 'packaging/build.ts'), '--out', out, ...(kind === 'test' ? ['--test-build'] : [])], { cwd: top, stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = once(child, 'exit');
  env[packageFolders[kind]] = out;
  return async () => {
    const [code] = (await ended) as [number | null];
    if (code !== 0) throw new Error(`the packages (${kind}) were not built`);
    process.stdout.write(`--- packages (${kind}): ok\n`);
  };
}

/** Runs some of the projects, with what else the caller asked for, and answers what vitest counted. */
function runTests(what: string, projects: readonly string[], more: readonly string[] = []): Report {
  const report = join(work, `${projects.join('-')}.json`);
  const chosen = projects.flatMap((project) => ['--project', project]);
  step(what, tool('vitest'), ['run', ...chosen, '--passWithNoTests', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...more, ...process.argv.slice(2)]);
  if (existsSync(report)) return JSON.parse(readFileSync(report, 'utf8')) as Report;
  failed = true;
  process.stdout.write(`${what}: vitest was ended before it could count\n`);
  return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, testResults: [] };
}

/** The files that took longest: what to look at when the whole takes too long. */
function tellSlowest(reports: readonly Report[]): void {
  const files = reports.flatMap(({ testResults }) => testResults.map(({ name, startTime, endTime }) => ({ name: relative(top, name), seconds: (endTime - startTime) / 1000 })));
  const slowest = files.sort((a, b) => b.seconds - a.seconds).slice(0, 20);
  process.stdout.write(`\nLongest, s:\n${slowest.map(({ name, seconds }) => `  ${seconds.toFixed(0).padStart(5)}  ${name}\n`).join('')}`);
}

function wasSkipped(test: { readonly status: string }): boolean {
  return test.status !== 'passed' && test.status !== 'failed';
}

try {
  const packages = hosts.ok ? (['normal', 'test'] as const).map(startPackages) : [];
  step('types', tool('tsc'), ['-p', '.']);
  step('lint', tool('eslint'), ['.']);
  for (const built of packages) await built();
  // The fast ones first, one for each core (vitest would leave one idle), then real hosts, three files at a time: their tests wait more than they compute, and more would only
  // fight for the same cores.
  const reports = [
    runTests('units and rules', ['unit', 'rules'], [`--maxWorkers=${String(availableParallelism())}`]),
    runTests('real hosts and fleets', ['lab'], ['--maxWorkers=3']),
  ];
  tellSlowest(reports);
  const skipped = reports.flatMap(({ testResults }) => testResults.flatMap((file) => file.assertionResults.filter(wasSkipped).map((test) => test.fullName)));
  const sum = (count: (report: Report) => number): number => reports.reduce((total, report) => total + count(report), 0);
  if (skipped.length > 0) {
    process.stdout.write(`\nNot run here${hosts.ok ? '' : ` (${hosts.reason})`}:\n${skipped.map((name) => `  ${name}\n`).join('')}`);
    if (process.env['REEVE_NO_SKIP'] !== undefined) failed = true;
  }
  process.stdout.write(`\n${String(sum((report) => report.numPassedTests))} passed, ${String(sum((report) => report.numFailedTests))} failed, ${String(skipped.length)} skipped\n`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
