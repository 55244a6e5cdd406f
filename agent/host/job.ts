/**
 * The agent's side of reeve-job and reeve-container (native/job/README.md, native/container/README.md): one connection for each piece of long work. Bytes, of rsync's
 * protocol or of an image, come and go as a stream; everything else it says comes as events. The work ends with the connection.
 */
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { reeveError } from '../../shared/errors/error.js';
import { createEventQueue, type EventQueue } from '../../shared/kit/event-queue.js';
import { startCarrier, type Carrier, type CarrySettings } from './carry.js';
import { framesOf, headBytes, kinds, payloadBytes } from './frame.js';

/** How much is read at once. */
const readBytes = 262_144;

/** How much is written at once, mostly; what is larger has a buffer of its own. */
const roomBytes = 131_072;

/** How many events wait before nothing more is read: rows of a large snapshot are many. */
const mostWaiting = 256;

/** Values by key; a key may come again. Texts are bytes: names of files are in them. */
export type JobFields = ReadonlyMap<string, readonly Buffer[]>;

/** What a job says beside bytes. */
export type JobEvent =
  | { readonly kind: 'ready' | 'progress' | 'problem' | 'row' | 'result'; readonly fields: JobFields }
  | { readonly kind: 'output'; readonly bytes: Buffer };

/** One piece of work. Destroy it to end the work. */
export interface Job {
  /** rsync's protocol, or what is taken in. What is written is given away: its memory is not the writer's any more. */
  readonly data: Duplex;
  /** In order; ends after `result`, or with HELPER_UNREACHABLE when the connection breaks before. */
  readonly events: AsyncIterable<JobEvent>;
  /** Paths that it works on; an empty list ends them. */
  input(paths: readonly Uint8Array[]): Promise<void>;
  /**
   * Has a program carry the bytes between the job and this connection, which is given away: `data` is empty from then on. Rejects with why the other side is not who it
   * has to be, or why the program could not begin; the job is as it was before then. Absent where that program is not installed.
   */
  readonly carry?: (connection: Socket, settings: CarrySettings) => Promise<void>;
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
  return reeveError('HELPER_UNREACHABLE', { reason: `the program that does the work: ${reason}` });
}

/**
 * Reads frames as they come. Data is handed on without waiting for the whole frame, what has come at once in one piece: without a JIT compiler a piece costs as much as
 * a frame does.
 */
class JobStream extends Duplex {
  #socket: Socket;
  readonly #events: EventQueue<JobEvent>;
  /** Data of what was read just now, which is only lent. */
  #data: Buffer[] = [];
  /** For data that is on its way to the job: one write at a time. */
  readonly #room = Buffer.allocUnsafeSlow(roomBytes);
  /** What of a head, or of a payload that is no data, has come. */
  #parts: Buffer[] = [];
  #have = 0;
  /** Of the frame that is being read; undefined: its head is. */
  #frame: { readonly kind: number; left: number } | undefined;
  #ended = false;
  #told = false;
  /** Events that nobody has taken yet. */
  #waiting = 0;
  /** What is to carry its bytes, before that has begun. */
  #carrier: Carrier | undefined;

  constructor(socket: Socket, events: EventQueue<JobEvent>) {
    // Its result comes after the last byte of both ways.
    super({ allowHalfOpen: true, autoDestroy: false, readableHighWaterMark: 262_144, writableHighWaterMark: 262_144 });
    this.#socket = socket;
    this.#events = events;
    this.#mind(socket);
  }

  #mind(socket: Socket): void {
    socket.on('error', (error) => this.destroy(broken(error.message)));
    // It ends its side with its last frame, or because it died.
    socket.on('end', () => {
      if (!this.#told) this.destroy(broken('it ended without a word'));
    });
    socket.on('close', () => this.destroy(this.#told ? undefined : broken('it ended without a word')));
  }

  /** See Job.carry. */
  async carry(program: string, connection: Socket, settings: CarrySettings): Promise<void> {
    if (this.#isOver() || this.#carrier !== undefined) throw broken('it was ended');
    const job = this.#socket;
    job.pause();
    try {
      this.#carrier = startCarrier(program, connection, job, settings);
      await this.#carrier.proved;
    } catch (error) {
      connection.destroy();
      this.#carrier?.control.destroy();
      this.#carrier = undefined;
      job.resume();
      throw error;
    }
    if (this.#isOver()) throw broken('it was ended');
    const { control } = this.#carrier;
    const taken = this.#unread();
    for (let at = 0; at < taken.length; at += payloadBytes) control.write(framesOf(kinds.taken, [taken.subarray(at, at + payloadBytes)]));
    control.write(framesOf(kinds.go, []));
    this.#frame = undefined;
    this.#parts = [];
    this.#have = 0;
    this.#socket = control;
    this.#carrier = undefined;
    // The program has it now: only this process lets it go.
    for (const name of ['end', 'close', 'error']) job.removeAllListeners(name);
    job.on('error', () => undefined);
    job.destroy();
    this.#mind(control);
    control.on('data', (bytes: Buffer) => {
      if (!this.takeBytes(bytes)) control.pause();
    });
    control.resume();
  }

  #isOver(): boolean {
    return this.destroyed;
  }

  /** Takes back what was read of the job and nobody has had, as the frames that it came in. */
  #unread(): Buffer {
    const data = this.read() as Buffer | null;
    const pieces = data === null ? [] : [framesOf(kinds.data, [data])];
    if (this.#ended) pieces.push(framesOf(kinds.end, []));
    const frame = this.#frame;
    if (frame !== undefined) {
      const head = Buffer.alloc(headBytes);
      head.writeUInt32BE(this.#parts.reduce((sum, { length }) => sum + length, frame.left) + 1, 0);
      head.writeUInt8(frame.kind, 4);
      pieces.push(head);
    }
    return Buffer.concat([...pieces, ...this.#parts]);
  }

  /** Takes what was read; the bytes are the caller's again afterwards. False: no more for now. */
  takeBytes(chunk: Buffer): boolean {
    try {
      this.#parse(chunk);
      return this.#handOn() && this.#waiting < mostWaiting;
    } catch (error) {
      this.destroy(error as Error);
      return false;
    }
  }

  /** False: there is enough of it. What follows the end of the data is always wanted. */
  #handOn(): boolean {
    const pieces = this.#data;
    if (pieces.length === 0) return true;
    this.#data = [];
    return this.push(Buffer.concat(pieces)) || this.#ended;
  }

  #parse(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame === undefined) {
        const piece = Buffer.from(chunk.subarray(at, at + headBytes - this.#have));
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
        if (piece.length > 0 && !this.#ended) this.#data.push(piece);
      } else if (piece.length > 0) this.#parts.push(Buffer.from(piece));
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
        this.#hear({ kind: 'ready', fields: parseFields(payload) });
        return;
      case kinds.progress:
        this.#hear({ kind: 'progress', fields: parseFields(payload) });
        return;
      case kinds.problem:
        this.#hear({ kind: 'problem', fields: parseFields(payload) });
        return;
      case kinds.row:
        this.#hear({ kind: 'row', fields: parseFields(payload) });
        return;
      case kinds.output:
        this.#hear({ kind: 'output', bytes: payload });
        return;
      case kinds.result:
        this.#told = true;
        this.#hear({ kind: 'result', fields: parseFields(payload) });
        this.#events.end();
        this.#endData();
        return;
      default:
        throw broken('a frame is of no kind');
    }
  }

  #hear(event: JobEvent): void {
    this.#waiting += 1;
    this.#events.push(event);
  }

  /** In order; what is taken makes room for more. */
  async *heard(): AsyncGenerator<JobEvent> {
    for await (const event of this.#events) {
      this.#waiting -= 1;
      if (this.#waiting < mostWaiting) this.#more();
      yield event;
    }
  }

  #endData(): void {
    if (this.#ended) return;
    this.#handOn();
    this.#ended = true;
    this.push(null);
  }

  override _read(): void {
    this.#more();
  }

  #more(): void {
    if (this.#carrier === undefined) this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this._writev([{ chunk }], done);
  }

  override _writev(pieces: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    const chunks = pieces.map(({ chunk }) => chunk);
    const frames = framesOf(kinds.data, chunks, this.#room);
    for (const chunk of chunks) release(chunk);
    this.#socket.write(frames, (error) => done(error));
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#socket.destroyed) done();
    else this.#socket.write(framesOf(kinds.end, []), () => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    this.#carrier?.control.destroy();
    this.#events.end(this.#told ? undefined : (error ?? broken('it was ended')));
    done(error);
  }

  /** Resolves when it is on its way. */
  send(kind: number, payload: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(framesOf(kind, [payload]), (error) => (error ? reject(error) : resolve()));
    });
  }
}

/**
 * Gives the memory of a buffer back at once, where the runtime can (ECMAScript 2024, ArrayBuffer.prototype.transfer): the garbage collector counts objects, and comes
 * only when tens of megabytes of bytes wait for it. One that shares its memory with others stays.
 */
function release({ buffer, length }: Buffer): void {
  if (length === buffer.byteLength) (buffer as { readonly transfer?: (bytes: number) => unknown }).transfer?.(0);
}

/** Takes up the work of a ticket that the helper gave. `carrier`: where reeve-carry is, if it is installed. Errors: HELPER_UNREACHABLE. */
export async function openJob(path: string, ticket: string, carrier?: string): Promise<Job> {
  let take = (_bytes: Buffer): boolean => true;
  const callback = (length: number, bytes: Uint8Array): boolean => take(Buffer.from(bytes.buffer, bytes.byteOffset, length));
  const socket = connect({ path, allowHalfOpen: true, onread: { buffer: Buffer.allocUnsafeSlow(readBytes), callback } });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (error) => reject(broken(error.message)));
  });
  const events = createEventQueue<JobEvent>();
  const data = new JobStream(socket, events);
  take = (bytes) => data.takeBytes(bytes);
  // Whoever waits for its end hears of it by the events.
  data.on('error', () => undefined);
  socket.write(ticket);
  return {
    data,
    events: data.heard(),
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
    ...(carrier === undefined || !existsSync(carrier) ? {} : { carry: (connection, settings) => data.carry(carrier, connection, settings) }),
    close: () => void data.destroy(),
  };
}
