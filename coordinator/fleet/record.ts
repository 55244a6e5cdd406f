import { formatRecord, type MovedRecord } from '../../shared/model/record.js';
import type { SignedRecord } from '../../shared/rpc/signed.js';
import { deniedCoordinatorKeys } from '../inventory/coordinator-key.js';
import { getFleet, type Fleet } from '../inventory/fleet.js';
import type { World } from '../world.js';

/** What the control root has signed for all hosts. The same object as long as nothing of it changes. */
export interface Records {
  readonly denyList: SignedRecord | undefined;
  readonly denyVersion: number;
  readonly moved: SignedRecord | undefined;
  readonly movedVersion: number;
}

/** For agents that do not know such records. */
export const noRecords: Records = { denyList: undefined, denyVersion: 0, moved: undefined, movedVersion: 0 };

/** Whether an agent of this version takes signed records: release 0.1 does not, and refuses a Watch that is longer than it knows. */
export function takesRecords(agentVersion: string): boolean {
  return !agentVersion.startsWith('0.1.');
}

type Signer = Pick<World, 'db' | 'authority'>;

const known = new WeakMap<Signer['db'], Records>();

/** The records of now. */
export function signedRecords({ db, authority }: Signer): Records {
  const fleet = getFleet(db);
  const before = known.get(db);
  const denyVersion = fleet?.denyVersion ?? 0;
  const movedVersion = fleet?.movedVersion ?? 0;
  if (before?.denyVersion === denyVersion && before.movedVersion === movedVersion) return before;
  const denied = { fleet: authority.fleetId, version: denyVersion, keys: deniedCoordinatorKeys(db) };
  const records: Records = {
    denyVersion,
    movedVersion,
    denyList: denyVersion === 0 ? undefined : authority.signRecord('deny', formatRecord(denied)),
    moved: fleet === undefined || movedVersion === 0 ? undefined : authority.signRecord('moved', formatRecord(movedOf(fleet))),
  };
  known.set(db, records);
  return records;
}

function movedOf(fleet: Fleet): MovedRecord {
  const { id, addresses, agentsPort, enrolmentPort, operatorsPort, movedVersion, movedAtMs } = fleet;
  return { fleet: id, version: movedVersion, addresses, agentsPort, enrolmentPort, operatorsPort, issuedMs: movedAtMs };
}
