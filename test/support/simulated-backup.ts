import { sha256 } from '../../shared/kit/digest.js';
import { reeveError } from '../../shared/errors/error.js';
import type { BackupWorkInput } from '../../shared/gen/proto/reeve/agent/v1/BackupWork.js';
import type { RunRsyncRequestInput } from '../../shared/gen/proto/reeve/agent/v1/RunRsyncRequest.js';
import type { RunRsyncResponseInput } from '../../shared/gen/proto/reeve/agent/v1/RunRsyncResponse.js';
import { createEventQueue, type EventQueue } from '../../shared/kit/event-queue.js';
import { parseGrant, type BackupGrant } from '../../shared/model/backup-grant.js';
import { openRecord } from '../../shared/rpc/signed.js';
import type { Office } from '../../coordinator/office.js';

/** A file of a simulated host. */
export interface SimulatedFile {
  readonly content: string;
  readonly modifiedMs: number;
}

/** Files by their paths, without the first slash. */
export type SimulatedFiles = Map<string, SimulatedFile>;

/** A snapshot of a simulated destination. */
export interface SimulatedSnapshot {
  readonly name: string;
  readonly complete: boolean;
  readonly files: SimulatedFiles;
}

/** How a copy is to go. */
export interface Behaviour {
  /** Whether one host reaches another by dialling it. */
  reaches: (dialler: string, listener: string) => boolean;
  /** A copy waits for this once both sides are connected. */
  gate: () => Promise<void>;
  /** Exit code of the sender. */
  exitCode: number;
  /** Whether the receiver can put what it got in its place. */
  publishes: boolean;
  /** Why snapshots are not taken away; undefined: they are. */
  pruneRefused: string | undefined;
  /** Names of hosts that are not there. */
  readonly down: Set<string>;
}

/** The backup parts of the agents of a fleet, all in memory. */
export interface SimulatedBackups extends Behaviour {
  /** Files by the name of their host. */
  readonly files: Map<string, SimulatedFiles>;
  /** Snapshots by job. */
  readonly snapshots: Map<string, SimulatedSnapshot[]>;
  /** What agents were called for: `host Method detail`. */
  readonly calls: string[];
  /** Grants that were shown, as they were checked. */
  readonly grants: BackupGrant[];
  /** Copies that are under way now, by destination, and the most there were. */
  readonly copying: { now: number; most: number };
  /** Bytes that went through the coordinator. */
  passed: number;
  /** Ends all streams of a host, as when its connection is lost. */
  drop(hostName: string): void;
  /** Puts these agents behind a coordinator, in place of what it reaches by itself. */
  serve(office: Office): void;
}

interface Session {
  sender?: SimulatedSide;
  receiver?: SimulatedSide;
  through: number;
  begun: boolean;
}

interface SimulatedSide {
  readonly host: string;
  readonly queue: EventQueue<RunRsyncResponseInput>;
  readonly signal: AbortSignal;
}

/** Agents that copy at once, each reaching the other. */
export function createSimulatedBackups(): SimulatedBackups {
  const sessions = new Map<string, Session>();
  const streams = new Map<string, Set<AbortController>>();
  const sim: SimulatedBackups = {
    files: new Map(), snapshots: new Map(), calls: [], grants: [], copying: { now: 0, most: 0 }, passed: 0,
    reaches: () => true, gate: () => Promise.resolve(), exitCode: 0, publishes: true, pruneRefused: undefined, down: new Set(),
    drop: (host) => [...(streams.get(host) ?? [])].forEach((stream) => stream.abort()),
    serve(office) {
      const live = office.fleet.live.bind(office.fleet);
      const lost = (host: string): Error => reeveError('HOST_UNREACHABLE', { host, reason: 'it is down' });
      const nameOf = (id: string): string => office.db.prepare('SELECT name FROM host WHERE id = ?').pluck().get(id) as string;
      const broken = (host: string, signal: AbortSignal | undefined): AbortSignal => {
        const own = new AbortController();
        const all = streams.get(host) ?? new Set();
        streams.set(host, all.add(own));
        return signal === undefined ? own.signal : AbortSignal.any([own.signal, signal]);
      };
      Object.assign(office.fleet, {
        live: (id: string) => ({ ...live(id), state: sim.down.has(nameOf(id)) ? 'lost' : 'connected', reason: '', status: { agentVersion: '9', capabilities: ['backup'], holds: [], volumes: [], policyState: 'ok', helperState: 'ok', auditState: 'ok', upgrade: '', renewalProblem: '' }, certificateNotAfterMs: Infinity }),
        call: (host: { name: string }, _service: string, method: string, request: { role: string; jobId: string }) => {
          sim.calls.push(`${host.name} ${method} ${request.role}`);
          if (sim.down.has(host.name)) return Promise.reject(lost(host.name));
          return Promise.resolve({ state: request.role === 'send' ? '' : request.role === 'restore' ? 'missing' : sim.snapshots.has(request.jobId) ? 'ours' : 'missing', availableBytes: 1e12, rsync: '3.4.1' });
        },
        lane: (host: { name: string; id: string }) => {
          if (sim.down.has(host.name)) return Promise.reject(lost(host.name));
          const channel = {
            stream: (_service: string, method: string, request: never, { signal }: { signal?: AbortSignal }) => work(sim, host.name, method, request, broken(host.name, signal)),
            duplex: (_service: string, _method: string, messages: AsyncIterable<RunRsyncRequestInput>, { signal }: { signal?: AbortSignal }) =>
              rsync(sim, sessions, { host: host.name, root: office.authority.controlRoot, messages, signal: broken(host.name, signal), lost: lost(host.name) }),
          };
          return Promise.resolve({ channel, release: () => undefined });
        },
      });
    },
  };
  return sim;
}

interface Stream {
  readonly host: string;
  readonly root: string;
  readonly messages: AsyncIterable<RunRsyncRequestInput>;
  readonly signal: AbortSignal;
  readonly lost: Error;
}

/** One side of a copy. */
function rsync(sim: SimulatedBackups, sessions: Map<string, Session>, { host, root, messages, signal, lost }: Stream): AsyncIterable<RunRsyncResponseInput> {
  const side: SimulatedSide = { host, queue: createEventQueue(), signal };
  signal.addEventListener('abort', () => side.queue.end(lost), { once: true });
  let session: Session | undefined;
  let grant: BackupGrant | undefined;
  let role: 'sender' | 'receiver' = 'sender';
  const other = (): SimulatedSide | undefined => (role === 'sender' ? session?.receiver : session?.sender);
  const connect = (): void => {
    for (const each of [session?.sender, session?.receiver]) each?.queue.push({ connected: true });
  };
  const go = (): void => {
    if (session === undefined || grant === undefined || session.begun) return;
    session.begun = true;
    void copy(sim, grant, session);
  };
  const hear = (message: RunRsyncRequestInput): void => {
    if (message.start) {
      grant = parseGrant(openRecord('grant', { body: message.start.grant as Buffer, signature: message.start.signature as Buffer }, root));
      role = message.start.side as typeof role;
      if (role === 'receiver') sim.grants.push(grant);
      session = sessions.get(grant.run) ?? { through: 0, begun: false };
      sessions.set(grant.run, session);
      session[role] = side;
      side.queue.push({ ready: { sandbox: 'full' } });
    } else if (message.connect?.listen === true) side.queue.push({ listening: 7424 });
    else if (message.connect?.dial) {
      if (sim.reaches(host, other()?.host ?? '')) {
        connect();
        go();
      } else side.queue.push({ unreachable: 'no route to host' });
    } else if (message.connect?.through === true && session !== undefined) {
      session.through += 1;
      if (session.through === 2) {
        connect();
        for (let chunk = 0; chunk < 32; chunk += 1) session.sender?.queue.push({ data: Buffer.alloc(65_536, chunk) });
        for (const each of [session.sender, session.receiver]) each?.queue.push({ end: true });
      }
    } else if (message.end === true && role === 'receiver') go();
    else if (message.data !== undefined) sim.passed += (message.data as Buffer).length;
  };
  void (async () => {
    try {
      for await (const message of messages) hear(message);
    } catch (error) {
      side.queue.end(error as Error);
    }
  })();
  return side.queue;
}

async function copy(sim: SimulatedBackups, grant: BackupGrant, { sender, receiver }: Session): Promise<void> {
  const gone = (): boolean => sender?.signal.aborted !== false || receiver?.signal.aborted !== false;
  sim.copying.now += 1;
  sim.copying.most = Math.max(sim.copying.most, sim.copying.now);
  receiver?.queue.push({ progress: { phase: 'copying', files: 1, filesTotal: 2, bytes: 3, rate: 4, percent: 50, remainingSeconds: 5 } });
  await Promise.race([sim.gate(), ...[sender, receiver].map((side) => new Promise<void>((resolve) => side?.signal.addEventListener('abort', () => resolve(), { once: true })))]);
  sim.copying.now -= 1;
  // What a stream carries ends with it.
  if (gone()) return;
  const { what } = grant;
  const kept = sim.snapshots.get(grant.job) ?? [];
  const from = what.kind === 'backup' ? sim.files.get(sender?.host ?? '') : kept.find(({ name }) => name === what.snapshot)?.files;
  const files: SimulatedFiles = new Map(from);
  const bytes = [...files.values()].reduce((sum, { content }) => sum + content.length, 0);
  if (what.kind === 'backup' && sim.publishes) sim.snapshots.set(grant.job, [...kept, { name: what.snapshot, complete: sim.exitCode !== 23, files }]);
  if (what.kind === 'restore') sim.files.set(receiver?.host ?? '', new Map([...(sim.files.get(receiver?.host ?? '') ?? []), ...[...files].map(([path, file]) => [`${what.into.slice(1)}/${path}`, file] as const)]));
  if (sim.exitCode === 23) receiver?.queue.push({ problem: { path: Buffer.from([0x2f, 0xff]), kind: 'failed', text: 'Permission denied' } });
  const reason = sim.exitCode === 0 ? '' : 'some files could not be read';
  for (const side of [sender, receiver]) {
    side?.queue.push({ result: { exitCode: sim.exitCode, reason, published: sim.publishes, files: files.size, bytes, sentBytes: bytes, sentFiles: files.size, output: `rsync on ${side.host}` } });
    side?.queue.end();
  }
}

interface Asked {
  readonly jobId: string;
  readonly snapshots?: boolean | readonly string[];
  readonly sample?: { readonly snapshot: string };
  readonly list?: { readonly snapshot: string };
  readonly find?: string;
  readonly paths?: readonly Buffer[];
  readonly plan?: boolean;
}

/** The works of an agent that are no copies. */
async function* work(sim: SimulatedBackups, host: string, method: string, asked: Asked, signal: AbortSignal): AsyncGenerator<BackupWorkInput> {
  sim.calls.push(`${host} ${method}`);
  await Promise.resolve();
  signal.throwIfAborted();
  const kept = sim.snapshots.get(asked.jobId) ?? [];
  const done = { ok: true, reason: '', truncated: false, bytes: 0, count: 0, rows: 0 };
  const entryOf = (path: string, file: SimulatedFile | undefined, snapshot = ''): BackupWorkInput => ({
    entry: { snapshot, path: Buffer.from(path), kind: file === undefined ? 'missing' : 'file', size: file?.content.length ?? 0, modifiedMs: file?.modifiedMs ?? 0, mode: 0o644, uid: 0, gid: 0, target: Buffer.alloc(0), sha256: file === undefined ? Buffer.alloc(0) : sha256(file.content), problem: '' },
  });
  switch (method) {
    case 'ReadSnapshots': {
      if (asked.snapshots === true) for (const { name, complete, files } of kept) yield { snapshot: { name, complete, files: files.size, bytes: 1, sentBytes: 1 } };
      const of = asked.sample?.snapshot ?? asked.list?.snapshot;
      for (const snapshot of kept) if (of === snapshot.name || asked.find !== undefined) for (const [path, file] of snapshot.files) yield entryOf(path, file, snapshot.name);
      yield { result: done };
      return;
    }
    case 'HashFiles':
      for (const path of asked.paths ?? []) yield entryOf(path.toString(), sim.files.get(host)?.get(path.toString().slice(1)));
      yield { result: done };
      return;
    case 'PruneSnapshots':
      if (sim.pruneRefused !== undefined) {
        yield { result: { ...done, ok: false, reason: sim.pruneRefused } };
        return;
      }
      sim.snapshots.set(asked.jobId, kept.filter(({ name }) => !(asked.snapshots as readonly string[]).includes(name)));
      yield { result: { ...done, count: (asked.snapshots as readonly string[]).length } };
      return;
    case 'AdoptSnapshots': {
      const made = { name: '2020-01-01T000000Z', complete: true, files: new Map<string, SimulatedFile>() };
      yield { snapshot: { name: made.name, complete: true, files: 0, bytes: 0, sentBytes: 0 } };
      if (asked.plan !== true) sim.snapshots.set(asked.jobId, [made, ...kept]);
      yield { result: { ...done, count: 1 } };
      return;
    }
    case 'LoadDump':
      yield { result: { ...done, count: 3, rows: 40 } };
      return;
    default:
      yield { progress: { phase: 'dumping', files: 0, filesTotal: 0, bytes: 1, rate: 1, percent: 0, remainingSeconds: 0 } };
      yield { result: { ...done, bytes: 7 } };
  }
}
