import { fieldInvalid } from '../../shared/model/field.js';
import type { PersonInput } from '../../shared/gen/proto/reeve/coordinator/v1/Person.js';
import type { PersonServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PersonService.js';
import type { SetPersonRequest } from '../../shared/gen/proto/reeve/coordinator/v1/SetPersonRequest.js';
import { formatFingerprint } from '../../shared/model/fingerprint.js';
import { parseDisplayName, parseExpiresAt, parseMail, parsePersonName } from '../../shared/model/person.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { fromTimestamp, toTimestamp, type WireTime } from '../../shared/rpc/time.js';
import type { Database } from '../inventory/database.js';
import { listGrants } from '../inventory/grant.js';
import { groupsOf } from '../inventory/group.js';
import { hostsOwnedBy } from '../inventory/owner.js';
import { addPerson, findPerson, listPersons, removePerson, setPerson, type PersonEdit, type PersonRow } from '../inventory/person.js';
import { listKeys } from '../inventory/ssh-key.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { reachesScope } from './grant-scope.js';
import { endText, fieldChange, inventoryChange, runAccess } from './key-change.js';
import { changesFleet, reads } from './row.js';
import { hostsWithIds } from './select.js';

/** Persons, for operators. */
export function personService(office: () => Office): Service<OperatorCaller> {
  return defineService<PersonServiceDefinition, OperatorCaller>('reeve.coordinator.v1.PersonService', {
    AddPerson: {
      ...changesFleet,
      handle: (request, context) => {
        const name = parsePersonName(request.name);
        const person = { name, displayName: parseDisplayName(request.displayName), mail: parseMail(request.mail), active: true, expiresAtMs: parseEnd(office(), request.expiresAt) };
        const fields = [fieldChange('name', '', person.displayName), fieldChange('mail', '', person.mail), fieldChange('until', '', endText(person.expiresAtMs))];
        return runAccess(office(), context, {
          summary: `person add ${name}`,
          detail: person,
          options: request.options,
          about: () => [],
          edit: (db, { now }) => {
            addPerson(db, person, now);
            return { changes: [inventoryChange('create', 'person', name, fields)] };
          },
        });
      },
    },
    SetPerson: {
      ...changesFleet,
      handle: (request, context) => {
        const name = parsePersonName(request.name);
        const edit = parsePersonEdit(office(), request);
        return runAccess(office(), context, {
          summary: `person set ${name}`,
          detail: { ...edit, force: request.force },
          options: request.options,
          force: request.force,
          about: () => [{ kind: 'person', name }],
          edit: (db) => {
            const before = findPerson(db, name);
            const after = setPerson(db, name, edit);
            const change = inventoryChange('update', 'person', name, [
              fieldChange('name', before.displayName, after.displayName),
              fieldChange('mail', before.mail, after.mail),
              fieldChange('state', stateText(before), stateText(after)),
              fieldChange('until', endText(before.expiresAtMs), endText(after.expiresAtMs)),
            ]);
            return { changes: change.fields.length === 0 ? [] : [change] };
          },
        });
      },
    },
    RemovePerson: {
      ...changesFleet,
      handle: (request, context) => {
        const name = parsePersonName(request.name);
        return runAccess(office(), context, {
          summary: `person remove ${name}`,
          detail: { force: request.force },
          options: request.options,
          force: request.force,
          about: () => [{ kind: 'person', name }],
          edit: (db) => {
            removePerson(db, name);
            return { changes: [inventoryChange('remove', 'person', name)] };
          },
        });
      },
    },
    ListPerson: {
      ...reads,
      handle: () => {
        const { db } = office();
        const counts = new Map<string, number>();
        for (const { owner } of listKeys(db)) if (owner.kind === 'person') counts.set(owner.name, (counts.get(owner.name) ?? 0) + 1);
        return Promise.resolve({ persons: listPersons(db).map((person) => formatPerson(person, counts.get(person.name) ?? 0)) });
      },
    },
    GetPerson: {
      ...reads,
      handle: (request, { principal }) => {
        const { db } = office();
        const person = findPerson(db, parsePersonName(request.name));
        const keys = listKeys(db, { person: person.name });
        return Promise.resolve({
          person: formatPerson(person, keys.length),
          keys: keys.map(({ fingerprint }) => formatFingerprint(fingerprint)),
          groups: groupsOf(db, { kind: 'person', name: person.name }).map(({ group }) => group),
          grants: listGrants(db, { subject: { kind: 'person', name: person.name } }).filter((grant) => reachesScope(db, principal, grant)).map(({ id }) => id),
          owned: ownedNames(db, principal, person.name),
        });
      },
    },
  });
}

function ownedNames(db: Database, caller: OperatorCaller, person: string): string[] {
  return hostsWithIds(db, caller, new Set(hostsOwnedBy(db, person))).map(({ name }) => name);
}

function stateText({ active }: Pick<PersonRow, 'active'>): string {
  return active ? 'active' : 'revoked';
}

/** The end of something from the wire, in the future; undefined: none. Errors: FIELD_INVALID. */
export function parseEnd({ clock }: Office, wire: WireTime | null): number | undefined {
  const ms = fromTimestamp(wire);
  if (ms === undefined) return undefined;
  if (parseExpiresAt(ms) <= clock.now()) throw fieldInvalid('end', endText(ms), 'a time in the future');
  return ms;
}

function parsePersonEdit(office: Office, request: SetPersonRequest): PersonEdit {
  const expiresAtMs = parseEnd(office, request.expiresAt);
  if (request.noEnd && expiresAtMs !== undefined) throw fieldInvalid('no end', 'true', 'it cannot stand with an end');
  return {
    ...(request.displayName === undefined ? {} : { displayName: parseDisplayName(request.displayName) }),
    ...(request.mail === undefined ? {} : { mail: parseMail(request.mail) }),
    ...(request.active === undefined ? {} : { active: request.active }),
    ...(request.noEnd ? { expiresAtMs: null } : expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
}

function formatPerson(person: PersonRow, keys: number): PersonInput {
  const { name, displayName, mail, active, expiresAtMs } = person;
  return { name, displayName, mail, active, keys, expiresAt: expiresAtMs === undefined ? null : toTimestamp(expiresAtMs), addedAt: toTimestamp(person.createdAtMs) };
}
