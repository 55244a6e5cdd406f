import type { Change } from '../../shared/model/change.js';
import { vis } from '../../shared/model/vis.js';

const signs: Readonly<Record<Change['kind'], string>> = { create: '+', update: '~', remove: '-' };

/** Changes for people, a line each, as the coordinator's command line shows them. */
export function renderChanges(changes: readonly Change[]): string {
  return changes.map((change) => `${signs[change.kind]} ${vis(`${change.noun} ${change.subject}`)}${fieldsText(change)}\n`).join('');
}

function fieldsText(change: Change): string {
  const value = (text: string): string => (text === '' ? 'none' : vis(text));
  const parts = change.fields.flatMap(({ field, from, to }) => {
    if (change.kind === 'create') return to === '' ? [] : [`${vis(field)} ${vis(to)}`];
    return [`${vis(field)} ${value(from)} -> ${value(to)}`];
  });
  return parts.length === 0 ? '' : `   ${parts.join(', ')}`;
}
