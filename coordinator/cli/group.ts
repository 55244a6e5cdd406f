import type { Group } from '../../shared/gen/proto/reeve/coordinator/v1/Group.js';
import type { GroupMember } from '../../shared/gen/proto/reeve/coordinator/v1/GroupMember.js';
import { parseHostName } from '../../shared/model/host.js';
import { parseGroupName, parsePersonName } from '../../shared/model/person.js';
import { answer } from './answer.js';
import { runChange } from './change.js';
import { changeExclusive, changeOptions, defineCommand, force, type Noun } from './command.js';
import { endExclusive, endOptions, parseEnd } from './end.js';
import { fingerprintText } from './key.js';
import { groupService } from './service.js';
import { renderFields, renderTable, type Cell } from './table.js';
import type { Terminal } from './terminal.js';
import { formatTime } from './time.js';

const name = { text: 'Name of the group' } as const;
const members = {
  person: { kind: 'list', value: 'NAME', text: 'A person: all their keys; may be repeated' },
  host: { kind: 'list', value: 'HOST', names: 'hosts', text: 'A host: all keys of users on it; may be repeated' },
  key: { kind: 'list', value: 'FINGERPRINT', text: 'A single key; may be repeated' },
} as const;

function membersOf(args: Readonly<Record<keyof typeof members, readonly string[]>>): { persons: string[]; hosts: string[]; keys: string[] } {
  return { persons: args.person.map((text) => parsePersonName(text)), hosts: args.host.map((text) => parseHostName(text)), keys: args.key.map(fingerprintText) };
}

const add = defineCommand({
  path: 'group add',
  summary: 'Make a group, or add members to one',
  positionals: { group: name },
  options: { ...members, ...endOptions, ...changeOptions },
  exclusive: [...endExclusive, ...changeExclusive],
  examples: [
    { line: 'reeve group add ops --person ada --person bob', text: 'Make the group ops of two persons' },
    { line: 'reeve group add ops --person carol --for 8h', text: 'Let carol stand in for a day' },
  ],
  run: async (context, args) => {
    const request = { name: parseGroupName(args.group), ...membersOf(args), ...parseEnd(context, args) };
    return runChange(context, args, (api, options) => api.stream(groupService, 'AddGroup', { options, ...request }));
  },
});

const remove = defineCommand({
  path: 'group remove',
  summary: 'Take members out of a group, or the whole group away',
  positionals: { group: name },
  options: { ...members, 'with-grants': { kind: 'flag', text: 'With the whole group: its grants too' }, force, ...changeOptions },
  exclusive: changeExclusive,
  examples: [
    { line: 'reeve group remove ops --person ada', text: 'Ada leaves ops' },
    { line: 'reeve group remove ops --with-grants', text: 'Take the whole group away' },
  ],
  run: async (context, args) => {
    const request = { name: parseGroupName(args.group), ...membersOf(args), withGrants: args['with-grants'], force: args.force };
    return runChange(context, args, (api, options) => api.stream(groupService, 'RemoveGroup', { options, ...request }));
  },
});

const list = defineCommand({
  path: 'group list',
  summary: 'List the groups',
  positionals: {},
  options: {},
  examples: [{ line: 'reeve group list', text: 'All groups' }],
  run: async (context) => {
    const response = await (await context.api()).call(groupService, 'ListGroup', {});
    return answer(context, response, () => renderGroups(context.terminal, response.groups));
  },
});

const show = defineCommand({
  path: 'group show',
  summary: 'Show a group',
  positionals: { group: name },
  options: {},
  examples: [{ line: 'reeve group show ops', text: 'Who is in ops?' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(groupService, 'GetGroup', { name: parseGroupName(args.group) });
    return answer(context, response, () => (response.group === null ? '' : renderGroup(context.terminal, response.group)));
  },
});

function memberText(member: GroupMember): string {
  if (member.person !== '') return member.person;
  return member.host === '' ? member.key : `host ${member.host}`;
}

function renderGroups(terminal: Pick<Terminal, 'color'>, groups: readonly Group[]): string {
  const rows = groups.map((group): Cell[] => [group.name, group.members.map(memberText).join(', '), group.grants.map(String).join(', ')]);
  return renderTable(terminal, ['group', 'members', 'grants'], rows, 'No groups. To make one: reeve group add NAME --person PERSON');
}

function renderGroup(terminal: Pick<Terminal, 'color'>, group: Group): string {
  return renderFields(terminal, [
    ['group', group.name],
    ...group.members.map((member) => ['member', member.expiresAt === null ? memberText(member) : `${memberText(member)} until ${formatTime(member.expiresAt)}`] as const),
    ['grants', group.grants.map(String).join(', ')],
  ]);
}

/** `reeve group`. */
export const groupNoun: Noun = { name: 'group', summary: 'Groups of persons, hosts and single keys, for grants', commands: [add, remove, list, show] };
