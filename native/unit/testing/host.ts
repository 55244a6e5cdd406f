/**
 * One piece of work of reeve-unit, as root, with programs in the place of systemctl and journalctl that note their arguments and print what the test says. It runs under ASan and UBSan;
 * REEVE_UNIT_TEST names another binary.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { talk, ticketOf, type Said, type WorkOptions } from '../../job/testing/talk.js';

const sources = join(dirname(fileURLToPath(import.meta.url)), '..');
const given = process.env['REEVE_UNIT_TEST'];
const binary = resolve(given ?? join(sources, 'gen/reeve-unit-sanitize'));
/** These tests need it. */
export const isRoot = process.getuid?.() === 0;
/** The operation that the tickets name. */
export const operation = '01890000-0000-7000-8000-000000000001';

/** What stands where a program is. */
export interface FakeProgram {
  /** The lines of a shell script that it is from now on; $1 and on are its arguments. */
  readonly is: (script: string) => void;
  /** The arguments of all its runs so far. */
  readonly runs: () => readonly (readonly string[])[];
}

/** Folders of a host, and what is needed to work on it. */
export interface TestHost {
  /** A folder for the test's own files. */
  readonly dir: string;
  /** Tickets that are there. */
  readonly tickets: string;
  readonly systemctl: FakeProgram;
  readonly journalctl: FakeProgram;
  /** Does it, to its end. */
  readonly work: (name: string, ticket?: readonly (readonly [string, string])[], options?: WorkOptions & { readonly callerUid?: number }) => Promise<Said>;
  readonly close: () => void;
}

function fake(dir: string, name: string): FakeProgram & { readonly path: string } {
  const [path, runs] = [join(dir, name), join(dir, `${name}.runs`)];
  return {
    path,
    is: (script) => {
      writeFileSync(path, `#!/bin/sh\nprintf '%s\\n' "$@" >>'${runs}'; echo >>'${runs}'\ncd '${dir}'\n${script}\n`);
      chmodSync(path, 0o755);
    },
    runs: () => (existsSync(runs) ? readFileSync(runs, 'utf8').split('\n\n').filter((run) => run !== '').map((run) => run.split('\n')) : []),
  };
}

/** A host with programs that do nothing. */
export function makeHost(): TestHost {
  if (given === undefined) execFileSync('flock', [sources, 'make', '-s', '-C', sources, 'sanitize'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const dir = mkdtempSync(join(tmpdir(), 'unit-'));
  const state = join(dir, 'state');
  const tickets = join(state, 'unit-job');
  mkdirSync(tickets, { recursive: true });
  const [systemctl, journalctl] = [fake(dir, 'systemctl'), fake(dir, 'journalctl')];
  for (const program of [systemctl, journalctl]) program.is('true');
  return {
    dir, tickets, systemctl, journalctl,
    work: (name, ticket = [], options = {}) =>
      talk([binary, '--state', state, '--systemctl', systemctl.path, '--journalctl', journalctl.path, '--caller-uid', String(options.callerUid ?? 0)], tickets, ticketOf([['work', name], ['operation', operation], ...ticket]), options),
    close: () => { rmSync(dir, { recursive: true, force: true }); },
  };
}

/** What `systemctl show` prints of a unit, as lines of a shell script. */
export function showing(values: Readonly<Record<string, string | number>> = {}): string {
  const shown = {
    Id: 'web.service', Names: 'web.service', Type: 'simple', LoadState: 'loaded', ActiveState: 'active', SubState: 'running', Result: 'success', InvocationID: 'a'.repeat(32), MainPID: 42, NRestarts: 0, MemoryCurrent: 1048576,
    ExecMainCode: 0, ExecMainStatus: 0, ActiveEnterTimestampMonotonic: 1_000_000, ActiveExitTimestampMonotonic: 0, InactiveEnterTimestampMonotonic: 0, InactiveExitTimestampMonotonic: 1_000_000, ...values,
  };
  return Object.entries(shown).map(([key, value]) => `echo '${key}=${String(value)}'`).join('\n');
}
