import type { Host } from '../../../shared/gen/proto/reeve/coordinator/v1/Host.js';
import type { PageAnswer } from '../page.js';
import { stateWord } from './host-state.js';
import { shown, timeMs, type WireTime } from './text.js';

/** Hosts as a file. */
export function exportHosts(hosts: readonly Host[], format: 'csv' | 'json'): PageAnswer {
  if (format === 'json') return { kind: 'file', name: 'hosts.json', type: 'application/json', body: `${JSON.stringify({ hosts: hosts.map(record) }, undefined, 2)}\n` };
  const rows = [columns.map(([name]) => name), ...hosts.map((host) => columns.map(([, value]) => value(host)))];
  return { kind: 'file', name: 'hosts.csv', type: 'text/csv; charset=utf-8', body: rows.map((row) => `${row.map(csvCell).join(',')}\r\n`).join('') };
}

const iso = (time: WireTime): string => {
  const ms = timeMs(time);
  return ms === undefined || Number.isNaN(new Date(ms).getTime()) ? '' : new Date(ms).toISOString();
};

/** Columns of the file, with their values; what is a list is joined by spaces. */
const columns: readonly (readonly [name: string, value: (host: Host) => string])[] = [
  ['name', ({ name }) => name],
  ['id', ({ id }) => id],
  ['state', ({ state }) => stateWord(state)],
  ['health', ({ health }) => health],
  ['address', ({ address }) => address],
  ['parent', ({ parent }) => parent],
  ['labels', ({ labels }) => labels.join(' ')],
  ['os', ({ os }) => os],
  ['agent_version', ({ agentVersion }) => agentVersion],
  ['last_seen_at', ({ lastSeenAt }) => iso(lastSeenAt)],
  ['certificate_not_after', ({ certificateNotAfter }) => iso(certificateNotAfter)],
  ['pending', ({ pending }) => pending.join(' ')],
  ['drifted', ({ drifted }) => drifted.join(' ')],
  ['lost_reason', ({ lostReason }) => lostReason],
];

function record(host: Host): Record<string, string | readonly string[]> {
  const lists = { labels: host.labels.map((label) => shown(label)), pending: host.pending.map((noun) => shown(noun)), drifted: host.drifted.map((noun) => shown(noun)) };
  return { ...Object.fromEntries(columns.map(([name, value]) => [name, shown(value(host))])), ...lists };
}

/**
 * A cell of CSV (RFC 4180). What a spreadsheet would take for a formula begins with an apostrophe; so does what would become one when the program
 * leaves out spaces before it.
 */
export function csvCell(text: string): string {
  const visible = shown(text);
  const safe = /^\s*[=+\-@]/.test(visible) ? `'${visible}` : visible;
  return /[",\r\n']/.test(safe) || /^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
