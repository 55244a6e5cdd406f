/**
 * The agent's side of reeve-job (native/job/README.md): one connection for each piece of long work. Bytes of rsync's protocol come and go as a stream; everything
 * else it says comes as events. The work ends with the connection.
 */
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { reeveError } from '../../shared/errors/error.js';
import { createEventQueue, type EventQueue } from '../../shared/kit/event-queue.js';

/** Kinds of frames. */
const kinds = { data: 1, end: 2, ready: 3, progress: 4, problem: 5, row: 6, output: 7, result: 8, input: 9 } as const;

const headBytes = 5;
const payloadBytes = 65_536;

/** Values by key; a key may come again. Texts are bytes: names of files are in them. */
export type JobFields = ReadonlyMap<string, readonly Buffer[]>;

/** What a job says beside the bytes of rsync. */
export type JobEvent =
  | { readonly kind: 'ready' | 'progress' | 'problem' | 'row' | 'result'; readonly fields: JobFields }
  | { readonly kind: 'output'; readonly bytes: Buffer };

/** One piece of work. Destroy it to end the work. */
export interface Job {
  /** rsync's protocol. */
  readonly data: Duplex;
  /** In order; ends after `result`, or with HELPER_UNREACHABLE when the connection breaks before. */
  readonly events: AsyncIterable<JobEvent>;
  /** Paths that it works on; an empty list ends them. */
  input(paths: readonly Uint8Array[]): Promise<void>;
  /** Ends it with all its programs. Repeatable. */
  close(): void;
}

/** The fields of a payload. */
export function parseFields(payload: Buffer): JobFields {
  const fields = new Map<string, Buffer[]>();
  for (let at = 0; at < payload.length; ) {
    const end = payload.indexOf(0, at);
    const equals = payload.indexOf(0x3d, at);
    if (end < 0 || equals < 0 || equals > end) throw broken('a field has no end');
    const key = payload.toString('latin1', at, equals);
    const values = fields.get(key) ?? [];
    values.push(Buffer.from(payload.subarray(equals + 1, end)));
    fields.set(key, values);
    at = end + 1;
  }
  return fields;
}

/** The first value of a field as text; empty: there is none. */
export function fieldText(fields: JobFields, key: string): string {
  return fields.get(key)?.[0]?.toString('utf8') ?? '';
}

/** The first value of a field as a number; 0: there is none, or it is none that is exact. */
export function fieldNumber(fields: JobFields, key: string): number {
  const text = fieldText(fields, key);
  const value = /^-?[0-9]{1,16}$/.test(text) ? Number(text) : 0;
  return Number.isSafeInteger(value) ? value : 0;
}

function broken(reason: string): Error {
  return reeveError('HELPER_UNREACHABLE', { reason: `the work of a backup: ${reason}` });
}

/** Reads frames as they come. Data is handed on without waiting for the whole frame. */
class JobStream extends Duplex {
  readonly #socket: Socket;
  readonly #events: EventQueue<JobEvent>;
  /** What of a head, or of a payload that is no data, has come. */
  #parts: Buffer[] = [];
  #have = 0;
  /** Of the frame that is being read; undefined: its head is. */
  #frame: { readonly kind: number; left: number } | undefined;
  #ended = false;
  #told = false;

  constructor(socket: Socket, events: EventQueue<JobEvent>) {
    // Its result comes after the last byte of both ways.
    super({ allowHalfOpen: true, autoDestroy: false, readableHighWaterMark: 262_144, writableHighWaterMark: 262_144 });
    this.#socket = socket;
    this.#events = events;
    socket.on('data', (chunk: Buffer) => {
      try {
        this.#take(chunk);
      } catch (error) {
        this.destroy(error as Error);
      }
    });
    socket.on('error', (error) => this.destroy(broken(error.message)));
    // It ends its side with its last frame, or because it died.
    socket.on('end', () => {
      if (!this.#told) this.destroy(broken('it ended without a word'));
    });
    socket.on('close', () => this.destroy(this.#told ? undefined : broken('it ended without a word')));
  }

  #take(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame === undefined) {
        const piece = chunk.subarray(at, at + headBytes - this.#have);
        this.#parts.push(piece);
        this.#have += piece.length;
        at += piece.length;
        if (this.#have < headBytes) return;
        const head = this.#parts.length === 1 ? piece : Buffer.concat(this.#parts);
        this.#parts = [];
        this.#have = 0;
        const length = head.readUInt32BE(0) - 1;
        if (length < 0 || length > payloadBytes) throw broken('a frame is too long');
        this.#frame = { kind: head.readUInt8(4), left: length };
      }
      const frame = this.#frame;
      const piece = chunk.subarray(at, at + frame.left);
      at += piece.length;
      frame.left -= piece.length;
      if (frame.kind === kinds.data) {
        if (piece.length > 0 && !this.#ended && !this.push(piece)) this.#socket.pause();
      } else if (piece.length > 0) this.#parts.push(piece);
      if (frame.left > 0) continue;
      this.#frame = undefined;
      if (frame.kind === kinds.data) continue;
      const payload = Buffer.concat(this.#parts);
      this.#parts = [];
      this.#tell(frame.kind, payload);
    }
  }

  #tell(kind: number, payload: Buffer): void {
    switch (kind) {
      case kinds.end:
        this.#endData();
        return;
      case kinds.ready:
        this.#events.push({ kind: 'ready', fields: parseFields(payload) });
        return;
      case kinds.progress:
        this.#events.push({ kind: 'progress', fields: parseFields(payload) });
        return;
      case kinds.problem:
        this.#events.push({ kind: 'problem', fields: parseFields(payload) });
        return;
      case kinds.row:
        this.#events.push({ kind: 'row', fields: parseFields(payload) });
        return;
      case kinds.output:
        this.#events.push({ kind: 'output', bytes: payload });
        return;
      case kinds.result:
        this.#told = true;
        this.#events.push({ kind: 'result', fields: parseFields(payload) });
        this.#events.end();
        this.#endData();
        return;
      default:
        throw broken('a frame is of no kind');
    }
  }

  #endData(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.push(null);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    for (let at = 0; at < chunk.length; at += payloadBytes) {
      const piece = chunk.subarray(at, at + payloadBytes);
      this.#socket.cork();
      this.#socket.write(headOf(kinds.data, piece.length));
      const last = at + payloadBytes >= chunk.length;
      if (last) this.#socket.write(piece, (error) => done(error));
      else this.#socket.write(piece);
      this.#socket.uncork();
    }
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#socket.destroyed) done();
    else this.#socket.write(headOf(kinds.end, 0), () => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    this.#events.end(this.#told ? undefined : (error ?? broken('it was ended')));
    done(error);
  }

  /** Resolves when it is on its way. */
  send(kind: number, payload: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(Buffer.concat([headOf(kind, payload.length), payload]), (error) => (error ? reject(error) : resolve()));
    });
  }
}

function headOf(kind: number, length: number): Buffer {
  const head = Buffer.allocUnsafe(headBytes);
  head.writeUInt32BE(length + 1, 0);
  head.writeUInt8(kind, 4);
  return head;
}

/** Takes up the work of a ticket that the helper gave. Errors: HELPER_UNREACHABLE. */
export async function openJob(path: string, ticket: string): Promise<Job> {
  const socket = connect({ path, allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (error) => reject(broken(error.message)));
  });
  const events = createEventQueue<JobEvent>();
  const data = new JobStream(socket, events);
  // Whoever waits for its end hears of it by the events.
  data.on('error', () => undefined);
  socket.write(ticket);
  return {
    data,
    events,
    async input(paths) {
      let batch: Buffer[] = [];
      let bytes = 0;
      const flush = async (): Promise<void> => {
        if (bytes > 0) await data.send(kinds.input, Buffer.concat(batch));
        batch = [];
        bytes = 0;
      };
      for (const path of paths) {
        if (bytes + path.length + 1 > payloadBytes) await flush();
        batch.push(Buffer.from(path), Buffer.of(0));
        bytes += path.length + 1;
      }
      await flush();
      await data.send(kinds.input, Buffer.alloc(0));
    },
    close: () => void data.destroy(),
  };
}
