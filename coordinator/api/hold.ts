import type { HoldHostRequest } from '../../shared/gen/proto/reeve/coordinator/v1/HoldHostRequest.js';
import type { UnholdHostRequest } from '../../shared/gen/proto/reeve/coordinator/v1/UnholdHostRequest.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { parseHoldLength, parseHoldReason } from '../../shared/model/hold.js';
import { fromDuration } from '../../shared/rpc/time.js';
import { dropHolds, putHold } from '../inventory/hold.js';
import type { HostRow } from '../inventory/host.js';
import type { Office } from '../office.js';
import { findNoun, nouns } from '../reconcile/nouns.js';
import type { OperatorCaller } from './caller.js';
import { audited } from './operator.js';
import { hostFor } from './select.js';

/** Holds a host or one noun of it; answers the host. */
export function holdHost(office: Office, caller: OperatorCaller, request: HoldHostRequest): HostRow {
  const { db, clock } = office;
  const host = hostFor(db, caller, request.host);
  const noun = parseNounOrAll(request.noun);
  const lengthMs = parseHoldLength(fromDuration(request.duration));
  const reason = parseHoldReason(request.reason);
  const now = clock.now();
  audited(office, caller, `host hold ${host.name}`, JSON.stringify({ noun, lengthMs, reason }), () => {
    putHold(db, { hostId: host.id, noun, untilMs: now + lengthMs, by: caller.name, reason, sinceMs: now, local: false });
  });
  office.holds.changed();
  return host;
}

/** Ends holds before their time; answers the host and how many there were. What is pending is applied then. */
export function unholdHost(office: Office, caller: OperatorCaller, request: UnholdHostRequest): { host: HostRow; ended: number } {
  const { db } = office;
  const host = hostFor(db, caller, request.host);
  const noun = request.noun === '' ? undefined : parseNounOrAll(request.noun);
  const ended = audited(office, caller, `host hold ${host.name} --end`, JSON.stringify({ noun: request.noun }), () => dropHolds(db, host.id, noun));
  if (ended > 0) office.holds.ended(host.id);
  return { host, ended };
}

function parseNounOrAll(name: string): string {
  if (name !== '' && findNoun(name) === undefined) throw fieldInvalid('noun', name, `one of ${nouns.map((known) => known.name).join(', ')}`);
  return name;
}
