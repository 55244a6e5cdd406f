import type { RestartUnitsEvent } from '../../shared/gen/proto/reeve/coordinator/v1/RestartUnitsEvent.js';
import type { UnitOnHost } from '../../shared/gen/proto/reeve/coordinator/v1/UnitOnHost.js';
import { reeveError, type ReeveError } from '../../shared/errors/error.js';
import { parseUnitName } from '../../shared/model/unit.js';
import { answer } from './answer.js';
import { defineCommand, on, type Noun } from './command.js';
import { confirm, requireAnswerer } from './confirm.js';
import type { Context } from './context.js';
import { createProgress } from './progress.js';
import { selectorText } from './selector.js';
import { unitService } from './service.js';
import { exitOfUnits, renderUnits } from './unit-text.js';

const unitPositional = { text: 'Name of the unit, e.g. nginx.service' } as const;
const onRequired = { ...on, required: true } as const;

const status = defineCommand({
  path: 'unit status',
  summary: 'Show how a unit of systemd is on hosts',
  text: "Hosts are asked side by side. The policy of each names the units that may be asked for; Reeve's own may be by every preset.",
  positionals: { unit: unitPositional },
  options: { on: onRequired },
  examples: [
    { line: 'reeve unit status --on all reeve-agent.service', text: 'How the agents do' },
    { line: 'reeve unit status --on role=web nginx.service', text: 'Whether the web servers run, and since when' },
  ],
  run: async (context, args) => {
    const request = { selector: selectorText(args.on), unit: parseUnitName(args.unit) };
    const response = await (await context.api()).call(unitService, 'ListUnits', request);
    answer(context, response, () => renderUnits(context.terminal, response.hosts, { word: 'refused', now: context.clock.now() }));
    return exitOfUnits(response.hosts);
  },
});

const restart = defineCommand({
  path: 'unit restart',
  summary: 'Restart a unit of systemd on hosts',
  text:
    'Eight hosts at a time. One that does not run is started. It counts as restarted when it stays up for a second, or has ended well when it does one thing only; else the reason of systemd is told. ' +
    "The policy of each host names the units that may be restarted; none may be of Reeve, systemd, the bus or sshd. Control-C ends the watching, not the restarts. They are records of the audit and of the hosts' own.",
  positionals: { unit: unitPositional },
  options: { on: onRequired, plan: { kind: 'flag', text: 'Only show where it would be restarted' }, yes: { kind: 'flag', text: 'Ask nothing' } },
  examples: [
    { line: 'reeve unit restart --on web1 nginx.service', text: 'Show how it is, ask, restart it, and see that it runs' },
    { line: 'reeve unit restart --on role=web --yes php8.2-fpm.service', text: 'On all web servers, without a question' },
  ],
  exclusive: [['plan', 'yes']],
  run: async (context, args) => {
    const asked = { selector: selectorText(args.on), unit: parseUnitName(args.unit) };
    if (!args.plan && !args.yes) requireAnswerer(context, 'add --yes to restart it without a question, or --plan to only see where that would be');
    const api = await context.api();
    if (!args.yes) {
      const planned = await collect(context, api.stream(unitService, 'RestartUnits', { ...asked, mode: 'CHANGE_MODE_PLAN' }));
      const exit = report(context, planned, 'refused');
      const ready = planned.hosts.filter(({ errors }) => errors.length === 0).length;
      if (planned.broken !== undefined) throw planned.broken;
      if (args.plan || ready === 0) return exit;
      await confirm(context, `Restart ${asked.unit} on ${String(ready)} ${ready === 1 ? 'host' : 'hosts'}?`);
    }
    const done = await collect(context, api.stream(unitService, 'RestartUnits', { ...asked, mode: 'CHANGE_MODE_APPLY' }));
    if (done.broken === undefined || done.hosts.length > 0) report(context, done, 'failed');
    if (done.broken !== undefined) throw done.broken;
    return exitOfUnits(done.hosts);
  },
});

/** What hosts have said when the events end, however they end. */
interface Told {
  readonly operationId: string;
  readonly hosts: readonly UnitOnHost[];
  /** Why they ended early. */
  readonly broken: ReeveError | undefined;
}

async function collect(context: Context, events: AsyncIterable<RestartUnitsEvent>): Promise<Told> {
  const hosts: UnitOnHost[] = [];
  const progress = createProgress(context);
  let finished: { readonly operationId: string } | undefined;
  let broken: ReeveError | undefined;
  try {
    for await (const event of events) {
      if (event.host) hosts.push(event.host);
      if (event.finished) ({ finished } = event);
      progress.done(hosts.length);
    }
    if (finished === undefined) broken = reeveError('INTERNAL', { correlation: 'the coordinator ended the answer early' });
  } catch (error) {
    broken = error as ReeveError;
  } finally {
    progress.close();
  }
  return { operationId: finished?.operationId ?? '', hosts: hosts.sort((a, b) => (a.hostName < b.hostName ? -1 : 1)), broken };
}

function report(context: Context, { operationId, hosts }: Told, word: string): number {
  answer(context, { operationId, hosts }, () => renderUnits(context.terminal, hosts, { word, now: context.clock.now() }));
  return exitOfUnits(hosts);
}

/** Noun unit of the command line. */
export const unitNoun: Noun = { name: 'unit', summary: 'Units of systemd on hosts', commands: [status, restart] };
