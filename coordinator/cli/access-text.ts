import type { Access } from '../../shared/gen/proto/reeve/coordinator/v1/Access.js';
import type { ExplainAccessResponse } from '../../shared/gen/proto/reeve/coordinator/v1/ExplainAccessResponse.js';
import { vis } from '../../shared/model/vis.js';
import { renderTable, type Cell } from './table.js';
import type { Terminal } from './terminal.js';
import { formatTime } from './time.js';

/** Ways in as a table. */
export function renderAccess(terminal: Pick<Terminal, 'color'>, ways: readonly Access[]): string {
  const rows = ways.map((way): Cell[] => [
    way.host,
    way.user,
    way.person,
    way.key,
    way.why,
    formatTime(way.since),
    formatTime(way.expiresAt),
    way.pending ? { text: 'pending', tone: 'yellow' } : '',
  ]);
  return renderTable(terminal, ['host', 'user', 'person', 'key', 'why', 'since', 'until', 'open'], rows, 'Nobody gets in.');
}

/** Whether a person gets in, by which ways, and what stands in the way. */
export function renderExplanation(terminal: Pick<Terminal, 'color'>, asked: { person: string; host: string; user: string }, found: ExplainAccessResponse): string {
  const where = `"${vis(asked.user)}" of host "${vis(asked.host)}"`;
  const head = found.allowed ? `${vis(asked.person)} gets in to ${where}.\n` : `${vis(asked.person)} does not get in to ${where}.\n`;
  const ways = found.ways.length === 0 ? '' : renderTable(terminal, ['key', 'why', 'since', 'until', 'open'], found.ways.map((way): Cell[] => [way.key, way.why, formatTime(way.since), formatTime(way.expiresAt), way.pending ? { text: 'pending', tone: 'yellow' } : '']), '');
  return `${head}${ways}${found.obstacles.map((text) => `${vis(text)}\n`).join('')}`;
}
