import type { Socket } from 'node:net';
import { reeveError, ReeveError } from '../../shared/errors/error.js';
import type { RelayRequest } from '../../shared/gen/proto/reeve/agent/v1/RelayRequest.js';
import type { RelayResponseInput } from '../../shared/gen/proto/reeve/agent/v1/RelayResponse.js';
import type { RelayStatusInput } from '../../shared/gen/proto/reeve/type/v1/RelayStatus.js';
import { parseId } from '../../shared/model/id.js';
import { fieldMissing } from '../../shared/model/field.js';
import type { RelayChild } from '../../shared/model/relay.js';
import { bytesOf, writeBytes } from '../../shared/rpc/bytes.js';
import type { Host } from '../host/host.js';
import { readHostPolicy, usablePolicy } from '../policy/policy.js';
import { childProblem } from './apply.js';
import { dial, reasonOf } from './dial.js';
import type { RelayList } from './list.js';
import { createMeter, type Meter } from './meter.js';

/** How long a stream may be silent and how long it may last, ms: the coordinator is heard of every few seconds, and its certificate lives 7 days. */
export interface RelayLimits {
  readonly idleMs: number;
  readonly longestMs: number;
}

/** The bounds of relay.proto. */
export const defaultRelayLimits: RelayLimits = { idleMs: 180_000, longestMs: 7 * 86_400_000 };

/** How often it is looked at whether open streams may still be there, ms. */
const sweepMs = 10_000;

/** Passes bytes to the children of this host, and knows how much. Close it. */
export interface Relay {
  /** One stream of the coordinator to a child. Errors: RELAY_NOT_CHILD, RELAY_FAILED, BUSY, POLICY_DENIED, POLICY_UNUSABLE, FIELD_*. */
  pass(request: RelayRequest, rest: AsyncIterable<RelayRequest>, signal: AbortSignal): AsyncGenerator<RelayResponseInput>;
  /** Connections of children to the coordinator. */
  readonly connections: Meter;
  /** The child that has an address, and may pass now. */
  childAt(address: string): RelayChild | undefined;
  /** Something was refused. */
  refused(): void;
  /** Whether relay-listen works: its address, and what is wrong with it. */
  listening(state: { address: string; problem: string }): void;
  /** What is told of it; null: there is nothing to tell. */
  status(): RelayStatusInput | null;
  /** The list is another: streams to children that are not on it end. */
  replaced(): void;
  close(): void;
}

/** What a relay needs. */
export interface RelayOptions {
  readonly list: RelayList;
  readonly host: Host;
  readonly hostName: string;
  readonly limits?: RelayLimits;
  /** Something that `status` tells has changed. */
  readonly onChanged: () => void;
}

/** A new relay over a list of children. */
export function createRelay(options: RelayOptions): Relay {
  const { list, host, hostName, onChanged } = options;
  const limits = options.limits ?? defaultRelayLimits;
  const streams = createMeter('streams', { perChild: 8, total: 512 });
  const connections = createMeter('connections', { perChild: 8, total: 64 });
  const open = new Map<Socket, RelayChild>();
  const bytes = { to: 0, from: 0 };
  let refusals = 0;
  let listening = { address: '', problem: '' };

  /** The child, when it is on the list and the policy allows it. */
  const requireChild = (hostId: string): RelayChild => {
    const child = list.children.find((known) => known.hostId === hostId);
    if (child === undefined) throw reeveError('RELAY_NOT_CHILD', { host: hostName, value: hostId });
    const problem = childProblem(usablePolicy(readHostPolicy(host), hostName), hostName, child);
    if (problem !== undefined) throw new ReeveError([problem]);
    return child;
  };
  const allowed = (child: RelayChild): boolean => {
    try {
      const now = requireChild(child.hostId);
      return now.address === child.address && now.port === child.port;
    } catch {
      return false;
    }
  };
  const sweep = (): void => {
    for (const [socket, child] of open) if (!allowed(child)) socket.destroy();
  };
  const timer = setInterval(() => {
    sweep();
    if (open.size > 0) onChanged();
  }, sweepMs);
  timer.unref();

  const failure = (child: RelayChild, reason: string): ReeveError => reeveError('RELAY_FAILED', { host: hostName, value: child.name, where: child.address, reason });

  async function* run(child: RelayChild, rest: AsyncIterable<RelayRequest>, signal: AbortSignal): AsyncGenerator<RelayResponseInput> {
    const socket = await dial(child, (reason) => failure(child, reason), signal);
    open.set(socket, child);
    const closed = new Promise<void>((resolve) => void socket.once('close', resolve));
    const stop = (): void => void socket.destroy();
    signal.addEventListener('abort', stop, { once: true });
    const longest = setTimeout(stop, limits.longestMs);
    longest.unref();
    socket.setTimeout(limits.idleMs, stop);
    const written = writeBytes(socket, rest, (count) => void (bytes.to += count)).catch((error: unknown) => {
      socket.destroy();
      if (error instanceof ReeveError) throw error;
    });
    written.catch(() => undefined);
    try {
      for await (const message of bytesOf(socket)) {
        if ('data' in message) bytes.from += message.data.length;
        yield message;
      }
      await Promise.race([written, closed]);
    } catch (error) {
      if (error instanceof ReeveError) throw error;
      throw failure(child, allowed(child) ? reasonOf(error) : 'it is not allowed any more');
    } finally {
      clearTimeout(longest);
      signal.removeEventListener('abort', stop);
      open.delete(socket);
      socket.destroy();
    }
  }

  return {
    connections,
    async *pass(request, rest, signal) {
      let release: () => void;
      let child: RelayChild;
      try {
        if (request.hostId === undefined) throw fieldMissing('the host id', 'the first message names the child');
        child = requireChild(parseId('host id', request.hostId));
        release = streams.take(child.hostId);
      } catch (error) {
        refusals += 1;
        onChanged();
        throw error;
      }
      onChanged();
      try {
        yield* run(child, rest, signal);
      } finally {
        release();
        onChanged();
      }
    },
    childAt(address) {
      const child = list.children.find((known) => known.address === address);
      return child !== undefined && allowed(child) ? child : undefined;
    },
    refused() {
      refusals += 1;
      onChanged();
    },
    listening(state) {
      listening = state;
      onChanged();
    },
    status() {
      if (list.children.length === 0 && listening.address === '' && streams.total === 0 && refusals === 0) return null;
      return {
        listen: listening.address, listenProblem: listening.problem, children: list.children.length, openStreams: streams.open, streams: streams.total,
        bytesToChildren: bytes.to, bytesFromChildren: bytes.from, refusals, openConnections: connections.open, connections: connections.total,
      };
    },
    replaced() {
      sweep();
      onChanged();
    },
    close() {
      clearInterval(timer);
      for (const socket of open.keys()) socket.destroy();
    },
  };
}
