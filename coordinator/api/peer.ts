import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/** Who is at the other end of a local socket, as the kernel says. */
export interface LocalPeer {
  readonly uid: number;
  /** Name of the account; empty when it has none. */
  readonly user: string;
  /** Names of the groups the process was in when it connected. */
  readonly groups: readonly string[];
}

/** Longest time the small program may take, ms. */
const deadlineMs = 2_000;

/** Groups whose members are operators without being named: each role has one. */
const groupPattern = /^[a-z_][a-z0-9_-]{0,30}$/;

/**
 * Who opened this socket. Node has no SO_PEERCRED, so a small C program (native/peercred) inherits the accepted socket as descriptor 3 and prints what the
 * kernel says of the other end. Rejects when it cannot be told.
 */
export function localPeer(program: string, socket: Socket): Promise<LocalPeer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [], { stdio: ['ignore', 'pipe', 'ignore', socket], env: {}, cwd: '/' });
    const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      if (output.length < 65_536) output += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      const peer = code === 0 ? parsePeer(output) : undefined;
      if (peer === undefined) reject(new Error('the other end of a local socket could not be identified'));
      else resolve(peer);
    });
  });
}

function parsePeer(text: string): LocalPeer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { uid, user, groupNames } = (value ?? {}) as { uid?: unknown; user?: unknown; groupNames?: unknown };
  if (!Number.isSafeInteger(uid) || typeof user !== 'string' || !Array.isArray(groupNames)) return undefined;
  const groups = groupNames.filter((name): name is string => typeof name === 'string' && groupPattern.test(name));
  return { uid: uid as number, user: groupPattern.test(user) ? user : '', groups };
}
