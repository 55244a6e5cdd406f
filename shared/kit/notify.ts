import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The program that speaks sd_notify(3), beside the runtime: Node has no datagram unix sockets. */
const program = join(dirname(process.execPath), 'reeve-notify');

/** Tells systemd that the service is ready, when systemd started it. Once, at start. Rejects when the program fails. */
export function notifyReady(): Promise<void> {
  const socket = process.env['NOTIFY_SOCKET'];
  if (socket === undefined || !existsSync(program)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    execFile(program, ['READY=1'], { env: { NOTIFY_SOCKET: socket }, timeout: 5_000, cwd: '/' }, (error) => {
      if (error === null) resolve();
      else reject(new Error(`${program} failed`, { cause: error }));
    });
  });
}
