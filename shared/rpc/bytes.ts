import type { Duplex, Writable } from 'node:stream';
import { reeveError } from '../errors/error.js';

/** Most bytes that one message carries. */
export const chunkBytes = 64 * 1024;

/** A message of a stream of bytes: some bytes, or that no more come from this side. */
export interface ByteMessage {
  readonly data?: Buffer;
  readonly end?: boolean;
}

/** What comes out of a connection, as messages; read as fast as they are taken. Throws what the connection broke with. */
export async function* bytesOf(connection: Duplex): AsyncGenerator<{ data: Buffer } | { end: true }> {
  for await (const chunk of connection.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; at += chunkBytes) yield { data: chunk.subarray(at, at + chunkBytes) };
  }
  yield { end: true };
}

/** Writes what comes in messages into a connection, as fast as it takes them, and closes its half when they say so. Resolves after the last one. Errors: LIMIT_EXCEEDED. */
export async function writeBytes(connection: Writable, messages: AsyncIterable<ByteMessage>, counted: (bytes: number) => void = () => undefined): Promise<void> {
  for await (const { data, end } of messages) {
    if (data !== undefined) {
      if (data.length > chunkBytes) throw reeveError('LIMIT_EXCEEDED', { field: 'a message', rule: `at most ${String(chunkBytes)} bytes` });
      counted(data.length);
      if (connection.destroyed || connection.writableEnded) return;
      if (!connection.write(data)) await drained(connection);
    }
    if (end === true) connection.end();
  }
  if (!connection.writableEnded) connection.end();
}

/** Resolves when a connection takes more, or has gone. */
function drained(connection: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      connection.off('drain', done);
      connection.off('close', done);
      resolve();
    };
    connection.once('drain', done);
    connection.once('close', done);
    if (connection.destroyed) done();
  });
}

/** Joins two connections: what comes out of one goes into the other, also half-closed ones; the end of one, or an error, is the end of both. Resolves then. */
export async function joinConnections(one: Duplex, other: Duplex, counted: (from: 'one' | 'other', bytes: number) => void = () => undefined): Promise<void> {
  const over = Promise.all([one, other].map((side) => new Promise<void>((resolve) => {
    side.once('close', resolve);
    if (side.destroyed) resolve();
  })));
  for (const [from, into] of [[one, other], [other, one]] as const) {
    from.on('error', () => into.destroy());
    from.once('close', () => into.destroy());
  }
  const pass = (from: Duplex, into: Duplex, name: 'one' | 'other'): Promise<void> => writeBytes(into, bytesOf(from), (bytes) => counted(name, bytes));
  await Promise.all([pass(one, other, 'one'), pass(other, one, 'other')]).catch(() => undefined);
  // Both have said all: what was written last is on its way before the connections go.
  await Promise.all([one, other].map((side) => finished(side)));
  one.destroy();
  other.destroy();
  await over;
}

function finished(side: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (side.writableFinished || side.destroyed) {
      resolve();
      return;
    }
    side.once('finish', resolve);
    side.once('close', resolve);
  });
}
