import type { AccessInput } from '../../shared/gen/proto/reeve/coordinator/v1/Access.js';
import type { AccessServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/AccessService.js';
import type { ListAccessRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ListAccessRequest.js';
import { fieldMissing } from '../../shared/model/field.js';
import { formatFingerprint } from '../../shared/model/fingerprint.js';
import { parsePersonName } from '../../shared/model/person.js';
import { parseAccountName } from '../../shared/model/user.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { fromTimestamp, toTimestamp } from '../../shared/rpc/time.js';
import { accessOf, accessOfPerson, type Access } from '../inventory/access.js';
import { accessAt, formatWhy, openSpans, type AccessSpan } from '../inventory/access-span.js';
import { getGeneration } from '../inventory/generation.js';
import { getHost } from '../inventory/host.js';
import { findPerson } from '../inventory/person.js';
import type { Office } from '../office.js';
import { keyNoun } from '../reconcile/key.js';
import { explainObstacles } from './access-why.js';
import type { OperatorCaller } from './caller.js';
import { revocationReport, revokePerson } from './revoke.js';
import { changesFleet, reads } from './row.js';
import { hostFor, inScope, type Scoped } from './select.js';

/** Who gets in where, for operators. */
export function accessService(office: () => Office): Service<OperatorCaller> {
  return defineService<AccessServiceDefinition, OperatorCaller>('reeve.coordinator.v1.AccessService', {
    ListAccess: { ...reads, handle: (request, { principal }) => Promise.resolve({ access: listAccess(office(), principal, request) }) },
    ExplainAccess: {
      ...reads,
      handle: (request, { principal }) => {
        const { db, clock } = office();
        const host = hostFor(db, principal, request.host);
        const person = findPerson(db, parsePersonName(request.person));
        const user = parseAccountName(request.user);
        const ways = accessOf(db, { hostIds: [host.id], user }, clock.now()).filter(({ row }) => row.owner.kind === 'person' && row.owner.name === person.name);
        const about = describer(office());
        return Promise.resolve({
          allowed: ways.length > 0,
          ways: ways.flatMap((access) => access.ways.map((way) => ({ ...about(access), why: formatWhy(way.why), expiresAt: way.expiresAtMs === undefined ? null : toTimestamp(way.expiresAtMs) }))),
          obstacles: explainObstacles(office(), { person, host, user }),
        });
      },
    },
    RevokePerson: { ...changesFleet, handle: (request, context) => revokePerson(office(), context, request) },
    GetRevocation: { ...reads, handle: (request, { principal }) => Promise.resolve(revocationReport(office(), principal, parsePersonName(request.person))) },
  });
}

/** Who gets in, as is asked. Errors: FIELD_*, HOST_UNKNOWN, PERSON_UNKNOWN. */
export function listAccess(office: Office, caller: Scoped, request: ListAccessRequest): AccessInput[] {
  const { db, clock } = office;
  if ((request.person === '') === (request.host === '')) throw fieldMissing('whose access', 'either a person or a host');
  const user = request.user === '' ? undefined : parseAccountName(request.user);
  const person = request.person === '' ? undefined : parsePersonName(request.person);
  const hostId = request.host === '' ? undefined : hostFor(db, caller, request.host).id;
  const atMs = fromTimestamp(request.at);
  const about = describer(office);
  if (atMs !== undefined) {
    // A person who was removed since can still be asked for.
    const spans = accessAt(db, hostId === undefined ? { owner: person ?? '' } : { hostId, ...(user === undefined ? {} : { user }) }, atMs);
    return byHost(spans.filter((span) => inScope(db, caller, span.hostId)).map((span) => describeSpan(office, span)));
  }
  const now = clock.now();
  const found = person === undefined ? accessOf(db, { hostIds: hostId === undefined ? [] : [hostId], ...(user === undefined ? {} : { user }) }, now) : accessOfPerson(db, findPerson(db, person).name, now);
  return byHost(found.filter((access) => inScope(db, caller, access.hostId)).map(about));
}

/** Sorted by host and user; what is of one user stays in its order. */
function byHost(rows: (AccessInput & { host: string; user: string })[]): AccessInput[] {
  return rows.sort((a, b) => (a.host < b.host ? -1 : a.host > b.host ? 1 : a.user < b.user ? -1 : a.user > b.user ? 1 : 0));
}

/** Describes ways in; what is known of one host is asked once. */
function describer({ db }: Office): (access: Access) => AccessInput & { host: string; user: string } {
  const hosts = new Map<string, { name: string; pending: boolean; since: ReadonlyMap<string, number> }>();
  const hostOf = (hostId: string): { name: string; pending: boolean; since: ReadonlyMap<string, number> } => {
    const known = hosts.get(hostId);
    if (known !== undefined) return known;
    const generation = getGeneration(db, hostId, keyNoun.name);
    const since = new Map(openSpans(db, hostId).map((span) => [`${span.user} ${span.fingerprint}`, span.openedAtMs]));
    const made = { name: getHost(db, hostId)?.name ?? hostId, pending: generation === undefined || generation.applied < generation.wanted, since };
    hosts.set(hostId, made);
    return made;
  };
  return ({ hostId, user, row, line, ways }) => {
    const host = hostOf(hostId);
    const since = host.since.get(`${user} ${row.fingerprint}`);
    const { expiresAtMs } = line.options;
    return {
      host: host.name,
      user,
      person: row.owner.kind === 'person' ? row.owner.name : '',
      key: formatFingerprint(row.fingerprint),
      why: ways.map((way) => formatWhy(way.why)).join(', '),
      expiresAt: expiresAtMs === undefined ? null : toTimestamp(expiresAtMs),
      since: since === undefined ? null : toTimestamp(since),
      pending: host.pending,
    };
  };
}

function describeSpan({ db }: Office, span: AccessSpan): AccessInput & { host: string; user: string } {
  return {
    host: getHost(db, span.hostId)?.name ?? span.hostId,
    user: span.user,
    person: span.owner.includes('@') ? '' : span.owner,
    key: formatFingerprint(span.fingerprint),
    why: span.why,
    expiresAt: span.endsAtMs === undefined ? null : toTimestamp(span.endsAtMs),
    since: toTimestamp(span.openedAtMs),
  };
}
