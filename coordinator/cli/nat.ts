import { fieldInvalid } from '../../shared/model/field.js';
import { parseHostName } from '../../shared/model/host.js';
import { answer } from './answer.js';
import { requireDecided, runChange, type ChangeFlags } from './change.js';
import { changeOptions, defineCommand, hostPositional, on, type Command, type Noun } from './command.js';
import type { Context } from './context.js';
import { renderLeftBehind } from './nat-foreign-text.js';
import {
  confirmOptions, natExclusive, parseAdoptable, parseCommentArgument, parseConfirm, parseForwardArguments, parseMasqueradeArguments, parsePacketArguments, parseWhich, parseWirePort,
} from './nat-input.js';
import { renderManagedNat, renderObservedNat, renderTrace } from './nat-text.js';
import { selectorText } from './selector.js';
import { natService } from './service.js';

const which = { text: 'Its number, or tcp/PORT or udp/PORT', names: 'forwards' } as const;
const shared = {
  comment: { kind: 'value', value: 'TEXT', text: 'What it is for, at most 200 characters' },
  disabled: { kind: 'flag', text: 'Only keep it in the inventory; see: reeve nat enable' },
  ...confirmOptions,
  ...changeOptions,
} as const;

const add = defineCommand({
  path: 'nat add',
  summary: 'Forward a port of a host to another machine',
  text:
    'The destination is a host of the inventory that lives on this one (its address is followed), or an address that the policy of the host allows. The ports of sshd and of Reeve are never forwarded. ' +
    'The host takes the change back unless it is confirmed: the coordinator does when every agent that it reached through the host answers again and another agent still sees sshd; a person may instead, with --confirm manual.',
  positionals: { host: hostPositional },
  options: {
    proto: { kind: 'value', value: 'PROTOCOL', text: 'The protocol', choices: ['tcp', 'udp'], required: true },
    port: { kind: 'value', value: 'PORT', text: 'The port of the host, or several in a row: 8000-8090', required: true },
    to: { kind: 'value', value: 'WHERE', text: 'NAME:PORT, ADDRESS:PORT or [IPV6]:PORT; as many ports as --port, or one', required: true },
    listen: { kind: 'value', value: 'ADDRESS', text: 'Only this address of the host (default: any but loopback)' },
    interface: { kind: 'value', value: 'NAME', text: 'Only what comes in through this interface' },
    source: { kind: 'list', value: 'NETWORK', text: 'Only from this network or address; may be repeated' },
    'no-hairpin': { kind: 'flag', text: "Not for machines in the destination's own network" },
    ...shared,
  },
  exclusive: [['listen', 'interface'], ...natExclusive],
  examples: [
    { line: 'reeve nat add vm1 --proto tcp --port 8080 --to web1:80', text: 'Port 8080 of vm1 leads to port 80 of its guest web1' },
    { line: "reeve nat add vm1 --proto udp --port 5000-5090 --to 198.19.200.2:5000-5090 --source 203.0.113.0/24 --comment 'phones'", text: 'A range, for one network only' },
    { line: 'reeve nat add vm1 --proto tcp --port 443 --to [2001:db8::7]:443 --interface eth0', text: 'IPv6, by one interface' },
    { line: 'reeve nat add vm1 --proto tcp --port 8080 --to web1:80 --confirm manual --confirm-timeout 5m --yes', text: 'Look yourself, then: reeve nat confirm vm1' },
  ],
  run: async (context, args) => {
    const request = { host: parseHostName(args.host), ...parseForwardArguments(args), ...parseCommentArgument(args), disabled: args.disabled, ...parseConfirm(args) };
    return runChange(context, args, (api, options) => api.stream(natService, 'AddForward', { options, ...request }));
  },
});

const masquerade = defineCommand({
  path: 'nat masquerade',
  summary: 'Let machines behind a host reach out with its address',
  positionals: { host: hostPositional },
  options: {
    source: { kind: 'value', value: 'NETWORK', text: 'The network of the machines', required: true },
    interface: { kind: 'value', value: 'NAME', text: 'Only what goes out through this interface (default: any)' },
    address: { kind: 'value', value: 'ADDRESS', text: 'The address they get (default: that of the interface)' },
    ...shared,
  },
  exclusive: natExclusive,
  examples: [{ line: 'reeve nat masquerade vm1 --source 198.19.200.0/24 --interface eth0', text: 'The guests of vm1 reach the internet' }],
  run: async (context, args) => {
    const request = { host: parseHostName(args.host), masquerade: parseMasqueradeArguments(args), ...parseCommentArgument(args), disabled: args.disabled, ...parseConfirm(args) };
    return runChange(context, args, (api, options) => api.stream(natService, 'AddMasquerade', { options, ...request }));
  },
});

const remove = defineCommand({
  path: 'nat remove',
  summary: 'Remove a forward or a masquerade',
  positionals: { host: hostPositional, which },
  options: { ...confirmOptions, ...changeOptions },
  exclusive: natExclusive,
  examples: [{ line: 'reeve nat remove vm1 tcp/8080', text: 'Port 8080 of vm1 is no longer forwarded' }],
  run: async (context, args) => {
    const request = { host: parseHostName(args.host), which: parseWhich(args.which), ...parseConfirm(args) };
    return runChange(context, args, (api, options) => api.stream(natService, 'RemoveNat', { options, ...request }));
  },
});

/** `enable` or `disable`. */
function setCommand(enabled: boolean, words: { readonly summary: string; readonly example: string }): Command {
  const verb = enabled ? 'enable' : 'disable';
  return defineCommand({
    path: `nat ${verb}`,
    summary: words.summary,
    positionals: { host: hostPositional, which },
    options: { ...confirmOptions, ...changeOptions },
    exclusive: natExclusive,
    examples: [{ line: `reeve nat ${verb} vm1 tcp/8080`, text: words.example }],
    run: async (context, args) => {
      const request = { host: parseHostName(args.host), which: parseWhich(args.which), enabled, ...parseConfirm(args) };
      return runChange(context, args, (api, options) => api.stream(natService, 'SetNat', { options, ...request }));
    },
  });
}

const enable = setCommand(true, { summary: 'Make a forward or masquerade that was disabled', example: 'Port 8080 of vm1 is forwarded again' });
const disable = setCommand(false, { summary: 'Keep a forward or masquerade in the inventory, but do not make it', example: 'Close port 8080 of vm1 for a while' });

const list = defineCommand({
  path: 'nat list',
  summary: 'List forwards and masquerades as they should be, and how much they were used',
  text: 'Counters are asked of the hosts; those that do not answer have none.',
  positionals: { host: { text: 'Name of a host; or --on', optional: true, names: 'hosts' } },
  options: { on },
  examples: [
    { line: 'reeve nat list', text: 'All forwards of the fleet' },
    { line: 'reeve nat list vm1', text: 'Those of vm1' },
  ],
  run: async (context, args) => {
    if (args.host !== undefined && args.on !== undefined) throw fieldInvalid('--on', args.on, 'it cannot stand with the name of a host');
    const selector = args.host === undefined ? selectorText(args.on) : parseHostName(args.host);
    const response = await (await context.api()).call(natService, 'ListNat', { selector, counters: true });
    return answer(context, response, () => renderManagedNat(context.terminal, response.rows, 'No forwards. To add one: reeve nat add HOST --proto tcp --port PORT --to NAME:PORT'));
  },
});

const show = defineCommand({
  path: 'nat show',
  summary: 'Show what a host forwards and masquerades, asked of it now',
  text: 'Also what others made there: who, whether it can be taken over, which files make it again at the next start, and which files the agent may not read.',
  positionals: { host: hostPositional },
  options: {},
  examples: [{ line: 'reeve nat show vm1', text: 'What does vm1 forward, and who made it?' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(natService, 'ObserveNat', { host: parseHostName(args.host), foreign: true });
    return answer(context, response, () => renderObservedNat(context.terminal, response));
  },
});

const adopt = defineCommand({
  path: 'nat adopt',
  summary: 'Take over forwards and masquerades that others made on a host',
  text:
    'In one change Reeve makes the same in its own table and, once that is confirmed, deletes the rule that stood there. What cannot be taken over is shown with the reason and stays. ' +
    'Lines of files that make a rule again at the next start are named: take them out on the host.',
  positionals: { host: hostPositional, which: { text: 'Only these: tcp/PORT, udp/PORT or masquerade:NETWORK', many: true } },
  options: { all: { kind: 'flag', text: 'All that can be taken over (default)' }, ...confirmOptions, ...changeOptions },
  exclusive: natExclusive,
  examples: [
    { line: 'reeve nat adopt vm1 --plan', text: 'See what taking over all of them would do' },
    { line: 'reeve nat adopt vm1 tcp/8080 masquerade:198.19.200.0/24', text: 'Take over one forward and one masquerade' },
  ],
  run: async (context, args) => {
    if (args.all && args.which.length > 0) throw fieldInvalid('--all', 'given', 'it cannot stand with single ones');
    const named = args.which.map(parseAdoptable);
    return runAdopt(context, args, { host: parseHostName(args.host), which: named, ...parseConfirm(args) });
  },
});

/** Shows what is left behind, then takes over the rest; with --json what others made stands in the document of the change. */
async function runAdopt(context: Context, flags: ChangeFlags, request: { readonly host: string; readonly which: string[] }): Promise<number> {
  requireDecided(context, flags);
  const { foreign, unread, truncated } = await (await context.api()).call(natService, 'ObserveNat', { host: request.host, foreign: true });
  if (!context.json) context.terminal.out(renderLeftBehind(context.terminal, { foreign, unread, truncated }, request.which));
  return runChange(context, flags, (api, options) => api.stream(natService, 'AdoptNat', { options, ...request }), { foreign, unread, truncated });
}

const trace = defineCommand({
  path: 'nat trace',
  summary: 'Show which rules of a host a packet would meet, Reeve\'s and others\'',
  text: 'Nothing is sent: the host evaluates the rules that it has now. A rule that Reeve does not understand is shown as one that may match.',
  positionals: { host: hostPositional, port: { text: 'Where it goes: tcp/PORT or udp/PORT', names: 'forwards' } },
  options: {
    from: { kind: 'value', value: 'ADDRESS', text: 'Where it comes from', required: true },
    'to-address': { kind: 'value', value: 'ADDRESS', text: 'The address of the host that it goes to (default: the one that it would use)' },
  },
  examples: [{ line: 'reeve nat trace vm1 tcp/8080 --from 203.0.113.9', text: 'Does this machine reach port 8080, and if not, which rule is in the way?' }],
  run: async (context, args) => {
    const request = { host: parseHostName(args.host), ...parseWirePort('port', args.port), ...parsePacketArguments(args) };
    const response = await (await context.api()).call(natService, 'TraceNat', request);
    return answer(context, response, () => renderTrace(context.terminal, request, response));
  },
});

const confirm = defineCommand({
  path: 'nat confirm',
  summary: 'Confirm the change of a host that waits for a person',
  text: 'It was made with --confirm manual. Look first whether you still reach what you need: what is confirmed stays.',
  positionals: { host: hostPositional },
  options: {},
  examples: [{ line: 'reeve nat confirm vm1', text: 'The change of vm1 stays' }],
  run: async (context, args) => {
    const host = parseHostName(args.host);
    const response = await (await context.api()).call(natService, 'ConfirmNat', { host });
    return answer(context, response, () => `The change of host "${host}" is confirmed.\n`);
  },
});

/** `reeve nat`. */
export const natNoun: Noun = { name: 'nat', summary: 'Port forwards and masquerading', commands: [add, masquerade, remove, enable, disable, list, show, adopt, trace, confirm] };
