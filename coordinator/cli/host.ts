import { ReeveError } from '../../shared/errors/error.js';
import type { DiskTrend } from '../../shared/gen/proto/reeve/coordinator/v1/DiskTrend.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { agentPort, formatEndpoint, parseEndpoint, parseHostName } from '../../shared/model/host.js';
import { parseHoldLength, parseHoldNoun, parseHoldReason } from '../../shared/model/hold.js';
import { formatLabel, parseLabel, parseLabelKey } from '../../shared/model/label.js';
import { parsePersonName } from '../../shared/model/person.js';
import { formatLink, linkKinds, type WireLink } from '../../shared/model/link.js';
import { vis } from '../../shared/model/vis.js';
import { toDuration } from '../../shared/rpc/time.js';
import { fileOptions, type FileArguments } from './add/from.js';
import { inviteFile } from './add/invite-file.js';
import { parseShared, type TargetArguments } from './add/option.js';
import { ansibleInventory } from './ansible.js';
import { answer } from './answer.js';
import { runChange } from './change.js';
import { defineCommand, hostPositional, on, type Noun } from './command.js';
import { sure } from './confirm.js';
import type { Context } from './context.js';
import { parseDuration, parseTtl } from '../../shared/model/duration.js';
import { add } from './host-add.js';
import { renderHost, renderHosts } from './host-text.js';
import { fingerprintsOf } from './key-file.js';
import { formatJson } from './json.js';
import { selectorText } from './selector.js';
import { hostService, metricService } from './service.js';
import { formatTime } from './time.js';

const presets = ['observe', 'minimal', 'web', 'standard', 'full'] as const;
const named = { host: hostPositional } as const;
const yes = { kind: 'flag', text: 'Ask nothing' } as const;

const invite = defineCommand({
  path: 'host invite',
  summary: 'Make a host and print the line that joins it',
  text: 'Run the printed line as root on the host before its token expires. For a host that has not joined yet, the new token replaces the old one.',
  positionals: { name: { text: 'Name of the host: lower-case DNS labels; not with --from', optional: true } },
  options: {
    address: { kind: 'value', value: 'IP[:PORT]', text: 'Where its agent listens (default: the address it joins from, port 7420)' },
    ttl: { kind: 'value', value: 'TIME', text: 'How long the token is good, 1m to 24h (default: 30m)' },
    policy: { kind: 'value', value: 'PRESET', choices: presets, text: 'Policy preset that the join line installs (default: observe)' },
    label: { kind: 'list', value: 'KEY=VALUE', text: 'A label; may be repeated' },
    parent: { kind: 'value', value: 'HOST', names: 'hosts', text: 'The host that this one lives on' },
    link: { kind: 'value', value: 'LINK', choices: linkKinds, text: 'How the coordinator reaches it: direct, through its parent, or through a connection that its agent keeps (default: direct)' },
    rejoin: { kind: 'flag', text: 'Let a host that has joined before join again with a new key' },
    ...fileOptions,
    out: { kind: 'value', value: 'FILE', text: 'With --from: write the tokens here as variables for Ansible, readable by you alone' },
  },
  exclusive: [['from', 'address']],
  examples: [
    { line: 'reeve host invite web1', text: 'Invite a host that may only be observed' },
    { line: 'reeve host invite web2 --policy web --label site=ams --ttl 2h', text: 'Invite a web server with a label' },
    { line: 'reeve host invite guest1 --link parent --parent vm1 --address 10.0.0.5', text: 'Invite a guest that only vm1 reaches' },
    { line: 'reeve host invite till7 --link dial-out', text: 'Invite a host behind a firewall that lets nothing in' },
    { line: 'reeve host invite --from hosts.yml --ttl 24h --out tokens.json', text: 'All hosts of an Ansible inventory, for the role in /usr/share/reeve/ansible' },
  ],
  run: async (context, args) => {
    if (args.from !== undefined) return inviteAll(context, { ...args, from: args.from });
    if (args.name === undefined) throw fieldMissing('the name of the host', 'NAME, or --from FILE for several');
    if (args.out !== undefined) throw fieldMissing('--from', 'the file of hosts that --out is for');
    const { name } = args;
    const request = {
      name: parseHostName(name),
      ...(args.address === undefined ? {} : { address: formatEndpoint(parseEndpoint(args.address, agentPort)) }),
      ...(args.ttl === undefined ? {} : { ttl: toDuration(parseTtl(args.ttl)) }),
      ...(args.policy === undefined ? {} : { policy: args.policy }),
      labels: args.label.map((text) => formatLabel(parseLabel(text))),
      ...(args.parent === undefined ? {} : { parent: hostRef(args.parent, 'parent') }),
      ...linkOf(args.link),
      rejoin: args.rejoin,
    };
    const response = await (await context.api()).call(hostService, 'InviteHost', request);
    if (!context.json) context.terminal.err(`Run this as root on ${name} before ${formatTime(response.expiresAt)}:\n`);
    return answer(context, response, () => `${vis(response.command)}\n`);
  },
});

function linkOf(text: string | undefined): { link?: WireLink } {
  const kind = linkKinds.find((known) => known === text);
  return kind === undefined ? {} : { link: formatLink(kind) };
}

async function inviteAll(context: Context, args: FileArguments & Pick<TargetArguments, 'policy' | 'label' | 'parent' | 'link'> & { name: string | undefined; ttl: string | undefined; rejoin: boolean; out: string | undefined }): Promise<number> {
  if (args.name !== undefined) throw fieldInvalid('name', args.name, 'it cannot stand with --from; the file names the hosts');
  const shared = parseShared({ ...args, identity: undefined, jump: undefined, 'jump-host-key': undefined, sudo: false });
  return inviteFile(context, { ...args, ttlMs: args.ttl === undefined ? undefined : parseTtl(args.ttl) }, shared);
}

/** A host's name or id as it was typed. Both have the grammar of names. */
function hostRef(text: string, field = 'host name'): string {
  return parseHostName(text, field);
}

const list = defineCommand({
  path: 'host list',
  summary: 'List the hosts',
  positionals: {},
  options: { on, retired: { kind: 'flag', text: 'Also retired hosts' }, ansible: { kind: 'flag', text: "As an Ansible inventory: a group per label and state (see /usr/share/reeve/ansible/inventory)" } },
  examples: [
    { line: 'reeve host list', text: 'All hosts' },
    { line: 'reeve host list --on site=ams --json', text: 'Those with a label, for a program' },
    { line: 'reeve host list --ansible', text: 'What ansible-playbook -i /usr/share/reeve/ansible/inventory reads' },
  ],
  run: async (context, args) => {
    const request = { selector: selectorText(args.on), retired: args.retired };
    const response = await (await context.api()).call(hostService, 'ListHost', request);
    if (args.ansible) {
      context.terminal.out(formatJson(ansibleInventory(response.hosts)));
      return 0;
    }
    return answer(context, response, () => renderHosts(context.terminal, response.hosts, context.clock.now()));
  },
});

const show = defineCommand({
  path: 'host show',
  summary: 'Show a host: state, facts, agent',
  positionals: named,
  options: {},
  examples: [{ line: 'reeve host show web1', text: 'Everything known of web1' }],
  run: async (context, args) => {
    const api = await context.api();
    const host = hostRef(args.host);
    const response = await api.call(hostService, 'GetHost', { name: host });
    const trends = await trendsOf(api, host);
    return answer(context, { ...response, trends }, () => renderHost(context.terminal, { ...response, trends }, context.clock.now()));
  },
});

/** Where the host's file systems go; a coordinator of an older release does not know. */
async function trendsOf(api: Awaited<ReturnType<Context['api']>>, host: string): Promise<DiskTrend[]> {
  try {
    return (await api.call(metricService, 'GetHistory', { host })).disks;
  } catch (error) {
    if (error instanceof ReeveError && error.code === 'VERSION_UNSUPPORTED') return [];
    throw error;
  }
}

const set = defineCommand({
  path: 'host set',
  summary: 'Alter name, address, labels, parent, link, owners or break-glass keys of a host',
  text: 'What is not named stays as it is. Owners and labels alter who gets in by SSH key; apart from that nothing changes on the host itself. It hears of another link when it renews its certificate, or at once by "dial-out yes" or "no" in its agent.conf.',
  positionals: named,
  options: {
    name: { kind: 'value', value: 'NAME', text: 'New name' },
    address: { kind: 'value', value: 'IP[:PORT]', text: 'New address of its agent' },
    label: { kind: 'list', value: 'KEY=VALUE', text: 'A label to add or replace; may be repeated' },
    unlabel: { kind: 'list', value: 'KEY', text: 'A label to take away; may be repeated' },
    parent: { kind: 'value', value: 'HOST', names: 'hosts', text: 'The host that this one lives on' },
    link: { kind: 'value', value: 'LINK', choices: linkKinds, text: 'How the coordinator reaches it: direct, through its parent, or through a connection that its agent keeps' },
    'no-parent': { kind: 'flag', text: 'It lives on no other host' },
    owner: { kind: 'list', value: 'PERSON', text: 'A person who may log in to all its managed users; may be repeated' },
    'no-owner': { kind: 'list', value: 'PERSON', text: 'A person who owns it no more; may be repeated' },
    'break-glass': { kind: 'list', value: 'KEY', text: 'A break-glass key, as fingerprint or file: the last one that gets in is not taken away by mistake; may be repeated' },
    'no-break-glass': { kind: 'list', value: 'KEY', text: 'A key that is no break-glass key any more; may be repeated' },
  },
  exclusive: [['parent', 'no-parent']],
  examples: [
    { line: 'reeve host set web1 --label site=ams --unlabel old', text: 'Alter two labels' },
    { line: 'reeve host set guest1 --parent vm1 --link parent', text: 'Reach guest1 through vm1' },
    { line: 'reeve host set web1 --owner ada --no-owner bob', text: 'Ada looks after web1 now' },
  ],
  run: async (context, args) => {
    const changes = {
      ...(args.name === undefined ? {} : { name: parseHostName(args.name) }),
      ...(args.address === undefined ? {} : { address: formatEndpoint(parseEndpoint(args.address, agentPort)) }),
      ...(args.label.length === 0 ? {} : { setLabels: args.label.map((text) => formatLabel(parseLabel(text))) }),
      ...(args.unlabel.length === 0 ? {} : { removeLabels: args.unlabel.map(parseLabelKey) }),
      ...(args.parent === undefined ? {} : { parent: hostRef(args.parent, 'parent') }),
      ...(args['no-parent'] ? { parent: '' } : {}),
      ...linkOf(args.link),
      ...(args.owner.length === 0 ? {} : { addOwners: args.owner.map((text) => parsePersonName(text)) }),
      ...(args['no-owner'].length === 0 ? {} : { removeOwners: args['no-owner'].map((text) => parsePersonName(text)) }),
      ...(args['break-glass'].length === 0 ? {} : { addBreakGlass: await fingerprintsOf(context, args['break-glass']) }),
      ...(args['no-break-glass'].length === 0 ? {} : { removeBreakGlass: await fingerprintsOf(context, args['no-break-glass']) }),
    };
    if (Object.keys(changes).length === 0) throw fieldMissing('the alteration', 'at least one of --name, --address, --label, --unlabel, --parent, --no-parent, --link, --[no-]owner and --[no-]break-glass');
    const response = await (await context.api()).call(hostService, 'SetHost', { host: hostRef(args.host), ...changes });
    return answer(context, response, () => renderHost(context.terminal, { host: response.host, facts: null, status: null, factsLossy: false }, context.clock.now()));
  },
});

const retire = defineCommand({
  path: 'host retire',
  summary: 'Take a host out of the fleet for ever',
  text: 'Its certificate is revoked and its id is never used again; its name is free. Nothing changes on the host itself.',
  positionals: named,
  options: { yes },
  examples: [{ line: 'reeve host retire web1', text: 'Retire web1, after a question' }],
  run: async (context, args) => {
    const host = hostRef(args.host);
    await sure(context, args, `Retire host "${host}" for ever?`);
    const response = await (await context.api()).call(hostService, 'RetireHost', { host });
    return answer(context, response, () => `Host "${host}" is retired.\n`);
  },
});

const release = defineCommand({
  path: 'host release',
  summary: 'Let go of a host: what Reeve manages there stays, and works without it',
  text: 'Accounts stay exactly as they are, also locked ones. When the agent has acknowledged it, the host is retired, and "apt purge reeve-agent" on it leaves nothing running. A host that cannot be reached stays, and is released when it returns; to only forget it: reeve host retire',
  positionals: named,
  options: {
    noun: { kind: 'value', value: 'NOUN', text: 'Only this noun; the host stays managed for the rest' },
    cancel: { kind: 'flag', text: 'Take back a release that is still pending' },
    plan: { kind: 'flag', text: 'Only show what would change' },
    yes,
  },
  exclusive: [['cancel', 'noun'], ['cancel', 'plan']],
  examples: [
    { line: 'reeve host release web1', text: 'Let go of web1, after showing what that means' },
    { line: 'reeve host release web1 --noun user --yes', text: 'Manage its users by hand from now on' },
  ],
  run: async (context, args) => {
    const request = { host: hostRef(args.host), noun: args.noun ?? '', cancel: args.cancel };
    const flags = { plan: args.plan, stage: false, yes: args.yes || args.cancel };
    return runChange(context, flags, (api, options) => api.stream(hostService, 'ReleaseHost', { options, ...request }));
  },
});

const revoke = defineCommand({
  path: 'host revoke',
  summary: 'Revoke the certificates of a host at once',
  text: 'Its connections are closed within 15 seconds. Nothing changes on the host itself. It comes back with: reeve host invite HOST --rejoin',
  positionals: named,
  options: { yes },
  examples: [{ line: 'reeve host revoke web1 --yes', text: 'Cut web1 off without a question' }],
  run: async (context, args) => {
    const host = hostRef(args.host);
    await sure(context, args, `Revoke the certificates of host "${host}"?`);
    const response = await (await context.api()).call(hostService, 'RevokeHost', { host });
    return answer(context, response, () => `Host "${host}" is revoked.\n`);
  },
});

const readmit = defineCommand({
  path: 'host readmit',
  summary: 'Let hosts with a long expired certificate come back',
  text: 'Needed when a certificate expired more than 30 days ago. The hosts may come back with their last key for one hour.',
  positionals: { selector: { text: 'Which hosts: NAME, LABEL=VALUE or all', optional: true, names: 'hosts' } },
  options: { all: { kind: 'flag', text: 'All hosts' } },
  examples: [
    { line: 'reeve host readmit web1', text: 'Let web1 come back' },
    { line: 'reeve host readmit --all', text: 'Let every host come back' },
  ],
  run: async (context, args) => {
    if ((args.selector === undefined) !== args.all) throw fieldMissing('the host', 'either a selector or --all');
    const response = await (await context.api()).call(hostService, 'ReadmitHost', { selector: args.all ? 'all' : selectorText(args.selector) });
    const hosts = response.hosts.map((name) => `${vis(name)}\n`).join('');
    return answer(context, response, () => (hosts === '' ? 'No host needs to be readmitted.\n' : `These hosts may come back within the next hour:\n${hosts}`));
  },
});

const hold = defineCommand({
  path: 'host hold',
  summary: 'Hold a host for a while, or end that',
  text:
    'Until the hold ends, nothing but removal of access (locking and removing users, taking groups away) is applied to the host. Commands plan, show and store as ever; what they ' +
    'store stays pending and is applied when the hold has ended, which it does by itself. A hold that root of the host has set with "reeve-agent hold" is ended there only.',
  positionals: named,
  options: {
    for: { kind: 'value', value: 'TIME', text: 'How long, 1m to 30d' },
    reason: { kind: 'value', value: 'TEXT', text: 'Why, at most 200 characters' },
    noun: { kind: 'value', value: 'NOUN', text: 'Only this noun, e.g. user' },
    end: { kind: 'flag', text: 'End the hold now, or with --noun that of the noun' },
  },
  exclusive: [['end', 'for'], ['end', 'reason']],
  examples: [
    { line: "reeve host hold web1 --for 4h --reason 'disk swap'", text: 'Leave web1 alone for four hours' },
    { line: "reeve host hold web1 --noun user --for 2d --reason 'audit of accounts'", text: 'Hold only its users' },
    { line: 'reeve host hold web1 --end', text: 'End all holds of web1; what is pending is applied' },
  ],
  run: async (context, args) => {
    const request = { host: hostRef(args.host), noun: parseHoldNoun(args.noun ?? '') };
    if (args.end) {
      const response = await (await context.api()).call(hostService, 'UnholdHost', request);
      const local = response.host?.holds.some((left) => left.local) === true ? ' The host has a hold of its own, which its root ends: reeve-agent hold --end' : '';
      return answer(context, response, () => `${response.ended === 0 ? 'There was no hold to end.' : 'The hold has ended; what is pending is applied.'}${local}\n`);
    }
    if (args.for === undefined) throw fieldMissing('--for', '1m to 30d');
    const duration = toDuration(parseHoldLength(parseDuration('length of the hold', args.for)));
    const response = await (await context.api()).call(hostService, 'HoldHost', { ...request, duration, reason: parseHoldReason(args.reason ?? '') });
    return answer(context, response, () => renderHost(context.terminal, { host: response.host, facts: null, status: null, factsLossy: false }, context.clock.now()));
  },
});

/** `reeve host`. */
export const hostNoun: Noun = { name: 'host', summary: 'Hosts: the machines of the fleet', commands: [add, invite, list, show, set, release, retire, revoke, readmit, hold] };
