import { fieldInvalid, parseInteger, parsePattern } from './field.js';

/** A human who logs in to hosts by key. */
export interface Person {
  /** `[a-z][a-z0-9._-]{0,62}`. */
  readonly name: string;
  /** At most 100 characters, for people; may be empty. */
  readonly displayName: string;
  /** May be empty. */
  readonly mail: string;
  /** False: revoked; none of the person's keys lets in anywhere. */
  readonly active: boolean;
  /** Unix ms, whole seconds, from which on no key of the person lets in; undefined: never. */
  readonly expiresAtMs: number | undefined;
}

const namePattern = /^[a-z][a-z0-9._-]{0,62}$/;
const nameRule = 'a lower-case letter, then lower-case letters, digits, ".", "_" and "-", at most 63 characters';

/** The name of a person. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parsePersonName(text: string, field = 'name of a person'): string {
  return parsePattern(field, text, namePattern, nameRule);
}

/** The name of a group. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseGroupName(text: string, field = 'name of a group'): string {
  return parsePattern(field, text, namePattern, nameRule);
}

/** How a person is called, for people: one line without control characters. Errors: FIELD_INVALID. */
export function parseDisplayName(text: string): string {
  if (!/^(?:[^\p{C}\p{Z}](?:[^\p{C}\p{Zl}\p{Zp}]{0,98}[^\p{C}\p{Z}])?)?$/u.test(text)) throw fieldInvalid('display name', text, 'at most 100 characters, no control characters, no blanks around');
  return text;
}

/** A mail address, or nothing. Errors: FIELD_INVALID. */
export function parseMail(text: string): string {
  if (text.length > 254 || !/^(?:[!#-'*+\-./0-9=?A-Z^_`a-z{-~]{1,64}@[0-9A-Za-z-]{1,63}(?:\.[0-9A-Za-z-]{1,63}){0,8})?$/.test(text)) throw fieldInvalid('mail', text, 'NAME@DOMAIN, at most 254 characters');
  return text;
}

/** The last moment of the year 9999, ms: expiry-time has four digits for the year. */
const latestMs = 253_402_300_799_000;

/** A moment from which on something lets nobody in any more: unix ms, whole seconds. Errors: FIELD_INVALID. */
export function parseExpiresAt(ms: number): number {
  parseInteger('expiry', ms, { min: 1000, max: latestMs });
  if (ms % 1000 !== 0) throw fieldInvalid('expiry', String(ms), 'a whole second');
  return ms;
}
