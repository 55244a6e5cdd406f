import type { GetGrantResponse } from '../../shared/gen/proto/reeve/coordinator/v1/GetGrantResponse.js';
import type { Grant } from '../../shared/gen/proto/reeve/coordinator/v1/Grant.js';
import { renderFields, renderTable, type Cell } from './table.js';
import type { Terminal } from './terminal.js';
import { formatTime } from './time.js';

function subjectText(grant: Grant): string {
  if (grant.person !== '') return grant.person;
  return grant.group === '' ? grant.key : `group ${grant.group}`;
}

function endCell(grant: Grant): Cell {
  const text = formatTime(grant.expiresAt);
  return grant.expired ? { text: `${text} (ended)`, tone: 'yellow' } : text;
}

/** Grants as a table. */
export function renderGrants(terminal: Pick<Terminal, 'color'>, grants: readonly Grant[]): string {
  const rows = grants.map((grant): Cell[] => [String(grant.id), subjectText(grant), grant.selector, grant.user === '' ? 'all' : grant.user, endCell(grant), grant.addedBy, grant.reason]);
  return renderTable(terminal, ['id', 'who', 'on', 'user', 'until', 'by', 'reason'], rows, 'No grants. To give one: reeve grant add PERSON --on SELECTOR');
}

/** One grant with all that is known of it. */
export function renderGrant(terminal: Pick<Terminal, 'color'>, { grant, hosts }: GetGrantResponse): string {
  if (grant === null) return '';
  return renderFields(terminal, [
    ['grant', String(grant.id)],
    ['who', subjectText(grant)],
    ['on', grant.selector],
    ['user', grant.user === '' ? 'all that are managed' : grant.user],
    ['until', endCell(grant)],
    ['reason', grant.reason],
    ['given', `${formatTime(grant.addedAt)} by ${grant.addedBy}`],
    ['reaches', hosts.length === 0 ? { text: 'no host now', tone: 'yellow' } : hosts.join(', ')],
  ]);
}
