import { readFileSync } from 'node:fs';
import { reeveError } from '../../shared/errors/error.js';

/**
 * Becomes an account for good: no supplementary groups, its group, its uid. Throws FIELD_INVALID when the host has no such account, and when root could be
 * had back.
 */
export function becomeAccount(name: string): void {
  const line = readFileSync('/etc/passwd', 'utf8').split('\n').find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = (line ?? '').split(':').map(Number);
  if (uid === undefined || gid === undefined || !Number.isInteger(uid) || !Number.isInteger(gid) || uid === 0) {
    throw reeveError('FIELD_INVALID', { field: 'account', value: name, rule: 'the agent package makes it; install that first' });
  }
  process.setgroups?.([gid]);
  process.setgid?.(gid);
  process.setuid?.(uid);
  try {
    process.setuid?.(0);
  } catch {
    return;
  }
  throw new Error(`root could be had back after becoming ${name}`);
}

/** Whether this process is root. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}
