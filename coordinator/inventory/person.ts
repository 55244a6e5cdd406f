import { reeveError } from '../../shared/errors/error.js';
import type { Person } from '../../shared/model/person.js';
import type { Database } from './database.js';

/** A person of the inventory. */
export interface PersonRow extends Person {
  readonly createdAtMs: number;
}

interface Sql {
  name: string;
  display_name: string;
  mail: string;
  active: number;
  expires_at_ms: number | null;
  created_at_ms: number;
}

const fromSql = (row: Sql): PersonRow => ({
  name: row.name,
  displayName: row.display_name,
  mail: row.mail,
  active: row.active === 1,
  expiresAtMs: row.expires_at_ms ?? undefined,
  createdAtMs: row.created_at_ms,
});

/** All persons, sorted by name. */
export function listPersons(db: Database): PersonRow[] {
  return (db.prepare('SELECT * FROM person ORDER BY name').all() as Sql[]).map(fromSql);
}

/** A person by name; undefined when there is none. */
export function getPerson(db: Database, name: string): PersonRow | undefined {
  const row = db.prepare('SELECT * FROM person WHERE name = ?').get(name) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** A person by name. Errors: PERSON_UNKNOWN. */
export function findPerson(db: Database, name: string): PersonRow {
  const person = getPerson(db, name);
  if (person === undefined) throw reeveError('PERSON_UNKNOWN', { value: name });
  return person;
}

/** Whether a person may get in anywhere at that time. */
export function isActive({ active, expiresAtMs }: Pick<PersonRow, 'active' | 'expiresAtMs'>, now: number): boolean {
  return active && (expiresAtMs === undefined || expiresAtMs > now);
}

/** Adds a person. Errors: PERSON_EXISTS. */
export function addPerson(db: Database, person: Person, now: number): void {
  if (getPerson(db, person.name) !== undefined) throw reeveError('PERSON_EXISTS', { value: person.name });
  const { name, displayName, mail, active, expiresAtMs } = person;
  db.prepare('INSERT INTO person VALUES (?, ?, ?, ?, ?, ?)').run(name, displayName, mail, active ? 1 : 0, expiresAtMs ?? null, now);
}

/** What can be altered of a person; absent stays, null for the expiry takes it away. */
export interface PersonEdit {
  readonly displayName?: string;
  readonly mail?: string;
  readonly active?: boolean;
  readonly expiresAtMs?: number | null;
}

/** Alters a person; answers it as it is then. Errors: PERSON_UNKNOWN. */
export function setPerson(db: Database, name: string, edit: PersonEdit): PersonRow {
  const before = findPerson(db, name);
  const expiresAtMs = edit.expiresAtMs === undefined ? before.expiresAtMs : (edit.expiresAtMs ?? undefined);
  const after = { ...before, ...edit, expiresAtMs };
  db.prepare('UPDATE person SET display_name = ?, mail = ?, active = ?, expires_at_ms = ? WHERE name = ?').run(after.displayName, after.mail, after.active ? 1 : 0, after.expiresAtMs ?? null, name);
  return after;
}

/** Takes a person out, with keys, memberships, grants and ownerships. Errors: PERSON_UNKNOWN. */
export function removePerson(db: Database, name: string): void {
  if (db.prepare('DELETE FROM person WHERE name = ?').run(name).changes === 0) throw reeveError('PERSON_UNKNOWN', { value: name });
}
