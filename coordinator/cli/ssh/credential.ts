import { readFileSync } from 'node:fs';
import ssh2, { type AgentAuthMethod, type KeyboardInteractiveAuthMethod, type ParsedKey, type PasswordAuthMethod, type PublicKeyAuthMethod } from 'ssh2';
import { reeveError } from '../../../shared/errors/error.js';

/** By what an operator logs in; nothing of it leaves this machine but signatures, and the password to the host it is for. */
export interface Credentials {
  readonly identity?: ParsedKey;
  /** Socket of ssh-agent(1). */
  readonly agent?: string;
  readonly password?: string;
}

/** One way to log in. */
export type AuthMethod = PublicKeyAuthMethod | AgentAuthMethod | PasswordAuthMethod | KeyboardInteractiveAuthMethod;

/** The ways to log in, in the order they are tried. */
export function authMethods(user: string, credentials: Credentials): AuthMethod[] {
  const { identity, agent, password } = credentials;
  return [
    ...(identity === undefined ? [] : [{ type: 'publickey' as const, username: user, key: identity }]),
    ...(agent === undefined ? [] : [{ type: 'agent' as const, username: user, agent }]),
    ...(password === undefined
      ? []
      : [
          { type: 'password' as const, username: user, password },
          {
            type: 'keyboard-interactive' as const,
            username: user,
            // One hidden question is the password's; anything else (a code, a new password) is not answered with it.
            prompt: (_name: string, _text: string, _language: string, prompts: readonly { echo?: boolean }[], finish: (answers: string[]) => void) =>
              finish(prompts.length === 1 && prompts[0]?.echo !== true ? [password] : []),
          },
        ]),
  ];
}

/** Reads a private key; `askPassphrase` is asked when it is encrypted. Errors: SSH_KEY_UNUSABLE, and what `askPassphrase` throws. */
export async function readIdentity(path: string, askPassphrase: () => Promise<string>): Promise<ParsedKey> {
  let text: Buffer;
  try {
    text = readFileSync(path);
  } catch (error) {
    throw reeveError('SSH_KEY_UNUSABLE', { value: path, rule: error instanceof Error && 'code' in error ? String(error.code) : 'it cannot be read' }, { cause: error });
  }
  const open = ssh2.utils.parseKey(text);
  if (!(open instanceof Error)) return privateKey(path, open);
  if (!/passphrase/i.test(open.message)) throw reeveError('SSH_KEY_UNUSABLE', { value: path, rule: 'it is not a private key in OpenSSH or PEM form' });
  const unlocked = ssh2.utils.parseKey(text, await askPassphrase());
  if (unlocked instanceof Error) throw reeveError('SSH_KEY_UNUSABLE', { value: path, rule: 'this is not its passphrase' });
  return privateKey(path, unlocked);
}

/** The typings say one key; the library gives a list when the file holds several. */
function privateKey(path: string, parsed: ParsedKey | readonly ParsedKey[]): ParsedKey {
  const key = 'isPrivateKey' in parsed ? parsed : parsed[0];
  if (key?.isPrivateKey() !== true) throw reeveError('SSH_KEY_UNUSABLE', { value: path, rule: 'it is a public key; the private one is wanted' });
  return key;
}
