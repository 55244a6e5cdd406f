import { reeveError } from '../../shared/errors/error.js';
import type { SetHostRequest } from '../../shared/gen/proto/reeve/coordinator/v1/SetHostRequest.js';
import { formatFingerprint, parseFingerprint } from '../../shared/model/fingerprint.js';
import { formatLabel } from '../../shared/model/label.js';
import { parsePersonName } from '../../shared/model/person.js';
import { addBreakGlass, breakGlassOf, removeBreakGlass } from '../inventory/break-glass.js';
import type { Database } from '../inventory/database.js';
import type { HostRow } from '../inventory/host.js';
import { raiseKeys, touchedHosts } from '../inventory/key-touched.js';
import { addOwner, ownersOf, removeOwner } from '../inventory/owner.js';
import { findPerson } from '../inventory/person.js';
import type { Office } from '../office.js';
import type { Scoped } from './select.js';

/** What is to be altered of who gets in to a host. */
export interface HostAccessEdit {
  readonly owners: readonly string[];
  readonly noOwners: readonly string[];
  /** Fingerprints, hex. */
  readonly breakGlass: readonly string[];
  readonly noBreakGlass: readonly string[];
}

/** What a request says of owners and break-glass keys. Who may be let in by owning a host is decided for the whole fleet. Errors: FIELD_INVALID, SCOPE_REFUSED. */
export function parseHostAccess(caller: Scoped, request: SetHostRequest): HostAccessEdit {
  const edit = {
    owners: request.addOwners.map((name) => parsePersonName(name)),
    noOwners: request.removeOwners.map((name) => parsePersonName(name)),
    breakGlass: request.addBreakGlass.map((text) => parseFingerprint(text)),
    noBreakGlass: request.removeBreakGlass.map((text) => parseFingerprint(text)),
  };
  const named = Object.values(edit).some((list) => list.length > 0);
  if (named && caller.scope !== undefined) throw reeveError('SCOPE_REFUSED', { value: caller.scope.map(formatLabel).join(' or '), rule: 'alter owners or break-glass keys of hosts' });
  return edit;
}

/** Alters owners and break-glass keys of a host, whose name or labels may just have become others; answers the hosts that are to be told. Errors: PERSON_UNKNOWN, PERSON_INACTIVE. */
export function setHostAccess({ db, clock }: Office, host: HostRow, edit: HostAccessEdit): string[] {
  const now = clock.now();
  for (const name of edit.owners) {
    if (!findPerson(db, name).active) throw reeveError('PERSON_INACTIVE', { value: name });
    addOwner(db, host.id, name, now);
  }
  for (const name of edit.noOwners) {
    findPerson(db, name);
    removeOwner(db, host.id, name);
  }
  for (const fingerprint of edit.breakGlass) addBreakGlass(db, host.id, fingerprint, now);
  for (const fingerprint of edit.noBreakGlass) removeBreakGlass(db, host.id, fingerprint);
  const others = touchedHosts(db, { kind: 'host', hostId: host.id }).filter((hostId) => hostId !== host.id);
  const removed = { purge: false, endSessions: false };
  return [...raiseKeys(db, [host.id], { now, removed, manage: edit.owners.length > 0 }), ...raiseKeys(db, others, { now, removed })];
}

/** Owners and break-glass keys of a host as the wire has them. */
export function hostAccess(db: Database, hostId: string): { owners: string[]; breakGlass: string[] } {
  return { owners: ownersOf(db, hostId), breakGlass: breakGlassOf(db, hostId).map(formatFingerprint) };
}
