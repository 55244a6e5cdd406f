import { reeveError } from '../../shared/errors/error.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ReleaseHostRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ReleaseHostRequest.js';
import { fieldInvalid } from '../../shared/model/field.js';
import type { CallContext } from '../../shared/rpc/server.js';
import { dropGeneration, getGeneration, raiseGeneration } from '../inventory/generation.js';
import { childrenOf, type HostRow } from '../inventory/host.js';
import type { Office } from '../office.js';
import { isKeyManaged } from '../inventory/key-list.js';
import { requireNoForwards } from '../inventory/nat-touched.js';
import { requireNoUpstreams } from '../inventory/vhost-touched.js';
import { hostNoun } from '../reconcile/host.js';
import { keyNoun } from '../reconcile/key.js';
import type { Noun } from '../reconcile/noun.js';
import { nouns } from '../reconcile/nouns.js';
import { userNoun } from '../reconcile/user.js';
import type { OperatorCaller } from './caller.js';
import { formatSteps, parseChangeOptions } from './event.js';
import { audited } from './operator.js';
import { hostFor, inScope, nameFor } from './select.js';

/** Lets go of a host or of one noun of it, or takes that back. Errors: those of ReleaseHost. */
export function releaseHost(office: Office, request: ReleaseHostRequest, context: CallContext<OperatorCaller>): AsyncGenerator<ChangeEventInput> {
  const { db } = office;
  const options = parseChangeOptions(request.options);
  if (options.mode === 'stage') throw fieldInvalid('mode', 'STAGE', 'PLAN or APPLY: what is let go of was never half managed');
  const host = releasableHost(office, context.principal, request.host);
  const verb = request.cancel ? 'keep' : 'release';
  const summary = `host ${verb} ${host.name}${request.noun === '' ? '' : ` --noun ${request.noun}`}`;
  const base = { summary, identity: `host ${verb} ${request.noun}`, principal: context.principal, hosts: [host] };
  if (request.cancel) {
    if (options.mode === 'plan' || request.noun !== '') throw fieldInvalid('cancel', 'true', 'it stands alone: the release of the whole host is taken back');
    audited(office, context.principal, summary, host.id, () => keepHost(office, host));
    return formatSteps(office.changes.run({ ...base, nouns }, options, context.signal));
  }
  const children = childrenOf(db, host.id).map((child) => (inScope(db, context.principal, child.id) ? child.name : 'a host outside your scope'));
  if (request.noun === '' && children.length > 0) throw reeveError('HOST_HAS_CHILDREN', { value: host.name, rule: children.join(', ') });
  if (request.noun === '') {
    requireNoForwards(db, host, nameFor(db, context.principal));
    requireNoUpstreams(db, host, nameFor(db, context.principal));
  }
  return formatSteps(office.changes.run({ ...base, nouns: releasedNouns(office, host, request.noun), release: true }, options, context.signal));
}

function releasableHost(office: Office, caller: OperatorCaller, name: string): HostRow {
  const host = hostFor(office.db, caller, name);
  if (host.state === 'invited') throw reeveError('HOST_NOT_JOINED', { host: host.name });
  if (host.state === 'revoked') throw reeveError('HOST_REVOKED', { host: host.name });
  return host;
}

/** One noun; or all that something was ever wanted of on this host, and last the host itself. */
function releasedNouns({ db }: Office, host: HostRow, name: string): readonly Noun[] {
  if (name === '') return [...nouns.filter((noun) => getGeneration(db, host.id, noun.name) !== undefined), hostNoun];
  // Keys let into managed users only: without those they would all be taken away.
  if (name === userNoun.name && isKeyManaged(db, host.id)) throw reeveError('RELEASE_MANAGED', { host: host.name, rule: 'keys of its users', noun: keyNoun.name });
  const noun = nouns.find((known) => known.name === name);
  if (noun === undefined) throw fieldInvalid('noun', name, `one of ${nouns.map((known) => known.name).join(', ')}`);
  return [noun];
}

/** What is pending of a release is not wanted any more; what the host let go of already stays so. */
function keepHost({ db, clock }: Office, host: HostRow): void {
  dropGeneration(db, host.id, hostNoun.name);
  for (const noun of nouns) {
    const generation = getGeneration(db, host.id, noun.name);
    if (generation?.released !== true || generation.applied >= generation.wanted) continue;
    raiseGeneration(db, { hostId: host.id, noun: noun.name, now: clock.now(), released: false });
  }
}
