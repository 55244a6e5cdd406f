import { Duplex } from 'node:stream';
import { createEventQueue } from '../kit/event-queue.js';

/** Bytes that may be on their way in one direction of a virtual connection before the receiver has given credit for more. */
export const windowBytes = 256 * 1024;

/** Most virtual connections at a time. */
export const mostConnections = 16;

/** Bytes of one frame: small, so that a busy connection does not hold up the others for long. */
const frameBytes = 32 * 1024;

/** One message about a virtual connection. */
export type Frame =
  | { readonly connection: number; readonly message: 'open' }
  | { readonly connection: number; readonly message: 'data'; readonly data: Buffer }
  | { readonly connection: number; readonly message: 'end' }
  | { readonly connection: number; readonly message: 'close'; readonly close: string }
  | { readonly connection: number; readonly message: 'credit'; readonly credit: number };

/** Many connections over one stream of frames. Memory is bounded by credit: a slow connection holds up nobody but itself. */
export interface Mux {
  /** What is to be sent, in order; ends when the mux was closed. For one reader. */
  readonly outgoing: AsyncIterable<Frame>;
  /** Takes a frame of the other side. Closes everything when it breaks the rules. */
  receive(frame: Frame): void;
  /** Opens a virtual connection; undefined when there are too many, or all is closed. Only one side opens. */
  open(): Duplex | undefined;
  /** Connections that are open. */
  readonly size: number;
  /** Ends everything. Repeatable. */
  close(reason: string): void;
}

/** A new mux. `onOpen` takes the connections that the other side opens; without it opening breaks the rules. `onClosed` hears once why all ended. */
export function createMux(options: { onOpen?: (connection: Duplex) => void; onClosed?: (reason: string) => void } = {}): Mux {
  const queue = createEventQueue<Frame>();
  const connections = new Map<number, VirtualConnection>();
  let last = 0;
  let closed = false;

  const close = (reason: string): void => {
    if (closed) return;
    closed = true;
    for (const connection of [...connections.values()]) connection.destroy(new Error(reason));
    queue.end();
    options.onClosed?.(reason);
  };
  const add = (id: number): VirtualConnection => {
    const connection = new VirtualConnection({
      send: (frame) => {
        if (!closed) queue.push({ connection: id, ...frame });
      },
      gone: () => connections.delete(id),
    });
    connections.set(id, connection);
    return connection;
  };
  const receive = (frame: Frame): void => {
    if (closed) return;
    if (frame.message === 'open') {
      // Numbers only grow: a number that was used is never used again.
      if (options.onOpen === undefined || frame.connection <= last || connections.size >= mostConnections) close('a virtual connection was opened against the rules');
      else {
        last = frame.connection;
        options.onOpen(add(frame.connection));
      }
      return;
    }
    // What was closed here may still be spoken of by the other side for a moment.
    const problem = connections.get(frame.connection)?.receive(frame);
    if (problem !== undefined) close(problem);
  };
  return {
    outgoing: queue,
    receive,
    open() {
      if (closed || connections.size >= mostConnections) return undefined;
      last += 1;
      queue.push({ connection: last, message: 'open' });
      return add(last);
    },
    get size() {
      return connections.size;
    },
    close,
  };
}

type Sent = Frame extends infer F ? (F extends Frame ? Omit<F, 'connection'> : never) : never;

/** One virtual connection: both halves close on their own. */
class VirtualConnection extends Duplex {
  readonly #send: (frame: Sent) => void;
  readonly #gone: () => void;
  /** What may still be sent, bytes. */
  #credit = windowBytes;
  /** What waits for credit. */
  #waiting: { rest: Buffer; done: (error?: Error | null) => void } | undefined;
  /** What the other side may still send, bytes. */
  #granted = windowBytes;
  /** What was taken by the reader and not yet credited, bytes. */
  #owed = 0;
  /** What is here and not taken by the reader yet, bytes. */
  #held = 0;
  #closedByPeer = false;

  constructor(options: { send: (frame: Sent) => void; gone: () => void }) {
    super({ allowHalfOpen: true, readableHighWaterMark: frameBytes, writableHighWaterMark: frameBytes });
    this.#send = options.send;
    this.#gone = options.gone;
    // Whoever uses the connection hears of errors by its end; nobody else must.
    this.on('error', () => undefined);
  }

  /** Takes a frame; answers how it breaks the rules. */
  receive(frame: Frame): string | undefined {
    switch (frame.message) {
      case 'data':
        if (frame.data.length > this.#granted) return 'more was sent on a virtual connection than there was credit for';
        this.#granted -= frame.data.length;
        if (frame.data.length === 0) return undefined;
        this.#held += frame.data.length;
        if (this.push(frame.data)) this.#taken();
        return undefined;
      case 'end':
        this.push(null);
        return undefined;
      case 'credit':
        if (!Number.isInteger(frame.credit) || frame.credit < 1 || this.#credit + frame.credit > windowBytes) return 'more credit was given than there can be';
        this.#credit += frame.credit;
        this.#flush();
        return undefined;
      case 'close':
        this.#closedByPeer = true;
        // What came before an orderly end is still read.
        if (frame.close === '' && this.readableLength > 0) this.once('end', () => this.destroy());
        else this.destroy();
        return undefined;
      case 'open':
        return 'a virtual connection was opened twice';
    }
  }

  override _read(): void {
    this.#taken();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#waiting = { rest: chunk, done };
    this.#flush();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#send({ message: 'end' });
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#closedByPeer) this.#send({ message: 'close', close: error?.message.slice(0, 200) ?? '' });
    this.#gone();
    this.#waiting?.done(error ?? new Error('the connection was closed'));
    this.#waiting = undefined;
    done(error);
  }

  /** The reader wants more: what it took is credited, in portions. */
  #taken(): void {
    this.#owed += this.#held;
    this.#held = 0;
    if (this.#owed < windowBytes / 4) return;
    this.#granted += this.#owed;
    this.#send({ message: 'credit', credit: this.#owed });
    this.#owed = 0;
  }

  #flush(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    while (waiting.rest.length > 0 && this.#credit > 0) {
      const bytes = Math.min(waiting.rest.length, this.#credit, frameBytes);
      this.#send({ message: 'data', data: waiting.rest.subarray(0, bytes) });
      waiting.rest = waiting.rest.subarray(bytes);
      this.#credit -= bytes;
    }
    if (waiting.rest.length > 0) return;
    this.#waiting = undefined;
    waiting.done();
  }
}
