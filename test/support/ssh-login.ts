import type { LabHost } from '../lab/lab.js';

/** What a login came to. */
export interface Login {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Makes a key pair on a machine; answers the public half, one line. */
export async function makeKey(desk: LabHost, name: string, type: 'ed25519' | 'rsa' | 'ecdsa' = 'ed25519'): Promise<string> {
  await desk.run(['ssh-keygen', '-q', '-t', type, ...(type === 'rsa' ? ['-b', '3072'] : []), '-N', '', '-C', `${name}@desk`, '-f', `/root/${name}`]);
  return (await desk.read(`/root/${name}.pub`)).trim();
}

/** Logs in from a machine over the network with one key and nothing else, and runs `id -un`. */
export function login(desk: LabHost, host: LabHost, user: string, key: string, command: readonly string[] = ['id', '-un']): Promise<Login> {
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'IdentitiesOnly=yes', 'LogLevel=ERROR', 'ConnectTimeout=10'].flatMap((option) => ['-o', option]);
  return desk.exec(['ssh', '-F', 'none', ...options, '-i', `/root/${key}`, `${user}@${host.address}`, ...command], { timeoutMs: 120_000 });
}

/** Whether a key lets in. Anything but a refusal of the key or a login is an error of the test's surroundings. */
export async function letsIn(desk: LabHost, host: LabHost, user: string, key: string): Promise<boolean> {
  const { code, stdout, stderr } = await login(desk, host, user, key);
  if (code === 0 && stdout === `${user}\n`) return true;
  if (code === 255 && /Permission denied/.test(stderr)) return false;
  throw new Error(`ssh ${user}@${host.name} with ${key} ended with ${String(code)}: ${stdout}${stderr}`);
}
