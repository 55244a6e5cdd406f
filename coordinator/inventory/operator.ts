import { reeveError } from '../../shared/errors/error.js';
import type { Role } from '../../shared/model/role.js';
import type { Database } from './database.js';

/** Someone who may talk to the coordinator. */
export interface OperatorRow {
  /** Name of the local account. */
  readonly name: string;
  readonly role: Role;
  readonly disabled: boolean;
}

const fromSql = (row: { name: string; role: Role; disabled: number }): OperatorRow => ({ name: row.name, role: row.role, disabled: row.disabled === 1 });

/** An operator by name. */
export function getOperator(db: Database, name: string): OperatorRow | undefined {
  const row = db.prepare('SELECT * FROM operator WHERE name = ?').get(name) as Parameters<typeof fromSql>[0] | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** All operators, sorted by name. */
export function listOperators(db: Database): OperatorRow[] {
  return (db.prepare('SELECT * FROM operator ORDER BY name').all() as Parameters<typeof fromSql>[0][]).map(fromSql);
}

/** Adds an operator. Errors: OPERATOR_EXISTS. */
export function addOperator(db: Database, operator: { name: string; role: Role; now: number }): void {
  if (getOperator(db, operator.name) !== undefined) throw reeveError('OPERATOR_EXISTS', { value: operator.name });
  db.prepare('INSERT INTO operator (name, role, created_at_ms) VALUES (?, ?, ?)').run(operator.name, operator.role, operator.now);
}

/** Alters an operator. Errors: OPERATOR_ABSENT. */
export function setOperator(db: Database, name: string, edit: { role?: Role; disabled?: boolean }): OperatorRow {
  const before = getOperator(db, name);
  if (before === undefined) throw reeveError('OPERATOR_ABSENT', { value: name });
  const after = { name, role: edit.role ?? before.role, disabled: edit.disabled ?? before.disabled };
  db.prepare('UPDATE operator SET role = ?, disabled = ? WHERE name = ?').run(after.role, after.disabled ? 1 : 0, name);
  return after;
}
