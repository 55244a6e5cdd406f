import { randomUUID } from 'node:crypto';
import { chmodSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { reeveError } from '../../shared/errors/error.js';
import { random } from '../../shared/kit/random.js';

/** How long between two tries, ms. */
const tryMs = 100;

/** How long those who ask at the same moment give way to each other, ms. */
const contendMs = 5_000;

/**
 * The right to write the state folder: held by whoever listens on its socket. Only the agent's account and root can enter that folder, so only they can
 * connect, and nobody else can stand in the way.
 */
export interface Guard {
  /** Answers those who connect; they wait until this was called. */
  serve(onConnection: (socket: Socket) => void): void;
  close(): Promise<void>;
}

/**
 * Takes the guard, waiting for somebody who has it. Errors: BUSY; what the file system says.
 *
 * Everybody first listens under a name of its own, then looks who else listens, and gives way when somebody does. Of two, the one who began to listen
 * later looks after the other listens: never do both go on. Who goes on moves its socket to the guard's own name, over what a crash may have left there.
 */
export async function takeGuard(path: string, waitMs: number): Promise<Guard> {
  for (let passedMs = 0; ; passedMs += tryMs) {
    const taken = await tryTake(path);
    if (typeof taken !== 'string') return taken;
    if (passedMs >= (taken === 'held' ? waitMs : Math.max(waitMs, contendMs))) throw reeveError('BUSY', { rule: `another agent has ${path}` });
    await sleep(tryMs * (0.5 + random()));
  }
}

async function tryTake(path: string): Promise<Guard | 'held' | 'contended'> {
  if (await isHeld(path)) return 'held';
  const own = `${path}.${randomUUID().slice(0, 8)}`;
  const waiting: Socket[] = [];
  let answer: ((socket: Socket) => void) | undefined;
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    if (answer === undefined) waiting.push(socket);
    else answer(socket);
  });
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      for (const socket of waiting.splice(0)) socket.destroy();
      server.close(() => resolve());
    });
  await listenOn(server, own);
  const others = await listeners(path, own);
  if (others === undefined || others.held.length > 0) {
    await close();
    return others?.held.includes(path) === true ? 'held' : 'contended';
  }
  chmodSync(own, 0o600);
  for (const left of others.dead) if (left !== path) rmSync(left, { force: true });
  renameSync(own, path);
  return {
    serve(onConnection) {
      answer = onConnection;
      for (const socket of waiting.splice(0)) onConnection(socket);
    },
    close() {
      rmSync(path, { force: true });
      return close();
    },
  };
}

/** Who else listens in the folder, and which sockets a crash has left; undefined: somebody moved while this looked. */
async function listeners(path: string, own: string): Promise<{ held: readonly string[]; dead: readonly string[] } | undefined> {
  const folder = dirname(path);
  const names = readdirSync(folder).filter((name) => name === basename(path) || name.startsWith(`${basename(path)}.`));
  const others = names.map((name) => join(folder, name)).filter((name) => name !== own);
  const states = await Promise.all(others.map(ask));
  if (states.includes('gone')) return undefined;
  return { held: others.filter((_name, index) => states[index] === 'held'), dead: others.filter((_name, index) => states[index] === 'dead') };
}

/** Whether somebody listens there. */
export async function isHeld(path: string): Promise<boolean> {
  return (await ask(path)) === 'held';
}

function ask(path: string): Promise<'held' | 'dead' | 'gone'> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve('held');
    });
    socket.once('error', (error: Error & { code?: string }) => resolve(error.code === 'ENOENT' ? 'gone' : error.code === 'ECONNREFUSED' ? 'dead' : 'held'));
  });
}

function listenOn(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
