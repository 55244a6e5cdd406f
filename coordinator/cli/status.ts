import type { GetStatusResponse } from '../../shared/gen/proto/reeve/coordinator/v1/GetStatusResponse.js';
import { vis } from '../../shared/model/vis.js';
import { answer } from './answer.js';
import { defineCommand, type Noun } from './command.js';
import { fleetService } from './service.js';
import { paint, renderFields } from './table.js';
import type { Terminal } from './terminal.js';
import { formatSince, formatTime } from './time.js';

const status = defineCommand({
  path: 'status',
  summary: 'Show how the fleet does, worst first',
  text: 'Exit code 0 says that the coordinator answered, not that all is well; programs read "health" of --json.',
  positionals: {},
  options: {},
  examples: [{ line: 'reeve status', text: 'Hosts by state, and what is wrong' }],
  run: async (context) => {
    const response = await (await context.api()).call(fleetService, 'GetStatus', {});
    return answer(context, response, () => renderStatus(context.terminal, response, context.clock.now()));
  },
});

function renderStatus(terminal: Pick<Terminal, 'color'>, known: GetStatusResponse, now: number): string {
  const { hosts } = known;
  const states = hosts === null ? [] : ([['connected', hosts.connected], ['lost', hosts.lost], ['invited', hosts.invited], ['quarantined', hosts.quarantined], ['revoked', hosts.revoked]] as const);
  const counts = states.flatMap(([state, count]) => (count === 0 ? [] : [`${String(count)} ${state}`])).join(', ');
  const fields = renderFields(terminal, [
    ['fleet', known.fleetId],
    ['coordinator', `${known.version}, since ${formatTime(known.startedAt)}`],
    ['hosts', `${String(hosts?.total ?? 0)}${counts === '' ? '' : `: ${counts}`}`],
    ['pending', known.pending === 0 ? 'nothing' : `on ${hostCount(known.pending)}`],
    ['drifted', known.drifted === 0 ? 'nothing' : `on ${hostCount(known.drifted)}`],
  ]);
  const health = known.health.map((item) => {
    const about = item.hostName === '' ? '' : `${vis(item.hostName)}: `;
    const since = item.since === null ? '' : ` (for ${formatSince(item.since, now)})`;
    const text = item.text === '' ? '' : `    ${vis(item.text)}\n`;
    return `  ${paint(terminal, vis(item.severity), item.severity === 'error' ? 'red' : 'yellow')} ${about}${vis(item.title)}${since}\n${text}`;
  });
  return `${fields}\n${health.length === 0 ? 'All is well.\n' : `What is wrong:\n${health.join('')}`}`;
}

function hostCount(count: number): string {
  return `${String(count)} ${count === 1 ? 'host' : 'hosts'}`;
}

/** `reeve status`. */
export const statusNoun: Noun = { name: 'status', summary: status.summary, commands: [status] };
