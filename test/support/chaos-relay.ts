import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LabHost } from '../lab/lab.js';

/** The coordinator's API socket, reached from here, whose answers can get lost. */
export interface ApiRelay {
  /** The socket to connect to. */
  readonly path: string;
  /** From now on what the coordinator answers does not arrive; what it is asked does. */
  loseAnswers(lose: boolean): void;
  close(): Promise<void>;
}

const program = `
  const socket = require('node:net').connect('/run/reeved/api.sock');
  process.stdin.pipe(socket); socket.pipe(process.stdout);
  socket.on('close', () => process.exit(0)); socket.on('error', () => process.exit(1));`;

/** Starts it: one process in the host for each connection, as root there. */
export async function relayApi(hub: LabHost): Promise<ApiRelay> {
  const folder = mkdtempSync(join(tmpdir(), 'reeve-relay-'));
  const path = join(folder, 'api.sock');
  const open = new Map<Socket, ChildProcess>();
  let lose = false;
  const server = createServer((socket) => {
    const child = hub.spawn(['/usr/lib/reeve/node', '-e', program]);
    open.set(socket, child);
    socket.on('data', (data) => child.stdin?.write(data));
    child.stdout?.on('data', (data: Buffer) => {
      if (!lose) socket.write(data);
    });
    const end = (): void => {
      child.stdin?.end();
      socket.destroy();
      open.delete(socket);
    };
    socket.on('close', end).on('error', end);
    child.on('close', end).stdin?.on('error', end);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    loseAnswers(value) {
      lose = value;
    },
    async close() {
      for (const socket of open.keys()) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
