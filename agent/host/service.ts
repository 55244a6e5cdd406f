import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { reeveError } from '../../shared/errors/error.js';

const systemctl = '/usr/bin/systemctl';

/** Longest wait for a unit to stop, ms: the agent lets running operations end for 20 s. */
const stopMs = 60_000;

/** Whether systemd runs this machine: not in a chroot, where images are made, and not in a container without it (sd_booted(3)). */
export function isSystemdRunning(): boolean {
  return existsSync('/run/systemd/system');
}

/** Stops a unit and waits until it has. Errors: TOOL_FAILED. */
export function stopUnit(unit: string): void {
  const done = spawnSync(systemctl, ['stop', '--', unit], { encoding: 'utf8', timeout: stopMs, env: {} });
  if (done.status === 0) return;
  const why = done.stderr.trim() === '' ? `exit code ${String(done.status ?? 'none')}` : done.stderr.trim().slice(0, 300);
  throw reeveError('TOOL_FAILED', { value: `systemctl stop ${unit}`, host: 'this host', rule: why });
}
