import { fieldInvalid } from './field.js';

/** A label of a host. */
export interface Label {
  /** `[a-z][a-z0-9._-]{0,62}`. */
  readonly key: string;
  /** `[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?`. */
  readonly value: string;
}

const keyPattern = /^[a-z][a-z0-9._-]{0,62}$/;
const valuePattern = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const rule = 'key=value with a key of lower-case letters, digits, ".", "_" and "-", and a value of letters, digits and the same, at most 63 characters each';

/** A label from `key=value`. Errors: FIELD_INVALID. */
export function parseLabel(text: string): Label {
  const at = text.indexOf('=');
  const key = text.slice(0, Math.max(at, 0));
  const value = text.slice(at + 1);
  if (at < 1 || !keyPattern.test(key) || !valuePattern.test(value)) throw fieldInvalid('label', text, rule);
  return { key, value };
}

/** The key of a label. Errors: FIELD_INVALID. */
export function parseLabelKey(text: string): string {
  if (!keyPattern.test(text)) throw fieldInvalid('label key', text, 'lower-case letters, digits, ".", "_" and "-", at most 63 characters');
  return text;
}

/** `key=value`. */
export function formatLabel(label: Label): string {
  return `${label.key}=${label.value}`;
}
