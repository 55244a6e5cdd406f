import type { Duplex } from 'node:stream';
import { errorItems, formatMessage, ReeveError, reeveError } from '../../shared/errors/error.js';
import type { AttachRequestInput } from '../../shared/gen/proto/reeve/coordinator/v1/AttachRequest.js';
import type { LinkServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/LinkService.js';
import { backoffMs } from '../../shared/kit/backoff.js';
import { waitFor } from '../../shared/kit/deadline.js';
import type { Logger } from '../../shared/kit/log.js';
import { random } from '../../shared/kit/random.js';
import { formatEndpoint, type Endpoint } from '../../shared/model/host.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { parseReachableEndpoint } from '../../shared/model/join-token.js';
import { openChannel, serviceName, targetOf } from '../../shared/rpc/client.js';
import { formatFrame, parseFrame } from '../../shared/rpc/frame.js';
import { createMux, type Mux } from '../../shared/rpc/mux.js';
import { certificateProblem, clientCredentials } from '../../shared/rpc/tls.js';
import type { AgentIdentity } from '../identity/identity.js';

const linkService = serviceName<LinkServiceDefinition>('reeve.coordinator.v1.LinkService');

/** How long the coordinator may take to say that we are attached, ms. */
const helloMs = 10_000;

/** Waits between two tries, with full jitter: the first ones are short, and the longest is 5 minutes. */
const wait = { leastMs: 100, baseMs: 1_000, maxMs: 300_000 };

/** What keeping a way to the coordinator open needs. */
export interface AttachOptions {
  /** As it is now. */
  readonly identity: () => AgentIdentity;
  readonly now: () => number;
  readonly log: Logger;
  /** Random name of this process, and the sha256 of the machine-id: by them two machines under one identity are found. */
  readonly speaker: { readonly instanceId: string; readonly machineHint: Buffer };
  /** The coordinator opened a virtual connection: whatever comes out of it is not believed before TLS has. */
  readonly accept: (connection: Duplex) => void;
}

/** A way to the coordinator that is kept open. */
export interface Attachment {
  /** Begins anew at once: the identity is another. */
  restart(): void;
  close(): void;
}

/** Keeps a connection to the coordinator, through which it dials this agent. */
export function keepAttached(options: AttachOptions): Attachment {
  const closed = new AbortController();
  let attempt = new AbortController();
  const over = (): boolean => closed.signal.aborted;
  const run = async (): Promise<void> => {
    let reported = '';
    for (let failures = 0; !over(); ) {
      attempt = new AbortController();
      const signal = AbortSignal.any([closed.signal, attempt.signal]);
      const ended = await tryAll(options, signal);
      if (over()) return;
      failures = ended.attached ? 0 : failures + 1;
      // The same trouble is told once, not at every try.
      if (!attempt.signal.aborted && (ended.attached || ended.reason !== reported)) options.log.warn({ reason: ended.reason }, 'the coordinator cannot dial this host; it is tried again');
      reported = ended.reason;
      if (attempt.signal.aborted) continue;
      await waitFor(wait.leastMs + backoffMs(failures, { ...wait, random }), signal);
    }
  };
  void run();
  return { restart: () => attempt.abort(), close: () => closed.abort() };
}

interface Ended {
  readonly attached: boolean;
  readonly reason: string;
}

/** Tries the coordinator's addresses in order, until one of them took us. */
async function tryAll(options: AttachOptions, signal: AbortSignal): Promise<Ended> {
  let ended: Ended = { attached: false, reason: 'no address of the coordinator is known' };
  for (const text of options.identity().agentsApi) {
    if (signal.aborted) return ended;
    ended = await runAttached(options, parseReachableEndpoint(text), signal);
    if (ended.attached) return ended;
  }
  return ended;
}

/** One connection, until it ends. */
async function runAttached(options: AttachOptions, endpoint: Endpoint, signal: AbortSignal): Promise<Ended> {
  const { accept, log, now } = options;
  const identity = options.identity();
  const uri = formatIdentity({ kind: 'coordinator', fleetId: identity.fleetId });
  const channel = openChannel({
    target: targetOf(endpoint),
    credentials: clientCredentials({ key: identity.key, certificate: identity.certificate, trust: identity.controlRoot }, (certificate) => {
      const problem = certificateProblem(certificate, { uri, usage: 'server', now: now() });
      return problem === undefined ? undefined : new Error(`certificate refused: ${problem}`);
    }),
    unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: formatEndpoint(endpoint), reason }),
    // One attempt each: the waits between attempts are ours.
    options: { 'grpc.initial_reconnect_backoff_ms': 60_000, 'grpc.enable_retries': 0 },
  });
  const stop = new AbortController();
  const mux = createMux({ onOpen: accept, onClosed: () => stop.abort() });
  const timer = setTimeout(() => stop.abort(), helloMs);
  let attached = false;
  try {
    for await (const message of channel.duplex(linkService, 'Attach', messagesOf(mux, options.speaker), { signal: AbortSignal.any([signal, stop.signal]) })) {
      if (message.message === 'hello') {
        clearTimeout(timer);
        attached = true;
        log.info({ coordinator: formatEndpoint(endpoint) }, 'the coordinator can dial this host');
        continue;
      }
      const frame = parseFrame(message);
      if (frame === undefined) throw reeveError('VERSION_UNSUPPORTED', { value: 'of the coordinator', rule: 'it sent a message that is not known' });
      mux.receive(frame);
    }
    return { attached, reason: 'the coordinator ended the connection' };
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    return { attached, reason: formatMessage(errorItems(error, '')[0] ?? { code: error.code, fields: error.fields }) };
  } finally {
    clearTimeout(timer);
    mux.close('the way to the coordinator ended');
    channel.close();
  }
}

async function* messagesOf(mux: Mux, speaker: AttachOptions['speaker']): AsyncGenerator<AttachRequestInput> {
  yield { connection: 0, hello: true, ...speaker };
  for await (const frame of mux.outgoing) yield formatFrame(frame);
}
