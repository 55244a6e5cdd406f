import { fieldInvalid, parseInteger } from '../../shared/model/field.js';
import { parsePort } from '../../shared/model/host.js';

/** A whole number from the command line, digits only. Errors: FIELD_INVALID. */
export function parseNumber(field: string, text: string, bounds: { min: number; max: number }): number {
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(text)) throw fieldInvalid(field, text, `a whole number from ${String(bounds.min)} to ${String(bounds.max)}`);
  return parseInteger(field, Number(text), bounds);
}

/** A port; 0, the API's word for its default, when it is absent. Errors: FIELD_INVALID. */
export function portNumber(text: string | undefined, field: string): number {
  return text === undefined ? 0 : parsePort(parseNumber(field, text, { min: 1, max: 65_535 }), field);
}

/** How many rows a list shows; 0, the API's word for its default, when it is absent. Errors: FIELD_INVALID. */
export function limitNumber(text: string | undefined): number {
  return text === undefined ? 0 : parseNumber('limit', text, { min: 1, max: 1000 });
}
