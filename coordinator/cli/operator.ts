import type { Operator } from '../../shared/gen/proto/reeve/coordinator/v1/Operator.js';
import { fieldMissing } from '../../shared/model/field.js';
import { formatLabel, parseLabel } from '../../shared/model/label.js';
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

const label = { kind: 'list', value: 'KEY=VALUE', text: 'Limit the operator to hosts with this label; may be repeated: one of them is enough' } as const;

const add = defineCommand({
  path: 'operator add',
  summary: 'Let a local account talk to the coordinator',
  positionals: { name },
  text: 'With labels, all other hosts do not exist for the operator, and what is about the whole fleet is refused.',
  options: { role: { ...role, required: true }, label },
  examples: [
    { line: 'reeve operator add ada --role operator', text: 'Let ada change hosts' },
    { line: 'reeve operator add bob --role admin --label site=ams', text: 'Let bob do everything, to the hosts of one site' },
  ],
  run: async (context, args) => {
    const request = { name: operatorName(args.name), role: parseRole(args.role), labels: scopeLabels(args.label) };
    const response = await (await context.api()).call(operatorService, 'AddOperator', request);
    return shown(context, response);
  },
});

const set = defineCommand({
  path: 'operator set',
  summary: 'Alter the role or the scope of an operator',
  text: 'What is not named stays as it is; the labels given replace the scope.',
  positionals: { name },
  options: { role, label, 'whole-fleet': { kind: 'flag', text: 'Take the scope away' } },
  exclusive: [['label', 'whole-fleet']],
  examples: [
    { line: 'reeve operator set ada --role viewer', text: 'Let ada only look' },
    { line: 'reeve operator set ada --label site=ams --label site=fra', text: 'Limit ada to two sites' },
  ],
  run: async (context, args) => {
    const scoped = args.label.length > 0 || args['whole-fleet'];
    if (args.role === undefined && !scoped) throw fieldMissing('the alteration', 'at least one of --role, --label and --whole-fleet');
    return change(context, args.name, {
      ...(args.role === undefined ? {} : { role: parseRole(args.role) }),
      ...(scoped ? { scope: { labels: scopeLabels(args.label) } } : {}),
    });
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
    const rows = response.operators.map((row): Cell[] => [row.name, row.role, scopeText(row.labels), row.disabled ? { text: 'disabled', tone: 'yellow' } : '']);
    return answer(context, response, () => renderTable(context.terminal, ['name', 'role', 'scope', 'state'], rows, 'No operators but root.'));
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
    return answer(context, response, () => `${vis(response.name)} (${vis(response.role)}${response.labels.length === 0 ? '' : `, ${vis(scopeText(response.labels))}`})\n`);
  },
});

/** Labels as the API takes them. Errors: FIELD_INVALID. */
function scopeLabels(texts: readonly string[]): string[] {
  return texts.map((text) => formatLabel(parseLabel(text)));
}

function scopeText(labels: readonly string[]): string {
  return labels.length === 0 ? 'whole fleet' : `hosts with ${labels.join(' or ')}`;
}

function operatorName(text: string): string {
  return parseAccountName(text, 'operator name');
}

async function change(context: Context, text: string, alteration: { readonly role?: string; readonly disabled?: boolean; readonly scope?: { readonly labels: string[] } }): Promise<number> {
  const operator = operatorName(text);
  return shown(context, await (await context.api()).call(operatorService, 'SetOperator', { name: operator, ...alteration }));
}

function shown(context: Context, response: { readonly operator: Operator | null }): number {
  const { operator } = response;
  return answer(context, response, () => (operator === null ? '' : `Operator "${vis(operator.name)}" has role ${vis(operator.role)}${operator.labels.length === 0 ? '' : ` for ${vis(scopeText(operator.labels))}`}${operator.disabled ? ' and is disabled' : ''}.\n`));
}

/** `reeve operator`. */
export const operatorNoun: Noun = { name: 'operator', summary: 'Operators: who may talk to the coordinator', commands: [add, set, enable, disable, list] };
/** `reeve whoami`. */
export const whoamiNoun: Noun = { name: 'whoami', summary: whoami.summary, commands: [whoami] };
