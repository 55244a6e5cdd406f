import { formatMessage, formatRemedy } from '../../shared/errors/error.js';
import type { HostResult } from '../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import { vis } from '../../shared/model/vis.js';
import { defineCommand, on, type Noun } from './command.js';
import { itemOf } from './detail.js';
import { worstExit } from './exit.js';
import { formatJson, toJson } from './json.js';
import { createProgress } from './progress.js';
import { selectorText } from './selector.js';
import { policyService } from './service.js';
import { paint } from './table.js';
import type { Terminal } from './terminal.js';

const check = defineCommand({
  path: 'policy check',
  summary: 'List what the policies of hosts would refuse of what the inventory wants',
  text:
    'Asks each host about everything that is wanted of it, also what it already has: what is listed could not be made again. With each line comes the one that would allow it; only root of the host can add it. Changes nothing. Exit code 1 says that something would be refused, 3 that nothing would be, but some hosts could not be asked.',
  positionals: {},
  options: { on },
  examples: [{ line: 'reeve policy check --on all', text: 'What would be refused anywhere' }],
  run: async (context, args) => {
    const results: HostResult[] = [];
    const progress = createProgress(context);
    try {
      for await (const event of (await context.api()).stream(policyService, 'CheckPolicy', { selector: selectorText(args.on) })) {
        if (event.host !== null) results.push(event.host);
        progress.done(results.length);
      }
    } finally {
      progress.close();
    }
    results.sort((a, b) => (`${a.hostName} ${a.noun}` < `${b.hostName} ${b.noun}` ? -1 : 1));
    context.terminal.out(context.json ? formatJson({ hosts: results.map((result) => toJson(result)) }) : renderPolicies(context.terminal, results));
    return worstExit(results.map((result) => (result.outcome === 'OUTCOME_OK' ? 0 : result.outcome === 'OUTCOME_FAILED' ? 1 : 3)));
  },
});

function renderPolicies(terminal: Pick<Terminal, 'color'>, results: readonly HostResult[]): string {
  const lines = results.flatMap((result) => {
    const lead = `${vis(result.hostName)} ${vis(result.noun)}: `;
    const items = result.errors.map(itemOf);
    if (result.outcome === 'OUTCOME_OK') return [];
    if (result.outcome !== 'OUTCOME_FAILED') return items.map((item) => `${lead}${paint(terminal, 'not asked', 'yellow')}: ${vis(formatMessage(item))}\n`);
    return items.map((item) => {
      const remedy = formatRemedy(item);
      return `${lead}${paint(terminal, 'refused', 'red')}: ${vis(formatMessage(item))}\n${remedy === '' ? '' : `  ${vis(remedy)}\n`}`;
    });
  });
  const count = (outcome: (result: HostResult) => boolean): number => new Set(results.filter(outcome).map((result) => result.hostId)).size;
  const all = count(() => true);
  const refused = count((result) => result.outcome === 'OUTCOME_FAILED');
  const away = count((result) => result.outcome !== 'OUTCOME_FAILED' && result.outcome !== 'OUTCOME_OK');
  if (all === 0) return 'The inventory wants nothing of these hosts.\n';
  const parts = [`${String(refused)} would refuse something`, ...(away === 0 ? [] : [`${String(away)} could not be asked`])];
  return `${lines.join('')}${String(all)} ${all === 1 ? 'host' : 'hosts'}: ${parts.join(', ')}.\n`;
}

/** `reeve policy`. */
export const policyNoun: Noun = { name: 'policy', summary: 'Policies: what hosts allow', commands: [check] };
