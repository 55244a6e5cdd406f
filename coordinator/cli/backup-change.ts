import type { ChangeOptionsInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import type { Change } from '../../shared/gen/proto/reeve/type/v1/Change.js';
import { newId } from '../../shared/kit/id.js';
import { vis } from '../../shared/model/vis.js';
import { requireDecided, type ChangeFlags } from './change.js';
import { renderInventory } from './change-text.js';
import { confirm } from './confirm.js';
import type { Api } from './connect.js';
import type { Context } from './context.js';
import { formatJson, toJson } from './json.js';
import { paint } from './table.js';
import type { Terminal } from './terminal.js';

/** What the API says of a change of a job: what changes, and what else there is to know. */
interface JobChange {
  readonly changes: readonly Change[];
  readonly notes: readonly string[];
  readonly operationId: string;
}

/** Plans, shows, asks and stores a change of a job, or the part of it that the options ask for. Gives the exit code. Errors: FIELD_MISSING, CANCELLED, what the call says. */
export async function runJobChange(context: Context, flags: ChangeFlags, call: (api: Api, options: ChangeOptionsInput) => Promise<JobChange>): Promise<number> {
  requireDecided(context, flags);
  const { terminal } = context;
  const api = await context.api();
  const operationId = newId(context.clock.now());
  const report = (change: JobChange, closing: string): number => {
    if (context.json) terminal.out(formatJson(toJson(change)));
    else terminal.out(`${renderInventory(terminal, change.changes)}${renderNotes(terminal, change.notes)}${change.changes.length === 0 ? 'Nothing to do.' : closing}\n`);
    return 0;
  };
  if (flags.plan) return report(await call(api, { mode: 'CHANGE_MODE_PLAN' }), 'Nothing was stored.');
  if (flags.stage) return report(await call(api, { mode: 'CHANGE_MODE_STAGE', operationId }), 'Stored.');
  if (flags.yes) return report(await call(api, { mode: 'CHANGE_MODE_APPLY', operationId }), 'Done.');

  const planned = await call(api, { mode: 'CHANGE_MODE_PLAN' });
  if (planned.changes.length === 0) return report(planned, '');
  terminal.out(renderInventory(terminal, planned.changes) + renderNotes(terminal, planned.notes));
  await confirm(context, 'Apply?');
  const { notes } = await call(api, { mode: 'CHANGE_MODE_APPLY', operationId });
  terminal.out(`${renderNotes(terminal, notes.filter((note) => !planned.notes.includes(note)))}Done.\n`);
  return 0;
}

/** What else there is to know, a line each. */
export function renderNotes(terminal: Pick<Terminal, 'color'>, notes: readonly string[]): string {
  return notes.map((note) => `${paint(terminal, 'note', 'yellow')}: ${vis(note)}\n`).join('');
}
