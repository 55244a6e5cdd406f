import { reeveError } from '../../shared/errors/error.js';
import type { Group as WireGroup, GroupInput } from '../../shared/gen/proto/reeve/coordinator/v1/Group.js';
import type { GroupServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/GroupService.js';
import type { GroupMemberInput } from '../../shared/gen/proto/reeve/coordinator/v1/GroupMember.js';
import type { Change } from '../../shared/model/change.js';
import { formatFingerprint } from '../../shared/model/fingerprint.js';
import { parseGroupName, parsePersonName } from '../../shared/model/person.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import type { MemberRow } from '../desired/key-row.js';
import type { Database } from '../inventory/database.js';
import { listGrants } from '../inventory/grant.js';
import { addGroup, findGroup, listGroups, listMembers, putMember, removeGroup, removeMember } from '../inventory/group.js';
import { getHost } from '../inventory/host.js';
import { findPerson } from '../inventory/person.js';
import { findKey, getKey } from '../inventory/ssh-key.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { reachesScope } from './grant-scope.js';
import { endText, fieldChange, inventoryChange, runAccess } from './key-change.js';
import { parseEnd } from './person.js';
import { changesFleet, reads } from './row.js';
import { hostFor, inScope, type Scoped } from './select.js';

type Member = MemberRow['member'];

/** Members as a request names them. */
interface Named {
  readonly persons: readonly string[];
  readonly hosts: readonly string[];
  readonly keys: readonly string[];
}

/** Groups of persons, hosts and keys, for operators. */
export function groupService(office: () => Office): Service<OperatorCaller> {
  return defineService<GroupServiceDefinition, OperatorCaller>('reeve.coordinator.v1.GroupService', {
    AddGroup: {
      ...changesFleet,
      handle: (request, context) => {
        const name = parseGroupName(request.name);
        const expiresAtMs = parseEnd(office(), request.expiresAt);
        return runAccess(office(), context, {
          summary: `group add ${name}`,
          detail: { ...namedIn(request), expiresAtMs },
          options: request.options,
          about: () => [{ kind: 'group', name }],
          edit: (db, { now }) => {
            const members = findMembers(db, context.principal, request);
            requireActive(db, members);
            const known = listGroups(db).some((group) => group.name === name);
            if (!known || members.length === 0) addGroup(db, { name, comment: '', now });
            const added = members.filter((member) => putMember(db, { group: name, member, expiresAtMs }, now));
            return { changes: memberChanges(db, name, { kind: known ? 'update' : 'create', members: added, until: endText(expiresAtMs) }) };
          },
        });
      },
    },
    RemoveGroup: {
      ...changesFleet,
      handle: (request, context) => {
        const name = parseGroupName(request.name);
        return runAccess(office(), context, {
          summary: `group remove ${name}`,
          detail: { ...namedIn(request), withGrants: request.withGrants, force: request.force },
          options: request.options,
          force: request.force,
          about: () => [{ kind: 'group', name }],
          edit: (db) => {
            findGroup(db, name);
            const members = findMembers(db, context.principal, request);
            if (members.length === 0) {
              removeGroup(db, name, { withGrants: request.withGrants });
              return { changes: [inventoryChange('remove', 'group', name)] };
            }
            const gone = members.filter((member) => removeMember(db, name, member));
            return { changes: memberChanges(db, name, { kind: 'update', members: gone, until: undefined }) };
          },
        });
      },
    },
    ListGroup: {
      ...reads,
      handle: (_request, { principal }) => {
        const { db } = office();
        return Promise.resolve({ groups: listGroups(db).map(({ name }) => formatGroup(db, principal, name)) });
      },
    },
    GetGroup: {
      ...reads,
      handle: (request, { principal }) => {
        const { db } = office();
        return Promise.resolve({ group: formatGroup(db, principal, findGroup(db, parseGroupName(request.name)).name) });
      },
    },
  });
}

function namedIn({ persons, hosts, keys }: Named): Named {
  return { persons, hosts, keys };
}

/** The members that a request names. Errors: PERSON_UNKNOWN, HOST_UNKNOWN, KEY_UNKNOWN. */
function findMembers(db: Database, caller: Scoped, named: Named): Member[] {
  return [
    ...named.persons.map((text): Member => ({ kind: 'person', name: findPerson(db, parsePersonName(text)).name })),
    ...named.hosts.map((text): Member => ({ kind: 'host', hostId: hostFor(db, caller, text).id })),
    ...named.keys.map((text): Member => ({ kind: 'key', keyId: findKey(db, text).id })),
  ];
}

function requireActive(db: Database, members: readonly Member[]): void {
  for (const member of members) if (member.kind === 'person' && !findPerson(db, member.name).active) throw reeveError('PERSON_INACTIVE', { value: member.name });
}

function memberText(db: Database, member: Member): string {
  switch (member.kind) {
    case 'person':
      return member.name;
    case 'host':
      return `host ${getHost(db, member.hostId)?.name ?? member.hostId}`;
    case 'key':
      return formatFingerprint(getKey(db, { id: member.keyId })?.fingerprint ?? '');
  }
}

/** One change of a group, with a field for each member that comes (`until`: its end as text) or goes (undefined). */
function memberChanges(db: Database, group: string, edit: { kind: 'create' | 'update'; members: readonly Member[]; until: string | undefined }): Change[] {
  const { until } = edit;
  const fields = edit.members.map((member) => {
    const text = memberText(db, member);
    return until === undefined ? fieldChange('member', text, '') : fieldChange('member', '', until === '' ? text : `${text} until ${until}`);
  });
  return fields.length === 0 && edit.kind === 'update' ? [] : [inventoryChange(edit.kind, 'group', group, fields)];
}

function formatGroup(db: Database, caller: Scoped, name: string): GroupInput & Pick<WireGroup, 'name'> {
  const visible = listMembers(db, name).filter(({ member }) => isVisible(db, caller, member));
  const grants = listGrants(db, { subject: { kind: 'group', name } }).filter((grant) => reachesScope(db, caller, grant));
  return { name, members: visible.map((row) => formatMember(db, row)), grants: grants.map(({ id }) => id) };
}

function isVisible(db: Database, caller: Scoped, member: Member): boolean {
  if (member.kind === 'person') return true;
  if (member.kind === 'host') return inScope(db, caller, member.hostId);
  const owner = getKey(db, { id: member.keyId })?.owner;
  return owner?.kind !== 'user' || inScope(db, caller, owner.hostId);
}

function formatMember(db: Database, { member, expiresAtMs }: MemberRow): GroupMemberInput {
  const expiresAt = expiresAtMs === undefined ? null : toTimestamp(expiresAtMs);
  switch (member.kind) {
    case 'person':
      return { person: member.name, expiresAt };
    case 'host':
      return { host: getHost(db, member.hostId)?.name ?? '', expiresAt };
    case 'key':
      return { key: memberText(db, member), expiresAt };
  }
}
