import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { executeOk } from '../lab/process.js';
import type { LabHost } from '../lab/lab.js';

const SOURCES = join(import.meta.dirname, '../abuse');

/** Compiles test/abuse/NAME.c into a program without libraries of its own and puts it on a host; gives its path there. */
export async function installProgram(host: LabHost, name: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'reeve-abuse-'));
  try {
    const built = join(folder, name);
    await executeOk(['gcc', '-std=c11', '-O2', '-Wall', '-Wextra', '-Werror', '-static', '-pthread', '-o', built, join(SOURCES, `${name}.c`)]);
    const path = `/usr/local/lib/abuse/${name}`;
    await host.put(built, path, 0o755);
    await host.run(['chmod', '755', '/usr/local/lib/abuse']);
    return path;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Lines "NAME NUMBER" as a table. */
export function parseCounts(text: string): ReadonlyMap<string, number> {
  return new Map(text.trim().split('\n').map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))] as const));
}
