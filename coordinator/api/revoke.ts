import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { GetRevocationResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/GetRevocationResponse.js';
import type { RevokePersonRequest } from '../../shared/gen/proto/reeve/coordinator/v1/RevokePersonRequest.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { formatFingerprint } from '../../shared/model/fingerprint.js';
import { parsePersonName } from '../../shared/model/person.js';
import type { CallContext } from '../../shared/rpc/server.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { hostsToldOf } from '../inventory/access.js';
import type { Database } from '../inventory/database.js';
import { getGeneration } from '../inventory/generation.js';
import { getHost } from '../inventory/host.js';
import { isKeyManaged } from '../inventory/key-list.js';
import { findPerson, getPerson, setPerson } from '../inventory/person.js';
import { addRevocation, addRevocationHost, getRevocation, revocationHosts, type RevocationHostRow } from '../inventory/revocation.js';
import { listKeys } from '../inventory/ssh-key.js';
import type { Office } from '../office.js';
import { keyNoun } from '../reconcile/key.js';
import type { OperatorCaller } from './caller.js';
import { parseChangeOptions } from './event.js';
import { fieldChange, inventoryChange, runAccess } from './key-change.js';
import { inScope, visibleHosts, type Scoped } from './select.js';

/**
 * Revokes a person: not active any more, and every host where they got in is told which keys to take away, with --purge-foreign every host that has joined.
 * Errors: PERSON_UNKNOWN, FIELD_INVALID (CHANGE_MODE_STAGE).
 */
export function revokePerson(office: Office, context: CallContext<OperatorCaller>, request: RevokePersonRequest): AsyncGenerator<ChangeEventInput> {
  const { db } = office;
  const name = parsePersonName(request.person);
  if (parseChangeOptions(request.options).mode === 'stage') throw fieldInvalid('mode', 'STAGE', 'PLAN or APPLY: a revocation is told at once');
  const { purgeForeign: purge, endSessions } = request;
  const fingerprints = listKeys(db, { person: findPerson(db, name).name }).map((key) => key.fingerprint);
  let revocation = 0;
  return runAccess(office, context, {
    summary: `revoke ${name}`,
    detail: { purge, endSessions, force: request.force },
    options: request.options,
    urgent: true,
    force: request.force,
    removal: { purge, endSessions, also: fingerprints },
    about: () => [],
    also: () => revokedHosts(db, context.principal, { name, purge }),
    edit: (_db, { now, operationId }) => {
      const before = findPerson(db, name);
      setPerson(db, name, { active: false });
      revocation = addRevocation(db, { person: name, atMs: now, by: context.principal.name, operationId, purge, endSessions, keys: fingerprints });
      return { changes: before.active ? [inventoryChange('update', 'person', name, [fieldChange('state', 'active', 'revoked')])] : [] };
    },
    onHost: (_db, hostId, generation) => addRevocationHost(db, revocation, { hostId, generation }),
  });
}

/** Where a person got in, as hosts were told, or was told to be kept out before; with `purge` all hosts that have joined. */
function revokedHosts(db: Database, caller: Scoped, { name, purge }: { name: string; purge: boolean }): string[] {
  const before = getRevocation(db, name);
  const told = [...hostsToldOf(db, name), ...(before === undefined ? [] : revocationHosts(db, before.id).map(({ hostId }) => hostId))];
  const managed = told.filter((hostId) => isKeyManaged(db, hostId));
  return purge ? [...managed, ...visibleHosts(db, caller).filter(({ state }) => state === 'joined' || state === 'quarantined').map(({ id }) => id)] : managed;
}

/** What became of the newest revocation of a person. Errors: PERSON_UNKNOWN, FIELD_INVALID. */
export function revocationReport({ db }: Office, caller: Scoped, name: string): GetRevocationResponseInput {
  const revocation = getRevocation(db, name);
  if (revocation === undefined) {
    findPerson(db, name);
    throw fieldInvalid('person', name, 'a person who was revoked');
  }
  // A host that is out of the fleet owes nothing any more.
  const rows = revocationHosts(db, revocation.id).filter(({ hostId, acknowledgedAtMs }) => acknowledgedAtMs !== undefined || getHost(db, hostId)?.state !== 'retired');
  return {
    person: name,
    displayName: getPerson(db, name)?.displayName ?? '',
    at: toTimestamp(revocation.atMs),
    by: revocation.by,
    operationId: revocation.operationId,
    purgeForeign: revocation.purge,
    endSessions: revocation.endSessions,
    keys: revocation.keys.map(formatFingerprint),
    hosts: rows.filter(({ hostId }) => inScope(db, caller, hostId)).map((row) => formatHost(db, row)),
    done: rows.every((row) => row.acknowledgedAtMs !== undefined && row.remaining === 0 && (!revocation.endSessions || row.sessions === 0)),
  };
}

function formatHost(db: Database, row: RevocationHostRow): NonNullable<GetRevocationResponseInput['hosts']>[number] {
  const { acknowledgedAtMs, digest, purged, ended, remaining, sessions } = row;
  return {
    host: getHost(db, row.hostId)?.name ?? row.hostId,
    acknowledgedAt: acknowledgedAtMs === undefined ? null : toTimestamp(acknowledgedAtMs),
    digest: digest ?? Buffer.alloc(0),
    purged, ended, remaining, sessions,
    reason: acknowledgedAtMs === undefined ? (getGeneration(db, row.hostId, keyNoun.name)?.reason ?? '') : '',
  };
}
