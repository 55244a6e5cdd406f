/** Who is answered, what a caller may send, and how much of it at once. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { encodeRequest } from '../../agent/host/privd.js';
import { hostileFrames } from './hostile.js';
import { allowAll, failsWith, isRoot, packageBinary, sendRaw, startPrivd, testBinary, type Privd } from './testing/namespace.js';

/** Sends a frame (hex) to a socket and prints how many bytes came back. */
const countAnswer = `
const socket = require('net').connect(process.argv[1], () => { socket.write(Buffer.from(process.argv[2], 'hex')); });
let bytes = 0;
socket.on('data', (chunk) => { bytes += chunk.length; });
socket.on('error', () => {});
socket.on('close', () => { console.log(bytes); });`;

describe.skipIf(!isRoot)('callers of reeve-privd', () => {
  let privd: Privd;
  beforeAll(async () => { privd = await startPrivd(); }, 120_000);
  afterAll(() => privd.close(), 60_000);
  beforeEach(() => { privd.writePolicy(allowAll); });

  test('only the agent\'s uid is answered: not root, nobody or a member of its group; audited at most once a second', { timeout: 60_000 }, async () => {
    const before = privd.audit().filter((record) => record['verb'] === 'connect').length;
    const start = Date.now();
    const strict = await privd.startHelper('strict', 64123);
    chmodSync(strict.path, 0o666);
    const frame = encodeRequest('status.get', randomUUID(), {});
    const as = (uid: number, gid: number): number =>
      Number(execFileSync(process.execPath, ['-e', countAnswer, strict.path, frame.toString('hex')], { uid, gid, encoding: 'utf8', env: {}, cwd: '/' }));
    for (let i = 0; i < 20; i++) expect(await sendRaw(strict.path, frame, false)).toBeUndefined();
    expect(as(65534, 65534)).toBe(0);
    expect(as(64124, 64123)).toBe(0);
    const lines = privd.audit().filter((record) => record['verb'] === 'connect').length - before;
    expect(lines).toBeGreaterThanOrEqual(1);
    expect(lines).toBeLessThanOrEqual(2 + Math.floor((Date.now() - start) / 1000));
    expect(as(64123, 64123)).toBeGreaterThan(100);
    await strict.stop('SIGTERM');
  });

  test('malformed frames are answered or closed, and slow ones block nobody', { timeout: 60_000 }, async () => {
    const good = encodeRequest('observe.user', randomUUID(), { scope: 'managed' });
    const with32 = (bytes: Buffer, at: number, value: number): Buffer => {
      const out = Buffer.from(bytes);
      out.writeUInt32BE(value, at);
      return out;
    };
    expect(await privd.raw(Buffer.alloc(0))).toBeUndefined();
    expect(await privd.raw(good.subarray(0, 3))).toBe(13);
    expect(await privd.raw(good.subarray(0, 20))).toBe(13);
    expect(await privd.raw(with32(good, 0, 65_537))).toBe(67);
    expect(await privd.raw(with32(good, 0, 0xffffffff))).toBe(67);
    expect(await privd.raw(with32(good, 26, 0xffffffff))).toBe(13);
    expect(await privd.raw(Buffer.concat([with32(good, 0, good.length + 6), Buffer.from([0, 99, 0, 0, 0, 4, 1, 2, 3, 4])]))).toBe(12);
    const slow = Array.from({ length: 7 }, () => connect(privd.helper().path, function (this: Socket) { this.write(good.subarray(0, 10)); }));
    const start = Date.now();
    await privd.call('status.get', {});
    expect(Date.now() - start).toBeLessThan(1000);
    for (const socket of slow) socket.destroy();
  });

  test('8 requests run, 32 wait, the next one is told BUSY', { timeout: 60_000 }, async () => {
    await expect.poll(privd.children, { timeout: 15_000 }).toEqual([]); // those of earlier tests would make room again
    const open = Array.from({ length: 40 }, () => connect(privd.helper().path));
    await Promise.all(open.map((socket) => new Promise((resolve) => { socket.once('connect', resolve); })));
    try {
      for (let i = 0; i < 20; i++) await failsWith(privd.call('status.get', {}), 'BUSY');
    } finally {
      for (const socket of open) socket.destroy();
    }
    await expect.poll(() => privd.call('status.get', {}).then(() => true, () => false), { timeout: 15_000 }).toBe(true);
  });

  test('hostile frames change nothing, and the helper stays small', { timeout: 300_000 }, async () => {
    const next = hostileFrames(Number(process.env['REEVE_SEED'] ?? '1'));
    const count = Number(process.env['REEVE_HOSTILE'] ?? '3000');
    const before = privd.accounts();
    let sent = 0;
    await Promise.all(Array.from({ length: 6 }, async () => {
      while (sent < count) {
        sent++;
        await privd.raw(next().bytes);
      }
    }));
    expect(privd.accounts()).toBe(before);
    const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${String(privd.helper().pid)}/status`, 'utf8'))?.[1]);
    expect(rss).toBeLessThan(16 * 1024);
    expect(privd.helper().hasEnded()).toBe(false);
    expect(privd.audit().filter((record) => record['phase'] === 'refused').length).toBeLessThan(2000);
    expect(privd.inside(testBinary, '--verify-audit')).toMatch(/^intact/);
    process.stdout.write(`privd: ${String(sent)} hostile frames, 0 changes, helper ${String(rss)} KiB\n`);
  });

  test('the package build holds no failpoint, is hardened and small', () => {
    if (packageBinary === undefined) return;
    const binary = packageBinary;
    const bytes = readFileSync(binary);
    // Without nouns vhost, cert and container it has 240 KiB. A reader of nginx's configuration, the list of what a site may say, sets of sites and certificates are 140 KiB of
    // the rest; specs of containers, their units, and what of them is seen without asking anybody are 100 KiB.
    expect(bytes.length).toBeLessThanOrEqual(512 * 1024);
    for (const text of ['failpoint', 'FAILPOINT', 'violate', 'add.marked']) expect(bytes.includes(text), text).toBe(false);
    const elf = execFileSync('readelf', ['--wide', '--headers', '--dynamic', '--segments', binary], { encoding: 'utf8' });
    expect(elf).toMatch(/Type:\s+DYN/);
    expect(elf).toMatch(/BIND_NOW/);
    expect(elf).toMatch(/GNU_RELRO/);
    expect(elf).toMatch(/GNU_STACK.*\sRW\s/);
    expect(elf).not.toMatch(/LOAD.*RWE/);
    const symbols = execFileSync('readelf', ['--wide', '--dyn-syms', binary], { encoding: 'utf8' });
    expect(symbols).toMatch(/__stack_chk_fail/);
    for (const symbol of ['system', 'popen', 'dlopen', 'getpwnam', 'execvp', 'execlp']) expect(symbols).not.toMatch(new RegExp(`\\s${symbol}(@|$)`, 'm'));
  });
});
