import { fieldMissing } from '../../shared/model/field.js';
import { parseDisplayName, parseMail, parsePersonName } from '../../shared/model/person.js';
import { answer } from './answer.js';
import { runChange } from './change.js';
import { changeExclusive, changeOptions, defineCommand, force, type Noun } from './command.js';
import { endExclusive, endOptions, parseEnd } from './end.js';
import { renderPerson, renderPersons } from './person-text.js';
import { personService } from './service.js';

const name = { text: 'Name of the person' } as const;
const about = {
  name: { kind: 'value', value: 'TEXT', text: 'Name for people, e.g. the full name' },
  mail: { kind: 'value', value: 'ADDRESS', text: 'Mail address' },
} as const;

const add = defineCommand({
  path: 'person add',
  summary: 'Add a person',
  text: 'A person has keys ("reeve key add"), and gets in where a grant says so ("reeve grant add").',
  positionals: { person: name },
  options: { ...about, ...endOptions, ...changeOptions },
  exclusive: [...endExclusive, ...changeExclusive],
  examples: [
    { line: "reeve person add ada --name 'Ada Lovelace' --mail ada@example.org --yes", text: 'Add ada' },
    { line: 'reeve person add intern7 --for 90d', text: 'Add somebody who gets in nowhere after 90 days' },
  ],
  run: async (context, args) => {
    const request = { name: parsePersonName(args.person), displayName: parseDisplayName(args.name ?? ''), mail: parseMail(args.mail ?? ''), ...parseEnd(context, args) };
    return runChange(context, args, (api, options) => api.stream(personService, 'AddPerson', { options, ...request }));
  },
});

const set = defineCommand({
  path: 'person set',
  summary: 'Alter a person',
  text: 'What is not named stays as it is. Somebody who has to be kept out at once is revoked: see "reeve revoke"',
  positionals: { person: name },
  options: {
    ...about,
    ...endOptions,
    'no-end': { kind: 'flag', text: 'Takes the end away' },
    active: { kind: 'flag', text: 'Let a revoked person in again' },
    inactive: { kind: 'flag', text: 'Let the person in nowhere' },
    force,
    ...changeOptions,
  },
  exclusive: [...endExclusive, ['no-end', 'for'], ['no-end', 'until'], ['active', 'inactive'], ...changeExclusive],
  examples: [
    { line: 'reeve person set ada --until 2027-01-01', text: 'Let ada in until the new year' },
    { line: 'reeve person set ada --active', text: 'Let ada in again who was revoked' },
  ],
  run: async (context, args) => {
    const edit = {
      ...(args.name === undefined ? {} : { displayName: parseDisplayName(args.name) }),
      ...(args.mail === undefined ? {} : { mail: parseMail(args.mail) }),
      ...parseEnd(context, args),
      ...(args['no-end'] ? { noEnd: true } : {}),
      ...(args.active || args.inactive ? { active: args.active } : {}),
    };
    if (Object.keys(edit).length === 0) throw fieldMissing('the alteration', 'at least one of --name, --mail, --for, --until, --no-end, --active and --inactive');
    const request = { name: parsePersonName(args.person), force: args.force, ...edit };
    return runChange(context, args, (api, options) => api.stream(personService, 'SetPerson', { options, ...request }));
  },
});

const remove = defineCommand({
  path: 'person remove',
  summary: 'Forget a person, with keys, memberships, grants and ownerships',
  positionals: { person: name },
  options: { force, ...changeOptions },
  exclusive: changeExclusive,
  examples: [{ line: 'reeve person remove ada', text: 'Forget ada, after showing where she gets in no more' }],
  run: async (context, args) => {
    const request = { name: parsePersonName(args.person), force: args.force };
    return runChange(context, args, (api, options) => api.stream(personService, 'RemovePerson', { options, ...request }));
  },
});

const list = defineCommand({
  path: 'person list',
  summary: 'List the persons',
  positionals: {},
  options: {},
  examples: [{ line: 'reeve person list', text: 'All persons' }],
  run: async (context) => {
    const response = await (await context.api()).call(personService, 'ListPerson', {});
    return answer(context, response, () => renderPersons(context.terminal, response.persons));
  },
});

const show = defineCommand({
  path: 'person show',
  summary: 'Show a person with keys, groups and grants',
  positionals: { person: name },
  options: {},
  examples: [{ line: 'reeve person show ada', text: 'Everything known of ada; where she gets in: reeve access ada' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(personService, 'GetPerson', { name: parsePersonName(args.person) });
    return answer(context, response, () => renderPerson(context.terminal, response));
  },
});

/** `reeve person`. */
export const personNoun: Noun = { name: 'person', summary: 'Persons: the humans behind SSH keys', commands: [add, set, remove, list, show] };
