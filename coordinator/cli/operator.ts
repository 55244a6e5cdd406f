import type { Operator } from '../../shared/gen/proto/reeve/coordinator/v1/Operator.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { formatLabel, parseLabel } from '../../shared/model/label.js';
import { parseRole, roles } from '../../shared/model/role.js';
import { parseAccountName } from '../../shared/model/user.js';
import { vis } from '../../shared/model/vis.js';
import { toDuration } from '../../shared/rpc/time.js';
import { answer } from './answer.js';
import { defineCommand, type Noun } from './command.js';
import { sure } from './confirm.js';
import type { Context } from './context.js';
import { parseDuration } from '../../shared/model/duration.js';
import { operatorService } from './service.js';
import { renderTable, type Cell } from './table.js';
import { formatTime } from './time.js';

const name = { text: 'Name of the operator' } as const;
const yes = { kind: 'flag', text: 'Ask nothing' } as const;
const ttl = { kind: 'value', value: 'TIME', text: 'Life of its certificates on other machines, 1h to 30d (default: 7d)' } as const;
const role = { kind: 'value', value: 'ROLE', choices: roles, text: 'What the operator may do: look, change hosts, or everything' } as const;

const label = { kind: 'list', value: 'KEY=VALUE', text: 'Limit the operator to hosts with this label; may be repeated: one of them is enough' } as const;

const add = defineCommand({
  path: 'operator add',
  summary: 'Let an operator talk to the coordinator',
  positionals: { name },
  text: 'The name is that of a local account of the coordinator\'s machine, of an operator on another machine (see "reeve operator invite"), or both. With labels, all other hosts do not exist for the operator, and what is about the whole fleet is refused.',
  options: { role: { ...role, required: true }, label, ttl },
  examples: [
    { line: 'reeve operator add ada --role operator', text: 'Let ada change hosts' },
    { line: 'reeve operator add bob --role admin --label site=ams', text: 'Let bob do everything, to the hosts of one site' },
  ],
  run: async (context, args) => {
    const request = { name: operatorName(args.name), role: parseRole(args.role), labels: scopeLabels(args.label), ...lifeOf(args.ttl) };
    const response = await (await context.api()).call(operatorService, 'AddOperator', request);
    return shown(context, response);
  },
});

const set = defineCommand({
  path: 'operator set',
  summary: 'Alter role, scope or life of certificates of an operator',
  text: 'What is not named stays as it is; the labels given replace the scope.',
  positionals: { name },
  options: { role, label, 'whole-fleet': { kind: 'flag', text: 'Take the scope away' }, ttl },
  exclusive: [['label', 'whole-fleet']],
  examples: [
    { line: 'reeve operator set ada --role viewer', text: 'Let ada only look' },
    { line: 'reeve operator set ada --label site=ams --label site=fra', text: 'Limit ada to two sites' },
  ],
  run: async (context, args) => {
    const scoped = args.label.length > 0 || args['whole-fleet'];
    if (args.role === undefined && args.ttl === undefined && !scoped) throw fieldMissing('the alteration', 'at least one of --role, --label, --whole-fleet and --ttl');
    return change(context, args.name, {
      ...(args.role === undefined ? {} : { role: parseRole(args.role) }),
      ...(scoped ? { scope: { labels: scopeLabels(args.label) } } : {}),
      ...lifeOf(args.ttl),
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

const invite = defineCommand({
  path: 'operator invite',
  summary: 'Make the line that logs an operator in from another machine',
  text: 'Run the printed line there, where the package reeve-cli is installed, before its token expires. A new token replaces an unused older one.',
  positionals: { name },
  options: { ttl: { kind: 'value', value: 'TIME', text: 'How long the token is good, 1m to 24h (default: 30m)' } },
  examples: [{ line: 'reeve operator invite ada', text: 'Let ada log in from one more machine' }],
  run: async (context, args) => {
    const request = { name: operatorName(args.name), ...(args.ttl === undefined ? {} : { ttl: toDuration(boundedMs(args.ttl, { least: '1m', most: '24h' })) }) };
    const response = await (await context.api()).call(operatorService, 'InviteOperator', request);
    if (!context.json) context.terminal.err(`Run this on the other machine before ${formatTime(response.expiresAt)}:\n`);
    return answer(context, response, () => `${vis(response.command)}\n`);
  },
});

const revoke = defineCommand({
  path: 'operator revoke',
  summary: 'Revoke the certificates of an operator at once',
  text: 'For a lost machine or a stolen key: the next call is refused, and what is open is closed within 15 seconds. The operator stays, and can be invited again.',
  positionals: { name },
  options: { yes },
  examples: [{ line: 'reeve operator revoke ada --yes', text: 'Cut off all machines of ada without a question' }],
  run: async (context, args) => {
    const operator = operatorName(args.name);
    await sure(context, args, `Revoke all certificates of operator "${operator}"?`);
    const response = await (await context.api()).call(operatorService, 'RevokeOperator', { name: operator });
    return answer(context, response, () => `${countText(response.certificates)} of operator "${operator}" revoked.\n`);
  },
});

const remove = defineCommand({
  path: 'operator remove',
  summary: 'Take an operator out, with all certificates',
  text: 'A local account of that name keeps what its groups give it; "reeve operator disable" keeps it out.',
  positionals: { name },
  options: { yes },
  examples: [{ line: 'reeve operator remove ada', text: 'Take ada out, after a question' }],
  run: async (context, args) => {
    const operator = operatorName(args.name);
    await sure(context, args, `Take operator "${operator}" out?`);
    const response = await (await context.api()).call(operatorService, 'RemoveOperator', { name: operator });
    return answer(context, response, () => `Operator "${operator}" is out; ${countText(response.certificates)} revoked.\n`);
  },
});

const list = defineCommand({
  path: 'operator list',
  summary: 'List the operators',
  positionals: {},
  options: {},
  examples: [{ line: 'reeve operator list', text: 'Who may do what' }],
  run: async (context) => {
    const response = await (await context.api()).call(operatorService, 'ListOperator', {});
    const rows = response.operators.map((row): Cell[] => [row.name, row.role, scopeText(row.labels), loginText(row.logins), row.disabled ? { text: 'disabled', tone: 'yellow' } : '']);
    return answer(context, response, () => renderTable(context.terminal, ['name', 'role', 'scope', 'logins', 'state'], rows, 'No operators but root.'));
  },
});

const whoami = defineCommand({
  path: 'whoami',
  summary: 'Show which coordinator you talk to, and who it thinks you are',
  positionals: {},
  options: {},
  examples: [{ line: 'reeve whoami', text: 'Your name and role, and which coordinator' }],
  run: async (context) => {
    const api = await context.api();
    const response = await api.call(operatorService, 'WhoAmI', {});
    const until = api.certificateEnds === undefined ? null : new Date(api.certificateEnds).toISOString();
    const scope = response.labels.length === 0 ? '' : `, ${vis(scopeText(response.labels))}`;
    const door = until === null ? vis(api.where) : `${vis(api.where)}, certificate good until ${until}`;
    return answer(context, { ...response, coordinator: api.where, certificateNotAfter: until }, () => `${vis(response.name)} (${vis(response.role)}${scope}) at ${door}\n`);
  },
});

function loginText(logins: Operator['logins']): string {
  const last = logins.at(-1);
  return last === undefined ? '' : `${String(logins.length)}, last until ${formatTime(last.notAfter)}`;
}

function countText(count: number): string {
  return count === 1 ? '1 certificate' : `${String(count)} certificates`;
}

type Seconds = ReturnType<typeof toDuration>;

/** The life of certificates as the API takes it; nothing when it is not named. Errors: FIELD_INVALID. */
function lifeOf(text: string | undefined): { certificateTtl?: Seconds } {
  return text === undefined ? {} : { certificateTtl: toDuration(boundedMs(text, { least: '1h', most: '30d' })) };
}

function boundedMs(text: string, bounds: { least: string; most: string }): number {
  const ms = parseDuration('ttl', text);
  if (ms < parseDuration('ttl', bounds.least) || ms > parseDuration('ttl', bounds.most)) throw fieldInvalid('ttl', text, `${bounds.least} to ${bounds.most}`);
  return ms;
}

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

async function change(context: Context, text: string, alteration: { readonly role?: string; readonly disabled?: boolean; readonly scope?: { readonly labels: string[] }; readonly certificateTtl?: Seconds }): Promise<number> {
  const operator = operatorName(text);
  return shown(context, await (await context.api()).call(operatorService, 'SetOperator', { name: operator, ...alteration }));
}

function shown(context: Context, response: { readonly operator: Operator | null }): number {
  const { operator } = response;
  return answer(context, response, () => (operator === null ? '' : `Operator "${vis(operator.name)}" has role ${vis(operator.role)}${operator.labels.length === 0 ? '' : ` for ${vis(scopeText(operator.labels))}`}${operator.disabled ? ' and is disabled' : ''}.\n`));
}

/** `reeve operator`. */
export const operatorNoun: Noun = { name: 'operator', summary: 'Operators: who may talk to the coordinator', commands: [add, set, invite, enable, disable, revoke, remove, list] };
/** `reeve whoami`. */
export const whoamiNoun: Noun = { name: 'whoami', summary: whoami.summary, commands: [whoami] };
