import type { Backup } from '../../shared/model/backup.js';
import type { BackupSize } from './backup.js';

/** Why a run brought so much less than the last good one that nothing is to be rotated; undefined: it did not. */
export function judgeShrink({ shrinkPercent }: Pick<Backup, 'shrinkPercent'>, before: BackupSize | undefined, now: BackupSize): string | undefined {
  if (before === undefined) return undefined;
  const empty = (was: number, is: number): boolean => was > 0 && is === 0;
  const less = (was: number, is: number): boolean => is * 100 < was * shrinkPercent;
  if (!(['files', 'bytes'] as const).some((of) => empty(before[of], now[of]) || less(before[of], now[of]))) return undefined;
  return `the source has ${String(now.files)} files of ${String(now.bytes)} bytes; the last good run had ${String(before.files)} files of ${String(before.bytes)} bytes`;
}

/** Exit codes of rsync(1) after which a snapshot is there. */
export const rsyncExit = { ok: 0, partial: 23, vanished: 24 } as const;

/** How one side of a copy ended. */
export interface SideEnd {
  readonly exitCode: number;
  readonly reason: string;
}

/** What both sides of a copy make of it. */
export interface CopyVerdict {
  readonly state: 'done' | 'failed';
  readonly reason: string;
}

/**
 * Whether a copy is whole: both sides say so; files that went away meanwhile (24) are no fault. `published`: what was received is in its place.
 */
export function judgeCopy(sender: SideEnd, receiver: SideEnd & { readonly published: boolean }): CopyVerdict {
  const whole = (side: SideEnd): boolean => side.exitCode === rsyncExit.ok || side.exitCode === rsyncExit.vanished;
  if (whole(sender) && whole(receiver)) {
    return receiver.published ? { state: 'done', reason: '' } : { state: 'failed', reason: receiver.reason === '' ? 'what was received was not put in its place' : receiver.reason };
  }
  const partial = [sender, receiver].some(({ exitCode }) => exitCode === rsyncExit.partial) && receiver.published;
  const said = [sender, receiver].filter((side) => !whole(side)).map(({ reason, exitCode }) => (reason === '' ? `rsync ended with ${String(exitCode)}` : reason));
  return { state: 'failed', reason: `${partial ? 'not all files could be copied; what was is kept: ' : ''}${[...new Set(said)].join('; ')}` };
}
