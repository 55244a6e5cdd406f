import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { command } from './command.js';

/** Name of the key that is made where no other is given. */
export const DEVELOPMENT_KEY_NAME = 'Reeve development key, not for production';

/** Signs with one key, in a GnuPG home of its own. Close it. */
export interface Signer {
  /** Hex, 40 digits. */
  readonly fingerprint: string;
  /** Whether the key was made here, for development, and not given. */
  readonly development: boolean;
  /** The text with a signature around it. */
  clearSign(text: string): string;
  /** An armoured signature of the text. */
  detachSign(text: string): string;
  /** The public key as apt reads it. */
  publicKey(): Uint8Array;
  close(): void;
}

/**
 * Opens the armoured private key in `file` (it has no passphrase: a build asks nobody). Without a file, the development key in `developmentFile` is used, and
 * made if it is not there. The person's own GnuPG home is not touched.
 */
export function openSigner(file: string | undefined, developmentFile: string): Signer {
  const home = mkdtempSync(join(tmpdir(), 'reeve-gnupg-')); // short: the agent's sockets are in it
  const gpg = (...args: string[]): string => command(['gpg', '--homedir', home, '--batch', '--no-tty', '--quiet', ...args], { env: { HOME: home } });
  const close = (): void => {
    command(['gpgconf', '--homedir', home, '--kill', 'all'], { env: { HOME: home } });
    rmSync(home, { recursive: true, force: true });
  };
  try {
    if (file === undefined && !existsSync(developmentFile)) makeDevelopmentKey(gpg, developmentFile);
    else importKey(gpg, file ?? developmentFile);
    const fingerprint = onlySecretKey(gpg('--list-secret-keys', '--with-colons', '--fingerprint'), file ?? developmentFile);
    const sign = (text: string, how: readonly string[]): string => {
      const source = join(home, 'text');
      const target = join(home, 'signed');
      writeFileSync(source, text);
      gpg('--yes', '--pinentry-mode', 'loopback', '--passphrase', '', '--digest-algo', 'SHA512', '--local-user', fingerprint, '--output', target, ...how, source);
      return readFileSync(target, 'utf8');
    };
    return {
      fingerprint,
      development: file === undefined,
      clearSign: (text) => sign(text, ['--clearsign']),
      detachSign: (text) => sign(text, ['--armor', '--detach-sign']),
      publicKey() {
        gpg('--yes', '--output', join(home, 'public'), '--export', fingerprint);
        return readFileSync(join(home, 'public'));
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

function makeDevelopmentKey(gpg: (...args: string[]) => string, file: string): void {
  gpg('--pinentry-mode', 'loopback', '--passphrase', '', '--quick-generate-key', DEVELOPMENT_KEY_NAME, 'ed25519', 'sign', 'never');
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, gpg('--armor', '--export-secret-keys'), { mode: 0o600 });
  chmodSync(file, 0o600);
}

function importKey(gpg: (...args: string[]) => string, file: string): void {
  if (!existsSync(file)) throw new Error(`The signing key ${JSON.stringify(file)} is not there: REEVE_SIGNING_KEY names a file with an armoured private key`);
  try {
    gpg('--import', file);
  } catch (error) {
    throw new Error(`The signing key ${JSON.stringify(file)} cannot be read: wanted an armoured OpenPGP private key (gpg --armor --export-secret-keys)`, { cause: error });
  }
}

function onlySecretKey(colons: string, file: string): string {
  const lines = colons.split('\n').map((line) => line.split(':'));
  const at = lines.flatMap(([kind], index) => (kind === 'sec' ? [index] : []));
  const [first] = at;
  if (first === undefined || at.length > 1) throw new Error(`The signing key ${JSON.stringify(file)} holds ${String(at.length)} private keys, wanted 1`);
  const fingerprint = lines.slice(first).find(([kind]) => kind === 'fpr')?.[9];
  if (fingerprint === undefined) throw new Error(`The signing key ${JSON.stringify(file)} has no fingerprint`);
  return fingerprint;
}
