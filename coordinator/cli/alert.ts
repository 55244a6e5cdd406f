import { alertKindRows, alertKinds, alertSeverities, parseAlertKinds, parseHookName, parseMuteLength, parseWebhook } from '../../shared/model/alert.js';
import { parseDuration } from '../../shared/model/duration.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseHoldReason } from '../../shared/model/hold.js';
import { parsePersonName } from '../../shared/model/person.js';
import { toDuration } from '../../shared/rpc/time.js';
import { renderAlerts, renderMute, renderMutes, renderRoute, renderRoutes, renderTests } from './alert-text.js';
import { answer } from './answer.js';
import { defineCommand, on, type Noun } from './command.js';
import type { Context } from './context.js';
import { limitNumber, parseNumber } from './number.js';
import { selectorText } from './selector.js';
import { alertService } from './service.js';

const kind = { kind: 'list', value: 'KIND', text: 'Only this kind; may be repeated, or several with commas' } as const;
const idBounds = { min: 1, max: 999_999_999_999_999 } as const;

/** Kinds from options: repeated, with commas, or both. Errors: FIELD_INVALID. */
function kindsOf(texts: readonly string[]): string[] {
  return [...parseAlertKinds(texts.flatMap((text) => text.split(',')))];
}

const kindText = alertKinds.map((name) => `${name}: ${alertKindRows[name].text}`).join('; ');

const list = defineCommand({
  path: 'alert list',
  summary: 'List what is wrong for long enough that somebody has to be told, worst first',
  text: `One cause is one alert, however often it comes and goes. Kinds are ${kindText}. What "reeve status" shows as a warning only may have no alert.`,
  positionals: {},
  options: { on, all: { kind: 'flag', text: 'Also those that are over, for 30 days' }, limit: { kind: 'value', value: 'N', text: 'At most so many, 1 to 1000 (default: 1000)' } },
  examples: [
    { line: 'reeve alert list', text: 'What is wrong?' },
    { line: 'reeve alert list --all --on site=ams', text: 'What was wrong in Amsterdam in the last 30 days?' },
  ],
  run: async (context, args) => {
    const response = await (await context.api()).call(alertService, 'ListAlert', { selector: selectorText(args.on), ended: args.all, limit: limitNumber(args.limit) });
    return answer(context, response, () => renderAlerts(context.terminal, response, context.clock.now()));
  },
});

const mute = defineCommand({
  path: 'alert mute',
  summary: 'Have nobody told of alerts for a while',
  text:
    'They are listed as muted, and told when the mute ends if they still stand then. A mute ends by itself. A hold of a whole host mutes host-lost, reboot, drift and pending of it without that. ' +
    '"all" is the coordinator itself, too; for an operator with a scope it is all of the scope.',
  positionals: { selector: { text: 'Which hosts: NAME, LABEL=VALUE or all', names: 'hosts' } },
  options: { kind, for: { kind: 'value', value: 'TIME', text: 'How long, 1m to 30d', required: true }, reason: { kind: 'value', value: 'TEXT', text: 'Why, at most 200 characters', required: true } },
  examples: [
    { line: "reeve alert mute web1 --for 2h --reason 'new disks'", text: 'Nobody is told of web1 for two hours' },
    { line: "reeve alert mute site=ams --kind host-lost,backup-late --for 1d --reason 'power work'", text: 'Only of these kinds' },
  ],
  run: async (context, args) => {
    const request = { selector: selectorText(args.selector), kinds: kindsOf(args.kind), duration: toDuration(parseMuteLength(parseDuration('length of the mute', args.for))), reason: parseHoldReason(args.reason) };
    const response = await (await context.api()).call(alertService, 'AddAlertMute', request);
    return answer(context, response, () => renderMute(context.terminal, response.mute, response.open));
  },
});

const unmute = defineCommand({
  path: 'alert unmute',
  summary: 'End a mute before its time',
  text: 'What it muted and still stands is told.',
  positionals: { mute: { text: 'Number of the mute; see: reeve alert mutes' } },
  options: {},
  examples: [{ line: 'reeve alert unmute 3', text: 'The work is done' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(alertService, 'RemoveAlertMute', { id: parseNumber('mute', args.mute, idBounds) });
    return answer(context, response, () => 'The mute has ended; what it muted and still stands is told.\n');
  },
});

const mutes = defineCommand({
  path: 'alert mutes',
  summary: 'List the mutes that last',
  positionals: {},
  options: {},
  examples: [{ line: 'reeve alert mutes', text: 'Of what is nobody told?' }],
  run: async (context) => {
    const response = await (await context.api()).call(alertService, 'ListAlertMute', {});
    return answer(context, response, () => renderMutes(context.terminal, response.mutes));
  },
});

/** What is done with routes. */
const actions = ['add', 'list', 'remove'] as const;

const route = defineCommand({
  path: 'alert route',
  summary: 'Have alerts told to a person by mail, to a webhook or to a program; list who is told, and how sending goes',
  text:
    'Each alert is told once, again each day while it stands, and once more when it is over. What comes within a minute goes together. What is open when a route is added is told as well; what a route still owes when it is removed is not sent. ' +
    `Without --kind all kinds are told but those that have to be named: ${alertKinds.filter((name) => alertKindRows[name].named).join(' and ')}. Mail needs a mail server in /etc/reeve/reeved.conf, see reeved(8). ` +
    'A webhook gets JSON by POST, over https (http only to this machine), signed when reeved.conf has a secret; redirects are not followed. A program is a file of root in /etc/reeve/hooks.d of the coordinator, and gets the same JSON on stdin.',
  positionals: {
    action: { text: 'What is done', choices: actions },
    who: { text: 'With add the name of a person who has a mail address, unless --webhook or --hook is given; with remove the number of the route', optional: true },
  },
  options: {
    webhook: { kind: 'value', value: 'URL', text: 'With add: post to this URL; with - it is read from standard input or asked for, as arguments can be seen by others' },
    hook: { kind: 'value', value: 'NAME', text: 'With add: run this program of /etc/reeve/hooks.d' },
    kind,
    severity: { kind: 'value', value: 'WORD', choices: alertSeverities, text: 'With add: only what is at least so bad (default: info)' },
    on,
    'no-remind': { kind: 'flag', text: 'With add: do not tell again each day' },
  },
  exclusive: [['webhook', 'hook']],
  examples: [
    { line: 'reeve alert route add ada', text: 'Mail to ada, of everything' },
    { line: 'reeve alert route add bob --kind backup-failed,backup-late --on site=ams', text: 'Mail to bob, of backups in Amsterdam' },
    { line: 'reeve alert route add --webhook - --severity error', text: 'Errors to a chat; its URL, which is a secret, from standard input' },
    { line: 'reeve alert route add --hook pager --kind host-lost --no-remind', text: 'Lost hosts to a program' },
    { line: 'reeve alert route list', text: 'Does what is wrong reach anybody?' },
    { line: 'reeve alert route remove 3', text: 'Route 3 is no more' },
  ],
  run: async (context, args) => {
    const { action, who } = args;
    if (action === 'add') return addRoute(context, args);
    const misplaced = args.kind.length > 0 ? 'kind' : args['no-remind'] ? 'no-remind' : (['webhook', 'hook', 'severity', 'on'] as const).find((name) => args[name] !== undefined);
    if (misplaced !== undefined) throw fieldInvalid(`--${misplaced}`, 'given', `it does not go with ${action}`);
    if (action === 'list') {
      if (who !== undefined) throw fieldInvalid('who', who, 'nothing with list');
      const response = await (await context.api()).call(alertService, 'ListAlertRoute', {});
      return answer(context, response, () => renderRoutes(context.terminal, response.routes));
    }
    if (who === undefined) throw fieldMissing('route', 'its number; see: reeve alert route list');
    const response = await (await context.api()).call(alertService, 'RemoveAlertRoute', { id: parseNumber('route', who, idBounds) });
    return answer(context, response, () => 'The route is removed.\n');
  },
});

/** Most that is read for a URL, bytes. */
const mostUrlBytes = 4096;

/** What is given for a new route. */
interface NewRoute {
  readonly who: string | undefined;
  readonly webhook: string | undefined;
  readonly hook: string | undefined;
  readonly kind: readonly string[];
  readonly severity: string | undefined;
  readonly on: string | undefined;
  readonly 'no-remind': boolean;
}

async function addRoute(context: Context, args: NewRoute): Promise<number> {
  const { who, webhook, hook } = args;
  const given = [who, webhook, hook].filter((text) => text !== undefined);
  if (given.length === 0) throw fieldMissing('who', 'the name of a person, --webhook URL or --hook NAME');
  if (given.length > 1) throw fieldInvalid('who', who ?? '', 'nobody together with --webhook or --hook');
  const target = {
    ...(who === undefined ? {} : { person: parsePersonName(who) }),
    ...(webhook === undefined ? {} : { webhook: parseWebhook(webhook === '-' ? await readUrl(context) : webhook) }),
    ...(hook === undefined ? {} : { hook: parseHookName(hook) }),
  };
  const request = { ...target, kinds: kindsOf(args.kind), severity: args.severity ?? '', selector: selectorText(args.on), noRemind: args['no-remind'] };
  const response = await (await context.api()).call(alertService, 'AddAlertRoute', request);
  return answer(context, response, () => renderRoute(context.terminal, response.route));
}

/** The URL of a webhook from standard input, or from the person at the terminal. Errors: FIELD_MISSING, LIMIT_EXCEEDED. */
async function readUrl({ terminal, json, signal }: Context): Promise<string> {
  const typed = !json && terminal.interactive ? await terminal.askSecret('URL of the webhook: ', signal) : await terminal.input(mostUrlBytes);
  if (typed === undefined) throw fieldMissing('standard input', 'nobody can be asked here; the URL of the webhook comes from a pipe or a file');
  return typed.trim();
}

const test = defineCommand({
  path: 'alert test',
  summary: 'Send a test message, and show what the other side said',
  text: 'It really goes out, now. Exit code 1 says that one was not taken.',
  positionals: { route: { text: 'Number of a route, or name of a person: all their routes' } },
  options: {},
  examples: [
    { line: 'reeve alert test ada', text: 'Does mail reach ada?' },
    { line: 'reeve alert test 3', text: 'Does route 3 work?' },
  ],
  run: async (context, args) => {
    const request = /^[0-9]/.test(args.route) ? { id: parseNumber('route', args.route, idBounds) } : { person: parsePersonName(args.route) };
    const response = await (await context.api()).call(alertService, 'TestAlertRoute', request);
    answer(context, response, () => renderTests(context.terminal, response.results));
    return response.results.every(({ ok }) => ok) ? 0 : 1;
  },
});

/** `reeve alert`. */
export const alertNoun: Noun = { name: 'alert', summary: 'Alerts: what is wrong, who is told, and who does not want to hear', commands: [list, mute, unmute, mutes, route, test] };
