import { backupLevels, snapshotTime, type BackupLevel, type BackupRetention } from '../../shared/model/backup.js';

/** As much of a snapshot as says how long it stays. */
export interface Rotated {
  readonly name: string;
  /** Every file of the source is in it. */
  readonly complete: boolean;
}

/** What becomes of a snapshot at the next rotation. */
export interface Kept<S extends Rotated> {
  readonly snapshot: S;
  /** The levels that keep it. */
  readonly levels: readonly BackupLevel[];
  /** It stays: a level keeps it, or it is the newest complete one, or it is newer than that. */
  readonly stays: boolean;
}

const day = 86_400_000;

/** The hour, day, week (from Monday) or month of a time, UTC, as a number or text that no other one has. */
const periods: Readonly<Record<BackupLevel, (ms: number) => string>> = {
  hourly: (ms) => String(Math.floor(ms / 3_600_000)),
  daily: (ms) => String(Math.floor(ms / day)),
  // 1970-01-01 was a Thursday.
  weekly: (ms) => String(Math.floor((ms / day + 3) / 7)),
  monthly: (ms) => new Date(ms).toISOString().slice(0, 7),
};

/**
 * What a retention keeps of snapshots, newest first: of each level the newest complete one of each of the last periods that have one. The newest complete one always
 * stays, and incomplete ones while they are newer than that. What is no name of a snapshot is left out.
 */
export function keepSnapshots<S extends Rotated>(snapshots: readonly S[], retention: BackupRetention): readonly Kept<S>[] {
  const sorted = snapshots.flatMap((snapshot) => {
    const ms = snapshotTime(snapshot.name);
    return ms === undefined ? [] : [{ snapshot, ms, levels: [] as BackupLevel[] }];
  });
  sorted.sort((a, b) => b.ms - a.ms);
  const complete = sorted.filter(({ snapshot }) => snapshot.complete);
  for (const level of backupLevels) {
    const seen = new Set<string>();
    for (const row of complete) {
      const period = periods[level](row.ms);
      if (seen.has(period)) continue;
      if (seen.size >= retention[level]) break;
      seen.add(period);
      row.levels.push(level);
    }
  }
  const newest = complete[0]?.ms ?? -Infinity;
  return sorted.map(({ snapshot, ms, levels }) => ({ snapshot, levels, stays: levels.length > 0 || ms > newest || (ms === newest && snapshot.complete) }));
}

/** Names of the snapshots that the next rotation takes away, newest first. */
export function rotatedSnapshots(snapshots: readonly Rotated[], retention: BackupRetention): readonly string[] {
  return keepSnapshots(snapshots, retention).flatMap(({ snapshot, stays }) => (stays ? [] : [snapshot.name]));
}
