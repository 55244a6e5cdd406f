import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseHoldReason } from '../../shared/model/hold.js';
import { parseGroupName, parsePersonName } from '../../shared/model/person.js';
import { formatUser, parseAccountName, parseUserName } from '../../shared/model/user.js';
import { answer } from './answer.js';
import { runChange } from './change.js';
import { changeExclusive, changeOptions, defineCommand, force, on, type Noun } from './command.js';
import { endExclusive, endOptions, parseEnd } from './end.js';
import { renderGrant, renderGrants } from './grant-text.js';
import { fingerprintText } from './key.js';
import { parseNumber } from './number.js';
import { selectorText } from './selector.js';
import { grantService } from './service.js';

const id = { text: 'Number of the grant' } as const;
const subject = {
  group: { kind: 'value', value: 'NAME', text: 'A group, instead of a person' },
  key: { kind: 'value', value: 'FINGERPRINT', text: 'A single key, instead of a person' },
} as const;
const reason = { kind: 'value', value: 'TEXT', text: 'Why, at most 200 characters' } as const;

/** Numbers of grants. */
const ids = { min: 1, max: 4_294_967_295 };

function subjectOf(args: { person: string | undefined; group: string | undefined; key: string | undefined }): { person?: string; group?: string; key?: string } {
  return {
    ...(args.person === undefined ? {} : { person: parsePersonName(args.person) }),
    ...(args.group === undefined ? {} : { group: parseGroupName(args.group) }),
    ...(args.key === undefined ? {} : { key: fingerprintText(args.key) }),
  };
}

function reasonOf(args: { reason: string | undefined }): { reason?: string } {
  return args.reason === undefined ? {} : { reason: parseHoldReason(args.reason) };
}

const add = defineCommand({
  path: 'grant add',
  summary: 'Let a person, a group or a key log in to hosts',
  text: 'Without --user it is for all users that Reeve manages there. A label stands for the hosts that have it at any time, also those that come later.',
  positionals: { person: { text: 'Name of the person; or --group or --key', optional: true } },
  options: {
    ...subject,
    on: { ...on, required: true },
    user: { kind: 'value', value: 'NAME', text: 'Only this user of the hosts' },
    create: { kind: 'flag', text: 'Make --user on the hosts that have the label now, like "reeve user add"' },
    reason,
    ...endOptions,
    ...changeOptions,
  },
  exclusive: [['group', 'key'], ...endExclusive, ...changeExclusive],
  examples: [
    { line: "reeve grant add ada --on role=web --user ada --create --for 8h --reason 'disk swap'", text: 'An account of her own for ada on the web servers, for a day' },
    { line: 'reeve grant add --group ops --on web1', text: 'Let ops in to all managed users of web1' },
    { line: 'reeve grant add --key SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA --on web1 --user deploy', text: 'Let one key in to one user' },
  ],
  run: async (context, args) => {
    const who = subjectOf(args);
    if (Object.keys(who).length !== 1) throw fieldMissing('who gets in', 'exactly one of NAME, --group and --key');
    if (args.create && args.user === undefined) throw fieldMissing('--user', 'the user that --create makes');
    const user = args.user === undefined ? '' : parseAccountName(args.user);
    const create = args.create ? formatUser({ presence: 'present', name: parseUserName(user), account: { kind: 'home', uid: undefined, shell: '/bin/bash', comment: '', groups: [] } }) : null;
    const request = { ...who, selector: selectorText(args.on), user, create, ...reasonOf(args), ...parseEnd(context, args) };
    return runChange(context, args, (api, options) => api.stream(grantService, 'AddGrant', { options, ...request }));
  },
});

const set = defineCommand({
  path: 'grant set',
  summary: 'Alter the end or the reason of a grant',
  positionals: { id },
  options: { ...endOptions, 'no-end': { kind: 'flag', text: 'Takes the end away' }, reason, ...changeOptions },
  exclusive: [...endExclusive, ['no-end', 'for'], ['no-end', 'until'], ...changeExclusive],
  examples: [{ line: 'reeve grant set 12 --for 2h', text: 'Two hours more' }],
  run: async (context, args) => {
    const edit = { ...parseEnd(context, args), ...(args['no-end'] ? { noEnd: true } : {}), ...reasonOf(args) };
    if (Object.keys(edit).length === 0) throw fieldMissing('the alteration', 'at least one of --for, --until, --no-end and --reason');
    const request = { id: parseNumber('number of the grant', args.id, ids), ...edit };
    return runChange(context, args, (api, options) => api.stream(grantService, 'SetGrant', { options, ...request }));
  },
});

const remove = defineCommand({
  path: 'grant remove',
  summary: 'Take a grant away',
  positionals: { id },
  options: { force, ...changeOptions },
  exclusive: changeExclusive,
  examples: [{ line: 'reeve grant remove 12', text: 'Take grant 12 away, after showing what that changes' }],
  run: async (context, args) => {
    const request = { id: parseNumber('number of the grant', args.id, ids), force: args.force };
    return runChange(context, args, (api, options) => api.stream(grantService, 'RemoveGrant', { options, ...request }));
  },
});

const list = defineCommand({
  path: 'grant list',
  summary: 'List the grants',
  positionals: {},
  options: { person: { kind: 'value', value: 'NAME', text: 'Only those of this person' }, ...subject, on },
  examples: [{ line: 'reeve grant list --on web1', text: 'The grants that reach web1' }],
  run: async (context, args) => {
    const request = { ...subjectOf(args), selector: selectorText(args.on) };
    if (Object.keys(request).length > 2) throw fieldInvalid('grants', Object.keys(request).join(', '), 'of one person, one group or one key');
    const response = await (await context.api()).call(grantService, 'ListGrant', request);
    return answer(context, response, () => renderGrants(context.terminal, response.grants));
  },
});

const show = defineCommand({
  path: 'grant show',
  summary: 'Show a grant and the hosts that it reaches',
  positionals: { id },
  options: {},
  examples: [{ line: 'reeve grant show 12', text: 'Where does grant 12 let in, and why was it given?' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(grantService, 'GetGrant', { id: parseNumber('number of the grant', args.id, ids) });
    return answer(context, response, () => renderGrant(context.terminal, response));
  },
});

/** `reeve grant`. */
export const grantNoun: Noun = { name: 'grant', summary: 'Grants: who may log in where', commands: [add, set, remove, list, show] };
