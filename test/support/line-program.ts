import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bundle } from '../../packaging/bundle.js';
import { parseBuildOptions } from '../../packaging/options.js';
import type { LabHost } from '../lab/lab.js';

/** A program of the tests in a host that answers each line of its input with one line, in their order. */
export interface LineProgram {
  ask(line: string): Promise<string>;
  close(): void;
}

/** Bundles a program of this folder into a host, at `path`, and starts it there; `as`: another account than root. */
export async function startLineProgram(host: LabHost, { entry, path, as }: { readonly entry: string; readonly path: string; readonly as?: string }): Promise<LineProgram> {
  const { code } = await bundle({ root: join(import.meta.dirname, '../..'), entry: `test/support/${entry}`, version: parseBuildOptions([], {}).version, testBuild: false });
  await host.write(path, code, 0o755);
  const child = host.spawn([...(as === undefined ? [] : ['runuser', '-u', as, '--']), '/usr/lib/reeve/node', path]);
  if (child.stdin === null || child.stdout === null) throw new Error('a process without pipes');
  const { stdin } = child;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(line) {
      stdin.write(`${line}\n`);
      const answer = await lines.next();
      if (answer.done === true) throw new Error(`${entry} ended`);
      return answer.value;
    },
    close: () => stdin.end(),
  };
}
