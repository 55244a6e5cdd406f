import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const here = dirname(fileURLToPath(import.meta.url));

test('the program names the user and the groups at the other end', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'peercred-'));
  try {
    execFileSync('make', ['-s', '-C', here, `OUT=${dir}`, `${dir}/reeve-peercred`]);
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => { server.listen(join(dir, 's'), resolve); });
    const accepted = new Promise<Socket>((resolve) => { server.once('connection', resolve); });
    const client = connect(join(dir, 's'));
    const socket = await accepted;
    const child = spawn(join(dir, 'reeve-peercred'), [], { stdio: ['ignore', 'pipe', 'inherit', socket], env: {} });
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => { text += chunk.toString(); });
    const code = await new Promise((resolve) => child.on('close', resolve));
    const seen = JSON.parse(text) as Record<string, unknown>;
    expect(code).toBe(0);
    expect(seen).toMatchObject({ uid: process.getuid?.(), gid: process.getgid?.(), pid: process.pid });
    expect(seen['user']).toBe(execFileSync('id', ['-un'], { encoding: 'utf8' }).trim());
    const groups = seen['groups'] as number[];
    expect([...groups].sort((a, b) => a - b)).toEqual([...new Set([...(process.getgroups?.() ?? []), process.getgid?.() ?? 0])].sort((a, b) => a - b));
    expect(seen['groupNames']).toContain(execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim());
    const alone = spawn(join(dir, 'reeve-peercred'), [], { stdio: 'ignore' });
    expect(await new Promise((resolve) => alone.on('close', resolve))).toBe(1);
    client.destroy();
    socket.destroy();
    server.close();
  } finally {
    rmSync(dir, { recursive: true });
  }
});
