import { parsePattern } from './field.js';

const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** An operation's or host's id: a UUIDv7 in lower case (RFC 9562). Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseId(field: string, text: string): string {
  return parsePattern(field, text, uuid7, 'a UUIDv7 in lower case');
}

/** A fleet's id: a UUID in lower case. */
export function parseFleetId(text: string): string {
  return parsePattern('fleet id', text, uuid, 'a UUID in lower case');
}

/** Unix ms at which a UUIDv7 was made. */
export function idTime(id: string): number {
  return parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
