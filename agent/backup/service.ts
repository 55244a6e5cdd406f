import { X509Certificate } from 'node:crypto';
import { reeveError } from '../../shared/errors/error.js';
import type { AdoptSnapshotsRequest } from '../../shared/gen/proto/reeve/agent/v1/AdoptSnapshotsRequest.js';
import type { BackupServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/BackupService.js';
import type { BackupWorkInput } from '../../shared/gen/proto/reeve/agent/v1/BackupWork.js';
import type { DiscardRestoreRequest } from '../../shared/gen/proto/reeve/agent/v1/DiscardRestoreRequest.js';
import type { DumpDatabaseRequest } from '../../shared/gen/proto/reeve/agent/v1/DumpDatabaseRequest.js';
import type { HashFilesRequest } from '../../shared/gen/proto/reeve/agent/v1/HashFilesRequest.js';
import type { InspectBackupRequest } from '../../shared/gen/proto/reeve/agent/v1/InspectBackupRequest.js';
import type { InspectBackupResponseInput } from '../../shared/gen/proto/reeve/agent/v1/InspectBackupResponse.js';
import type { LoadDumpRequest } from '../../shared/gen/proto/reeve/agent/v1/LoadDumpRequest.js';
import type { PruneSnapshotsRequest } from '../../shared/gen/proto/reeve/agent/v1/PruneSnapshotsRequest.js';
import type { ReadSnapshotsRequest } from '../../shared/gen/proto/reeve/agent/v1/ReadSnapshotsRequest.js';
import type { RunRsyncRequest } from '../../shared/gen/proto/reeve/agent/v1/RunRsyncRequest.js';
import type { RunRsyncResponseInput } from '../../shared/gen/proto/reeve/agent/v1/RunRsyncResponse.js';
import type { PrivdRequest } from '../../shared/gen/privd.js';
import { newId } from '../../shared/kit/id.js';
import { isSnapshotName, parseBackupFolder, parseBackupFolders, parseDump, parseSnapshotName } from '../../shared/model/backup.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseId } from '../../shared/model/id.js';
import { chunkBytes } from '../../shared/rpc/bytes.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { keyFingerprint } from '../../shared/rpc/tls.js';
import type { Coordinator } from '../access.js';
import { beginWork, resultOf, type WorkPlace } from '../engine/ticket.js';
import { fieldNumber, fieldText, type Job } from '../host/job.js';
import type { AgentIdentity } from '../identity/identity.js';
import type { DataPort } from './data-port.js';
import { checkGrant, type Granted, type GrantBook } from './grant.js';
import { runSession } from './session.js';
import { runWork } from './work.js';

/** What BackupService needs. */
export interface BackupServiceOptions {
  readonly place: WorkPlace;
  readonly identity: () => AgentIdentity;
  readonly port: DataPort;
  readonly book: GrantBook;
}

/** Most paths of a call, and their bytes. */
const most = { paths: 20_000, bytes: 921_600, prune: 1000 } as const;

/** Reads: a few at once. */
const reads = { roles: ['coordinator'], risk: 'read', rate: { perSecond: 20, burst: 100 }, maxBytes: 65_536, deadlineMs: 0 } as const;
const changes = { ...reads, risk: 'change' } as const;

/** reeve.agent.v1.BackupService. */
export function backupService(options: BackupServiceOptions): Service<Coordinator> {
  const { place } = options;
  return defineService<BackupServiceDefinition, Coordinator>('reeve.agent.v1.BackupService', {
    InspectBackup: { ...reads, deadlineMs: 60_000, handle: (request) => inspect(place, request) },
    RunRsync: { ...changes, maxBytes: chunkBytes + 64, handle: (request, context, rest) => runRsync(options, request, rest, context.signal) },
    DiscardRestore: { ...changes, handle: (request, context) => discard(place, request, context.signal) },
    DumpDatabase: { ...changes, handle: (request, context) => dump(place, request, context.signal) },
    LoadDump: { ...changes, handle: (request, context) => load(place, request, context.signal) },
    ReadSnapshots: { ...reads, handle: (request, context) => read(place, request, context.signal) },
    HashFiles: { ...reads, maxBytes: 1024 * 1024, handle: (request, context) => hash(place, request, context.signal) },
    PruneSnapshots: { ...changes, handle: (request, context) => prune(place, request, context.signal) },
    AdoptSnapshots: { ...changes, handle: (request, context) => adopt(options, request, context.signal) },
  });
}

function lines(texts: readonly string[]): Buffer {
  return Buffer.from(texts.join('\n'));
}

async function inspect(place: WorkPlace, { role, folders: texts, jobId }: InspectBackupRequest): Promise<InspectBackupResponseInput> {
  if (role !== 'send' && role !== 'receive' && role !== 'restore') throw fieldInvalid('role', role, '"send", "receive" or "restore"');
  const folders = role === 'send' ? parseBackupFolders('folder', texts) : texts.map((text) => parseBackupFolder('folder', text));
  if (role !== 'send' && folders.length !== 1) throw fieldInvalid('folder', folders.join(' '), 'exactly one folder');
  const { host, hostName } = place;
  const job = await beginWork(place, 'backup.inspect', newId(host.clock.now()), { role, folders: lines(folders), job: parseId('job', jobId) });
  try {
    const fields = await resultOf(job);
    if (fieldText(fields, 'ok') !== '1') throw reeveError('BACKUP_FOLDER', { host: hostName, value: folders.join(', ') || '-', rule: fieldText(fields, 'reason').slice(0, 1000), remedy: 'Name another folder, or put that right on the host.' });
    return { state: fieldText(fields, 'state'), availableBytes: fieldNumber(fields, 'available'), rsync: fieldText(fields, 'rsync').slice(0, 32) };
  } finally {
    job.close();
  }
}

async function* runRsync(options: BackupServiceOptions, { start }: RunRsyncRequest, rest: AsyncIterable<RunRsyncRequest>, signal: AbortSignal): AsyncGenerator<RunRsyncResponseInput> {
  if (start === undefined || start === null) throw fieldMissing('start', 'the first message says what is to be done');
  const { place, identity, book, port } = options;
  const now = place.host.clock.now();
  const { fleetId, hostId, certificate, controlRoot } = identity();
  const holder = { fleetId, hostId, hostName: place.hostName, key: keyFingerprint(new X509Certificate(certificate).publicKey), controlRoot, now };
  const granted = checkGrant(holder, start.side, start);
  book.use(granted, place.hostName, now);
  const job = await beginSide(place, granted);
  yield* runSession({ place, port, granted, job, rest, signal });
}

function beginSide(place: WorkPlace, { grant, side }: Granted): Promise<Job> {
  const { what, run, job, bandwidthKib: bandwidth, seconds } = grant;
  if (what.kind === 'backup') {
    if (side === 'sender') return beginWork(place, 'backup.send', run, { folders: lines(what.folders), excludes: lines(what.excludes), system: what.systemFolders, job, bandwidth });
    return beginWork(place, 'backup.receive', run, { folder: what.into, job, fleet: grant.fleet, snapshot: what.snapshot, basis: lines(what.basis), seconds });
  }
  if (side === 'sender') return beginWork(place, 'backup.fetch', run, { folder: what.folder, job, snapshot: what.snapshot, path: Buffer.from(what.path, 'hex'), bandwidth });
  return beginWork(place, 'backup.restore', run, { folder: what.into, keepOld: what.keepOld, proof: what.proof, seconds });
}

function discard(place: WorkPlace, { runId, folder }: DiscardRestoreRequest, signal: AbortSignal): AsyncIterable<BackupWorkInput> {
  const run = parseId('run id', runId);
  return runWork(place, { verb: 'backup.discard', operationId: run, request: { folder: parseBackupFolder('folder', folder), run }, phase: 'verifying', rows: 'entry' }, signal);
}

function dump(place: WorkPlace, { operationId, jobId, dump: wire }: DumpDatabaseRequest, signal: AbortSignal): AsyncIterable<BackupWorkInput> {
  if (wire === null) throw fieldMissing('dump', 'a database');
  const { engine, database } = parseDump('dump', wire);
  return runWork(place, { verb: 'backup.dump', operationId: parseId('operation id', operationId), request: { job: parseId('job', jobId), engine, database }, phase: 'dumping', rows: 'entry' }, signal);
}

function load(place: WorkPlace, { operationId, jobId, folder, snapshot, dump: wire }: LoadDumpRequest, signal: AbortSignal): AsyncIterable<BackupWorkInput> {
  if (wire === null) throw fieldMissing('dump', 'a database');
  const { engine, database } = parseDump('dump', wire);
  const request = { folder: parseBackupFolder('folder', folder), job: parseId('job', jobId), snapshot: parseSnapshotName('snapshot', snapshot), engine, database };
  return runWork(place, { verb: 'backup.load', operationId: parseId('operation id', operationId), request, phase: 'verifying', rows: 'entry' }, signal);
}

function read(place: WorkPlace, request: ReadSnapshotsRequest, signal: AbortSignal): AsyncIterable<BackupWorkInput> {
  const look = lookOf(request);
  const what = { verb: 'backup.look', operationId: newId(place.host.clock.now()), phase: 'verifying', rows: look.what === 'snapshots' ? 'snapshot' : 'entry' } as const;
  return runWork(place, { ...what, request: { folder: parseBackupFolder('folder', request.folder), job: parseId('job', request.jobId), ...look } }, signal);
}

function lookOf({ snapshots, list, find, sample }: ReadSnapshotsRequest): Omit<PrivdRequest<'backup.look'>, 'folder' | 'job'> {
  if (snapshots === true) return { what: 'snapshots' };
  if (list !== undefined && list !== null) return { what: 'list', snapshot: parseSnapshotName('snapshot', list.snapshot), path: list.path };
  if (find !== undefined) {
    if (find === '' || find.length > 256) throw fieldInvalid('find', find, 'a pattern of 1 to 256 characters');
    return { what: 'find', pattern: find };
  }
  if (sample === undefined || sample === null) throw fieldMissing('query', 'snapshots, list, find or sample');
  const { snapshot, files, permille, mostBytes, all } = sample;
  return { what: 'sample', snapshot: parseSnapshotName('snapshot', snapshot), files, permille: Math.min(1000, permille), most: mostBytes, all };
}

function hash(place: WorkPlace, { folders, paths, jobId }: HashFilesRequest, signal: AbortSignal): AsyncIterable<BackupWorkInput> {
  const bytes = paths.reduce((sum, path) => sum + path.length + 1, 0);
  if (paths.length > most.paths || bytes > most.bytes) throw reeveError('LIMIT_EXCEEDED', { field: 'paths', rule: `at most ${String(most.paths)}, and ${String(most.bytes)} bytes in all` });
  if (paths.some((path) => path.length === 0 || path.includes(0))) throw fieldInvalid('paths', '', 'paths without NUL');
  const request = { folders: lines(parseBackupFolders('folder', folders)), job: parseId('job', jobId) };
  return runWork(place, { verb: 'backup.hash', operationId: newId(place.host.clock.now()), request, phase: 'verifying', rows: 'entry', input: paths }, signal);
}

function prune(place: WorkPlace, { operationId, jobId, folder, snapshots, minKeep }: PruneSnapshotsRequest, signal: AbortSignal): AsyncIterable<BackupWorkInput> {
  const bad = snapshots.find((name) => !isSnapshotName(name));
  if (bad !== undefined || snapshots.length > most.prune) throw fieldInvalid('snapshots', bad ?? String(snapshots.length), `names of snapshots, at most ${String(most.prune)}`);
  const request = { folder: parseBackupFolder('folder', folder), job: parseId('job', jobId), snapshots: lines(snapshots), minKeep };
  return runWork(place, { verb: 'backup.prune', operationId: parseId('operation id', operationId), request, phase: 'rotating', rows: 'snapshot' }, signal);
}

function adopt({ place, identity }: BackupServiceOptions, request: AdoptSnapshotsRequest, signal: AbortSignal): AsyncIterable<BackupWorkInput> {
  const { operationId, jobId, folder, rsnapshot, point, plan } = request;
  const ticket = { folder: parseBackupFolder('folder', folder), job: parseId('job', jobId), fleet: identity().fleetId, from: parseBackupFolder('rsnapshot', rsnapshot), point, plan };
  return runWork(place, { verb: 'backup.adopt', operationId: parseId('operation id', operationId), request: ticket, phase: 'rotating', rows: 'snapshot' }, signal);
}
