import type { Backup } from '../../shared/model/backup.js';

/** A job of the inventory. */
export interface BackupJob {
  /** UUIDv7. */
  readonly id: string;
  /** Hosts are ids. */
  readonly backup: Backup;
  /** Why nothing of it is rotated; undefined: it is. */
  readonly frozen: { readonly atMs: number; readonly reason: string } | undefined;
  /** What the last good run that was not much smaller had; undefined: there was none since it was added or thawed. */
  readonly baseline: BackupSize | undefined;
  /** The operator who added it. */
  readonly by: string;
  readonly addedAtMs: number;
}

/** How much is in a snapshot. */
export interface BackupSize {
  readonly files: number;
  readonly bytes: number;
}

/** What a run does. */
export const runKinds = ['backup', 'restore', 'verify', 'prune', 'adopt'] as const;
export type RunKind = (typeof runKinds)[number];

/** How a run stands; "unknown": its destination has to be asked. */
export const runStates = ['running', 'done', 'failed', 'cancelled', 'unknown'] as const;
export type RunState = (typeof runStates)[number];

/** How the two hosts of a run reached each other; empty: they did not, or not yet. */
export const ways = ['direct', 'reverse', 'coordinator'] as const;
export type Way = (typeof ways)[number];

/** One run of a job. */
export interface BackupRun {
  /** UUIDv7. */
  readonly id: string;
  readonly jobId: string;
  readonly kind: RunKind;
  readonly state: RunState;
  /** An operator, or "schedule". */
  readonly by: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  /** Why it is not done, or what there is to know of one that is; for people. */
  readonly reason: string;
  /** Snapshot that it made or used; empty: none. */
  readonly snapshot: string;
  readonly files: number;
  readonly bytes: number;
  readonly sentFiles: number;
  readonly sentBytes: number;
  readonly way: Way | '';
  /** Files that could not be copied. */
  readonly problems: number;
}

/** Proof that a snapshot can be restored. */
export interface BackupProof {
  readonly runId: string;
  readonly jobId: string;
  readonly atMs: number;
  readonly snapshot: string;
  readonly kind: 'sample' | 'full';
  readonly ok: boolean;
  /** Compared. */
  readonly files: number;
  readonly bytes: number;
  /** Changed on the source since. */
  readonly skipped: number;
  /** Paths of files that are not as they are on the source; at most 100. */
  readonly different: readonly Uint8Array[];
  /** A line for each dump. */
  readonly dumps: readonly string[];
  /** sha256 of all that was compared. */
  readonly evidence: Uint8Array;
}

/** Who a run is by that nobody asked for. */
export const scheduled = 'schedule';

/** Most of each that is kept, and told. */
export const mostRuns = { kept: 500, problems: 1_000, outputBytes: 131_072, different: 100, reason: 2_048 } as const;

/** How a job does. */
export type BackupHealth = 'good' | 'unproven' | 'late' | 'failed' | 'frozen' | 'new' | 'inactive';
