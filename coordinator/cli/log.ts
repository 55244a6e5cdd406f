import { ReeveError } from '../../shared/errors/error.js';
import type { UnitLogLine } from '../../shared/gen/proto/reeve/type/v1/UnitLogLine.js';
import { parseHostName } from '../../shared/model/host.js';
import { mostUnit, parseUnitNames } from '../../shared/model/unit.js';
import { vis } from '../../shared/model/vis.js';
import { defineCommand, hostPositional, type Noun } from './command.js';
import { formatJsonLine, type Json } from './json.js';
import { parseNumber } from './number.js';
import { unitService } from './service.js';
import { paint, type Tone } from './table.js';
import type { Terminal } from './terminal.js';
import { formatTime } from './time.js';

/** Names of priorities, as of syslog(3) and journalctl(1). */
const priorities = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const;

/** How wide the longest of them is. */
const priorityWidth = 7;

const log = defineCommand({
  path: 'log',
  summary: "Show what Reeve's own services, or other units, have written to the journal of a host",
  text:
    'Time, unit, priority and message, oldest first. Control and invisible characters are shown as \\u{...}; of a message of more than 4 KiB the rest is left out. With --follow it goes on until Control-C, which ends everything on the host, too. With --json each line is ' +
    "a document of its own. Units that are not Reeve's own have to be named in the policy of the host.",
  positionals: { host: hostPositional },
  options: {
    unit: { kind: 'list', value: 'UNIT', text: 'Units, e.g. nginx.service; can be repeated (default: reeve-agent.service and reeve-privd.service)' },
    follow: { kind: 'flag', short: 'f', text: 'And what comes' },
    lines: { kind: 'value', short: 'n', value: 'NUMBER', text: 'So many of the last lines, 1 to 100000 (default: 100)' },
  },
  examples: [
    { line: 'reeve log web1', text: 'The last hundred lines of its agent' },
    { line: 'reeve log web1 --follow --lines 10', text: 'The last ten, and what comes' },
    { line: 'reeve log web1 --unit nginx.service --json', text: 'Of another service, for a program' },
  ],
  run: async (context, args) => {
    const lines = args.lines === undefined ? 0 : parseNumber('--lines', args.lines, { min: 1, max: mostUnit.lines });
    const units = args.unit.length === 0 ? [] : [...parseUnitNames(args.unit)];
    const request = { host: parseHostName(args.host), units, lines, follow: args.follow };
    try {
      for await (const read of (await context.api()).stream(unitService, 'FollowUnitLog', request)) {
        for (const line of read.lines) context.terminal.out(context.json ? formatJsonLine(lineJson(line)) : renderLine(context.terminal, line));
      }
    } catch (error) {
      // Whoever stops it has seen enough.
      if (!(error instanceof ReeveError && error.code === 'CANCELLED' && context.signal.aborted)) throw error;
    }
    return 0;
  },
});

function priorityOf({ priority }: UnitLogLine): string {
  return priorities[priority] ?? '?';
}

function toneOf({ priority }: UnitLogLine): Tone | undefined {
  if (priority <= 3) return 'red';
  return priority === 4 ? 'yellow' : priority === 7 ? 'dim' : undefined;
}

function renderLine(terminal: Pick<Terminal, 'color'>, line: UnitLogLine): string {
  const time = formatTime({ seconds: Math.floor(line.timeUs / 1_000_000), nanos: 0 });
  const word = priorityOf(line);
  const gap = ' '.repeat(priorityWidth - word.length);
  return `${time} ${vis(line.unit)} ${paint(terminal, word, toneOf(line))}${gap} ${vis(line.message)}${line.cut ? '…' : ''}\n`;
}

function lineJson(line: UnitLogLine): Json {
  const time = new Date(Math.floor(line.timeUs / 1000));
  return {
    time: Number.isNaN(time.getTime()) ? null : time.toISOString(), unit: line.unit, priority: priorityOf(line), message: line.message, cut: line.cut, identifier: line.identifier, pid: line.pid,
  };
}

/** `reeve log`. */
export const logNoun: Noun = { name: 'log', summary: log.summary, commands: [log] };
