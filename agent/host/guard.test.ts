import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isHeld, takeGuard } from './guard.js';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reeve-guard-'));
  path = join(folder, 'control.sock');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Takes the guard in a process of its own, and kills that: the socket stays behind. */
async function leaveStale(): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(readdirSync(folder)).toEqual(['control.sock']);
}

describe('the guard of the state folder', () => {
  it('is had by one at a time, and goes to the next who asks', async () => {
    const first = await takeGuard(path, 0);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await expect(takeGuard(path, 0)).rejects.toMatchObject({ code: 'BUSY' });
    const next = takeGuard(path, 5_000);
    await first.close();
    const second = await next;
    expect(await isHeld(path)).toBe(true);
    await second.close();
    expect(await isHeld(path)).toBe(false);
  });

  it('does not stay with one who was killed', async () => {
    await leaveStale();
    expect(await isHeld(path)).toBe(false);
    const guard = await takeGuard(path, 0);
    expect(await isHeld(path)).toBe(true);
    await guard.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('goes to one of many who find it left behind', async () => {
    for (let round = 0; round < 10; round += 1) {
      await leaveStale();
      const takers = await Promise.allSettled(Array.from({ length: 8 }, () => takeGuard(path, 0)));
      const holders = takers.flatMap((taker) => (taker.status === 'fulfilled' ? [taker.value] : []));
      expect(holders.length).toBe(1);
      expect(await isHeld(path)).toBe(true);
      await Promise.all(holders.map((holder) => holder.close()));
      rmSync(path, { force: true });
    }
  });

  it('lets those who connect early wait until there is an answer', async () => {
    const guard = await takeGuard(path, 0);
    const socket = connect({ path });
    await once(socket, 'connect');
    guard.serve((peer) => peer.end('hello'));
    const [text] = (await once(socket.setEncoding('utf8'), 'data')) as [string];
    expect(text).toBe('hello');
    socket.destroy();
    await guard.close();
  });
});
