import type { Operator } from '../../shared/gen/proto/reeve/coordinator/v1/Operator.js';
import { fieldMissing } from '../../shared/model/field.js';
import { parseRole, roles } from '../../shared/model/role.js';
import { parseAccountName } from '../../shared/model/user.js';
import { vis } from '../../shared/model/vis.js';
import { answer } from './answer.js';
import { defineCommand, type Noun } from './command.js';
import type { Context } from './context.js';
import { operatorService } from './service.js';
import { renderTable, type Cell } from './table.js';

const name = { text: "Name of the local account on the coordinator's machine" } as const;
const role = { kind: 'value', value: 'ROLE', choices: roles, text: 'What the operator may do: look, change hosts, or everything' } as const;

const add = defineCommand({
  path: 'operator add',
  summary: 'Let a local account talk to the coordinator',
  positionals: { name },
  options: { role: { ...role, required: true } },
  examples: [{ line: 'reeve operator add ada --role operator', text: 'Let ada change hosts' }],
  run: async (context, args) => {
    const request = { name: operatorName(args.name), role: parseRole(args.role) };
    const response = await (await context.api()).call(operatorService, 'AddOperator', request);
    return shown(context, response);
  },
});

const set = defineCommand({
  path: 'operator set',
  summary: 'Alter the role of an operator',
  positionals: { name },
  options: { role },
  examples: [{ line: 'reeve operator set ada --role viewer', text: 'Let ada only look' }],
  run: async (context, args) => {
    if (args.role === undefined) throw fieldMissing('the alteration', '--role');
    return change(context, args.name, { role: parseRole(args.role) });
  },
});

const enable = defineCommand({
  path: 'operator enable',
  summary: 'Undo "reeve operator disable"',
  positionals: { name },
  options: {},
  examples: [{ line: 'reeve operator enable ada', text: 'Let ada in again, with her role as it was' }],
  run: (context, args) => change(context, args.name, { disabled: false }),
});

const disable = defineCommand({
  path: 'operator disable',
  summary: 'Keep an operator out from the next call on',
  positionals: { name },
  options: {},
  examples: [{ line: 'reeve operator disable ada', text: 'Keep ada out' }],
  run: (context, args) => change(context, args.name, { disabled: true }),
});

const list = defineCommand({
  path: 'operator list',
  summary: 'List the operators',
  positionals: {},
  options: {},
  examples: [{ line: 'reeve operator list', text: 'Who may do what' }],
  run: async (context) => {
    const response = await (await context.api()).call(operatorService, 'ListOperator', {});
    const rows = response.operators.map((row): Cell[] => [row.name, row.role, row.disabled ? { text: 'disabled', tone: 'yellow' } : '']);
    return answer(context, response, () => renderTable(context.terminal, ['name', 'role', 'state'], rows, 'No operators but root.'));
  },
});

const whoami = defineCommand({
  path: 'whoami',
  summary: 'Show who the coordinator thinks you are',
  positionals: {},
  options: {},
  examples: [{ line: 'reeve whoami', text: 'Your name and role' }],
  run: async (context) => {
    const response = await (await context.api()).call(operatorService, 'WhoAmI', {});
    return answer(context, response, () => `${vis(response.name)} (${vis(response.role)})\n`);
  },
});

function operatorName(text: string): string {
  return parseAccountName(text, 'operator name');
}

async function change(context: Context, text: string, alteration: { readonly role?: string; readonly disabled?: boolean }): Promise<number> {
  const operator = operatorName(text);
  return shown(context, await (await context.api()).call(operatorService, 'SetOperator', { name: operator, ...alteration }));
}

function shown(context: Context, response: { readonly operator: Operator | null }): number {
  const { operator } = response;
  return answer(context, response, () => (operator === null ? '' : `Operator "${vis(operator.name)}" has role ${vis(operator.role)}${operator.disabled ? ' and is disabled' : ''}.\n`));
}

/** `reeve operator`. */
export const operatorNoun: Noun = { name: 'operator', summary: 'Operators: who may talk to the coordinator', commands: [add, set, enable, disable, list] };
/** `reeve whoami`. */
export const whoamiNoun: Noun = { name: 'whoami', summary: whoami.summary, commands: [whoami] };
