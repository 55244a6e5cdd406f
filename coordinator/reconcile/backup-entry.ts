import type { BackupEntry as WireEntry } from '../../shared/gen/proto/reeve/type/v1/BackupEntry.js';
import type { BackupProblem as WireProblem } from '../../shared/gen/proto/reeve/type/v1/BackupProblem.js';
import type { BackupProgress as WireProgress } from '../../shared/gen/proto/reeve/type/v1/BackupProgress.js';
import type { BackupSnapshot as WireSnapshot } from '../../shared/gen/proto/reeve/type/v1/BackupSnapshot.js';
import { isSnapshotName } from '../../shared/model/backup.js';
import type { ComparedEntry } from '../desired/backup-compare.js';
import { isProblemKind, type ProblemRow } from '../inventory/backup-run.js';

/** Longest path, and longest text of a host about one file. */
const most = { pathBytes: 4_096, textCharacters: 1_024 } as const;

const entryKinds: readonly string[] = ['file', 'directory', 'symlink', 'fifo', 'socket', 'char', 'block', 'missing'];

/** One file of a snapshot or of a source, checked. Its texts stay hostile. */
export interface BackupEntry {
  /** Empty: it is on a source. */
  readonly snapshot: string;
  /** From the root, without the first slash. */
  readonly path: Buffer;
  readonly kind: string;
  readonly size: number;
  readonly modifiedMs: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly target: Buffer;
  /** 32 bytes, or none. */
  readonly sha256: Buffer;
  readonly problem: string;
}

/** A snapshot as its destination says, checked. */
export interface BackupSnapshot {
  readonly name: string;
  readonly complete: boolean;
  readonly files: number;
  readonly bytes: number;
  readonly sentBytes: number;
}

/** How far a piece of work is, checked. */
export interface WorkProgress {
  readonly files: number;
  readonly filesTotal: number;
  readonly bytes: number;
  readonly rate: number;
  readonly percent: number;
  readonly remainingSeconds: number;
}

/** A whole number that is not negative; anything else is 0. */
export function wholeOf(value: number): number {
  return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

/** A path without the slashes it begins with. */
export function rootless(path: Buffer): Buffer {
  let at = 0;
  while (path[at] === 0x2f) at += 1;
  return path.subarray(at);
}

/** undefined: it is none that there can be. */
export function parseEntry(wire: WireEntry): BackupEntry | undefined {
  const numbers = [wire.size, wire.mode, wire.uid, wire.gid];
  const good =
    wire.path.length <= most.pathBytes && !wire.path.includes(0) && wire.target.length <= most.pathBytes && entryKinds.includes(wire.kind) && (wire.sha256.length === 0 || wire.sha256.length === 32) &&
    (wire.snapshot === '' || isSnapshotName(wire.snapshot)) && Number.isSafeInteger(wire.modifiedMs) && numbers.every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!good) return undefined;
  const { snapshot, kind, size, modifiedMs, mode, uid, gid, target, sha256 } = wire;
  return { snapshot, path: rootless(wire.path), kind, size, modifiedMs, mode, uid, gid, target, sha256, problem: wire.problem.slice(0, most.textCharacters) };
}

/** undefined: it is none that there can be. */
export function parseSnapshot(wire: WireSnapshot): BackupSnapshot | undefined {
  if (!isSnapshotName(wire.name)) return undefined;
  return { name: wire.name, complete: wire.complete, files: wholeOf(wire.files), bytes: wholeOf(wire.bytes), sentBytes: wholeOf(wire.sentBytes) };
}

/** undefined: it is none that there can be. */
export function parseProblem(wire: WireProblem): ProblemRow | undefined {
  if (wire.path.length === 0 || wire.path.length > most.pathBytes || !isProblemKind(wire.kind)) return undefined;
  return { path: wire.path, kind: wire.kind, text: wire.text.slice(0, most.textCharacters) };
}

/** Figures that cannot be are 0. */
export function parseProgress(wire: WireProgress): WorkProgress {
  return {
    files: wholeOf(wire.files),
    filesTotal: wholeOf(wire.filesTotal),
    bytes: wholeOf(wire.bytes),
    rate: wholeOf(wire.rate),
    percent: Math.min(100, wholeOf(wire.percent)),
    remainingSeconds: wholeOf(wire.remainingSeconds),
  };
}

/** A file as it is compared. */
export function comparedOf(entry: BackupEntry): ComparedEntry {
  const { kind, size, modifiedMs, mode, uid, gid } = entry;
  return { path: entry.path.toString('latin1'), kind, size, modifiedMs, mode, uid, gid, sha256: entry.sha256.toString('hex'), target: entry.target.toString('latin1') };
}
