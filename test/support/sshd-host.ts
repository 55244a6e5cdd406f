import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PrivdReply, PrivdVerbName } from '../../shared/gen/privd.js';
import { executeOk } from '../lab/process.js';
import type { ExecResult, Lab, LabHost } from '../lab/lab.js';
import { setPolicy } from './abuse-host.js';
import type { HelperAnswer } from './abuse-helper.js';
import { fromText } from './abuse-text.js';
import { allowKey } from './ssh-host.js';

/** A key pair on this machine, to log in to hosts of a lab with. */
export interface LoginKey {
  readonly file: string;
  readonly publicKey: string;
  remove(): void;
}

/** Makes a key pair. */
export async function makeLoginKey(name: string): Promise<LoginKey> {
  const dir = mkdtempSync(join(tmpdir(), 'reeve-login-'));
  const file = join(dir, 'key');
  await executeOk(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file]);
  return { file, publicKey: readFileSync(`${file}.pub`, 'utf8').trim(), remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/** Logs in over the network with nothing but this key, and runs a command. */
export function login(lab: Lab, host: LabHost, user: string, key: LoginKey, command = 'true'): Promise<ExecResult> {
  const options = ['BatchMode=yes', 'IdentitiesOnly=yes', 'IdentityAgent=none', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'ConnectTimeout=10', `IdentityFile=${key.file}`];
  return lab.exec(['ssh', '-F', 'none', ...options.flatMap((option) => ['-o', option]), `${user}@${host.address}`, command], { timeoutMs: 30_000 });
}

/** What key.sshd needs. */
export const sshdPolicy = ['version 1', 'allow observe.user', 'allow observe.key', 'allow user.adopt', 'allow key.put', 'allow key.sshd', 'allow key.release', 'allow session.end', ''].join('\n');

/** An account with a key in a file of its own; sshd of the host serves it. */
export async function addAccount(host: LabHost, name: string, key: LoginKey): Promise<void> {
  await host.run(['useradd', '--create-home', '--shell', '/bin/sh', name]);
  await host.run(['usermod', '--password', '*', name]);
  await allowKey(host, name, key.publicKey);
  await setPolicy(host, sshdPolicy);
}

/** Every file below a folder with its mode and sum, so that two of these are equal when nothing changed. */
export function filesBelow(host: LabHost, folder: string): Promise<string> {
  const script = 'cd "$1" && find . \\( -type f -o -type l -o -type d \\) -printf "%p %M %u %l\\n" | sort && find . -type f -print0 | sort -z | xargs -0 -r sha256sum';
  return host.run(['/bin/sh', '-c', script, 'list', folder]);
}

/** The reply of an answer that must be OK. */
export function replyOf<V extends PrivdVerbName>(verb: V, answer: HelperAnswer): PrivdReply<V> {
  if (answer.code !== 'OK' || answer.reply === undefined) throw new Error(`${verb} answered ${answer.code} ${JSON.stringify(answer.fields ?? {})}`);
  return fromText(answer.reply) as PrivdReply<V>;
}

/** The 16 bytes of an operation id. */
export function bytesOf(operation: string): Uint8Array {
  return Uint8Array.from(Buffer.from(operation.replaceAll('-', ''), 'hex'));
}

/** Puts a managed key file there as the helper would, without it. */
export async function putManaged(host: LabHost, name: string, keys: readonly LoginKey[]): Promise<void> {
  const lines = keys.map(({ publicKey }) => publicKey.split(' ').slice(0, 2).join(' ')).map((key) => `${key} test\n`);
  await host.run(['install', '-d', '-m', '755', '/etc/ssh/reeve-keys.d']);
  await host.write(`/etc/ssh/reeve-keys.d/${name}`, `# Managed by Reeve: changes made here are undone. See reeve-agent(8).\n${lines.join('')}`);
  await host.run(['install', '-D', '-m', '600', '/dev/null', `/var/lib/reeve-privd/owned/key/${name}`]);
}
