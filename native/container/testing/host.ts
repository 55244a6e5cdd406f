/**
 * One piece of work of reeve-container, as root, on records and folders that the test makes. REEVE_CONTAINER_TEST names the binary; otherwise it is compiled.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { talk, ticketOf, type Said, type WorkOptions } from '../../job/testing/talk.js';

/** Folder of the C sources. */
export const sources = join(dirname(fileURLToPath(import.meta.url)), '..');
const given = process.env['REEVE_CONTAINER_TEST'];
/** The program. */
export const binary = resolve(given ?? join(sources, 'gen/reeve-container'));
/** These tests need it. */
export const isRoot = process.getuid?.() === 0;
/** First id of a container of slot 0. */
export const firstId = 0x70000000;
const operation = '01890000-0000-7000-8000-000000000001';

/** Folders of a host, and what is needed to work on it. */
export interface TestHost {
  /** A folder for the test's own files. */
  readonly dir: string;
  /** The helper's state folder. */
  readonly state: string;
  /** In the place of /var/lib/lxc. */
  readonly lxc: string;
  /** What pct is there: a program that notes its arguments. */
  readonly pct: PctRecord;
  /** Writes a record as the helper does. */
  readonly record: (name: string, spec: Buffer, slot?: number) => void;
  /** Does it, to its end. `wrap`: a script of sh that runs "$@". */
  readonly work: (name: string, ticket?: readonly (readonly [string, string])[], options?: WorkOptions & { readonly wrap?: string }) => Promise<Said>;
  readonly close: () => void;
}

/** What stands where pct is: it notes its arguments and prints what pct was recorded to print. */
export interface PctRecord {
  /** What it prints to a verb from now on, and how it ends. */
  readonly prints: (verb: string, text: string, exit?: number) => void;
  /** The arguments of all its runs so far. */
  readonly runs: () => readonly (readonly string[])[];
  /** What it was given to read. */
  readonly read: () => string;
}

function makePct(dir: string): PctRecord & { readonly path: string } {
  const folder = join(dir, 'pct');
  const path = join(folder, 'pct');
  mkdirSync(folder);
  const script = ['#!/bin/sh', `cd '${folder}'`, 'printf "%s\\n" "$@" >>runs; echo >>runs', 'cat >>read', '[ ! -e "print-$1" ] || cat "print-$1"', '[ ! -e "exit-$1" ] || exit "$(cat "exit-$1")"', ''];
  writeFileSync(path, script.join('\n'), { mode: 0o755 });
  const textOf = (name: string): string => readFileSync(join(folder, name), { encoding: 'utf8', flag: 'a+' });
  return {
    path,
    prints: (verb, text, exit = 0) => {
      writeFileSync(join(folder, `print-${verb}`), text);
      writeFileSync(join(folder, `exit-${verb}`), String(exit));
    },
    runs: () => textOf('runs').split('\n\n').filter((run) => run !== '').map((run) => run.split('\n')),
    read: () => textOf('read'),
  };
}

/** Compiles it, or its form with failpoints; its path. */
export function compile(target: 'all' | 'test-build' = 'all'): string {
  if (given === undefined) execFileSync('flock', [sources, 'make', '-s', '-C', sources, target], { stdio: ['ignore', 'ignore', 'inherit'] });
  return target === 'all' ? binary : `${binary}-test`;
}

/** A host without containers; `program`: what is run in the place of reeve-container. */
export function makeHost(program = compile()): TestHost {
  const dir = mkdtempSync(join(tmpdir(), 'container-'));
  const [state, lxc] = [join(dir, 'state'), join(dir, 'lxc')];
  chmodSync(dir, 0o755);
  for (const path of [state, lxc, ...['container', 'container-job', 'archive', 'snapshot'].map((name) => join(state, name))]) mkdirSync(path, { mode: 0o755 });
  const pct = makePct(dir);
  return {
    dir, state, lxc, pct,
    record: (name, spec, slot = 0) => {
      const folder = join(state, 'container', name);
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeFileSync(join(folder, 'spec'), Buffer.concat([Buffer.from('# Managed by Reeve, sha256 0\n'), spec]));
      writeFileSync(join(folder, 'slot'), `${String(slot)}\n`);
    },
    work: (name, ticket = [], options = {}) => {
      const run = [program, '--state', state, '--lxc', lxc, '--pct', pct.path, '--caller-uid', '0'];
      const command = options.wrap === undefined ? run : ['unshare', '-m', 'sh', '-c', options.wrap, 'sh', ...run];
      return talk(command, join(state, 'container-job'), ticketOf([['work', name], ['operation', operation], ...ticket]), options);
    },
    close: () => { rmSync(dir, { recursive: true, force: true }); },
  };
}
