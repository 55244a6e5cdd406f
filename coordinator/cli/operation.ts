import type { Operation } from '../../shared/gen/proto/reeve/coordinator/v1/Operation.js';
import { parseId } from '../../shared/model/id.js';
import { answer } from './answer.js';
import { renderResults, renderSummary } from './change-text.js';
import { defineCommand, type Noun } from './command.js';
import { limitNumber } from './number.js';
import { operationService } from './service.js';
import { renderFields, renderTable, type Cell } from './table.js';
import { formatTime } from './time.js';

const limit = { kind: 'value', value: 'N', text: 'How many, 1 to 1000 (default: 50)' } as const;

function outcomeCell(outcome: Operation['outcome']): Cell {
  const text = outcome.slice('OUTCOME_'.length).toLowerCase();
  if (outcome === 'OUTCOME_OK') return { text, tone: 'green' };
  return { text, tone: outcome === 'OUTCOME_FAILED' ? 'red' : 'yellow' };
}

const list = defineCommand({
  path: 'operation list',
  summary: 'List the newest operations',
  positionals: {},
  options: { limit },
  examples: [{ line: 'reeve operation list --limit 10', text: 'The last ten' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(operationService, 'ListOperation', { limit: limitNumber(args.limit) });
    const rows = response.operations.map((row): Cell[] => [row.id, formatTime(row.startedAt), row.operator, outcomeCell(row.outcome), row.summary]);
    return answer(context, response, () => renderTable(context.terminal, ['id', 'started', 'operator', 'outcome', 'what'], rows, 'No operations.'));
  },
});

const show = defineCommand({
  path: 'operation show',
  summary: 'Show an operation and what each host said',
  positionals: { id: { text: 'Id of the operation' } },
  options: {},
  examples: [{ line: 'reeve operation show 01930000-0000-7000-8000-000000000001', text: 'How that operation ended' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(operationService, 'GetOperation', { id: parseId('operation id', args.id) });
    const { operation, hosts } = response;
    const fields = operation === null ? '' : renderFields(context.terminal, [
      ['id', operation.id],
      ['what', operation.summary],
      ['operator', operation.operator],
      ['outcome', outcomeCell(operation.outcome)],
      ['started', formatTime(operation.startedAt)],
      ['ended', formatTime(operation.endedAt)],
    ]);
    return answer(context, response, () => `${fields}\n${renderResults(context.terminal, hosts, 'applied')}${renderSummary(hosts, 'applied')}.\n`);
  },
});

/** `reeve operation`. */
export const operationNoun: Noun = { name: 'operation', summary: 'Operations: what was asked of the fleet', commands: [list, show] };
