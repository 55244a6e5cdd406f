import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseVhostUserName, type VhostUser } from '../../shared/model/vhost-user.js';
import type { Context } from './context.js';

/** Work of a hash: 2^10 rounds, the least that is taken. The web server does it anew for each request, and serves nobody else in that worker meanwhile. */
const cost = 10;

/** bcrypt looks at no more, bytes. */
const mostBytes = 72;

/** Largest input of passwords, bytes. */
const mostInput = 65_536;

/** Names of those who may enter, each once. Errors: FIELD_INVALID. */
export function parseUserNames(names: readonly string[]): readonly string[] {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw fieldInvalid('--user', twice, 'each user once');
  return names.map((name) => parseVhostUserName('--user', name));
}

/**
 * Who may enter, with a password each: asked for twice where a person sits, or a line each on standard input. Nothing but the hash leaves this machine.
 * Errors: FIELD_INVALID, FIELD_MISSING, CANCELLED.
 */
export async function readUsers(context: Context, args: { readonly user: readonly string[]; readonly 'password-stdin': boolean }): Promise<VhostUser[]> {
  const names = parseUserNames(args.user);
  if (names.length === 0) {
    if (args['password-stdin']) throw fieldMissing('--user', 'whose passwords they are');
    return [];
  }
  const passwords = args['password-stdin'] ? await fromInput(context, names) : await fromPerson(context, names);
  const { hash } = await import('bcryptjs');
  const users: VhostUser[] = [];
  for (const [index, name] of names.entries()) users.push({ name, hash: await hash(passwords[index] ?? '', cost) });
  return users;
}

async function fromInput(context: Context, names: readonly string[]): Promise<readonly string[]> {
  const text = await context.terminal.input(mostInput);
  if (text === undefined) throw fieldMissing('standard input', 'the passwords, a line for each --user');
  const lines = text.replace(/\r?\n$/, '').split(/\r?\n/);
  if (lines.length !== names.length) throw fieldInvalid('standard input', `${String(lines.length)} lines`, `a line for each --user: ${String(names.length)}`);
  lines.forEach((line, index) => requirePassword(names[index] ?? '', line));
  return lines;
}

async function fromPerson(context: Context, names: readonly string[]): Promise<readonly string[]> {
  if (context.json || !context.terminal.interactive) throw fieldMissing('--password-stdin', 'nobody can be asked here; the passwords come on standard input, a line for each --user');
  const passwords: string[] = [];
  for (const name of names) {
    const password = await context.terminal.askSecret(`Password of ${name}: `, context.signal);
    requirePassword(name, password);
    if ((await context.terminal.askSecret('The same again: ', context.signal)) !== password) throw fieldInvalid(`password of ${name}`, 'typed', 'the same twice');
    passwords.push(password);
  }
  return passwords;
}

/** Errors: FIELD_INVALID, FIELD_MISSING; they do not show it. */
function requirePassword(name: string, password: string): void {
  const rule = `1 to ${String(mostBytes)} bytes, without control characters`;
  if (password === '') throw fieldMissing(`password of ${name}`, rule);
  if (Buffer.byteLength(password) > mostBytes || /[\u0000-\u001f\u007f]/.test(password)) throw fieldInvalid(`password of ${name}`, 'it', rule);
}
