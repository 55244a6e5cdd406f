import { fieldInvalid } from '../../shared/model/field.js';
import { answer } from './answer.js';
import { runChange } from './change.js';
import { defineCommand, on, type Noun } from './command.js';
import { selectorText } from './selector.js';
import { planService } from './service.js';
import { renderTable } from './table.js';
import { formatSince } from './time.js';

const noun = { kind: 'value', value: 'NOUN', text: 'Only this noun, e.g. user' } as const;

function nounText(text: string | undefined): string {
  if (text !== undefined && !/^[a-z]{1,30}$/.test(text)) throw fieldInvalid('noun', text, 'lower-case letters, e.g. user');
  return text ?? '';
}

const plan = defineCommand({
  path: 'plan',
  summary: 'Show what would change to make hosts as they should be',
  positionals: {},
  options: { on, noun },
  examples: [{ line: 'reeve plan --on site=ams', text: 'What differs on some hosts' }],
  run: async (context, args) => {
    const request = { selector: selectorText(args.on), noun: nounText(args.noun) };
    return runChange(context, { plan: true, stage: false, yes: false }, (api, options) => api.stream(planService, 'Reconcile', { options, ...request }));
  },
});

const apply = defineCommand({
  path: 'apply',
  summary: 'Make hosts as they should be',
  text: 'Plans, shows, asks, applies and waits. For what is pending, was staged, or has drifted.',
  positionals: {},
  options: { on, noun, yes: { kind: 'flag', text: 'Ask nothing' } },
  examples: [{ line: 'reeve apply --on web1 --yes', text: 'Make web1 as it should be, without a question' }],
  run: async (context, args) => {
    const request = { selector: selectorText(args.on), noun: nounText(args.noun) };
    return runChange(context, { plan: false, stage: false, yes: args.yes }, (api, options) => api.stream(planService, 'Reconcile', { options, ...request }));
  },
});

const pending = defineCommand({
  path: 'pending',
  summary: 'List what hosts still have to be told',
  positionals: {},
  options: { on },
  examples: [{ line: 'reeve pending', text: 'What is pending in the whole fleet' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(planService, 'ListPending', { selector: selectorText(args.on) });
    const now = context.clock.now();
    const rows = response.pending.map((row) => [row.hostName, row.noun, `${String(row.applied)} -> ${String(row.generation)}`, formatSince(row.since, now), row.reason]);
    return answer(context, response, () => renderTable(context.terminal, ['host', 'noun', 'generation', 'for', 'why'], rows, 'Nothing is pending.'));
  },
});

/** `reeve plan`. */
export const planNoun: Noun = { name: 'plan', summary: plan.summary, commands: [plan] };
/** `reeve apply`. */
export const applyNoun: Noun = { name: 'apply', summary: apply.summary, commands: [apply] };
/** `reeve pending`. */
export const pendingNoun: Noun = { name: 'pending', summary: pending.summary, commands: [pending] };
