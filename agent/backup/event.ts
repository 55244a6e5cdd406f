import type { BackupEntryInput } from '../../shared/gen/proto/reeve/type/v1/BackupEntry.js';
import type { BackupProblemInput } from '../../shared/gen/proto/reeve/type/v1/BackupProblem.js';
import type { BackupProgressInput } from '../../shared/gen/proto/reeve/type/v1/BackupProgress.js';
import type { BackupSnapshotInput } from '../../shared/gen/proto/reeve/type/v1/BackupSnapshot.js';
import { fieldNumber, fieldText, type JobFields } from '../host/job.js';

/** Longest path, target or text that is passed on, bytes. */
const mostBytes = 4096;

function bytesOf(fields: JobFields, key: string): Buffer {
  return fields.get(key)?.[0]?.subarray(0, mostBytes) ?? Buffer.alloc(0);
}

/** How far a job is, as the wire has it. */
export function progressOf(fields: JobFields, phase: string, elapsedMs: number): BackupProgressInput {
  return {
    phase, elapsedMs,
    files: fieldNumber(fields, 'files'),
    filesTotal: fieldNumber(fields, 'files-total'),
    bytes: fieldNumber(fields, 'bytes'),
    rate: fieldNumber(fields, 'rate'),
    percent: Math.min(100, fieldNumber(fields, 'percent')),
    remainingSeconds: Math.min(0xffff_ffff, fieldNumber(fields, 'remaining')),
  };
}

/** A file that could not be copied. */
export function problemOf(fields: JobFields): BackupProblemInput {
  return { path: bytesOf(fields, 'path'), kind: fieldText(fields, 'kind'), text: fieldText(fields, 'text').slice(0, mostBytes) };
}

/** A row about a file. */
export function entryOf(fields: JobFields): BackupEntryInput {
  const digest = fieldText(fields, 'sha256');
  return {
    snapshot: fieldText(fields, 'snapshot').slice(0, 32),
    path: bytesOf(fields, 'path'),
    kind: fieldText(fields, 'kind'),
    size: fieldNumber(fields, 'size'),
    modifiedMs: fieldNumber(fields, 'modified-ms'),
    mode: fieldNumber(fields, 'mode'),
    uid: fieldNumber(fields, 'uid'),
    gid: fieldNumber(fields, 'gid'),
    target: bytesOf(fields, 'target'),
    sha256: Buffer.from(/^[0-9a-f]{64}$/.test(digest) ? digest : '', 'hex'),
    problem: fieldText(fields, 'problem').slice(0, mostBytes),
  };
}

/** A row about a snapshot. */
export function snapshotOf(fields: JobFields): BackupSnapshotInput {
  return {
    name: fieldText(fields, 'snapshot'),
    complete: fieldText(fields, 'complete') === '1',
    files: fieldNumber(fields, 'files'),
    bytes: fieldNumber(fields, 'bytes'),
    sentBytes: fieldNumber(fields, 'sent-bytes'),
  };
}
