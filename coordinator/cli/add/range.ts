import { fieldInvalid } from '../../../shared/model/field.js';

/** Most hosts that one pattern may stand for. */
const most = 10_000;

/**
 * The hosts of an Ansible pattern: `web[01:10].example.org`, `db[a:c]`, `n[0:20:5]`, several in one. Numbers keep the width of the first one.
 * Errors: FIELD_INVALID.
 */
export function expandRange(pattern: string, field: string): string[] {
  const [, before, inside, after] = /^([^[\]]*)\[([^[\]]*)\](.*)$/.exec(pattern) ?? [];
  if (before === undefined || inside === undefined || after === undefined) {
    if (/[[\]]/.test(pattern)) throw fieldInvalid(field, pattern, 'brackets in pairs');
    return [pattern];
  }
  const values = valuesOf(inside, pattern, field);
  const rests = expandRange(after, field);
  if (values.length * rests.length > most) throw fieldInvalid(field, pattern, `at most ${String(most)} hosts`);
  return values.flatMap((value) => rests.map((rest) => `${before}${value}${rest}`));
}

function valuesOf(inside: string, pattern: string, field: string): string[] {
  const rule = 'a range as [01:10], [a:f] or [0:20:5]';
  const [, from = '', to = '', step = '1'] = /^([0-9]+|[a-z]|[A-Z]):([0-9]+|[a-z]|[A-Z])(?::([1-9][0-9]{0,3}))?$/.exec(inside) ?? [];
  const numbers = /^[0-9]/.test(from) && /^[0-9]/.test(to);
  const letters = /^(?:[a-z]{2}|[A-Z]{2})$/.test(`${from}${to}`);
  if (!numbers && !letters) throw fieldInvalid(field, pattern, rule);
  const [first, last] = numbers ? [Number(from), Number(to)] : [from.charCodeAt(0), to.charCodeAt(0)];
  const every = Number(step);
  if (last < first || (last - first) / every >= most) throw fieldInvalid(field, pattern, rule);
  return Array.from({ length: Math.floor((last - first) / every) + 1 }, (_item, index) => {
    const value = first + index * every;
    return numbers ? String(value).padStart(from.startsWith('0') ? from.length : 0, '0') : String.fromCharCode(value);
  });
}
