import { fieldInvalid, fieldMissing, parsePattern } from './field.js';

/** Somebody who may enter with a password. */
export interface VhostUser {
  readonly name: string;
  /** bcrypt. */
  readonly hash: string;
}

/** Most users of a site or route. */
export const mostVhostUsers = 256;

/** The name of somebody who may enter. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseVhostUserName(field: string, text: string): string {
  return parsePattern(field, text, /^[a-zA-Z0-9._@-]{1,32}$/, '1 to 32 letters, digits, ".", "_", "@" and "-"');
}

/** A password as bcrypt keeps it: `$2b$`, cost 10 to 14, 53 characters. Errors: FIELD_INVALID, FIELD_MISSING; they do not show it. */
export function parseUserHash(field: string, text: string): string {
  const rule = 'bcrypt as "$2b$", a cost of 10 to 14, "$" and 53 characters';
  if (text === '') throw fieldMissing(field, rule);
  if (!/^\$2b\$1[0-4]\$[./A-Za-z0-9]{53}$/.test(text)) throw fieldInvalid(field, 'another text', rule);
  return text;
}

/** Who may enter, from the wire: sorted by name, each once. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseVhostUsers(field: string, wire: readonly VhostUser[]): readonly VhostUser[] {
  if (wire.length > mostVhostUsers) throw fieldInvalid(field, String(wire.length), `at most ${String(mostVhostUsers)}`);
  const users = wire.map((row, index) => ({ name: parseVhostUserName(`${field}[${String(index)}].name`, row.name), hash: parseUserHash(`${field}[${String(index)}].hash`, row.hash) }));
  users.sort((a, b) => (a.name < b.name ? -1 : 1));
  const twice = users.find((row, index) => users[index + 1]?.name === row.name);
  if (twice !== undefined) throw fieldInvalid(field, twice.name, 'each user once');
  return users;
}
