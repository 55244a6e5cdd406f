import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cacheDir } from '../lab/base.js';
import { execute, executeOk } from '../lab/process.js';
import { fetchDebian } from './debian.js';

/** What promtool said. */
export interface PromtoolResult {
  readonly code: number;
  readonly text: string;
}

/** Runs promtool of Debian's package prometheus, which is fetched once and not installed. */
export async function promtool(args: readonly string[], input?: string): Promise<PromtoolResult> {
  const result = await execute([await promtoolPath(), ...args], { timeoutMs: 120_000, ...(input === undefined ? {} : { input }) });
  return { code: result.code, text: `${result.stdout}${result.stderr}` };
}

async function promtoolPath(): Promise<string> {
  const file = (await fetchDebian(['prometheus'])).find((path) => /\/prometheus_[^/]*\.deb$/.test(path));
  if (file === undefined) throw new Error('apt did not fetch prometheus');
  const folder = join(cacheDir(), `promtool-${basename(file, '.deb')}`);
  const program = join(folder, 'usr/bin/promtool');
  if (existsSync(program)) return program;
  mkdirSync(cacheDir(), { recursive: true });
  const work = mkdtempSync(`${folder}.`);
  try {
    await executeOk(['dpkg-deb', '-x', file, work]);
    renameSync(work, folder);
  } catch (error) {
    // Somebody else was faster: theirs is as good.
    if (!existsSync(program)) throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return program;
}
