import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { systemClock } from '../../shared/kit/clock.js';
import { mostHolds, type Hold } from '../../shared/model/hold.js';
import { removeWhole, syncFolder, writeWhole } from '../host/file.js';
import { makeBootMark, readBootMark, readHoldFile, readMonotonicMs } from '../host/system.js';
import { holdPath, type AgentPaths } from '../paths.js';
import { readLocalHolds } from './hold.js';
import { formatStoredHolds, holdLeftMs, holdsInForce, parseStoredHolds, type HoldClocks, type StoredHold } from './stored.js';

/** The file of local holds, and who may own it. */
export interface HoldPlace {
  readonly path: string;
  readonly owners: readonly number[];
  /** Folder in memory that says which boot this is: that of the helper's socket. */
  readonly bootFolder: string;
}

/** The place of the holds of this host. */
export function holdPlace(paths: Pick<AgentPaths, 'policy' | 'helper'>, custom: boolean): HoldPlace {
  return { path: holdPath(paths), owners: localOwners(custom), bootFolder: dirname(paths.helper) };
}

/** A change of the local holds. */
export type HoldChange =
  | { readonly kind: 'set'; readonly noun: string; readonly lengthMs: number; readonly reason: string }
  /** undefined: all of them. */
  | { readonly kind: 'end'; readonly noun: string | undefined };

/** Who may own the files that only root writes; in development also whoever runs the agent. */
export function localOwners(custom: boolean): readonly number[] {
  return custom ? [0, process.geteuid?.() ?? 0] : [0];
}

/** The local holds in force. */
export function localHolds(place: HoldPlace): readonly Hold[] {
  return readLocalHolds({ clock: systemClock, readHolds: () => readHoldFile(place.path, place.owners), bootMark: () => readBootMark(place.bootFolder), monotonicMs: readMonotonicMs });
}

/** Sets a hold, and gives it; the file is swapped whole. Errors: IO_FAILED when it cannot be written, FIELD_INVALID when what is there cannot be used. */
export function changeHolds(place: HoldPlace, change: HoldChange & { kind: 'set' }): Hold;
/** Ends holds; answers how many of them were in force. */
export function changeHolds(place: HoldPlace, change: HoldChange & { kind: 'end' }): number;
export function changeHolds(place: HoldPlace, change: HoldChange): Hold | number {
  const boot = change.kind === 'set' ? makeBootMark(place.bootFolder) : readBootMark(place.bootFolder);
  const clocks: HoldClocks = { nowMs: systemClock.now(), bootId: boot, bootMs: readMonotonicMs() };
  if (change.kind === 'end' && change.noun === undefined) {
    // Also what cannot be read any more is over.
    const ended = localHolds(place).length;
    write(place, []);
    return ended;
  }
  const kept = usable(place).filter((hold) => holdLeftMs(hold, clocks) > 0);
  const others = kept.filter((hold) => hold.noun !== change.noun);
  if (change.kind === 'end') {
    write(place, others);
    return kept.length - others.length;
  }
  if (others.length >= mostHolds) throw reeveError('LIMIT_EXCEEDED', { field: 'the number of holds', rule: `at most ${String(mostHolds)}` });
  const { noun, reason, lengthMs } = change;
  const set: StoredHold = { noun, reason, lengthMs, by: whoIsRoot(), setAtMs: clocks.nowMs, bootId: clocks.bootId, setBootMs: clocks.bootMs };
  write(place, [...others, set]);
  const [hold] = holdsInForce([set], clocks);
  if (hold === undefined) throw new Error('a hold that was just set is over');
  return hold;
}

function usable(place: HoldPlace): readonly StoredHold[] {
  const file = readHoldFile(place.path, place.owners);
  if (file.kind === 'none') return [];
  const refuse = (reason: string): ReeveError => reeveError('FIELD_INVALID', { field: 'file', value: place.path, rule: `${reason}; to remove it: reeve-agent hold --end` });
  if (file.kind === 'fault') throw refuse(file.reason);
  try {
    return parseStoredHolds(file.text);
  } catch (error) {
    if (error instanceof ReeveError || error instanceof SyntaxError) throw refuse('it is not as Reeve writes it');
    throw error;
  }
}

function write(place: HoldPlace, holds: readonly StoredHold[]): void {
  try {
    if (holds.length > 0) writeWhole(place.path, formatStoredHolds(holds), 0o644);
    else if (existsSync(place.path)) {
      removeWhole(place.path);
      syncFolder(dirname(place.path));
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    throw code === undefined ? error : reeveError('IO_FAILED', { host: hostname(), rule: `${place.path} cannot be written (${code}); the holds are as they were` }, { cause: error });
  }
}

/** The account behind root as sudo(8) names it, for people; it proves nothing. */
function whoIsRoot(): string {
  const name = process.env['SUDO_USER'] ?? '';
  return /^[a-z_][a-z0-9_-]{0,30}$/.test(name) ? name : 'root';
}
