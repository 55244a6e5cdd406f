import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Tells the service manager that the agent is ready (sd_notify(3)), by a small program: Node has no datagram sockets of the Unix kind. Once. */
export function notifyReady(program: string): Promise<void> {
  const socket = process.env['NOTIFY_SOCKET'];
  if (socket === undefined || !existsSync(program)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    execFile(program, ['READY=1'], { env: { NOTIFY_SOCKET: socket }, timeout: 5000 }, (error) => {
      if (error === null) resolve();
      else reject(new Error(`${program} failed`, { cause: error }));
    });
  });
}
