import { formatFingerprint } from '../../shared/model/fingerprint.js';
import { formatUtc } from '../../shared/model/time.js';
import type { MemberRow } from '../desired/key-row.js';
import { getGeneration } from '../inventory/generation.js';
import { listGrants, type GrantRow, type GrantSubject } from '../inventory/grant.js';
import { groupsOf } from '../inventory/group.js';
import type { HostRow } from '../inventory/host.js';
import { touchedHosts } from '../inventory/key-touched.js';
import { ownersOf } from '../inventory/owner.js';
import type { PersonRow } from '../inventory/person.js';
import { listKeys } from '../inventory/ssh-key.js';
import { getUser } from '../inventory/user.js';
import type { Database } from '../inventory/database.js';
import type { Office } from '../office.js';
import { keyNoun } from '../reconcile/key.js';

/** Who, and where. */
interface Asked {
  readonly person: PersonRow;
  readonly host: HostRow;
  readonly user: string;
}

/** What keeps a person out of a user of a host, or out by one of several ways; sentences for people. */
export function explainObstacles({ db, clock }: Office, asked: Asked): string[] {
  const now = clock.now();
  const { person, host } = asked;
  const keys = listKeys(db, { person: person.name });
  const generation = getGeneration(db, host.id, keyNoun.name);
  return [
    ...(person.active ? [] : [`Person "${person.name}" is revoked.`]),
    ...endedText(`Person "${person.name}"`, person.expiresAtMs, now),
    ...(keys.length === 0 ? [`Person "${person.name}" has no key.`] : []),
    ...keys.flatMap((key) => endedText(`Key ${formatFingerprint(key.fingerprint)}`, key.expiresAtMs, now)),
    ...userObstacles(db, asked),
    ...grantObstacles(db, asked, { now, keyIds: keys.map(({ id }) => id) }),
    ...(generation?.released === true ? [`Host "${host.name}" let go of its keys: Reeve does not manage them there.`] : []),
    ...(generation !== undefined && generation.applied < generation.wanted ? [`Host "${host.name}" has not acknowledged its newest keys yet${generation.reason === '' ? '' : `: ${generation.reason}`}.`] : []),
  ];
}

function endedText(what: string, endMs: number | undefined, now: number): string[] {
  return endMs === undefined || endMs > now ? [] : [`${what} ended ${formatUtc(endMs)}.`];
}

function userObstacles(db: Database, { host, user }: Asked): string[] {
  const presence = getUser(db, host.id, user)?.user.presence;
  if (presence === 'present') return [];
  return [presence === 'locked' ? `User "${user}" of host "${host.name}" is locked.` : `User "${user}" is not managed on host "${host.name}".`];
}

/** Grants that reach the host and do not let in there, or that there is none. */
function grantObstacles(db: Database, { person, host, user }: Asked, { now, keyIds }: { now: number; keyIds: readonly number[] }): string[] {
  const members: readonly MemberRow['member'][] = [{ kind: 'person', name: person.name }, ...keyIds.map((keyId) => ({ kind: 'key', keyId }) as const)];
  const memberships = members.flatMap((member) => groupsOf(db, member));
  const subjects: readonly GrantSubject[] = [{ kind: 'person', name: person.name }, ...keyIds.map((keyId) => ({ kind: 'key', keyId }) as const), ...[...new Set(memberships.map(({ group }) => group))].map((name) => ({ kind: 'group', name }) as const)];
  const grants = subjects.flatMap((subject) => listGrants(db, { subject })).filter(({ id }) => touchedHosts(db, { kind: 'grant', id }).includes(host.id));
  if (grants.length === 0) return ownersOf(db, host.id).includes(person.name) ? [] : [`No grant lets ${person.name} in to host "${host.name}", and ${person.name} does not own it.`];
  return [
    ...memberships.filter(({ group }) => grants.some(({ subject }) => subject.kind === 'group' && subject.name === group)).flatMap((row) => endedText(`The membership in group "${row.group}"`, row.expiresAtMs, now)),
    ...grants.flatMap((grant) => [...endedText(`Grant ${String(grant.id)}`, grant.expiresAtMs, now), ...otherUser(grant, user)]),
  ];
}

function otherUser(grant: GrantRow, user: string): string[] {
  return grant.user === undefined || grant.user === user ? [] : [`Grant ${String(grant.id)} is for user "${grant.user}".`];
}
