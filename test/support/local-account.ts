import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Channel } from '../../shared/rpc/client.js';
import { openApi } from './loopback-fleet.js';

/** An account of this machine. */
export interface LocalAccount {
  readonly name: string;
  readonly uid: number;
}

/** Accounts that every Debian has, that nobody logs in with, and that are in no group of Reeve. */
export function debianAccounts(count: number): LocalAccount[] {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'));
  const found = lines.filter(([name = '', , uid]) => /^(?:daemon|bin|sys|games|man|lp|mail|news|uucp|proxy)$/.test(name) && Number(uid) > 0);
  if (found.length < count) throw new Error(`/etc/passwd has ${String(found.length)} of the usual accounts, wanted ${String(count)}`);
  return found.slice(0, count).map(([name = '', , uid]) => ({ name, uid: Number(uid) }));
}

/** Relays of this process so far: each has a socket of its own. */
let relays = 0;

/** The operators' API as another account; only root can do that. Close it. */
export async function apiAs(uid: number, fleet: { stateDir: string; socketPath: string }): Promise<{ channel: Channel; socketPath: string; close(): Promise<void> }> {
  const folder = join(fleet.stateDir, 'relay');
  mkdirSync(folder, { recursive: true });
  chmodSync(fleet.stateDir, 0o711);
  chmodSync(folder, 0o777);
  relays += 1;
  const socket = join(folder, `${String(uid)}-${String(relays)}.sock`);
  const identity = [`--reuid=${String(uid)}`, `--regid=${String(uid)}`, '--clear-groups', '--no-new-privs'];
  const child = spawn('/usr/bin/setpriv', [...identity, process.execPath, '--import', 'tsx', join(import.meta.dirname, 'socket-relay.ts'), socket, fleet.socketPath], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent', TMPDIR: folder },
    cwd: join(import.meta.dirname, '..', '..'),
  });
  const ended = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), ended.then(([code]) => Promise.reject(new Error(`the relay of uid ${String(uid)} ended with ${String(code)}`)))]);
  const channel = openApi(socket);
  return {
    channel,
    socketPath: socket,
    async close() {
      channel.close();
      child.stdin.end();
      await ended;
    },
  };
}
