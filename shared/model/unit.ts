import { reeveError } from '../errors/error.js';
import { fieldInvalid, fieldMissing } from './field.js';

/** Longest name of a unit, as of systemd, and most units of one log. */
export const mostUnit = { nameLength: 255, units: 8, lines: 100_000, messageBytes: 4096 } as const;

/** The units whose log is shown when none is named: those that do what a coordinator asks. */
export const usualUnits: readonly string[] = ['reeve-agent.service', 'reeve-privd.service'];

/**
 * The name of a unit of systemd. The same grammar as native/reeve-privd/unit_word.c; systemd itself allows more (systemd.unit(5)), which is in no unit that one would ask for.
 * Errors: FIELD_INVALID, FIELD_MISSING.
 */
export function parseUnitName(text: string, field = 'unit'): string {
  const rule = 'at most 255 of A-Z, a-z, 0-9 and ":_.@-", ending in .service, .timer or .socket, with its instance when it is a template, e.g. nginx.service';
  if (text === '') throw fieldMissing(field, rule);
  if (!isUnitName(text)) throw fieldInvalid(field, text, rule);
  return text;
}

/** Whether a text is the name of a unit. */
export function isUnitName(text: string): boolean {
  return text.length <= mostUnit.nameLength && /^[A-Za-z0-9:_][A-Za-z0-9:_.@-]*\.(?:service|timer|socket)$/.test(text) && !/@\.[a-z]+$/.test(text);
}

/** Units of one log, each once. Errors: FIELD_INVALID, FIELD_MISSING, LIMIT_EXCEEDED. */
export function parseUnitNames(texts: readonly string[]): readonly string[] {
  if (texts.length === 0) throw fieldMissing('unit', 'the name of at least one');
  if (texts.length > mostUnit.units) throw reeveError('LIMIT_EXCEEDED', { field: 'The list of units', rule: `at most ${String(mostUnit.units)}` });
  return [...new Set(texts.map((text) => parseUnitName(text)))];
}

/** Why a unit is never restarted, whatever a policy says; undefined: it may be. As unit_floor of native/reeve-privd/unit_word.c, which has the last word. */
export function unitFloor(name: string): string | undefined {
  if (name.startsWith('reeve')) return "it is Reeve's own, or a container of it";
  if (name.startsWith('systemd-')) return 'it is part of systemd';
  if (name.startsWith('dbus')) return 'it is the bus that services of this host talk over';
  return /^sshd?(?:@.*|\.(?:service|socket|timer))$/.test(name) ? 'it lets people in when all else fails' : undefined;
}
