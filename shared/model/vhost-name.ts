import { fieldInvalid, fieldMissing } from './field.js';
import { isIpv4 } from './host.js';
import { decodePunycode, encodePunycode } from './punycode.js';

/** Longest name that a site can have as its first: its files are named after it, and end in at most 17 characters more. Others may have 253. */
const mostFirst = 230;

const labelPattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** What a label may stand for: letters, marks, digits, and between them "-" and the few that IDNA2008 allows in places (RFC 5892). */
const unicodeLabel = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}\u00b7\u0375\u05f3\u05f4\u30fb\u200c\u200d-]*$/u;
const rule = 'a name of at least two parts of lower-case letters, digits and "-" (at most 63 characters each, 253 together), joined by ".", the last not only digits';

/**
 * A domain name: LDH and A-labels in lower case, at least two of them, at most 253 characters. `wildcard`: it may begin with `*.`, which stands for one part or more.
 * Errors: FIELD_INVALID (also for underscores, addresses, a dot at the end, capitals, A-labels that are not in canonical form), FIELD_MISSING. The error suggests what was meant
 * where that is known.
 */
export function parseDomain(field: string, text: string, wildcard = false): string {
  if (text === '') throw fieldMissing(field, rule);
  const name = wildcard && text.startsWith('*.') ? text.slice(2) : text;
  if (!isDomain(name) || text.length > 253) throw fieldInvalid(field, text, `${rule}${suggestion(text, wildcard)}`);
  return text;
}

/** The first name of a site, after which its files are named: as parseDomain with wildcard, at most 230 characters. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseSiteName(field: string, text: string): string {
  if (text.length > mostFirst) throw fieldInvalid(field, text, `at most ${String(mostFirst)} characters as the first name of a site; a longer one can be an alias`);
  return parseDomain(field, text, true);
}

/** Whether a name stands for all below a domain. */
export function isWildcard(name: string): boolean {
  return name.startsWith('*.');
}

/** What the files of a site are named after: its name, `*.example.org` as `_.example.org`. No two sites have the same: no name has an underscore. */
export function fileBase(name: string): string {
  return name.replace(/^\*/, '_');
}

/** The name of a site from what its files are named after. */
export function nameOfFileBase(base: string): string {
  return base.replace(/^_/, '*');
}

function isDomain(name: string): boolean {
  const labels = name.split('.');
  return name.length <= 253 && labels.length >= 2 && labels.every(isLabel) && !/^[0-9]+$/.test(labels.at(-1) ?? '') && !isIpv4(name);
}

/** RFC 5890 2.3.1: an LDH label that is no reserved one, or an A-label that stands for exactly one text. */
function isLabel(label: string): boolean {
  if (!labelPattern.test(label)) return false;
  if (label.slice(2, 4) !== '--') return true;
  if (!label.startsWith('xn--')) return false;
  const text = decodePunycode(label.slice(4));
  return text !== undefined && aLabel(text) === label;
}

/** The A-label of a text; undefined: it has none. */
function aLabel(text: string): string | undefined {
  const fits = text.normalize('NFC') === text && text.toLowerCase() === text && /[^\0-\x7f]/.test(text) && unicodeLabel.test(text) && !text.endsWith('-') && text.slice(2, 4) !== '--';
  const label = fits ? `xn--${encodePunycode(text)}` : undefined;
  return label !== undefined && labelPattern.test(label) ? label : undefined;
}

/** ` ("example.org")` where capitals, a dot at the end or letters beyond ASCII are all that is wrong. */
function suggestion(text: string, wildcard: boolean): string {
  if (text.length > 253) return '';
  const lower = text.normalize('NFC').toLowerCase().replace(/\.$/, '');
  const star = wildcard && lower.startsWith('*.');
  const labels = (star ? lower.slice(2) : lower).split('.').map((label) => (/^[\0-\x7f]*$/.test(label) ? label : (aLabel(label) ?? '')));
  const name = labels.join('.');
  return isDomain(name) ? `: "${star ? '*.' : ''}${name}"` : '';
}
