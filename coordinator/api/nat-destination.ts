import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { AddForwardRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AddForwardRequest.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { formatLabel } from '../../shared/model/label.js';
import { parseForward, parseNatAddress } from '../../shared/model/nat.js';
import type { Database } from '../inventory/database.js';
import { getGeneration } from '../inventory/generation.js';
import { hostsAt, type HostRow } from '../inventory/host.js';
import type { NewForward } from '../inventory/nat.js';
import { hostNoun } from '../reconcile/host.js';
import { hostFor, inScope, type Scoped } from './select.js';

/** A forward from the wire, with where it leads to. Errors: FIELD_*, HOST_UNKNOWN, HOST_RELEASING, NAT_DESTINATION, SCOPE_REFUSED. */
export function newForward(db: Database, caller: Scoped, host: HostRow, request: Pick<AddForwardRequest, 'forward' | 'toHost'>): NewForward {
  const { forward, toHost } = request;
  if (forward === null) throw fieldMissing('forward', 'the port to be forwarded, and where to');
  if (toHost !== '' && forward.toAddress !== '') throw fieldInvalid('destination', forward.toAddress, 'either a host or an address');
  const to: NewForward['to'] = toHost === '' ? { kind: 'address', address: parseNatAddress('destination', forward.toAddress) } : destinationHost(db, host, hostFor(db, caller, toHost));
  const { id: _id, to: address, ...parsed } = parseForward({ ...forward, id: 1, toAddress: to.address, adopt: false });
  requireInScope(db, caller, host, { ...to, address });
  return { ...parsed, to };
}

/** A host that lives on the one that forwards. Errors: NAT_DESTINATION, HOST_RELEASING. */
function destinationHost(db: Database, host: HostRow, destination: HostRow): NewForward['to'] {
  const refuse = (rule: string): ReeveError => reeveError('NAT_DESTINATION', { value: destination.name, host: host.name, rule });
  if (destination.id === host.id) throw refuse('it is the host itself');
  if (destination.parentId !== host.id) throw refuse(`it does not live on it; see: reeve host set ${destination.name} --parent ${host.name}, or give its address`);
  if (getGeneration(db, destination.id, hostNoun.name) !== undefined) throw reeveError('HOST_RELEASING', { host: destination.name });
  const address = destination.endpoint?.address;
  if (address === undefined) throw refuse('its address is not known');
  try {
    return { kind: 'host', hostId: destination.id, address: parseNatAddress('destination', address) };
  } catch (error) {
    if (error instanceof ReeveError) throw refuse(`its address is ${address}, which no other machine can be reached by`);
    throw error;
  }
}

/** A caller with a scope leads nobody to a machine of others. Errors: SCOPE_REFUSED. */
export function requireInScope(db: Database, caller: Scoped, host: HostRow, to: Pick<NewForward['to'], 'address'>): void {
  if (isOfOthers(db, caller, host, to.address)) throw reeveError('SCOPE_REFUSED', { value: (caller.scope ?? []).map(formatLabel).join(' or '), rule: `forward to ${to.address}` });
}

/** Whether an address that a host reaches is one of a machine outside the caller's scope: of the hosts that have the address, those that live on this one count first. */
export function isOfOthers(db: Database, caller: Scoped, host: HostRow, address: string): boolean {
  if (caller.scope === undefined) return false;
  const known = hostsAt(db, address);
  const here = known.filter(({ parentId }) => parentId === host.id);
  const meant = here.length > 0 ? here : known;
  return meant.length > 0 && !meant.some(({ id }) => inScope(db, caller, id));
}
