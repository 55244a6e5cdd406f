import type { ErrorItem } from '../../shared/errors/error.js';
import type { Change } from '../../shared/model/change.js';
import type { RelayChild } from '../../shared/model/relay.js';
import type { Plan } from '../engine/step.js';
import { renderFields } from './render.js';

/** Everything a plan is computed from; both lists sorted by id. */
export interface RelayPlanInput {
  readonly wanted: readonly RelayChild[];
  readonly observed: readonly RelayChild[];
  /** What the host's policy says to a child: undefined, or why not. */
  readonly deny: (child: RelayChild) => ErrorItem | undefined;
}

/** What has to be done so that the list is as wanted: one step that puts the whole list in place. Pure; the same input gives the same plan. */
export function planRelay(input: RelayPlanInput): Plan {
  const before = new Map(input.observed.map((child) => [child.hostId, child]));
  const wanted = new Set(input.wanted.map((child) => child.hostId));
  const changes: Change[] = [];
  for (const child of input.wanted) {
    const known = before.get(child.hostId);
    const fields = renderFields(known, child);
    if (fields.length > 0) changes.push({ kind: known === undefined ? 'create' : 'update', noun: 'relay', subject: child.name, fields });
  }
  const gone = input.observed.filter((child) => !wanted.has(child.hostId));
  changes.push(...gone.map((child): Change => ({ kind: 'remove', noun: 'relay', subject: child.name, fields: [] })));
  const problems = input.wanted.flatMap((child) => input.deny(child) ?? []);
  if (changes.length === 0) return { steps: [], changes, problems };
  const removes = changes.every((change) => change.kind === 'remove');
  const keep = (children: readonly RelayChild[]) => ({ verb: 'relay.keep', request: { children: JSON.stringify(children) } }) as const;
  return { steps: [{ ...keep(input.wanted), undo: keep(input.observed), final: false, removesAccess: removes }], changes, problems };
}
