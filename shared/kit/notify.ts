import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

/** The program that speaks sd_notify(3): Node has no datagram unix sockets. */
const program = '/usr/lib/reeve/reeve-notify';

/** Tells systemd that the service is ready, when it was started by systemd. Once, at start; a failure is the service's own timeout to report. */
export function notifySystemd(): void {
  const socket = process.env['NOTIFY_SOCKET'];
  if (socket === undefined || !existsSync(program)) return;
  spawn(program, ['READY=1'], { stdio: 'ignore', env: { NOTIFY_SOCKET: socket }, cwd: '/' });
}
