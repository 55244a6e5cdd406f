import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { reeveError, type ReeveError } from '../../shared/errors/error.js';
import type { RsyncConnect } from '../../shared/gen/proto/reeve/agent/v1/RsyncConnect.js';
import type { RunRsyncRequest } from '../../shared/gen/proto/reeve/agent/v1/RunRsyncRequest.js';
import type { RunRsyncResponseInput } from '../../shared/gen/proto/reeve/agent/v1/RunRsyncResponse.js';
import { createOutbox, type Outbox } from '../../shared/kit/outbox.js';
import { fieldMissing } from '../../shared/model/field.js';
import { chunkBytes } from '../../shared/rpc/bytes.js';
import { withHost } from '../engine/apply.js';
import type { WorkPlace } from '../engine/ticket.js';
import type { CarrySettings } from '../host/carry.js';
import { fieldNumber, fieldText, type Job, type JobFields } from '../host/job.js';
import type { DataPort, Found, Peer } from './data-port.js';
import { problemOf, progressOf } from './event.js';
import type { Granted } from './grant.js';
import { passOn } from './pass.js';

/** How many messages wait for the coordinator before what is read from rsync waits. */
const roomOfOutbox = 16;

/** How long the last bytes may take to the other side, ms: it may have gone without a word. */
const lastMs = 10_000;

/** How much of rsync's output is kept, bytes. */
const outputBytes = 65_536;

/** What a session of one side needs. */
export interface SessionOptions {
  readonly place: WorkPlace;
  readonly port: DataPort;
  readonly granted: Granted;
  readonly job: Job;
  /** Later messages of the coordinator. */
  readonly rest: AsyncIterable<RunRsyncRequest>;
  readonly signal: AbortSignal;
}

type Out = Outbox<RunRsyncResponseInput>;

/** One side of a copy, from its job that has begun to its result: finds the other side as the coordinator says, then passes bytes between it and rsync. */
export async function* runSession(options: SessionOptions): AsyncGenerator<RunRsyncResponseInput> {
  const { job, signal, place } = options;
  const out: Out = createOutbox(roomOfOutbox);
  const abort = new AbortController();
  // A side that has nothing to say would not notice that its caller has gone.
  const stop = (): void => {
    abort.abort();
    out.end();
  };
  signal.addEventListener('abort', stop, { once: true });
  const session = new Session(options, out, abort.signal);
  if (signal.aborted) stop();
  session.run().then(() => out.end(), (error: unknown) => out.end(withHost(error, place.hostName)));
  try {
    yield* out;
  } finally {
    signal.removeEventListener('abort', stop);
    abort.abort();
    session.close();
    job.close();
  }
}

class Session {
  readonly #options: SessionOptions;
  readonly #out: Out;
  readonly #signal: AbortSignal;
  readonly #began: number;
  /** Bytes go to the other side and come from there. */
  #joined = false;
  /** The connection, unless a program or the coordinator carries the bytes. */
  #connection: TLSSocket | undefined;
  #listening: { close(): void } | undefined;
  /** Bytes that the coordinator passes on. */
  #through: ThroughStream | undefined;
  #output = Buffer.alloc(0);

  constructor(options: SessionOptions, out: Out, signal: AbortSignal) {
    this.#options = options;
    this.#out = out;
    this.#signal = signal;
    this.#began = options.place.host.clock.monotonic();
  }

  /** Until the result of the job is told. */
  async run(): Promise<void> {
    const asked = this.#readRequests();
    asked.catch(() => undefined);
    const result = this.#readEvents();
    // A caller that says nothing of use ends it; a job that has ended needs no caller.
    await Promise.race([result, asked.then(() => result)]);
  }

  close(): void {
    this.#listening?.close();
    this.#connection?.destroy();
    this.#through?.destroy();
  }

  async #readEvents(): Promise<void> {
    const { job, place, granted } = this.#options;
    const phase = granted.grant.what.kind === 'backup' ? 'copying' : 'restoring';
    for await (const event of job.events) {
      switch (event.kind) {
        case 'ready':
          await this.#out.put({ ready: { sandbox: fieldText(event.fields, 'sandbox').slice(0, 200) } });
          break;
        case 'progress':
          await this.#out.put({ progress: progressOf(event.fields, phase, Math.round(place.host.clock.monotonic() - this.#began)) });
          break;
        case 'problem':
          await this.#out.put({ problem: problemOf(event.fields) });
          break;
        case 'output':
          this.#output = Buffer.concat([this.#output, event.bytes]).subarray(-outputBytes);
          break;
        case 'row':
          break;
        case 'result':
          await this.#end(event.fields);
          return;
      }
    }
  }

  /** The last bytes go to the other side before this one says that it has ended. */
  async #end(fields: JobFields): Promise<void> {
    const connection = this.#connection;
    if (connection !== undefined && !connection.destroyed && !connection.writableFinished) {
      await new Promise<void>((resolve) => {
        const until = AbortSignal.any([this.#signal, AbortSignal.timeout(lastMs)]);
        const done = (): void => {
          until.removeEventListener('abort', done);
          resolve();
        };
        connection.once('finish', done);
        connection.once('close', done);
        until.addEventListener('abort', done, { once: true });
        if (until.aborted) done();
        if (!connection.writableEnded) connection.end();
      });
    }
    await this.#through?.flushed();
    await this.#out.put({ result: { ...resultOf(fields), output: this.#output.toString('utf8') } });
  }

  async #readRequests(): Promise<void> {
    for await (const message of this.#options.rest) {
      if (message.connect !== undefined && message.connect !== null) await this.#connect(message.connect);
      else if (message.data !== undefined) await this.#through?.takeBytes(message.data);
      else if (message.end === true) this.#through?.takeEnd();
      else throw fieldMissing('message', 'how to reach the other side, or bytes of it');
    }
  }

  /** Tries one way; another one follows when that leads nowhere. */
  async #connect(how: RsyncConnect): Promise<void> {
    const { port, granted, place } = this.#options;
    if (this.#joined) throw this.#refuse('the other side is there already');
    const wanted = { run: granted.grant.run, peer: granted.peer, mark: granted.mark };
    this.#listening?.close();
    this.#listening = undefined;
    if (how.listen === true) {
      const left = granted.grant.notAfter - place.host.clock.now();
      const until = AbortSignal.any([this.#signal, AbortSignal.timeout(Math.max(1, left))]);
      try {
        const waiting = await port.await(wanted, until);
        this.#accept(wanted, waiting, until).catch(() => undefined);
        await this.#out.put({ listening: waiting.port, marks: this.#options.job.carry !== undefined });
      } catch (error) {
        await this.#out.put({ unreachable: textOf(error) });
      }
    } else if (how.dial !== undefined && how.dial !== null) {
      if (granted.grant.notAfter <= place.host.clock.now()) throw this.#refuse('it is not good any more');
      try {
        const { addresses, port: to, mark } = how.dial;
        const found = await port.dial(wanted, { addresses: addresses.slice(0, 8), port: to, mark: mark && this.#options.job.carry !== undefined }, this.#signal);
        await this.#join(wanted, found, 'client');
      } catch (error) {
        await this.#out.put({ unreachable: textOf(error) });
      }
    } else if (how.through === true) {
      const through = new ThroughStream((message) => this.#out.put(message));
      this.#through = through;
      // Bytes of the handshake come as requests: they are not waited for here.
      port.over(wanted, through, granted.side === 'sender' ? 'client' : 'server', this.#signal).then(
        (connection) => this.#join(wanted, { kind: 'proved', connection }, granted.side === 'sender' ? 'client' : 'server'),
        (error: unknown) => this.#out.end(withHost(this.#refuse(textOf(error)), place.hostName)),
      );
    } else throw fieldMissing('connect', 'listen, dial or through');
  }

  #refuse(rule: string): ReeveError {
    return reeveError('GRANT_REFUSED', { host: this.#options.place.hostName, rule });
  }

  /** Whoever comes and turns out to be somebody else is not the one that is waited for. */
  async #accept(wanted: Peer, first: Awaited<ReturnType<DataPort['await']>>, until: AbortSignal): Promise<void> {
    for (let waiting = first; ; ) {
      this.#listening = waiting;
      const found = await waiting.connection;
      try {
        await this.#join(wanted, found, 'server');
        return;
      } catch (error) {
        if (until.aborted) throw error;
        waiting = await this.#options.port.await(wanted, until);
      }
    }
  }

  async #join(wanted: Peer, found: Found, role: CarrySettings['role']): Promise<void> {
    if (found.kind === 'proved') this.#pass(found.connection);
    else {
      const { job, port } = this.#options;
      if (job.carry === undefined) {
        found.connection.destroy();
        throw new Error('nobody carries the bytes');
      }
      await job.carry(found.connection, port.settings(wanted, role));
      this.#joined = true;
    }
    await this.#out.put({ connected: true });
  }

  #pass(connection: TLSSocket): void {
    const { job } = this.#options;
    this.#joined = true;
    this.#connection = connection;
    connection.on('error', () => job.data.end());
    connection.once('close', () => {
      // The other side has gone without a word: rsync is to hear of it. What it still says is taken, and dropped.
      if (!job.data.writableEnded) job.data.end();
    });
    passOn(job.data, connection);
    passOn(connection, job.data);
  }
}

function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 500);
}

/** A connection whose bytes the coordinator carries. */
class ThroughStream extends Duplex {
  readonly #send: (message: RunRsyncResponseInput) => Promise<void>;
  #wanted = (): void => undefined;
  #pending: Promise<void> = Promise.resolve();

  constructor(send: (message: RunRsyncResponseInput) => Promise<void>) {
    super({ allowHalfOpen: true });
    this.#send = send;
  }

  /** Bytes of the other side; resolves when more are wanted. */
  async takeBytes(bytes: Buffer): Promise<void> {
    if (this.destroyed || this.readableEnded || this.push(bytes)) return;
    await new Promise<void>((resolve) => {
      this.#wanted = resolve;
      this.once('close', () => resolve());
    });
  }

  takeEnd(): void {
    this.push(null);
  }

  /** Resolves when all that was written is on its way. */
  flushed(): Promise<void> {
    return this.#pending;
  }

  override _read(): void {
    this.#wanted();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const all = async (): Promise<void> => {
      for (let at = 0; at < chunk.length; at += chunkBytes) await this.#send({ data: chunk.subarray(at, at + chunkBytes) });
    };
    this.#pending = all();
    this.#pending.then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#pending = this.#send({ end: true });
    this.#pending.then(() => done(), done);
  }
}

function resultOf(fields: JobFields): Omit<NonNullable<RunRsyncResponseInput['result']>, 'output'> {
  return {
    exitCode: fieldText(fields, 'exit') === '' ? 1 : Math.max(0, fieldNumber(fields, 'exit')),
    reason: fieldText(fields, 'reason').slice(0, 4096),
    published: fieldText(fields, 'published') === '1',
    files: fieldNumber(fields, 'files'),
    bytes: fieldNumber(fields, 'bytes'),
    sentBytes: fieldNumber(fields, 'sent-bytes'),
    sentFiles: fieldNumber(fields, 'sent-files'),
    cpuMs: fieldNumber(fields, 'cpu-ms'),
    memoryBytes: fieldNumber(fields, 'memory'),
  };
}
