import { X509Certificate } from 'node:crypto';
import { fieldMissing } from '../../shared/model/field.js';
import { parseLoginToken } from '../../shared/model/join-token.js';
import { vis } from '../../shared/model/vis.js';
import { answer } from './answer.js';
import { defineCommand, type Noun } from './command.js';
import type { Context } from './context.js';
import type { Profile } from './profile.js';

/** Longest token text that is read, bytes. */
const tokenBytes = 8_192;

const login = defineCommand({
  path: 'login',
  summary: 'Log in to a coordinator on another machine, or renew the login',
  text: 'Reads the token of "reeve operator invite" from standard input; without one it renews the login there is. The key is made here and stays here, in ~/.config/reeve/login.json. Any command renews a login that is past half its life.',
  positionals: {},
  options: { moved: { kind: 'flag', text: 'Take in where the coordinator is now: the word of "reeve fleet moved" on standard input' } },
  examples: [{ line: 'reeve login', text: 'Log in with the token on standard input, or renew' }],
  run: async (context, args) => {
    if (args.moved) return takeIn(context);
    const before = context.logins.load();
    const text = (await tokenText(context, before !== undefined)).trim();
    const { logIn, renewLogin } = await import('./remote.js');
    const options = { store: context.logins, signal: context.signal, now: () => context.clock.now() };
    if (text === '' && before === undefined) throw fieldMissing('login token', 'nobody can be asked here; it comes on standard input, and an admin makes it with "reeve operator invite NAME"');
    const profile = text === '' && before !== undefined ? await renewLogin(before, options) : await logIn(parseLoginToken(text), options);
    return shown(context, profile, text === '' ? 'The login was renewed' : 'Logged in');
  },
});

async function takeIn(context: Context): Promise<number> {
  const before = context.logins.load();
  if (before === undefined) throw fieldMissing('login', 'nobody is logged in here');
  const word = (await context.terminal.input(tokenBytes)) ?? (context.terminal.interactive ? await context.terminal.ask('Moved record: ', context.signal) : '');
  const [{ takeMoved }, { parseMovedText }] = await Promise.all([import('./remote.js'), import('../../shared/rpc/signed.js')]);
  return shown(context, takeMoved(before, parseMovedText(word), context.logins), 'The coordinator moved; logged in');
}

/** The token from standard input, or typed where a person sits and is not logged in yet; empty: none. */
async function tokenText(context: Context, loggedIn: boolean): Promise<string> {
  const piped = await context.terminal.input(tokenBytes);
  if (piped !== undefined) return piped;
  return loggedIn || !context.terminal.interactive ? '' : context.terminal.ask('Login token: ', context.signal);
}

function shown(context: Context, profile: Profile, done: string): number {
  const notAfter = new Date(new X509Certificate(profile.certificate).validTo).toISOString();
  const { name, fleetId, operatorsApi } = profile;
  return answer(context, { name, fleetId, operatorsApi, certificateNotAfter: notAfter }, () => `${done} as "${vis(name)}" at ${operatorsApi.map(vis).join(', ')}; good until ${notAfter}.\n`);
}

const logout = defineCommand({
  path: 'logout',
  summary: 'Forget the login on this machine',
  text: 'Removes key and certificate. A copy of them stays good until it ends, unless an admin runs "reeve operator revoke NAME".',
  positionals: {},
  options: {},
  examples: [{ line: 'reeve logout', text: 'Forget key and certificate' }],
  run: (context) => {
    const removed = context.logins.remove();
    return Promise.resolve(answer(context, { removed }, () => (removed ? 'Logged out.\n' : 'Nobody was logged in.\n')));
  },
});

/** `reeve login`. */
export const loginNoun: Noun = { name: 'login', summary: login.summary, commands: [login] };
/** `reeve logout`. */
export const logoutNoun: Noun = { name: 'logout', summary: logout.summary, commands: [logout] };
