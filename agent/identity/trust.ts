import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { reeveError } from '../../shared/errors/error.js';
import { movedPlaces, parseDenyRecord, parseMovedRecord } from '../../shared/model/record.js';
import { openRecord, type SignedRecord } from '../../shared/rpc/signed.js';
import type { DenyList } from '../access.js';
import { makeFolder, writeWhole } from '../host/file.js';
import type { AgentIdentity } from './identity.js';

/** Where the coordinator is, by the newest moved record. */
export interface Places {
  readonly agentsApi: readonly string[];
  readonly enrolment: readonly string[];
}

/** What the control root has told this host beyond its identity: which coordinator keys are denied, and where the coordinator has moved. */
export interface TrustState {
  denied(): DenyList;
  readonly movedVersion: number;
  /** Undefined: the coordinator has not moved since the host joined or renewed. */
  places(): Places | undefined;
  /** Takes in a deny list. Keys that were denied stay denied until their certificates have ended, whatever a newer list says. Errors: RECORD_REFUSED. */
  takeDenyList(record: SignedRecord): void;
  /** Takes in a moved record; true when it was newer. Errors: RECORD_REFUSED. */
  takeMoved(record: SignedRecord): boolean;
}

interface Stored {
  denyVersion: number;
  denied: Record<string, number>;
  movedVersion: number;
  places?: Places;
}

/** A day, ms: how long a key stays denied beyond the end of its certificate. */
const keepAfterEndMs = 86_400_000;

/** The state below a state folder; one file, always whole. */
export function openTrustState(stateDir: string, identity: Pick<AgentIdentity, 'fleetId' | 'controlRoot'>, now: () => number): TrustState {
  const path = join(stateDir, 'trust.json');
  const empty: Stored = { denyVersion: 0, denied: {}, movedVersion: 0 };
  const read = (): Stored => {
    const stored = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Stored & { fleetId: string }) : undefined;
    // A host that joined another fleet begins anew.
    return stored?.fleetId === identity.fleetId ? stored : empty;
  };
  let state = read();
  let keys: ReadonlySet<string> = new Set(Object.keys(state.denied));
  const store = (next: Stored): void => {
    makeFolder(stateDir);
    writeWhole(path, `${JSON.stringify({ fleetId: identity.fleetId, ...next }, undefined, 2)}\n`);
    state = next;
    keys = new Set(Object.keys(next.denied));
  };
  const own = (fleet: string): void => {
    if (fleet !== identity.fleetId) throw reeveError('RECORD_REFUSED', { reason: 'it is of another fleet' });
  };
  return {
    denied: () => ({ version: state.denyVersion, keys }),
    get movedVersion() {
      return state.movedVersion;
    },
    // Another program of this host may have taken one in.
    places: () => read().places,
    takeDenyList(record) {
      const list = parseDenyRecord(openRecord('deny', record, identity.controlRoot));
      own(list.fleet);
      if (list.version <= state.denyVersion) return;
      const all = { ...state.denied };
      for (const { key, notAfterMs } of list.keys) all[key] = Math.max(notAfterMs, all[key] ?? 0);
      const denied = Object.fromEntries(Object.entries(all).filter(([, notAfterMs]) => notAfterMs + keepAfterEndMs >= now()));
      store({ ...state, denyVersion: list.version, denied });
    },
    takeMoved(record) {
      const moved = parseMovedRecord(openRecord('moved', record, identity.controlRoot));
      own(moved.fleet);
      if (moved.version <= Math.max(state.movedVersion, read().movedVersion)) return false;
      const { agentsApi, enrolment } = movedPlaces(moved);
      store({ ...state, movedVersion: moved.version, places: { agentsApi, enrolment } });
      return true;
    },
  };
}

/**
 * The identity with the places of the newest moved record. A host that reaches the coordinator through its parent keeps those that it was given: the parent
 * listens there, and follows the record itself.
 */
export function placed(identity: AgentIdentity, trust: Pick<TrustState, 'places'> | undefined): AgentIdentity {
  const places = identity.link === 'parent' ? undefined : trust?.places();
  return places === undefined ? identity : { ...identity, ...places };
}
