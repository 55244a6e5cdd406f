import { fieldInvalid } from './field.js';

/** Roles of operators, weakest first. */
export const roles = ['viewer', 'operator', 'admin'] as const;

/** Role of an operator. */
export type Role = (typeof roles)[number];

/** A role by name. Errors: FIELD_INVALID. */
export function parseRole(text: string): Role {
  const role = roles.find((known) => known === text);
  if (role === undefined) throw fieldInvalid('role', text, `one of ${roles.join(', ')}`);
  return role;
}

/** The roles that may do what `least` may do. */
export function rolesFrom(least: Role): readonly Role[] {
  return roles.slice(roles.indexOf(least));
}
