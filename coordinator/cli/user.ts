import { parseHostName } from '../../shared/model/host.js';
import { formatUser, parseAccountName, parseComment, parseGroups, parseShell, parseUid, parseUserName } from '../../shared/model/user.js';
import { answer } from './answer.js';
import { runChange } from './change.js';
import { changeExclusive, changeOptions, defineCommand, force, hostPositional, on, type Noun } from './command.js';
import { parseNumber } from './number.js';
import { selectorText } from './selector.js';
import { userService } from './service.js';
import { renderManagedUsers, renderObservedUsers } from './user-text.js';

const name = { text: 'Name of the user' } as const;
const onHosts = { ...on, required: true } as const;
const defaultShells = { home: '/bin/bash', system: '/usr/sbin/nologin' } as const;

const add = defineCommand({
  path: 'user add',
  summary: 'Make an account on hosts, or alter one that Reeve made',
  text: 'The account is made with the next free uid of the host\'s policy unless --uid is given. An account that exists and is not Reeve\'s is refused; see: reeve user adopt',
  positionals: { name },
  options: {
    on: onHosts,
    uid: { kind: 'value', value: 'N', text: 'Its uid, when it is made' },
    shell: { kind: 'value', value: 'PATH', text: 'Login shell (default: /bin/bash, with --system /usr/sbin/nologin)' },
    groups: { kind: 'value', value: 'NAME,...', text: 'Supplementary groups' },
    comment: { kind: 'value', value: 'TEXT', text: 'Comment, e.g. the full name' },
    home: { kind: 'flag', text: 'An account with a home below /home (default)' },
    system: { kind: 'flag', text: 'An account for a service, without a home' },
    ...changeOptions,
  },
  exclusive: [['home', 'system'], ...changeExclusive],
  examples: [
    { line: 'reeve user add ada --on all --groups www-data', text: 'Make ada everywhere, after showing what that changes' },
    { line: 'reeve user add backup2 --on role=db --system --yes', text: 'Make an account for a service without a question' },
  ],
  run: async (context, args) => {
    const kind = args.system ? 'system' : 'home';
    const user = formatUser({
      presence: 'present',
      name: parseUserName(args.name),
      account: {
        kind,
        uid: args.uid === undefined ? undefined : parseUid(parseNumber('uid', args.uid, { min: 0, max: 4294967295 })),
        shell: parseShell(args.shell ?? defaultShells[kind]),
        comment: parseComment(args.comment ?? ''),
        groups: parseGroups((args.groups ?? '').split(',').filter((group, _index, all) => all.length > 1 || group !== '')),
      },
    });
    const selector = selectorText(args.on);
    return runChange(context, args, (api, options) => api.stream(userService, 'AddUser', { options, selector, user }));
  },
});

const lock = defineCommand({
  path: 'user lock',
  summary: 'Lock an account: neither password nor key logs in',
  positionals: { name },
  options: { on: onHosts, force, ...changeOptions },
  exclusive: changeExclusive,
  examples: [{ line: 'reeve user lock ada --on all --yes', text: 'Lock ada everywhere at once' }],
  run: async (context, args) => {
    const request = { selector: selectorText(args.on), name: parseAccountName(args.name), force: args.force };
    return runChange(context, args, (api, options) => api.stream(userService, 'LockUser', { options, ...request }));
  },
});

const unlock = defineCommand({
  path: 'user unlock',
  summary: 'Undo "reeve user lock"',
  positionals: { name },
  options: { on: onHosts, ...changeOptions },
  exclusive: changeExclusive,
  examples: [{ line: 'reeve user unlock ada --on web1', text: 'Let ada log in to web1 again' }],
  run: async (context, args) => {
    const request = { selector: selectorText(args.on), name: parseAccountName(args.name) };
    return runChange(context, args, (api, options) => api.stream(userService, 'UnlockUser', { options, ...request }));
  },
});

const remove = defineCommand({
  path: 'user remove',
  summary: 'Remove an account that Reeve made, or let go of an adopted one',
  text: "The processes of an account that Reeve made are ended, and its home is moved to the host's trash, /home/.reeve-trash. An adopted account stays as it is.",
  positionals: { name },
  options: { on: onHosts, 'keep-home': { kind: 'flag', text: 'Leave the home where it is' }, force, ...changeOptions },
  exclusive: changeExclusive,
  examples: [{ line: 'reeve user remove ada --on site=ams --keep-home', text: 'Remove ada from some hosts, but not her files' }],
  run: async (context, args) => {
    const request = { selector: selectorText(args.on), name: parseAccountName(args.name), keepHome: args['keep-home'], force: args.force };
    return runChange(context, args, (api, options) => api.stream(userService, 'RemoveUser', { options, ...request }));
  },
});

const adopt = defineCommand({
  path: 'user adopt',
  summary: 'Manage keys and lock of an account that a host already has',
  text: 'Everything else of the account stays as it is, and as its host wants it.',
  positionals: { host: hostPositional, name },
  options: changeOptions,
  exclusive: changeExclusive,
  examples: [{ line: 'reeve user adopt web1 debian', text: 'Adopt the account debian of web1' }],
  run: async (context, args) => {
    const request = { host: parseHostName(args.host), name: parseAccountName(args.name) };
    return runChange(context, args, (api, options) => api.stream(userService, 'AdoptUser', { options, ...request }));
  },
});

const list = defineCommand({
  path: 'user list',
  summary: 'List the accounts that Reeve manages, as they should be',
  positionals: {},
  options: { on, name: { kind: 'value', value: 'NAME', text: 'Only this user' } },
  examples: [{ line: 'reeve user list --name ada', text: 'Where ada has an account' }],
  run: async (context, args) => {
    const request = { selector: selectorText(args.on), name: args.name === undefined ? '' : parseAccountName(args.name) };
    const response = await (await context.api()).call(userService, 'ListUser', request);
    return answer(context, response, () => renderManagedUsers(context.terminal, response.users));
  },
});

const observe = defineCommand({
  path: 'user observe',
  summary: 'List all accounts of a host as they are, asked of it now',
  positionals: { host: hostPositional },
  options: {},
  examples: [{ line: 'reeve user observe web1', text: 'The accounts of web1' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(userService, 'ObserveUser', { host: parseHostName(args.host) });
    return answer(context, response, () => renderObservedUsers(context.terminal, response.users));
  },
});

/** `reeve user`. */
export const userNoun: Noun = { name: 'user', summary: 'Users: accounts on hosts', commands: [add, lock, unlock, remove, adopt, list, observe] };
