import { ReeveError } from '../../shared/errors/error.js';
import type { WatchContainersResponse } from '../../shared/gen/proto/reeve/coordinator/v1/WatchContainersResponse.js';
import { parseContainerName } from '../../shared/model/container-field.js';
import { defineCommand, on } from './command.js';
import { renderUses } from './container-text.js';
import type { Context } from './context.js';
import { formatJsonLine, toJson } from './json.js';
import { parseNumber } from './number.js';
import { selectorText } from './selector.js';
import { containerService } from './service.js';
import { cutText } from './table.js';

/** `reeve container stats`. */
export const stats = defineCommand({
  path: 'container stats',
  summary: 'Watch what containers use: processor, memory, processes, disk',
  text: 'On a terminal one table that is drawn anew, else a table each time; until Control-C. Processor time is in percent of one core. With --json each answer is a document on a line of its own.',
  positionals: {},
  options: {
    on,
    name: { kind: 'value', value: 'NAME', text: 'Only containers of this name' },
    every: { kind: 'value', value: 'SECONDS', text: 'Time between two looks, 1 to 60 (default: 2)' },
    once: { kind: 'flag', text: 'Two looks, one answer' },
  },
  examples: [
    { line: 'reeve container stats --on web1', text: 'What do the containers of web1 use?' },
    { line: 'reeve container stats --once --json', text: 'All of the fleet, for a program' },
  ],
  run: async (context, args) => {
    const request = {
      selector: selectorText(args.on),
      name: args.name === undefined ? '' : parseContainerName(args.name, '--name'),
      everySeconds: args.every === undefined ? 0 : parseNumber('--every', args.every, { min: 1, max: 60 }),
    };
    const show = createTable(context);
    let last: WatchContainersResponse | undefined;
    let looks = 0;
    try {
      for await (const answer of (await context.api()).stream(containerService, 'WatchContainers', request)) {
        last = answer;
        looks += 1;
        if (!args.once) show(answer);
        else if (looks === 2) break;
      }
    } catch (error) {
      // Whoever stops it has seen enough.
      if (!(error instanceof ReeveError && error.code === 'CANCELLED' && context.signal.aborted)) throw error;
    }
    if (args.once && last !== undefined) show(last);
    return 0;
  },
});

/** Shows answers one after the other: in the same place where a person sits. */
function createTable({ terminal, json, clock }: Context): (answer: WatchContainersResponse) => void {
  let shown = 0;
  return (answer) => {
    if (json) {
      terminal.out(formatJsonLine(toJson(answer)));
      return;
    }
    const { uses, problems } = answer;
    if (!terminal.interactive) {
      terminal.out(renderUses(terminal, uses, problems, clock.now()));
      return;
    }
    // A line that is broken by the terminal would be two; a text that was cut has no colours left open.
    const lines = renderUses({ color: false }, uses, problems, clock.now()).trimEnd().split('\n').map((line) => cutText(line, terminal.columns - 1));
    terminal.out(`${shown === 0 ? '' : `\u001b[${String(shown)}A\u001b[J`}${lines.join('\n')}\n`);
    shown = lines.length;
  };
}
