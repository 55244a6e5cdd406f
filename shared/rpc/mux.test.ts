import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { until } from '../../test/support/until.js';
import { formatFrame, parseFrame } from './frame.js';
import { createMux, mostConnections, windowBytes, type Frame, type Mux } from './mux.js';

/** Two sides joined by frames that take their time, and what is under way between them at most. */
function pair(onOpen: (connection: Duplex) => void): { near: Mux; far: Mux; frames: Frame[]; closed: string[] } {
  const closed: string[] = [];
  const frames: Frame[] = [];
  const near = createMux({ onClosed: (reason) => closed.push(`near: ${reason}`) });
  const far = createMux({ onOpen, onClosed: (reason) => closed.push(`far: ${reason}`) });
  const carry = async (from: Mux, to: Mux): Promise<void> => {
    for await (const frame of from.outgoing) {
      frames.push(frame);
      await new Promise((resolve) => setImmediate(resolve));
      to.receive(frame);
    }
  };
  void carry(near, far);
  void carry(far, near);
  return { near, far, frames, closed };
}

async function readAll(connection: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of connection.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const opened = (mux: Mux): Duplex => {
  const connection = mux.open();
  if (connection === undefined) throw new Error('no connection');
  return connection;
};

describe('virtual connections', () => {
  it('carry bytes of any size both ways, and each half closes on its own', async () => {
    const { near, far } = pair((connection) => connection.pipe(connection));
    const sent = [0, 1, 32 * 1024, windowBytes, 3 * windowBytes + 17].map((size) => randomBytes(size));
    const back = await Promise.all(sent.map(async (bytes) => {
      const connection = opened(near);
      connection.end(bytes);
      return readAll(connection);
    }));
    expect(back.map((bytes, index) => bytes.equals(sent[index] ?? Buffer.alloc(0)))).toEqual(sent.map(() => true));
    await until(() => near.size === 0 && far.size === 0, { timeoutMs: 5000, what: 'both sides to forget the connections' });
  });

  it('that nobody reads take no more than their window, and hold up no other', async () => {
    let count = 0;
    const { near, frames } = pair((connection) => {
      count += 1;
      if (count > 1) connection.pipe(connection);
    });
    const stuck = opened(near);
    let accepted = 0;
    const chunk = randomBytes(16 * 1024);
    while (stuck.write(chunk)) accepted += chunk.length;
    const other = opened(near);
    const bytes = randomBytes(2 * windowBytes);
    for (let more = 0; more < 100; more += 1) stuck.write(chunk);
    other.end(bytes);
    expect((await readAll(other)).equals(bytes)).toBe(true);
    const stuckBytes = frames.filter((frame) => frame.connection === 1 && frame.message === 'data').reduce((sum, frame) => sum + (frame.message === 'data' ? frame.data.length : 0), 0);
    expect(stuckBytes).toBe(windowBytes);
    // What its writer may hold besides the window is a stream's ordinary buffer.
    expect(accepted).toBeLessThan(windowBytes + 64 * 1024);
    near.close('over');
  });

  it('are limited in number', () => {
    const { near } = pair(() => undefined);
    const connections = Array.from({ length: mostConnections }, () => opened(near));
    expect(near.open()).toBeUndefined();
    connections[0]?.destroy();
    return until(() => near.open() !== undefined, { timeoutMs: 5000, what: 'a place to be free' });
  });

  it('all end with the mux, on both sides', async () => {
    const accepted: Duplex[] = [];
    const { near, far, closed } = pair((connection) => accepted.push(connection));
    const connection = opened(near);
    await until(() => accepted.length === 1, { timeoutMs: 5000, what: 'the connection' });
    near.close('enough');
    far.close('enough');
    await until(() => connection.destroyed && accepted[0]?.destroyed === true, { timeoutMs: 5000, what: 'both ends to be gone' });
    expect(near.open()).toBeUndefined();
    expect(closed).toEqual(['near: enough', 'far: enough']);
  });

  it.each<[string, Frame[]]>([
    ['more bytes than there was credit for', [{ connection: 1, message: 'open' }, ...Array.from({ length: 9 }, (): Frame => ({ connection: 1, message: 'data', data: Buffer.alloc(32 * 1024) }))]],
    ['a number that was used before', [{ connection: 5, message: 'open' }, { connection: 5, message: 'close', close: '' }, { connection: 4, message: 'open' }]],
    ['too many connections', Array.from({ length: mostConnections + 1 }, (_, index): Frame => ({ connection: index + 1, message: 'open' }))],
    ['credit that nobody can have', [{ connection: 1, message: 'open' }, { connection: 1, message: 'credit', credit: 1 }]],
    ['credit below nothing', [{ connection: 1, message: 'open' }, { connection: 1, message: 'credit', credit: -1 }]],
  ])('end all when the other side sends %s', (_name, frames) => {
    const closed: string[] = [];
    const mux = createMux({ onOpen: () => undefined, onClosed: (reason) => closed.push(reason) });
    for (const frame of frames) mux.receive(frame);
    expect(closed).toHaveLength(1);
  });

  it('end all when the side that may not open opens', () => {
    const closed: string[] = [];
    createMux({ onClosed: (reason) => closed.push(reason) }).receive({ connection: 1, message: 'open' });
    expect(closed).toHaveLength(1);
  });

  it('never throw on frames in any order', () => {
    const frame = fc.oneof(
      fc.record({ connection: fc.integer({ min: 0, max: 4 }), message: fc.constantFrom('open' as const, 'end' as const) }),
      fc.record({ connection: fc.integer({ min: 0, max: 4 }), message: fc.constant('data' as const), data: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)) }),
      fc.record({ connection: fc.integer({ min: 0, max: 4 }), message: fc.constant('close' as const), close: fc.string() }),
      fc.record({ connection: fc.integer({ min: 0, max: 4 }), message: fc.constant('credit' as const), credit: fc.integer() }),
    );
    fc.assert(fc.property(fc.array(frame, { maxLength: 30 }), (frames) => {
      const mux = createMux({ onOpen: () => undefined });
      for (const each of frames) mux.receive(each);
      mux.close('over');
      expect(mux.size).toBe(0);
    }));
  });
});

describe('frames', () => {
  it('are the same after a way over the wire', () => {
    const frames: Frame[] = [
      { connection: 1, message: 'open' }, { connection: 1, message: 'data', data: Buffer.from('x') }, { connection: 1, message: 'end' },
      { connection: 2, message: 'close', close: 'why' }, { connection: 3, message: 'credit', credit: 7 },
    ];
    for (const frame of frames) expect(parseFrame({ ...formatFrame(frame), message: frame.message })).toEqual(frame);
    expect(parseFrame({ connection: 0, message: 'hello' })).toBeUndefined();
    expect(parseFrame({ connection: 0 })).toBeUndefined();
  });
});
