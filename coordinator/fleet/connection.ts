import { X509Certificate } from 'node:crypto';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { StatusServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/StatusService.js';
import type { WatchEvent } from '../../shared/gen/proto/reeve/agent/v1/WatchEvent.js';
import { backoffMs } from '../../shared/kit/backoff.js';
import type { Clock } from '../../shared/kit/clock.js';
import { waitFor } from '../../shared/kit/deadline.js';
import { random } from '../../shared/kit/random.js';
import type { Semaphore } from '../../shared/kit/semaphore.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { fromTimestamp, toDuration } from '../../shared/rpc/time.js';
import { certificateProblem, clientCredentials, keyFingerprint, type TlsIdentity } from '../../shared/rpc/tls.js';
import { createLanes, type Lanes } from './lane.js';
import type { Link, NoLink } from './link.js';
import type { Records } from './record.js';

const statusService = serviceName<StatusServiceDefinition>('reeve.agent.v1.StatusService');

/** Time until the first event of a new connection, ms. */
const firstEventMs = 10_000;

/** What one host's connection needs, and whom it tells. */
export interface ConnectionOptions {
  readonly hostName: string;
  /** The one URI that the agent's certificate must have. */
  readonly uri: string;
  readonly link: () => Link | NoLink;
  readonly identity: () => TlsIdentity;
  /** Whether this key of the host may be used now: why not, or undefined. */
  readonly keyProblem: (fingerprint: string) => string | undefined;
  readonly epoch: number;
  /** What the control root has signed for all hosts; another object when something of it changed. */
  readonly records: () => Records;
  /** Whether the host has just joined. */
  readonly fresh: () => boolean;
  /** Longest silence the agent keeps, ms. */
  readonly heartbeatMs: () => number;
  /** Bounds how many hosts are being dialled at a time. */
  readonly dialling: Semaphore;
  /** The same for hosts that did not answer the last time: waiting for them holds up nobody else. */
  readonly diallingKnownDown: Semaphore;
  readonly clock: Clock;
  /** The first event came: the host is there. */
  readonly onUp: (up: { fingerprint: string; notAfterMs: number }) => void;
  readonly onEvent: (event: WatchEvent, clockOffsetMs: number) => void;
  readonly onDown: (reason: string) => void;
}

/** One host's connection: dials, follows, waits, dials again, until it is closed. */
export interface Connection {
  /** Undefined while the host is not connected. Its calls end when the host is gone. */
  channel(): Channel | undefined;
  /** For long streams: channels of their own over the same link. Undefined while the host is not connected. */
  lanes(): Lanes | undefined;
  /** Drops what is open and dials again at once; with `keepStreams`, long streams of the lanes go on to their end. */
  redial(how?: { readonly keepStreams: boolean }): void;
  /** Dials at once when it is not connected: something that was in the way has gone. */
  wake(): void;
  close(): void;
}

/** Starts to keep a connection to a host. */
export function keepConnection(options: ConnectionOptions): Connection {
  const closed = new AbortController();
  let attempt = new AbortController();
  let open: { readonly channel: Channel; readonly lanes: Lanes } | undefined;
  const over = (): boolean => closed.signal.aborted;
  // Lanes of sessions that ended only to be dialled anew: streams of theirs that take hours go on to their end.
  const left: Lanes[] = [];
  let session: Session = { lanes: undefined, keep: false };
  const closeLeft = (): void => {
    for (const lanes of left.splice(0)) lanes.close();
  };

  const run = async (): Promise<void> => {
    for (let failures = 0; !over(); ) {
      attempt = new AbortController();
      session = { lanes: undefined, keep: false };
      const signal = AbortSignal.any([closed.signal, attempt.signal]);
      const ended = await runSession(options, { failures, signal, session }, (opened) => (open = opened));
      open = undefined;
      if (over()) {
        session.lanes?.close();
        return;
      }
      if (session.lanes !== undefined && session.keep) left.push(session.lanes);
      else session.lanes?.close();
      options.onDown(ended.reason);
      failures = ended.connected ? 0 : failures + 1;
      if (attempt.signal.aborted) continue;
      await waitFor(options.fresh() ? freshWaitMs(failures) : waitMs(failures), signal);
    }
  };
  void run();
  return {
    channel: () => open?.channel,
    lanes: () => open?.lanes,
    redial({ keepStreams } = { keepStreams: false }) {
      session.keep = keepStreams;
      if (!keepStreams) closeLeft();
      attempt.abort();
    },
    wake() {
      if (open === undefined) attempt.abort();
    },
    close() {
      closeLeft();
      closed.abort();
    },
  };
}

/** A host that was just there is dialled again soon; known-down hosts cost little. 250 ms to 30 s, jittered. */
function waitMs(failures: number): number {
  return 250 + backoffMs(failures, { baseMs: 1_000, maxMs: 30_000, random });
}

/** A host that has just joined starts its agent in this moment: 100, 200, then each 400 ms. */
function freshWaitMs(failures: number): number {
  return 100 * 2 ** Math.min(Math.max(failures - 1, 0), 2);
}

/** One connection from its dialling to its end. */
interface Session {
  lanes: Lanes | undefined;
  /** It ends only to be dialled anew: its lanes stay until their streams have ended. */
  keep: boolean;
}

/** Dials once and follows until the stream ends. */
async function runSession(
  options: ConnectionOptions,
  { failures, signal, session }: { readonly failures: number; readonly signal: AbortSignal; readonly session: Session },
  opened: (open: { channel: Channel; lanes: Lanes }) => void,
): Promise<{ connected: boolean; reason: string }> {
  const link = options.link();
  if (link.kind === 'none') {
    options.onDown(link.reason);
    await waitFor(30_000, signal);
    return { connected: false, reason: link.reason };
  }
  let peer: X509Certificate | undefined;
  const identity = options.identity();
  const credentials = clientCredentials(identity, (certificate) => {
    // The handshake of a connection that is being closed may still end.
    if (signal.aborted) return new Error('the connection is closed');
    const problem = peerProblem(options, certificate);
    if (problem !== undefined) return new Error(`certificate refused: ${problem}`);
    peer = certificate;
    return undefined;
  });
  const channel = await link.open(credentials);
  const lanes = createLanes(() => link.open(credentials));
  session.lanes = lanes;
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const silence = createSilence(stop, options);
  let connected = false;
  const again = (reason: string): { connected: boolean; reason: string } => {
    session.keep = true;
    return { connected, reason };
  };
  try {
    const heartbeatMs = options.heartbeatMs();
    const records = options.records();
    const events = channel.stream(statusService, 'Watch', { heartbeatInterval: toDuration(heartbeatMs), epoch: options.epoch, denyList: records.denyList ?? null, moved: records.moved ?? null }, { signal: both });
    const gate = failures === 0 ? options.dialling : options.diallingKnownDown;
    const first = await gate.run(() => {
      silence.arm(firstEventMs);
      return events.next();
    });
    if (first.done === true || peer === undefined) return { connected, reason: 'the agent ended the connection' };
    connected = true;
    opened({ channel, lanes });
    options.onUp({ fingerprint: keyFingerprint(peer.publicKey), notAfterMs: Date.parse(peer.validTo) });
    options.onEvent(first.value, offsetOf(first.value, options.clock));
    for (;;) {
      silence.arm(Math.min(heartbeatMs * 2.5 + 5_000, Math.max(1, Date.parse(peer.validTo) - options.clock.now())));
      const next = await events.next();
      // After a renewal of the coordinator's own certificate the old one must not be used to its end: dial with the new one.
      if (options.identity() !== identity) return again('the coordinator has a new certificate');
      if (options.records() !== records) return again('the host is told of another deny list or address');
      if (next.done === true) return { connected, reason: 'the agent ended the connection' };
      options.onEvent(next.value, offsetOf(next.value, options.clock));
    }
  } catch (error) {
    if (silence.expired()) return { connected, reason: connected ? 'no sign of life' : 'no answer in time' };
    const reason = reasonOf(error);
    return { connected, reason: reason === brokenReason && peer !== undefined && !connected ? refusedReason : reason };
  } finally {
    silence.disarm();
    stop.abort();
    if (!session.keep) lanes.close();
    channel.close();
  }
}

function peerProblem(options: ConnectionOptions, certificate: X509Certificate): string | undefined {
  const wrong = certificateProblem(certificate, { uri: options.uri, usage: 'server', now: options.clock.now() });
  return wrong ?? options.keyProblem(keyFingerprint(certificate.publicKey));
}

function createSilence(stop: AbortController, options: ConnectionOptions): { arm: (ms: number) => void; disarm: () => void; expired: () => boolean } {
  let timer: NodeJS.Timeout | undefined;
  let expired = false;
  return {
    arm(ms) {
      clearTimeout(timer);
      timer = setTimeout(() => {
        expired = true;
        stop.abort(reeveError('HOST_UNREACHABLE', { host: options.hostName, reason: 'no sign of life' }));
      }, ms);
    },
    disarm: () => clearTimeout(timer),
    expired: () => expired,
  };
}

function offsetOf(event: WatchEvent, clock: Clock): number {
  const theirs = fromTimestamp(event.time);
  return theirs === undefined ? 0 : Math.round(theirs - clock.now());
}

const brokenReason = 'the connection broke';

/** A TLS 1.3 server that refuses the client's certificate can only close the connection, after it has shown its own. */
const refusedReason = "it showed its certificate and did not accept the coordinator's: its clock may be wrong by days";

function reasonOf(error: unknown): string {
  if (error instanceof ReeveError) return error.code === 'HOST_UNREACHABLE' ? (error.fields['reason'] ?? 'no connection') : error.message;
  return brokenReason;
}
