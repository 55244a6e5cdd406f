import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openJob, parseFields, type JobEvent } from './job.js';
import { frameOf } from '../../native/job/testing/talk.js';

let folder: string;
let path: string;
let close: () => void;
let said: Promise<Socket>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reeve-job-'));
  path = join(folder, 'job.sock');
  let take: (socket: Socket) => void = () => undefined;
  said = new Promise((resolve) => (take = resolve));
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    take(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  close = () => void server.close();
});
afterEach(() => {
  close();
  rmSync(folder, { recursive: true, force: true });
});

const ticket = '0123456789abcdef0123456789abcdef';

async function heard(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe('a job', () => {
  it('gives bytes and events however its frames are cut', async () => {
    const frames = Buffer.concat([frameOf(3, 'sandbox=full\0'), frameOf(1, 'abc'), frameOf(4, 'files=1\0bytes=2\0'), frameOf(1, ''), frameOf(1, 'def'), frameOf(5, 'kind=failed\0path=/a\nb\0'), frameOf(2, ''), frameOf(7, 'out'), frameOf(8, 'ok=1\0')]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 40 }), async (cuts) => {
        said = new Promise((resolve) => {
          const server = createServer({ allowHalfOpen: true }, resolve);
          close();
          rmSync(path, { force: true });
          server.listen(path);
          close = () => void server.close();
        });
        const job = await openJob(path, ticket);
        const socket = await said;
        const events = heard(job.events);
        const bytes = (async () => {
          const chunks: Buffer[] = [];
          for await (const chunk of job.data.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) chunks.push(chunk);
          return Buffer.concat(chunks).toString();
        })();
        let at = 0;
        for (const cut of cuts) {
          socket.write(frames.subarray(at, at + cut));
          at += cut;
        }
        socket.write(frames.subarray(at));
        expect(await bytes).toBe('abcdef');
        expect((await events).map(({ kind }) => kind)).toEqual(['ready', 'progress', 'problem', 'output', 'result']);
        job.close();
        socket.destroy();
      }),
      { numRuns: 30 },
    );
  });

  it('is handed its ticket, bytes and paths', async () => {
    const job = await openJob(path, ticket);
    const socket = await said;
    await job.input([Buffer.from('/a'), Buffer.from('/b')]);
    job.data.end('xyz');
    const wanted = Buffer.concat([Buffer.from(ticket), frameOf(9, '/a\0/b\0'), frameOf(9, ''), frameOf(1, 'xyz'), frameOf(2, '')]);
    const chunks: Buffer[] = [];
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      if (Buffer.concat(chunks).length >= wanted.length) break;
    }
    expect(Buffer.concat(chunks).toString('hex')).toBe(wanted.toString('hex'));
    job.close();
  });

  it('is read no faster than its events are taken, and to its end', async () => {
    const job = await openJob(path, ticket);
    const socket = await said;
    const row = frameOf(6, `path=${'x'.repeat(4000)}\0`);
    const rows = 20_000;
    let written = 0;
    const writing = (async () => {
      for (; written < rows; written++) if (!socket.write(row)) await new Promise((resolve) => socket.once('drain', resolve));
      socket.write(frameOf(8, 'ok=1\0'));
    })();
    // Nobody has taken any: what is under way fills the socket and stays there.
    let before = -1;
    while (written !== before) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(written).toBeLessThan(rows / 2);
    expect((await heard(job.events)).length).toBe(rows + 1);
    await writing;
    job.close();
  });

  it('that goes without a result is an error', async () => {
    const job = await openJob(path, ticket);
    (await said).end(frameOf(3, 'sandbox=full\0'));
    await expect(heard(job.events)).rejects.toThrow('ended without a word');
  });

  it.each([
    ['too long', Buffer.from('7fffffff01', 'hex')],
    ['of no kind', frameOf(77, '')],
    ['without an end of a field', frameOf(4, 'files=1')],
  ])('whose frame is %s is an error', async (_what, bytes) => {
    const job = await openJob(path, ticket);
    (await said).write(bytes);
    await expect(heard(job.events)).rejects.toThrow();
  });
});

it('fields may come again, and have any byte but NUL', () => {
  const fields = parseFields(Buffer.from('folder=/a\0folder=/b=c\0text=\n\u001b\0'));
  expect(fields.get('folder')?.map(String)).toEqual(['/a', '/b=c']);
  expect(fields.get('text')?.map(String)).toEqual(['\n\u001b']);
});
