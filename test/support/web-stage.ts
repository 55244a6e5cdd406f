import type { LabHost } from '../lab/lab.js';
import { startLineProgram } from './line-program.js';
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
  const { ask, close } = await startLineProgram(hub, { entry: 'web-stager.ts', path: program });
  return { ask: async (call) => JSON.parse(await ask(JSON.stringify(call))) as SiteAnswer, close };
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
