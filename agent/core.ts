import type { Logger } from '../shared/kit/log.js';
import { relayDigestModel } from '../shared/model/relay.js';
import { userDigestModel } from '../shared/model/user.js';
import type { Service } from '../shared/rpc/server.js';
import type { Coordinator } from './access.js';
import { certWork, modelOf as certModel } from './cert/apply.js';
import { observeCerts } from './cert/observe.js';
import { certService } from './cert/service.js';
import { containerWork } from './container/apply.js';
import { containerService } from './container/service.js';
import { createSettler } from './container/settle.js';
import { containerWatch } from './container/watch.js';
import { createDataPort, type DataPortOptions } from './backup/data-port.js';
import { openGrantBook } from './backup/grant.js';
import { backupService } from './backup/service.js';
import { createEngine, type Engine, type EngineOptions } from './engine/engine.js';
import { obeyEpoch } from './engine/epoch.js';
import type { NounWork } from './engine/noun.js';
import { factService } from './fact/service.js';
import type { AppendFile } from './host/append.js';
import type { Host } from './host/host.js';
import type { AgentIdentity } from './identity/identity.js';
import type { TrustState } from './identity/trust.js';
import { openJournal, type Journal } from './journal/journal.js';
import { keyWork, modelOf, observeManaged, type KeyWork } from './key/apply.js';
import { natWork } from './nat/apply.js';
import { natService } from './nat/service.js';
import { natWatch } from './nat/watch.js';
import { reachService } from './reach/service.js';
import { keyService } from './key/service.js';
import type { ManifestStore } from './key/store.js';
import { operationService } from './operation/service.js';
import { nounNames } from './nouns.js';
import { relayWork } from './relay/apply.js';
import type { RelayList } from './relay/list.js';
import { observeRelay } from './relay/observe.js';
import { createRelay, type Relay, type RelayLimits } from './relay/relay.js';
import { relayService } from './relay/service.js';
import { releaseWork } from './release/apply.js';
import { admitIntent, releaseService, whileManaged } from './release/service.js';
import type { ReleaseState } from './release/state.js';
import { createStatusHub, type StatusHub } from './status/hub.js';
import type { ObservedNoun } from './status/snapshot.js';
import { statusService } from './status/service.js';
import { createLocalUndo, type LocalUndo } from './undo/undo.js';
import { unitService } from './unit/service.js';
import { userWork } from './user/apply.js';
import { observeUsers } from './user/observe.js';
import { userService } from './user/service.js';
import { vhostWork } from './vhost/apply.js';
import type { FrontOptions } from './vhost/look.js';
import { nginx } from './vhost/nginx/engine.js';
import { probeLimits } from './vhost/probe.js';
import { vhostService } from './vhost/service.js';
import type { VhostStore } from './vhost/store.js';
import { vhostWatch } from './vhost/watch.js';

/** An agent without its network: journal, engine, nouns. A new noun is registered here: one import and one row in each list. */
export interface AgentCore {
  readonly services: readonly Service<Coordinator>[];
  readonly hub: StatusHub;
  readonly journal: Journal;
  /** Passes bytes to children. */
  readonly relay: Relay;
  /** For root of the host only. */
  readonly undo: LocalUndo;
  /** Runs what is asked for, by a coordinator or by the host's own schedule. */
  readonly engine: Engine;
  readonly keys: KeyWork;
  /** Settles what a crash left open. Call it once. */
  recover(): Promise<void>;
  /** Ends watches, refuses new operations, and resolves when none runs any more. */
  drain(): Promise<void>;
}

/** What an agent without its network is made of. */
export interface AgentCoreOptions {
  readonly host: Host;
  readonly hostName: string;
  readonly hostId: string;
  readonly trust: TrustState;
  /** The host's key manifest. */
  readonly manifests: ManifestStore;
  /** What is known of the host's sites. */
  readonly vhosts: VhostStore;
  /** An operation on keys has ended. */
  readonly onKeys?: () => void;
  /** The journal's file. */
  readonly file: AppendFile;
  /** The host's children. */
  readonly relayList: RelayList;
  readonly relayLimits?: RelayLimits;
  /** Unix ms. */
  readonly certificateNotAfter: number;
  /** What became of the last upgrade; empty: nothing is to be said. */
  readonly upgrade?: string;
  /** When a connection was accepted, by the host's clock; undefined: it has gone. Absent: there are no connections. */
  readonly openedAt?: (peer: string) => number | undefined;
  readonly log: Logger;
  /** What copying needs beside the host; absent: this core serves nobody. */
  readonly copies?: CopyOptions;
  /** Whether the host was released. */
  readonly release: ReleaseState;
  /** Random name of this process. */
  readonly instanceId: string;
  /** The host was released just now. */
  readonly onReleased?: () => void;
}

/** What copying backups between agents needs. */
export interface CopyOptions {
  /** Key and certificate in use. */
  readonly identity: () => AgentIdentity;
  /** Folder of the agent's own state. */
  readonly stateDir: string;
  /** Where other agents bring and fetch backups, while one is granted. */
  readonly listen: DataPortOptions['listen'];
}

/** Opens the journal and builds everything that stands on it. */
export async function createAgentCore(options: AgentCoreOptions): Promise<AgentCore> {
  const { host, hostName, hostId, log, release, trust } = options;
  const journal = await openJournal({ file: options.file, clock: host.clock, log, hostName });
  const engine = createEngine({ host, journal, hostName, log, onChanged: (noun, seen) => operated(noun, seen), admit: (noun, intent) => admitIntent(release, noun, intent) });
  const stopping = new AbortController();
  const users = userWork(host, hostName);
  const operated: EngineOptions['onChanged'] = (noun, seen) => {
    hub.operated(noun, seen);
    if (noun === 'key' && seen !== undefined) options.onKeys?.();
  };
  const key = { host, hostName, hostId, store: options.manifests };
  const keys = keyWork(key);
  const relay: Relay = createRelay({
    list: options.relayList, host, hostName, onChanged: () => hub.relayed(), ...(options.relayLimits === undefined ? {} : { limits: options.relayLimits }),
  });
  const relays = relayWork(options.relayList, hostName, () => relay.replaced());
  const nat = natWatch(host, () => journal.generation('nat') > 0);
  const forwards = natWork(host, hostName, nat.seen);
  const certs = certWork(host, hostName);
  const front: FrontOptions = { host, hostName, web: nginx(host.hasIpv6()), store: options.vhosts, limits: probeLimits, ends: new Map() };
  const sites = vhostWatch(front, () => journal.generation('vhost') > 0 || options.vhosts.present);
  const vhosts = vhostWork(front, sites.seen);
  const place = { host, hostName };
  const seenContainers = containerWatch(host, () => journal.generation('container') > 0);
  const settler = createSettler({ place, log, signal: stopping.signal, between: (task) => engine.read('container', task) });
  const containers = containerWork(place, () => void settler.run());
  const nouns: readonly ObservedNoun[] = [
    {
      noun: 'relay', operation: 'relay', part: 'own',
      // Most hosts never have children.
      present: () => journal.generation('relay') > 0,
      observe: () => engine.read('relay', () => Promise.resolve(relayDigestModel(observeRelay(options.relayList)))),
    },
    {
      noun: 'user', operation: 'observe.user', part: 'accounts',
      observe: (id) => engine.read('user', async () => userDigestModel(await observeUsers(host.helper, id, 'managed'))),
    },
    {
      noun: 'key', operation: 'observe.key', part: 'keys',
      // A host of which no keys are managed starts no sshd to be asked about them.
      present: () => options.manifests.stored !== undefined || journal.generation('key') > 0,
      observe: (id) => engine.read('key', async () => modelOf(await observeManaged(key, id))),
    },
    { ...nat.noun, observe: (id) => engine.read('nat', () => nat.observe(id)) },
    {
      noun: 'cert', operation: 'observe.cert', part: 'certs',
      present: () => journal.generation('cert') > 0,
      observe: (id) => engine.read('cert', async () => certModel(await observeCerts(host.helper, id))),
    },
    { ...sites.noun, observe: (id) => engine.read('vhost', () => sites.observe(id)) },
    { ...seenContainers, observe: (id) => engine.read('container', () => seenContainers.observe(id)) },
  ];
  const { copies } = options;
  const data = copies === undefined ? undefined : createDataPort({ ...copies, now: () => host.clock.now() });
  const releases = releaseWork({ state: release, hostName, clock: host.clock, nouns, onReleased: () => options.onReleased?.() });
  const works = [relays as NounWork, users as NounWork, keys as NounWork, forwards as NounWork, certs as NounWork, vhosts as NounWork, containers as NounWork, releases as NounWork];
  assertNouns(nouns.map(({ noun }) => noun));
  const hub = createStatusHub({
    trust,
    host,
    journal,
    log,
    certificateNotAfter: options.certificateNotAfter,
    upgrade: options.upgrade ?? '',
    nouns,
    instanceId: options.instanceId,
    relay: () => relay.status(),
  });
  let recovered: Promise<void> = Promise.resolve();
  return {
    hub,
    journal,
    relay,
    engine,
    keys,
    undo: createLocalUndo({ engine, journal, works, signal: stopping.signal }),
    services: [
      statusService({ hub, trust, clock: host.clock, log, obeyEpoch: (epoch) => obeyEpoch(journal, hostName, epoch) }),
      operationService({ journal, engine, host, hostName, openedAt: options.openedAt ?? (() => undefined) }),
      releaseService({ engine, work: releases }),
      whileManaged(factService({ host, hostName }), release),
      whileManaged(relayService({ engine, work: relays, relay }), release),
      whileManaged(userService({ engine, work: users, host, hostName }), release),
      whileManaged(keyService({ ...key, engine, work: keys }), release),
      whileManaged(natService({ engine, work: forwards, host, hostName }), release),
      whileManaged(certService({ engine, work: certs, host, hostName }), release),
      whileManaged(vhostService({ front, engine, work: vhosts }), release),
      whileManaged(containerService({ engine, work: containers, place }), release),
      ...(copies === undefined || data === undefined ? [] : [whileManaged(backupService({ place, identity: copies.identity, port: data, book: openGrantBook(copies.stateDir, host.clock.now()) }), release)]),
      whileManaged(unitService({ place }), release),
      whileManaged(reachService({ host, hostName }), release),
    ],
    recover() {
      recovered = engine.recover(works, stopping.signal).then(() => settler.run());
      return recovered;
    },
    async drain() {
      stopping.abort();
      hub.close();
      relay.close();
      data?.close();
      await Promise.all([engine.drain(), recovered]);
    },
  };
}

function assertNouns(served: readonly string[]): void {
  if (served.join() !== nounNames.join()) throw new Error(`the nouns ${served.join(', ')} are served, and nouns.ts names ${nounNames.join(', ')}`);
}
