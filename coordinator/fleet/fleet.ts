import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { AgentStatus } from '../../shared/gen/proto/reeve/agent/v1/AgentStatus.js';
import type { WatchEvent } from '../../shared/gen/proto/reeve/agent/v1/WatchEvent.js';
import { createSemaphore } from '../../shared/kit/semaphore.js';
import { isIpv4, isIpv6 } from '../../shared/model/host.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { parseFacts, type ParsedFacts } from '../../shared/model/fact.js';
import type { CallOptions, Channel, ServiceName } from '../../shared/rpc/client.js';
import type { MethodName, RequestInputOf, ResponseOf } from '../../shared/rpc/type.js';
import { setFacts } from '../inventory/fact.js';
import { getHost, listHosts, quarantined, setAgentVersion, setAuditHead, setLastSeen, setRelayAddress, type HostRow } from '../inventory/host.js';
import { joinedBehind } from '../inventory/relay.js';
import { setObserved } from '../inventory/generation.js';
import { currentKey, getHostKey, promoteKey } from '../inventory/key.js';
import { noteChange } from '../inventory/revision.js';
import { noting } from '../inventory/write.js';
import type { World } from '../world.js';
import { keepConnection, type Connection } from './connection.js';
import { createAttachments, type Attached } from './attach.js';
import { someHoldEnded } from './hold.js';
import type { Lanes } from './lane.js';
import type { Link, NoLink } from './link.js';
import { dialOutLink } from './link-dial-out.js';
import { directLink } from './link-direct.js';
import { parentLink } from './link-parent.js';
import { notYet, replacedKey, type Live } from './live.js';
import { noRecords, signedRecords, takesRecords } from './record.js';

/** Heartbeats are a budget of the whole fleet: so many a second, but none rarer than a lost host may stay unseen. */
const heartbeat = { perSecond: 1_000, minMs: 6_000, maxMs: 10_000 };

/** How often what was heard is written to the inventory, ms. */
const flushMs = 5_000;

/** For so long after its enrolment a host is about to listen: it is dialled again quickly, ms. */
const freshMs = 15_000;

/** How often the time a host was last heard of is written, ms. */
const lastSeenMs = 60_000;

/** The connections to all hosts. */
export interface Fleet {
  /** Starts to connect to all joined hosts; `onUp` is called for each host that comes up, and when one of its own holds has ended. */
  start(onUp: (hostId: string) => void): void;
  /** A host joined, moved, or has another key: connects anew, or not any more. With `keepStreams` (it renewed its key) what takes hours goes on meanwhile. */
  refresh(hostId: string, how?: { readonly keepStreams: boolean }): void;
  /** The agent of a host dialled in; see Attachments. */
  attach(hostId: string, peer: string, onClosed: (reason: string) => void): Attached;
  /** Ends what a host's agent has dialled in with: it dials in anew. A host that is dialled is left alone. */
  hangUp(hostId: string): void;
  /** Something else is wanted of a host: it is brought to that in the background, if it is connected. */
  tell(hostId: string): void;
  /** Hosts that are reached through this one and are not connected are dialled at once. */
  wakeBehind(hostId: string): void;
  /** The way to a host's agent now, or why there is none. */
  link(hostId: string): Link | NoLink;
  /** What is known of a host from its connection. */
  live(hostId: string): Live;
  /** Calls a method of a host's agent. Errors: HOST_NOT_JOINED, HOST_REVOKED, HOST_UNREACHABLE at once when it is not connected, and what the agent says. */
  call<Definition, M extends MethodName<Definition>>(
    host: HostRow,
    service: ServiceName<Definition>,
    method: M,
    request: RequestInputOf<Definition[M & keyof Definition]>,
    options: CallOptions,
  ): Promise<ResponseOf<Definition[M & keyof Definition]>>;
  /** A channel for a long stream to a host's agent, which crowds out no call; give it back when the stream has ended. Errors: as of call. */
  lane(host: HostRow): ReturnType<Lanes['take']>;
  /** Writes what was heard since the last time. */
  flush(): void;
  close(): void;
}

/** Connects to the hosts of the inventory. */
export function createFleet(world: World): Fleet {
  const { db, clock, log } = world;
  const connections = new Map<string, Connection>();
  const lives = new Map<string, Live>();
  const dialling = createSemaphore(64);
  const diallingKnownDown = createSemaphore(512);
  const facts = new Map<string, ParsedFacts>();
  const seen = new Map<string, number>();
  let up: (hostId: string) => void = () => undefined;
  const timers = [setInterval(() => flush(), flushMs), setInterval(() => flushSeen(), lastSeenMs)];
  for (const timer of timers) timer.unref();

  const flushSeen = (): void => {
    if (seen.size > 0 && noting(db, log, () => setLastSeen(db, seen))) seen.clear();
  };
  const flush = (): void => {
    if (facts.size > 0 && noting(db, log, () => setFacts(db, facts, clock.now()))) facts.clear();
  };
  const update = (hostId: string, change: Partial<Live>): void => {
    lives.set(hostId, { ...(lives.get(hostId) ?? notYet(clock.now())), ...change });
  };

  const attachments = createAttachments({
    attached: (hostId) => connections.get(hostId)?.redial(),
    replaced: ({ hostId, older, newer }) => log.warn({ host: hostId, older, newer }, 'an agent dialled in while another connection of its host was there'),
  });
  const linkOf = (hostId: string): Link | NoLink => {
    const host = getHost(db, hostId);
    if (host === undefined) return { kind: 'none', reason: 'it is not known' };
    switch (host.link) {
      case 'direct':
        return host.endpoint === undefined ? { kind: 'none', reason: 'its address is not known' } : directLink(host.name, host.endpoint);
      case 'dial-out': {
        const attached = attachments.get(hostId);
        return attached === undefined ? { kind: 'none', reason: 'its agent has not dialled in' } : dialOutLink(host.name, world.linkDir, attached.mux);
      }
      case 'parent': {
        const lanes = host.parentId === undefined ? undefined : connections.get(host.parentId)?.lanes();
        const parent = host.parentId === undefined ? undefined : getHost(db, host.parentId)?.name;
        return lanes === undefined ? { kind: 'none', reason: `its parent "${parent ?? '?'}" is not connected` } : parentLink(host, world.linkDir, lanes);
      }
    }
  };
  const wakeBehind = (hostId: string): void => {
    for (const child of joinedBehind(db, hostId)) connections.get(child)?.wake();
  };

  const connect = (hostId: string): void => {
    const name = (): string => getHost(db, hostId)?.name ?? hostId;
    const connection = keepConnection({
      hostName: name(),
      uri: formatIdentity({ kind: 'host', fleetId: world.authority.fleetId, hostId }),
      link: () => linkOf(hostId),
      identity: () => world.authority.coordinator(),
      keyProblem: (fingerprint) => {
        const key = getHostKey(db, fingerprint);
        if (key?.hostId !== hostId) return 'its key is not known';
        return key.state === 'current' || key.state === 'staged' ? undefined : `its key is ${key.state === 'revoked' ? 'revoked' : replacedKey}`;
      },
      epoch: world.epoch,
      records: () => (takesRecords(getHost(db, hostId)?.agentVersion ?? '') ? signedRecords(world) : noRecords),
      fresh: () => clock.now() - (getHost(db, hostId)?.joinedAtMs ?? 0) < freshMs,
      heartbeatMs: () => Math.min(heartbeat.maxMs, Math.max(heartbeat.minMs, (connections.size / heartbeat.perSecond) * 1_000)),
      dialling,
      diallingKnownDown,
      clock,
      onUp: ({ fingerprint, notAfterMs }) => {
        const key = getHostKey(db, fingerprint);
        // A staged key that cannot be promoted now is taken all the same, and promoted at the next connection.
        if (key?.state === 'staged') noting(db, log, () => promoteKey(db, key));
        update(hostId, { state: 'connected', sinceMs: clock.now(), reason: '', certificateNotAfterMs: notAfterMs });
        log.info({ host: name() }, 'host connected');
        noteChange(db);
        up(hostId);
        wakeBehind(hostId);
      },
      onEvent: (event, clockOffsetMs) => {
        seen.set(hostId, clock.now());
        update(hostId, { lastSeenMs: clock.now(), clockOffsetMs });
        const before = lives.get(hostId)?.status;
        receive(world, hostId, event, { update: (change) => update(hostId, change), facts });
        if (event.status !== null && someHoldEnded(before, event.status)) up(hostId);
      },
      onDown: (reason) => {
        const before = lives.get(hostId);
        if (before?.state === 'connected') log.warn({ host: name(), reason }, 'host lost');
        if (before?.state === 'connected' || before?.reason !== reason) noteChange(db);
        update(hostId, { state: 'lost', reason, ...(before?.state === 'lost' ? {} : { sinceMs: clock.now() }) });
      },
    });
    connections.set(hostId, connection);
  };

  let closed = false;
  const refresh = (hostId: string, how?: { readonly keepStreams: boolean }): void => {
    if (closed) return;
    const host = getHost(db, hostId);
    const wanted = host?.state === 'joined' && currentKey(db, hostId) !== undefined;
    if (!wanted || host.link !== 'dial-out') attachments.end(hostId, 'the host is not reached by dial-out any more');
    const connection = connections.get(hostId);
    if (wanted && connection !== undefined) connection.redial(how);
    else if (wanted) connect(hostId);
    else if (connection !== undefined) {
      connection.close();
      connections.delete(hostId);
      lives.delete(hostId);
    }
  };

  return {
    start(onUp) {
      up = onUp;
      for (const host of listHosts(db)) refresh(host.id);
    },
    refresh,
    attach: (hostId, peer, onClosed) => attachments.attach(hostId, { peer, now: clock.now() }, onClosed),
    hangUp: (hostId) => attachments.end(hostId, 'it is to dial in anew'),
    tell(hostId) {
      if (lives.get(hostId)?.state === 'connected') up(hostId);
    },
    wakeBehind,
    link: linkOf,
    live: (hostId) => lives.get(hostId) ?? notYet(clock.now()),
    call: async (host, service, method, request, options) =>
      openTo(host)
        .unary(service, method, request, options)
        .catch((error: unknown) => {
          throw namedAs(error, host.name);
        }),
    async lane(host) {
      openTo(host);
      const lanes = connections.get(host.id)?.lanes();
      if (lanes === undefined) throw reeveError('HOST_UNREACHABLE', { host: host.name, reason: 'not connected' });
      return lanes.take();
    },
    flush() {
      flush();
      flushSeen();
    },
    close() {
      closed = true;
      for (const timer of timers) clearInterval(timer);
      for (const connection of connections.values()) connection.close();
      attachments.close();
      flush();
      flushSeen();
    },
  };

  function openTo(host: HostRow): Channel {
    if (host.state === 'invited') throw reeveError('HOST_NOT_JOINED', { host: host.name });
    if (host.state === 'quarantined') throw quarantined(host);
    if (host.state !== 'joined') throw reeveError('HOST_REVOKED', { host: host.name });
    const channel = connections.get(host.id)?.channel();
    const live = lives.get(host.id);
    if (channel === undefined || live === undefined) throw reeveError('HOST_UNREACHABLE', { host: host.name, reason: live?.reason ?? 'not connected yet' });
    if (live.certificateNotAfterMs <= clock.now()) throw reeveError('HOST_UNREACHABLE', { host: host.name, reason: 'its certificate has expired' });
    return channel;
  }
}

/** An agent names itself as it was called when it joined or renewed last; people know the host by its name now. */
function namedAs(error: unknown, hostName: string): unknown {
  if (!(error instanceof ReeveError) || error.items.every(({ fields }) => fields['host'] === undefined || fields['host'] === hostName)) return error;
  return new ReeveError(error.items.map(({ code, fields }) => ({ code, fields: fields['host'] === undefined ? fields : { ...fields, host: hostName } })), { cause: error });
}

/** Takes in one event. Whatever a host says is data: checked, capped, stored. */
function receive(world: World, hostId: string, event: WatchEvent, to: { update: (change: Partial<Live>) => void; facts: Map<string, ParsedFacts> }): void {
  if (event.status !== null) {
    const { status } = event;
    to.update({ status });
    noting(world.db, world.log, () => {
      setAgentVersion(world.db, hostId, status.agentVersion.slice(0, 64));
      noteAuditHead(world, hostId, status);
      noteRelay(world, hostId, status);
    });
  }
  if (event.facts !== null) {
    try {
      const facts = parseFacts(event.facts);
      if (facts.lossy) world.log.warn({ host: hostId }, 'a host sent facts that are not allowed; they were cut or altered');
      to.update({ facts });
      to.facts.set(hostId, facts);
    } catch (error) {
      world.log.warn({ host: hostId, err: error }, 'a host sent facts that are not allowed; they were dropped');
    }
  }
  const digests = event.digests.slice(0, 64).filter(({ digest }) => digest.length === 32);
  if (digests.length === 0) return;
  noting(world.db, world.log, () => {
    const moved = digests.filter(({ noun, digest }) => setObserved(world.db, { hostId, noun: noun.slice(0, 64), digest, now: world.clock.now() }));
    if (moved.length > 0) noteChange(world.db);
  });
}

/** Where a host's children reach the coordinator. What is no address is none. */
function noteRelay(world: World, hostId: string, status: AgentStatus): void {
  const said = status.relay?.listen ?? '';
  setRelayAddress(world.db, hostId, isIpv4(said) || isIpv6(said) ? said : undefined);
}

/** A host's audit chain only grows: an older or another head means that somebody cut or rewrote it. */
function noteAuditHead(world: World, hostId: string, status: AgentStatus): void {
  const host = getHost(world.db, hostId);
  if (host === undefined || status.auditHead.length !== 32 || !Number.isSafeInteger(status.auditSeq)) return;
  const head = Buffer.from(status.auditHead);
  const same = status.auditSeq === host.auditSeq && host.auditHead?.equals(head) === true;
  if (same) return;
  const broken = host.auditHead !== undefined && status.auditSeq <= host.auditSeq;
  if (broken) world.log.error({ host: host.name, before: host.auditSeq, now: status.auditSeq }, "a host's audit chain does not continue the one seen before");
  setAuditHead(world.db, hostId, { seq: status.auditSeq, hash: head, brokenAtMs: broken ? world.clock.now() : undefined });
}
