import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

export type Availability = { readonly ok: true } | { readonly ok: false; readonly reason: string };

const TOOLS = ['mmdebstrap', 'systemd-nspawn', 'nsenter', 'unshare', 'ip', 'mount', 'umount', 'ssh-keygen'];
const SEARCH_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * Whether this machine can run real hosts: root, the tools, the namespaces. With REEVE_NO_SKIP=1 a missing thing throws instead,
 * so that a machine which is meant to run the lab tests never passes by skipping them.
 */
export function labAvailable(): Availability {
  const reason = missing();
  if (reason === undefined) return { ok: true };
  if (process.env['REEVE_NO_SKIP'] === '1') throw new Error(`The lab is not available and REEVE_NO_SKIP=1 forbids skipping its tests: ${reason}`);
  process.stderr.write(`lab tests are skipped: ${reason}\n`);
  return { ok: false, reason };
}

function missing(): string | undefined {
  if (process.getuid?.() !== 0) return 'the lab needs root';
  for (const tool of TOOLS) {
    if (!SEARCH_PATH.some((folder) => isExecutable(join(folder, tool)))) return `${tool} is not installed (packages: mmdebstrap systemd-container iproute2 util-linux openssh-client)`;
  }
  for (const kind of ['mnt', 'net', 'pid', 'cgroup', 'user']) {
    if (!isThere(`/proc/self/ns/${kind}`)) return `this kernel has no ${kind} namespaces`;
  }
  return undefined;
}

function isExecutable(path: string): boolean {
  return isThere(path, constants.X_OK);
}

function isThere(path: string, mode: number = constants.F_OK): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
