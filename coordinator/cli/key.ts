import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseFingerprint } from '../../shared/model/fingerprint.js';
import { parseHostName } from '../../shared/model/host.js';
import { parsePersonName } from '../../shared/model/person.js';
import { parseAccountName } from '../../shared/model/user.js';
import { answer } from './answer.js';
import { requireDecided, runChange } from './change.js';
import { changeExclusive, changeOptions, defineCommand, force, hostPositional, type Noun } from './command.js';
import { formatNewKey, readKeys } from './key-file.js';
import { renderForeignKeys, renderKey, renderKeys } from './key-text.js';
import { keyService } from './service.js';

const fingerprint = { text: 'Fingerprint of the key: SHA256:...' } as const;

/** A fingerprint as it was typed, when it is one. */
export function fingerprintText(text: string): string {
  parseFingerprint(text);
  return text;
}

const add = defineCommand({
  path: 'key add',
  summary: 'Add keys to a person, or to a user on a host',
  text:
    'FILE is a .pub file, or has authorized_keys lines with the options restrict, no-*, from and expiry-time. A key of a user on a host is one that this user has to log in elsewhere; ' +
    'it lets in nobody by itself. To read standard input: -',
  positionals: { person: { text: 'Name of the person; not with --host', optional: true }, file: { text: 'File of public keys, or -', optional: true } },
  options: { host: { kind: 'value', value: 'HOST', names: 'hosts', text: 'Instead of a person: the host of --user' }, user: { kind: 'value', value: 'NAME', text: 'With --host: whose the keys are' }, ...changeOptions },
  exclusive: changeExclusive,
  examples: [
    { line: 'reeve key add ada -', text: 'Add the keys on standard input, e.g. those of "ssh-add -L"' },
    { line: 'reeve key add ada ada.pub', text: 'Add the keys of a file' },
    { line: 'reeve key add --host web1 --user backup backup.pub', text: 'A key that the user backup of web1 logs in elsewhere with' },
  ],
  run: async (context, args) => {
    const { owner, file } = keyOwner(args);
    requireDecided(context, args);
    const keys = (await readKeys(context, file)).map(formatNewKey);
    return runChange(context, args, (api, options) => api.stream(keyService, 'AddKey', { options, ...owner, keys }));
  },
});

/** Whose keys a line is about, and the file: behind --host the only argument is the file. */
function keyOwner(args: { person: string | undefined; file: string | undefined; host: string | undefined; user: string | undefined }): { owner: { person: string } | { host: string; user: string }; file: string } {
  const { host, user } = args;
  if (host === undefined && user === undefined) {
    if (args.person === undefined) throw fieldMissing('the owner of the keys', 'NAME of a person, or --host and --user');
    if (args.file === undefined) throw fieldMissing('the file', 'a file of public keys, or - for standard input');
    return { owner: { person: parsePersonName(args.person) }, file: args.file };
  }
  if (host === undefined || user === undefined) throw fieldMissing(host === undefined ? '--host' : '--user', 'both --host and --user name a user on a host');
  if (args.file !== undefined) throw fieldInvalid('person', args.person ?? '', 'it cannot stand with --host');
  if (args.person === undefined) throw fieldMissing('the file', 'a file of public keys, or - for standard input');
  return { owner: { host: parseHostName(host), user: parseAccountName(user) }, file: args.person };
}

const remove = defineCommand({
  path: 'key remove',
  summary: 'Forget a key, with its memberships and grants',
  text: 'It gets in nowhere any more, and hosts are told to take it away by name.',
  positionals: { fingerprint },
  options: { force, ...changeOptions },
  exclusive: changeExclusive,
  examples: [{ line: 'reeve key remove SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', text: 'Forget a lost key' }],
  run: async (context, args) => {
    const request = { fingerprint: fingerprintText(args.fingerprint), force: args.force };
    return runChange(context, args, (api, options) => api.stream(keyService, 'RemoveKey', { options, ...request }));
  },
});

const list = defineCommand({
  path: 'key list',
  summary: 'List the keys of the inventory',
  positionals: {},
  options: { person: { kind: 'value', value: 'NAME', text: 'Only keys of this person' }, host: { kind: 'value', value: 'HOST', names: 'hosts', text: 'Only keys of users on this host' } },
  exclusive: [['person', 'host']],
  examples: [{ line: 'reeve key list --person ada', text: 'The keys of ada' }],
  run: async (context, args) => {
    const request = { ...(args.person === undefined ? {} : { person: parsePersonName(args.person) }), ...(args.host === undefined ? {} : { host: parseHostName(args.host) }) };
    const response = await (await context.api()).call(keyService, 'ListKey', request);
    return answer(context, response, () => renderKeys(context.terminal, response.keys));
  },
});

const show = defineCommand({
  path: 'key show',
  summary: 'Show a key of the inventory',
  positionals: { fingerprint },
  options: {},
  examples: [{ line: 'reeve key show SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', text: 'Whose key is this?' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(keyService, 'ListKey', { fingerprint: fingerprintText(args.fingerprint) });
    return answer(context, response, () => response.keys.map((key) => renderKey(context.terminal, key)).join('\n'));
  },
});

const foreign = defineCommand({
  path: 'key foreign',
  summary: 'List the keys in users\' own files of a host, asked of it now',
  text: 'These let in beside what Reeve manages, until "reeve key adopt" takes them over.',
  positionals: { host: hostPositional },
  options: { user: { kind: 'value', value: 'NAME', text: 'Only this user' } },
  examples: [{ line: 'reeve key foreign web1 --user root', text: 'Who gets in as root of web1 without Reeve?' }],
  run: async (context, args) => {
    const request = { host: parseHostName(args.host), user: args.user === undefined ? '' : parseAccountName(args.user) };
    const response = await (await context.api()).call(keyService, 'ObserveForeignKey', request);
    return answer(context, response, () => renderForeignKeys(context.terminal, response));
  },
});

const adopt = defineCommand({
  path: 'key adopt',
  summary: "Take over the keys in users' own files of a host",
  text:
    'Each key becomes one of the inventory (a known one stays its owner\'s) with a grant to its user on this host, and sshd reads only what Reeve manages for these users from then on. ' +
    'The host proves that nobody who gets in is shut out. The files themselves stay. A line that cannot be managed is named, and nothing is done.',
  positionals: { host: hostPositional, user: { text: 'Only this user', optional: true } },
  options: changeOptions,
  exclusive: changeExclusive,
  examples: [
    { line: 'reeve key adopt web1 deploy', text: 'Take over the keys of deploy on web1' },
    { line: 'reeve key adopt web1 --plan', text: 'See what taking over all of them would do' },
  ],
  run: async (context, args) => {
    const request = { host: parseHostName(args.host), user: args.user === undefined ? '' : parseAccountName(args.user) };
    return runChange(context, args, (api, options) => api.stream(keyService, 'AdoptKey', { options, ...request }));
  },
});

/** `reeve key`. */
export const keyNoun: Noun = { name: 'key', summary: 'Keys: SSH public keys of persons, and of users on hosts', commands: [add, remove, list, show, foreign, adopt] };
