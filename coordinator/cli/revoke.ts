import type { GetRevocationResponse } from '../../shared/gen/proto/reeve/coordinator/v1/GetRevocationResponse.js';
import type { RevokedHost } from '../../shared/gen/proto/reeve/coordinator/v1/RevokedHost.js';
import { parsePersonName } from '../../shared/model/person.js';
import { answer } from './answer.js';
import { runChange } from './change.js';
import { changeOptions, defineCommand, force, type Noun } from './command.js';
import { accessService } from './service.js';
import { renderFields, renderTable, type Cell } from './table.js';
import type { Terminal } from './terminal.js';
import { formatTime } from './time.js';

const revoke = defineCommand({
  path: 'revoke',
  summary: 'Take all access of a person away, at once',
  text:
    'The person is not active any more, and every host where a key of theirs got in is told before anything else. It is done when every host has acknowledged it and none of their keys is left in a file of a user: until then the exit ' +
    'code is 3, and hosts that were away are told as soon as they return. To let the person in again: reeve person set NAME --active',
  positionals: { person: { text: 'Name of the person' } },
  options: {
    'purge-foreign': { kind: 'flag', text: "Also take their keys out of users' own files, on every host" },
    'end-sessions': { kind: 'flag', text: 'Also end the sessions that their keys opened' },
    report: { kind: 'flag', text: 'Change nothing: one page of what became of the revocation' },
    force,
    plan: changeOptions.plan,
    yes: changeOptions.yes,
  },
  exclusive: [['report', 'purge-foreign'], ['report', 'end-sessions'], ['report', 'force'], ['report', 'plan'], ['report', 'yes']],
  examples: [
    { line: 'reeve revoke ada --purge-foreign --end-sessions --yes', text: 'Ada is out, everywhere, now' },
    { line: 'reeve revoke ada --report', text: 'Which hosts have acknowledged it?' },
  ],
  run: async (context, args) => {
    const person = parsePersonName(args.person);
    if (args.report) {
      const response = await (await context.api()).call(accessService, 'GetRevocation', { person });
      answer(context, response, () => renderRevocation(context.terminal, response));
      return response.done ? 0 : 3;
    }
    const request = { person, purgeForeign: args['purge-foreign'], endSessions: args['end-sessions'], force: args.force };
    const exit = await runChange(context, { ...args, stage: false }, (api, options) => api.stream(accessService, 'RevokePerson', { options, ...request }));
    if (exit !== 0 || args.plan) return exit;
    const report = await (await context.api()).call(accessService, 'GetRevocation', { person });
    if (!report.done) context.terminal.err(renderUndone(report));
    return report.done ? 0 : 3;
  },
});

/** Why a revocation that every host has made is not done, and what to do. */
function renderUndone({ person, hosts, endSessions }: GetRevocationResponse): string {
  const lines = hosts.some((host) => host.remaining > 0) ? [`Keys of ${person} still stand in users' own files. To take them out: reeve revoke ${person} --purge-foreign`] : [];
  const sessions = endSessions && hosts.some((host) => host.sessions > 0) ? [`Sessions of ${person} are still open. To end them: reeve revoke ${person} --end-sessions`] : [];
  return [...lines, ...sessions, `Which hosts: reeve revoke ${person} --report`].map((line) => `${line}\n`).join('');
}

/** The report of a revocation: one page. */
function renderRevocation(terminal: Pick<Terminal, 'color'>, report: GetRevocationResponse): string {
  const owing = report.hosts.filter((host) => host.acknowledgedAt === null).length;
  const left = report.hosts.filter((host) => host.remaining > 0 || (report.endSessions && host.sessions > 0)).length;
  const fields = renderFields(terminal, [
    ['revoked', report.displayName === '' ? report.person : `${report.person} (${report.displayName})`],
    ['at', formatTime(report.at)],
    ['by', report.by],
    ['operation', report.operationId],
    ...report.keys.map((key) => ['key', key] as const),
    ["users' own files", report.purgeForeign ? 'purged' : 'looked into, left as they are'],
    ['open sessions', report.endSessions ? 'ended' : 'left open'],
  ]);
  const table = renderTable(terminal, ['host', 'acknowledged', 'digest', 'purged', 'ended', 'left'], report.hosts.map(revokedRow), 'No host let them in.');
  const verdict = report.done ? 'Done: every host has acknowledged it, and nothing remains.' : `Not done: ${[...(owing > 0 ? [`${String(owing)} still owing`] : []), ...(left > 0 ? [`${String(left)} with something left`] : [])].join(', ')}.`;
  return `${fields}\n${table}\n${verdict}\n`;
}

function revokedRow(host: RevokedHost): Cell[] {
  const left = [...(host.remaining > 0 ? [`${String(host.remaining)} lines`] : []), ...(host.sessions > 0 ? [`${String(host.sessions)} sessions`] : [])].join(', ');
  const acknowledged: Cell = host.acknowledgedAt === null ? { text: host.reason === '' ? 'still owing' : `still owing: ${host.reason}`, tone: 'yellow' } : formatTime(host.acknowledgedAt);
  return [host.host, acknowledged, Buffer.from(host.digest).toString('hex').slice(0, 16), host.purged === 0 ? '' : `${String(host.purged)} lines`, host.ended === 0 ? '' : `${String(host.ended)} sessions`, left === '' ? '' : { text: left, tone: 'yellow' }];
}

/** `reeve revoke`. */
export const revokeNoun: Noun = { name: 'revoke', summary: revoke.summary, commands: [revoke] };
