import { createHash } from 'node:crypto';
import { formatMessage, ReeveError } from '../../shared/errors/error.js';
import type { SnapshotSampleInput } from '../../shared/gen/proto/reeve/agent/v1/SnapshotSample.js';
import { formatDump } from '../../shared/model/backup.js';
import { mostRuns, type BackupProof } from '../desired/backup.js';
import { compareEntries, type ComparedEntry } from '../desired/backup-compare.js';
import type { HostRow } from '../inventory/host.js';
import { workOn } from './backup-agent.js';
import { comparedOf, type BackupEntry } from './backup-entry.js';
import type { BackupWork } from './backup-work.js';

/** What a sample has: at least so many files, and this share of all bytes, but not more bytes than this. */
const sample = { files: 100, permille: 10, mostBytes: 1024 ** 3 } as const;

/** Most of one call of HashFiles. */
const perCall = { paths: 10_000, bytes: 800 * 1024 } as const;

/** Where the files are that those of a snapshot are compared with. */
interface Counterpart {
  readonly host: HostRow;
  readonly folders: readonly string[];
  /** What is put before a path of the snapshot; "" on a source. */
  readonly below: string;
  /** It was copied just now: whatever is missing or changed is different. */
  readonly strict: boolean;
}

/** Compares files of a snapshot with the source, and loads its dumps. Errors: HOST_UNREACHABLE, BACKUP_FAILED, what the agents say. */
export async function proveSample(work: BackupWork, { source, destination, snapshot }: { readonly source: HostRow; readonly destination: HostRow; readonly snapshot: string }): Promise<BackupProof> {
  work.phase('verifying');
  const counterpart = { host: source, folders: work.job.backup.folders, below: '', strict: false };
  const compared = await compareAll(work, { destination, snapshot, counterpart, which: { snapshot, ...sample } });
  const dumps = await loadDumps(work, destination, snapshot);
  return work.proved({ snapshot, kind: 'sample', ...compared, ok: compared.ok && dumps.ok, dumps: dumps.lines });
}

/** Compares all files of a snapshot with those that were restored from it into a folder, and loads its dumps. Errors: as of proveSample. */
export async function proveFull(work: BackupWork, { destination, snapshot, target, folder }: { readonly destination: HostRow; readonly snapshot: string; readonly target: HostRow; readonly folder: string }): Promise<BackupProof> {
  work.phase('verifying');
  const counterpart = { host: target, folders: [folder], below: folder, strict: true };
  const compared = await compareAll(work, { destination, snapshot, counterpart, which: { snapshot, all: true } });
  const dumps = await loadDumps(work, destination, snapshot);
  return work.proved({ snapshot, kind: 'full', ...compared, ok: compared.ok && dumps.ok, dumps: dumps.lines });
}

interface Compared {
  readonly ok: boolean;
  readonly files: number;
  readonly bytes: number;
  readonly skipped: number;
  readonly different: readonly Buffer[];
  readonly evidence: Buffer;
}

/** Reads rows of a snapshot and compares them, so many at a time: the destination waits meanwhile. */
async function compareAll(work: BackupWork, order: { readonly destination: HostRow; readonly snapshot: string; readonly counterpart: Counterpart; readonly which: SnapshotSampleInput }): Promise<Compared> {
  const { job, fleet, signal } = work;
  const sum = { files: 0, bytes: 0, skipped: 0, rows: 0, differing: 0 };
  const different: Buffer[] = [];
  const evidence = createHash('sha256');
  let chunk: BackupEntry[] = [];
  let chunkBytes = 0;
  const compareChunk = async (): Promise<void> => {
    const kept = chunk.map(comparedOf);
    const found = await hashAll(work, order.counterpart, chunk);
    [chunk, chunkBytes] = [[], 0];
    const result = compareEntries(kept, found, { strict: order.counterpart.strict });
    sum.files += result.files;
    sum.bytes += result.bytes;
    sum.skipped += result.skipped;
    sum.rows += kept.length;
    sum.differing += result.different.length;
    different.push(...result.different.slice(0, mostRuns.different - different.length).map((path) => Buffer.from(path, 'latin1')));
    for (const line of result.lines) {
      evidence.update(`${line}\n`);
      work.print(line);
    }
    work.progress({ files: sum.rows, filesTotal: 0, bytes: sum.bytes, rate: 0, percent: 0, remainingSeconds: 0 });
  };
  const request = { jobId: job.id, folder: job.backup.folder, sample: order.which };
  const { count, truncated } = await workOn(fleet, order.destination, { method: 'ReadSnapshots', request, what: 'Reading the snapshot', signal }, {
    progress: work.progress,
    entry: async (entry) => {
      if (entry.path.length === 0 || entry.kind === 'missing') return;
      chunk.push(entry);
      chunkBytes += entry.path.length + order.counterpart.below.length + 8;
      if (chunk.length >= perCall.paths || chunkBytes >= perCall.bytes) await compareChunk();
    },
  });
  if (chunk.length > 0) await compareChunk();
  // Nothing that could be compared proves nothing, but of an empty snapshot.
  const ok = sum.differing === 0 && !truncated && (sum.files > 0 || (count === 0 && sum.rows === 0));
  return { ok, files: sum.files, bytes: sum.bytes, skipped: sum.skipped, different, evidence: evidence.digest() };
}

/** What another host has at the same paths. */
async function hashAll({ job, fleet, signal }: BackupWork, { host, folders, below }: Counterpart, entries: readonly BackupEntry[]): Promise<readonly ComparedEntry[]> {
  const prefix = Buffer.from(`${below}/`);
  const paths = entries.map(({ path }) => Buffer.concat([prefix, path]));
  const found: ComparedEntry[] = [];
  await workOn(fleet, host, { method: 'HashFiles', request: { folders: [...folders], paths, jobId: job.id }, what: 'Reading the files that are compared', signal }, {
    entry: (entry) => {
      const compared = comparedOf(entry);
      // "/" and a folder: as many bytes as the folder and the "/" behind it, for paths have lost their first one.
      if (found.length < entries.length) found.push({ ...compared, path: compared.path.slice(prefix.length - 1) });
    },
  });
  return found;
}

/** Loads each dump of a snapshot and counts what is in it. */
async function loadDumps(work: BackupWork, destination: HostRow, snapshot: string): Promise<{ readonly ok: boolean; readonly lines: readonly string[] }> {
  const { job, runId, fleet, signal } = work;
  const lines: string[] = [];
  let ok = true;
  for (const dump of job.backup.dumps) {
    const name = formatDump(dump);
    try {
      const request = { operationId: runId, jobId: job.id, folder: job.backup.folder, snapshot, dump };
      const { count, rows } = await workOn(fleet, destination, { method: 'LoadDump', request, what: `Loading the dump of ${name}`, signal });
      lines.push(`${name}: ${String(count)} tables, ${String(rows)} rows`);
    } catch (error) {
      if (signal.aborted || !(error instanceof ReeveError)) throw error;
      ok = false;
      lines.push(`${name}: ${error.items.map(formatMessage).join('; ').slice(0, 512)}`);
    }
  }
  return { ok, lines };
}
