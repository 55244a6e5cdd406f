import type { ExecResult, LabHost } from '../lab/lab.js';
import type { TestFleet } from './fleet.js';
import { debs, type PackageKind } from './packages.js';

/** The operator's private key on the hub. */
export const operatorKey = '/root/.ssh/operator';

/** Lets the hub hand out the agent's packages, and gives its operator a key to log in with; answers the public half. */
export async function prepareOperator(fleet: TestFleet, kind: PackageKind = 'normal'): Promise<string> {
  const file = (await debs(kind)).get('reeve-agent-packages') ?? '';
  await fleet.hub.put(file, '/root/packages.deb');
  await fleet.hub.run(['dpkg', '--install', '/root/packages.deb']);
  await fleet.hub.run(['rm', '/root/packages.deb']);
  await fleet.hub.run(['install', '-d', '-m', '700', '/root/.ssh']);
  await fleet.hub.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'operator', '-f', operatorKey]);
  return (await fleet.hub.read(`${operatorKey}.pub`)).trim();
}

/** A machine as a provider hands it over: a Debian with sshd and root's key, nothing of Reeve. */
export async function bootBare(fleet: TestFleet, name: string, publicKey: string, options: { address?: string } = {}): Promise<LabHost> {
  const host = await fleet.lab.boot(name, options);
  await allowKey(host, 'root', publicKey);
  return host;
}

/** Lets a key log in to an account. */
export async function allowKey(host: LabHost, user: string, publicKey: string): Promise<void> {
  const home = (await host.run(['getent', 'passwd', user])).split(':')[5] ?? '';
  await host.write(`${home}/.ssh/authorized_keys`, `${publicKey}\n`, 0o600);
  await host.run(['chown', '-R', `${user}:`, `${home}/.ssh`]);
  await host.run(['chmod', '700', `${home}/.ssh`]);
}

/** Fingerprint of a host's own key, as its administrator reads it there. */
export async function fingerprint(host: LabHost): Promise<string> {
  return /SHA256:\S+/.exec(await host.run(['ssh-keygen', '-lf', '/etc/ssh/ssh_host_ed25519_key.pub']))?.[0] ?? '';
}

/** `reeve host add` on the hub as root, with the operator's key unless another way in is named. */
export async function add(fleet: TestFleet, name: string, host: LabHost, args: readonly string[] = [], options: { user?: string; key?: boolean; input?: string; failpoint?: string } = {}): Promise<ExecResult> {
  const known = args.includes('--host-key') ? [] : ['--host-key', await fingerprint(host)];
  const key = options.key === false ? [] : ['--identity', operatorKey];
  return fleet.hub.exec(['/usr/bin/reeve', 'host', 'add', name, '--ssh', `${options.user ?? 'root'}@${host.address}`, ...key, ...known, ...args], {
    timeoutMs: 180_000,
    ...(options.input === undefined ? {} : { input: options.input }),
    ...(options.failpoint === undefined ? {} : { env: { REEVE_FAILPOINT: options.failpoint } }),
  });
}

/** What must not be left of the way in: uploaded files, keys, sudo rules, sessions. Names what there is. */
export async function leftOfTheWayIn(host: LabHost): Promise<string[]> {
  const found = await host.run(['find', '/var/cache', '/tmp', '/var/tmp', '/etc', '-xdev', '(', '-name', '*reeve-install*', '-o', '-name', '*.deb', '-o', '-name', '*.new', '-o', '-path', '/etc/sudoers.d/*reeve*', ')', '-print']);
  return found.split('\n').filter((line) => line !== '');
}
