import { reeveError } from '../../shared/errors/error.js';
import type { AddGrantRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AddGrantRequest.js';
import type { GrantInput } from '../../shared/gen/proto/reeve/coordinator/v1/Grant.js';
import type { GrantServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/GrantService.js';
import type { ListGrantRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ListGrantRequest.js';
import { fieldInvalid, fieldMissing, parseInteger } from '../../shared/model/field.js';
import { formatFingerprint, parseFingerprint } from '../../shared/model/fingerprint.js';
import { parseHoldReason } from '../../shared/model/hold.js';
import { parseGroupName, parsePersonName } from '../../shared/model/person.js';
import { parseAccountName, parseUser, type User } from '../../shared/model/user.js';
import { defineService, type CallContext, type Service } from '../../shared/rpc/server.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { Database } from '../inventory/database.js';
import { addGrant, findGrant, listGrants, removeGrant, setGrant, type GrantRow, type GrantSubject } from '../inventory/grant.js';
import { findGroup } from '../inventory/group.js';
import type { HostRow } from '../inventory/host.js';
import { touchedHosts } from '../inventory/key-touched.js';
import { findPerson } from '../inventory/person.js';
import { findKey, getKey } from '../inventory/ssh-key.js';
import { getUser, putUser } from '../inventory/user.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { grantTarget, reachesScope, requireWithin, targetText } from './grant-scope.js';
import { endText, fieldChange, inventoryChange, runAccess } from './key-change.js';
import { parseEnd } from './person.js';
import { changes, reads } from './row.js';
import { changeableHosts, hostsFor, hostsWithIds, type Scoped } from './select.js';

/** Numbers of grants. */
const ids = { min: 1, max: 4_294_967_295 };

/** Grants, for operators. */
export function grantService(office: () => Office): Service<OperatorCaller> {
  return defineService<GrantServiceDefinition, OperatorCaller>('reeve.coordinator.v1.GrantService', {
    AddGrant: { ...changes, handle: (request, context) => add(office(), context, request) },
    SetGrant: {
      ...changes,
      handle: (request, context) => {
        const id = parseInteger('grant', request.id, ids);
        const expiresAtMs = parseEnd(office(), request.expiresAt);
        if (request.noEnd && expiresAtMs !== undefined) throw fieldInvalid('no end', 'true', 'it cannot stand with an end');
        const edit = {
          ...(request.noEnd ? { expiresAtMs: null } : expiresAtMs === undefined ? {} : { expiresAtMs }),
          ...(request.reason === undefined ? {} : { reason: parseReason(request.reason) }),
        };
        return runAccess(office(), context, {
          summary: `grant set ${String(id)}`,
          detail: edit,
          options: request.options,
          about: () => [{ kind: 'grant', id }],
          edit: (db) => {
            const before = grantOf(db, context.principal, id);
            setGrant(db, id, edit);
            const after = findGrant(db, id);
            const change = inventoryChange('update', 'grant', String(id), [fieldChange('until', endText(before.expiresAtMs), endText(after.expiresAtMs)), fieldChange('reason', before.reason, after.reason)]);
            return { changes: change.fields.length === 0 ? [] : [change] };
          },
        });
      },
    },
    RemoveGrant: {
      ...changes,
      handle: (request, context) => {
        const id = parseInteger('grant', request.id, ids);
        return runAccess(office(), context, {
          summary: `grant remove ${String(id)}`,
          detail: { force: request.force },
          options: request.options,
          force: request.force,
          about: () => [{ kind: 'grant', id }],
          edit: (db) => {
            const grant = grantOf(db, context.principal, id);
            removeGrant(db, id);
            return { changes: [inventoryChange('remove', 'grant', String(id), [fieldChange('who', subjectText(db, grant.subject), ''), fieldChange('on', targetText(db, grant.target), '')])] };
          },
        });
      },
    },
    ListGrant: { ...reads, handle: (request, { principal }) => Promise.resolve({ grants: list(office(), principal, request) }) },
    GetGrant: {
      ...reads,
      handle: (request, { principal }) => {
        const { db } = office();
        const grant = visibleGrant(db, principal, parseInteger('grant', request.id, ids));
        const hosts = hostsWithIds(db, principal, new Set(touchedHosts(db, { kind: 'grant', id: grant.id }))).map(({ name }) => name);
        return Promise.resolve({ grant: format(office(), grant), hosts });
      },
    },
  });
}

function add(office: Office, context: CallContext<OperatorCaller>, request: AddGrantRequest): AsyncGenerator<ChangeEventInput> {
  const { db } = office;
  const { principal } = context;
  const subject = findSubject(db, request);
  const target = grantTarget(db, principal, request.selector);
  const user = request.user === '' ? undefined : parseAccountName(request.user);
  const expiresAtMs = parseEnd(office, request.expiresAt);
  const reason = parseReason(request.reason);
  const create = request.create === null ? undefined : parseCreated(request.create, user);
  const hosts = create === undefined ? [] : changeableHosts(db, principal, request.selector);
  const who = subjectText(db, subject);
  if (create === undefined && user !== undefined) requireManaged(db, hostsFor(db, principal, request.selector), { user, selector: request.selector });
  return runAccess(office, context, {
    summary: `grant add ${who} on ${request.selector}`,
    detail: { user, expiresAtMs, reason, create },
    options: request.options,
    named: target.kind === 'host' ? [target.hostId] : [],
    about: () => [],
    ...(create === undefined ? {} : { users: { hosts, store: (_db, host, generation) => storeCreated(db, host, create, generation) } }),
    edit: (_db, { now }) => {
      // What it was found by may be gone by now.
      findSubject(db, request);
      const id = addGrant(db, { subject, target, user, expiresAtMs, reason, by: principal.account, now });
      const fields = [fieldChange('who', '', who), fieldChange('on', '', request.selector), fieldChange('user', '', user ?? ''), fieldChange('until', '', endText(expiresAtMs)), fieldChange('reason', '', reason)];
      return { changes: [inventoryChange('create', 'grant', String(id), fields)], about: [{ kind: 'grant', id }] };
    },
  });
}

function parseReason(text: string): string {
  return text === '' ? '' : parseHoldReason(text);
}

/** Whom a grant lets in. Errors: PERSON_UNKNOWN, PERSON_INACTIVE, GROUP_UNKNOWN, KEY_UNKNOWN, FIELD_MISSING. */
function findSubject(db: Database, request: { person: string; group: string; key: string }): GrantSubject {
  if ([request.person, request.group, request.key].filter((text) => text !== '').length !== 1) throw fieldMissing('who gets in', 'exactly one of a person, a group and a key');
  if (request.group !== '') return { kind: 'group', name: findGroup(db, parseGroupName(request.group)).name };
  if (request.key !== '') return { kind: 'key', keyId: findKey(db, formatFingerprint(parseFingerprint(request.key))).id };
  const person = findPerson(db, parsePersonName(request.person));
  if (!person.active) throw reeveError('PERSON_INACTIVE', { value: person.name });
  return { kind: 'person', name: person.name };
}

/** The user that a grant makes. Errors: FIELD_INVALID, FIELD_MISSING, USER_RESERVED. */
function parseCreated(wire: NonNullable<AddGrantRequest['create']>, user: string | undefined): User {
  const created = parseUser({ ...wire, presence: 'USER_PRESENCE_PRESENT' });
  if (created.presence !== 'present' || created.account.kind === 'adopted') throw fieldMissing('kind', 'HOME or SYSTEM');
  if (created.name !== user) throw fieldInvalid('user', created.name, 'the user that the grant names');
  return created;
}

/** Makes a user where there is none; one that there is stays as it is. True when it was made. */
function storeCreated(db: Database, host: HostRow, user: User, generation: number): boolean {
  const before = getUser(db, host.id, user.name)?.user.presence;
  if (before === 'present' || before === 'locked') return false;
  putUser(db, host.id, user, generation);
  return true;
}

function requireManaged(db: Database, hosts: readonly HostRow[], { user, selector }: { user: string; selector: string }): void {
  const managed = hosts.some(({ id }) => {
    const presence = getUser(db, id, user)?.user.presence;
    return presence === 'present' || presence === 'locked';
  });
  if (!managed) throw reeveError('USER_UNKNOWN', { value: user, rule: `"${selector}"; to make it there, give the command --create` });
}

/** A grant that exists for a caller. Errors: GRANT_UNKNOWN. */
function visibleGrant(db: Database, caller: Scoped, id: number): GrantRow {
  const grant = findGrant(db, id);
  if (!reachesScope(db, caller, grant)) throw reeveError('GRANT_UNKNOWN', { value: String(id) });
  return grant;
}

/** A grant that a caller may alter. Errors: GRANT_UNKNOWN, SCOPE_REFUSED. */
function grantOf(db: Database, caller: Scoped, id: number): GrantRow {
  const grant = visibleGrant(db, caller, id);
  requireWithin(db, caller, grant.target, `alter grant ${String(id)} on ${targetText(db, grant.target)}`);
  return grant;
}

function subjectText(db: Database, subject: GrantSubject): string {
  if (subject.kind === 'key') return formatFingerprint(getKey(db, { id: subject.keyId })?.fingerprint ?? '');
  return subject.kind === 'group' ? `group ${subject.name}` : subject.name;
}

function list(office: Office, caller: Scoped, request: ListGrantRequest): GrantInput[] {
  const { db } = office;
  const of = [request.person, request.group, request.key].some((text) => text !== '') ? findNamed(db, request) : undefined;
  const hosts = request.selector === '' ? undefined : new Set(hostsFor(db, caller, request.selector).map(({ id }) => id));
  const reaches = ({ id }: GrantRow): boolean => hosts === undefined || touchedHosts(db, { kind: 'grant', id }).some((hostId) => hosts.has(hostId));
  return listGrants(db, of === undefined ? {} : { subject: of }).filter((grant) => reachesScope(db, caller, grant) && reaches(grant)).map((grant) => format(office, grant));
}

/** Like findSubject, but also a person who is revoked. */
function findNamed(db: Database, request: { person: string; group: string; key: string }): GrantSubject {
  return request.person === '' ? findSubject(db, request) : { kind: 'person', name: findPerson(db, parsePersonName(request.person)).name };
}

function format({ db, clock }: Office, grant: GrantRow): GrantInput {
  const { id, subject, expiresAtMs } = grant;
  return {
    id,
    ...(subject.kind === 'person' ? { person: subject.name } : subject.kind === 'group' ? { group: subject.name } : { key: subjectText(db, subject) }),
    selector: targetText(db, grant.target),
    user: grant.user ?? '',
    expiresAt: expiresAtMs === undefined ? null : toTimestamp(expiresAtMs),
    reason: grant.reason,
    addedAt: toTimestamp(grant.createdAtMs),
    addedBy: grant.by,
    expired: expiresAtMs !== undefined && expiresAtMs <= clock.now(),
  };
}
