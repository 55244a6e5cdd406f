import { readFileSync } from 'node:fs';
import type { WebLogin } from '../../shared/gen/proto/reeve/coordinator/v1/WebLogin.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { vis } from '../../shared/model/vis.js';
import { parseWebLoginName, parseWebPassword } from '../../shared/model/web-login.js';
import { answer } from './answer.js';
import { defineCommand, type Noun } from './command.js';
import { sure } from './confirm.js';
import type { Context } from './context.js';
import { webService } from './service.js';
import { renderTable, type Cell } from './table.js';
import { formatTime } from './time.js';

/** Largest input of a password, bytes. */
const mostInput = 1_024;

/** What is done with logins. */
const actions = ['set', 'list', 'remove'] as const;

const login = defineCommand({
  path: 'web login',
  summary: 'Let a person or an operator log in to the status page, list who may, or take a login away',
  text: 'With set and without --password-file a password is asked for where a person sits; an empty one, and every call from a program, has one made, which is shown once. A new password replaces the one before and ends its sessions. '
    + 'Operators see what a viewer may see, within their scope; persons who are no operators see themselves only, and look after their own keys.',
  positionals: { action: { text: 'What is done', choices: actions }, name: { text: 'Name of a person or of an operator', optional: true } },
  options: {
    totp: { kind: 'flag', text: 'With set: ask for a code of a second factor too; its secret is made anew and shown once' },
    'password-file': { kind: 'value', value: 'FILE', text: 'With set: read the password from the first line of a file, - is standard input' },
    yes: { kind: 'flag', text: 'Ask nothing' },
  },
  examples: [
    { line: 'reeve web login set ada --totp', text: 'Let ada log in with a password and a second factor' },
    { line: 'reeve web login set bob --password-file /root/bob-password', text: 'Let bob log in with a password that a program made' },
    { line: 'reeve web login list', text: 'Who may log in, as what, and who did last' },
    { line: 'reeve web login remove bob', text: 'Keep bob out from now on' },
  ],
  run: (context, args) => {
    const { action, name, totp, 'password-file': file } = args;
    if (action !== 'set' && (totp || file !== undefined)) throw fieldInvalid('action', action, 'set, where --totp or --password-file is given');
    if (action === 'list') {
      if (name !== undefined) throw fieldInvalid('name', name, 'none with list');
      return list(context);
    }
    if (name === undefined) throw fieldMissing('name', 'whose login it is');
    return action === 'set' ? set(context, parseWebLoginName(name), { totp, file }) : remove(context, parseWebLoginName(name), args);
  },
});

async function set(context: Context, name: string, how: { readonly totp: boolean; readonly file: string | undefined }): Promise<number> {
  const password = await readPassword(context, name, how.file);
  const response = await (await context.api()).call(webService, 'SetWebLogin', { name, password, totp: how.totp });
  return answer(context, response, () => [
    `${vis(name)} may log in to the status page.\n`,
    ...(response.password === '' ? [] : [`Password, shown once: ${vis(response.password)}\n`]),
    ...(response.totpUri === '' ? [] : [`Second factor, shown once, for an app that makes codes: ${vis(response.totpUri)}\n`]),
  ].join(''));
}

/** The password from a file or a person; empty: one is to be made. Errors: FIELD_INVALID, FIELD_MISSING, CANCELLED. */
async function readPassword(context: Context, login: string, file: string | undefined): Promise<string> {
  if (file !== undefined) return parseWebPassword(firstLine(await readInput(context, file)));
  if (context.json || !context.terminal.interactive) return '';
  const typed = await context.terminal.askSecret(`Password of ${login} (empty: one is made): `, context.signal);
  if (typed === '') return '';
  parseWebPassword(typed);
  if ((await context.terminal.askSecret('The same again: ', context.signal)) !== typed) throw fieldInvalid('password', 'typed', 'the same twice');
  return typed;
}

async function readInput(context: Context, file: string): Promise<string> {
  if (file === '-') {
    const text = await context.terminal.input(mostInput);
    if (text === undefined) throw fieldMissing('standard input', 'the password');
    return text;
  }
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw fieldInvalid('--password-file', file, 'a file that can be read');
  }
}

function firstLine(text: string): string {
  return text.split(/\r?\n/, 1)[0] ?? '';
}

async function list(context: Context): Promise<number> {
  const response = await (await context.api()).call(webService, 'ListWebLogin', {});
  const rows = response.logins.map((row): Cell[] => [row.name, whatText(row), row.totp ? 'yes' : 'no', row.lastAt === null ? 'never' : formatTime(row.lastAt), String(row.sessions)]);
  return answer(context, response, () => renderTable(context.terminal, ['name', 'is', 'second factor', 'last login', 'sessions'], rows, 'Nobody logs in to the status page.'));
}

function whatText({ role, person }: WebLogin): Cell {
  const words = [...(role === '' ? [] : [role]), ...(person ? ['person'] : [])];
  return words.length === 0 ? { text: 'nobody any more', tone: 'yellow' } : words.join(', ');
}

async function remove(context: Context, name: string, args: { readonly yes: boolean }): Promise<number> {
  await sure(context, args, `Take the login of "${name}" to the status page away?`);
  const response = await (await context.api()).call(webService, 'RemoveWebLogin', { name });
  return answer(context, response, () => `${vis(name)} cannot log in to the status page any more.\n`);
}

/** Logins to the status page. */
export const webNoun: Noun = { name: 'web', summary: 'Logins to the status page', commands: [login] };
