import { StringDecoder } from 'node:string_decoder';
import { ReeveError } from '../../shared/errors/error.js';
import type { ContainerEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerEvent.js';
import { parseContainerName } from '../../shared/model/container-field.js';
import { parseHostName } from '../../shared/model/host.js';
import { vis } from '../../shared/model/vis.js';
import { defineCommand, hostPositional } from './command.js';
import { containerPositional } from './container-name.js';
import type { Context } from './context.js';
import { formatJson, formatJsonLine } from './json.js';
import { parseNumber } from './number.js';
import { containerService } from './service.js';

/** A line that goes on for longer is broken, characters. */
const longestLine = 16_384;

/** `reeve container logs`. */
export const logs = defineCommand({
  path: 'container logs',
  summary: 'Show what a container has written',
  text: 'Control and invisible characters are shown as \\u{...}. With --follow it goes on until Control-C, and with --json each line is a document of its own.',
  positionals: { host: hostPositional, name: containerPositional },
  options: {
    follow: { kind: 'flag', short: 'f', text: 'And what comes' },
    lines: { kind: 'value', short: 'n', value: 'NUMBER', text: 'So many of the last lines, 1 to 100000 (default: 100)' },
  },
  examples: [
    { line: 'reeve container logs web1 shop', text: 'The last hundred lines' },
    { line: 'reeve container logs web1 shop -f -n 10', text: 'The last ten, and what comes' },
  ],
  run: async (context, args) => {
    const { follow } = args;
    const lines = args.lines === undefined ? 0 : parseNumber('--lines', args.lines, { min: 1, max: 100_000 });
    const request = { host: parseHostName(args.host), name: parseContainerName(args.name), lines, follow };
    const said: string[] = [];
    for await (const line of linesOf(context, (await context.api()).stream(containerService, 'FollowContainerLog', request))) {
      if (!context.json) context.terminal.out(`${vis(line)}\n`);
      else if (follow) context.terminal.out(formatJsonLine({ line }));
      else said.push(line);
    }
    if (context.json && !follow) context.terminal.out(formatJson({ lines: said }));
    return 0;
  },
});

/** What was written, line by line; whoever stops it has seen enough. */
async function* linesOf({ signal }: Context, events: AsyncIterable<ContainerEvent>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let open = '';
  try {
    for await (const { output } of events) {
      if (!output) continue;
      const parts = (open + decoder.write(output)).split('\n');
      open = parts.pop() ?? '';
      yield* parts;
      if (open.length > longestLine) {
        yield open;
        open = '';
      }
    }
  } catch (error) {
    if (!(error instanceof ReeveError && error.code === 'CANCELLED' && signal.aborted)) throw error;
  }
  if (open !== '') yield open;
}
