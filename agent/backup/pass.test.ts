import { randomBytes } from 'node:crypto';
import { PassThrough, Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { passOn } from './pass.js';

describe('bytes that are passed on', () => {
  it('are the same ones, with their end', async () => {
    const sent = Array.from({ length: 300 }, (_, n) => randomBytes(1 + ((n * 7919) % 30_000)));
    const to = new PassThrough({ highWaterMark: 10_000 });
    passOn(Readable.from(sent), to);
    expect((await buffer(to)).equals(Buffer.concat(sent))).toBe(true);
  });

  it('are written together when they come in one turn', async () => {
    const got: number[] = [];
    const from = new PassThrough();
    const to = new Writable({
      writev(chunks, done) {
        got.push(chunks.length);
        done();
      },
    });
    passOn(from, to);
    for (let n = 0; n < 3; n += 1) from.write(Buffer.alloc(1000));
    from.end();
    await finished(to);
    expect(got).toEqual([3]);
  });

  it('wait while the other stream is full', async () => {
    const from = new PassThrough({ highWaterMark: 1000 });
    let take = (): void => undefined;
    passOn(from, new Writable({ highWaterMark: 1000, write: (_chunk, _encoding, done) => (take = done) }));
    for (let n = 0; n < 10; n += 1) {
      from.write(Buffer.alloc(1000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(from.isPaused()).toBe(true);
    expect(from.readableLength).toBeGreaterThan(0);
    take();
    await new Promise((resolve) => setImmediate(resolve));
    expect(from.isPaused()).toBe(false);
  });

  it('come to their end when the other stream has gone', async () => {
    const from = new PassThrough({ highWaterMark: 1000 });
    const to = new Writable({ highWaterMark: 1000, write: () => undefined });
    passOn(from, to);
    for (let n = 0; n < 20; n += 1) from.write(Buffer.alloc(1000));
    await new Promise((resolve) => setImmediate(resolve));
    from.end();
    to.destroy();
    await finished(from);
  });
});
