import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bundle } from '../../packaging/bundle.js';
import { parseBuildOptions } from '../../packaging/options.js';
import type { LabHost } from '../lab/lab.js';
import type { SiteAnswer, SiteCall } from './web-stager.js';

/** Beside the command line, whose description of the API it uses. */
const program = '/usr/lib/reeve-cli/web-stager.mjs';

/** Asks the coordinator without the command line's start. */
export interface SiteCaller {
  ask(call: SiteCall): Promise<SiteAnswer>;
  close(): void;
}

/** Starts one on the coordinator's host. */
export async function startSiteCaller(hub: LabHost): Promise<SiteCaller> {
  const { code } = await bundle({ root: join(import.meta.dirname, '../..'), entry: 'test/support/web-stager.ts', version: parseBuildOptions([], {}).version, testBuild: false });
  await hub.write(program, code);
  const child = hub.spawn(['/usr/lib/reeve/node', program]);
  if (child.stdin === null || child.stdout === null) throw new Error('a process without pipes');
  const { stdin } = child;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(call) {
      stdin.write(`${JSON.stringify(call)}\n`);
      const line = await lines.next();
      if (line.done === true) throw new Error('the caller ended');
      return JSON.parse(line.value) as SiteAnswer;
    },
    close: () => stdin.end(),
  };
}

/** Stores sites that always answer their text, on ports 80 and 443; they are not made yet. */
export async function stageSites(hub: LabHost, host: string, sites: readonly { readonly name: string; readonly text: string }[]): Promise<void> {
  const caller = await startSiteCaller(hub);
  try {
    for (const site of sites) {
      const answer = await caller.ask({ method: 'AddVhost', host, ...site });
      if (answer.outcome !== 'OUTCOME_PENDING') throw new Error(`site ${site.name} was not stored: ${answer.outcome} ${answer.problem}`);
    }
  } finally {
    caller.close();
  }
}
