import { reeveError } from '../../shared/errors/error.js';
import type { Label } from '../../shared/model/label.js';
import type { Role } from '../../shared/model/role.js';
import type { Database } from './database.js';

/** Someone who may talk to the coordinator. */
export interface OperatorRow {
  /** The local account of this name, and whoever logged in with a token for it. */
  readonly name: string;
  readonly role: Role;
  readonly disabled: boolean;
  /** Limited to hosts with one of these labels, sorted; undefined: to none. */
  readonly scope: readonly Label[] | undefined;
  /** Life of its certificates, ms. */
  readonly certificateTtlMs: number;
}

interface Sql {
  name: string;
  role: Role;
  disabled: number;
  certificate_ttl_ms: number;
}

function fromSql(db: Database, row: Sql): OperatorRow {
  const scope = db.prepare('SELECT key, value FROM operator_scope WHERE operator = ? ORDER BY key, value').all(row.name) as Label[];
  return { name: row.name, role: row.role, disabled: row.disabled === 1, scope: scope.length === 0 ? undefined : scope, certificateTtlMs: row.certificate_ttl_ms };
}

/** An operator by name. */
export function getOperator(db: Database, name: string): OperatorRow | undefined {
  const row = db.prepare('SELECT * FROM operator WHERE name = ?').get(name) as Sql | undefined;
  return row === undefined ? undefined : fromSql(db, row);
}

/** All operators, sorted by name. */
export function listOperators(db: Database): OperatorRow[] {
  return (db.prepare('SELECT * FROM operator ORDER BY name').all() as Sql[]).map((row) => fromSql(db, row));
}

/** Adds an operator. Errors: OPERATOR_EXISTS. */
export function addOperator(db: Database, operator: Omit<OperatorRow, 'disabled'> & { readonly now: number }): void {
  if (getOperator(db, operator.name) !== undefined) throw reeveError('OPERATOR_EXISTS', { value: operator.name });
  db.prepare('INSERT INTO operator (name, role, certificate_ttl_ms, created_at_ms) VALUES (?, ?, ?, ?)').run(operator.name, operator.role, operator.certificateTtlMs, operator.now);
  setScope(db, operator.name, operator.scope);
}

/** What can be altered of an operator; absent stays. A scope replaces the one before, null takes it away. */
export interface OperatorEdit {
  readonly role?: Role;
  readonly disabled?: boolean;
  readonly scope?: readonly Label[] | null;
  readonly certificateTtlMs?: number;
}

/** Alters an operator. Errors: OPERATOR_ABSENT. */
export function setOperator(db: Database, name: string, edit: OperatorEdit): OperatorRow {
  const before = getOperator(db, name);
  if (before === undefined) throw reeveError('OPERATOR_ABSENT', { value: name });
  const after = { ...before, ...edit };
  db.prepare('UPDATE operator SET role = ?, disabled = ?, certificate_ttl_ms = ? WHERE name = ?').run(after.role, after.disabled ? 1 : 0, after.certificateTtlMs, name);
  if (edit.scope !== undefined) setScope(db, name, edit.scope ?? undefined);
  return getOperator(db, name) ?? before;
}

/** Takes an operator out. Its keys stay, revoked, until their certificates have ended. */
export function removeOperator(db: Database, name: string): void {
  db.prepare('DELETE FROM operator WHERE name = ?').run(name);
}

function setScope(db: Database, name: string, scope: readonly Label[] | undefined): void {
  db.prepare('DELETE FROM operator_scope WHERE operator = ?').run(name);
  const add = db.prepare('INSERT OR IGNORE INTO operator_scope VALUES (?, ?, ?)');
  for (const label of scope ?? []) add.run(name, label.key, label.value);
}
