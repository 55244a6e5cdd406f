import { fieldInvalid, parsePattern } from './field.js';

/** Where every site tells on loopback which model it was made from; no route is there. */
export const probePath = '/.well-known/reeve-probe';

const prefixRule = '"/", or a path without the last slash: parts of letters, digits, ".", "_", "~" and "-", each after a "/", none of only dots, no "..", at most 201 characters';

/** The path of a route: `/` or `/app`. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseRoutePrefix(field: string, text: string): string {
  if (text === '/') return text;
  parsePattern(field, text, /^(?=.{2,201}$)\/[A-Za-z0-9._~-][A-Za-z0-9._~/-]*$/, prefixRule);
  const parts = text.slice(1).split('/');
  if (parts.some((part) => part === '' || part === '.' || part.includes('..'))) throw fieldInvalid(field, text, prefixRule);
  if (text === probePath) throw fieldInvalid(field, text, 'a path that Reeve does not use itself');
  return text;
}

const partsRule = 'an absolute path of parts of letters, digits, ".", "_", "@", "+", "~" and "-", none beginning with "." or "-", without the last slash, at most 255 characters';
const partsPattern = /^(?=.{2,255}$)(?:\/[A-Za-z0-9_@+~][A-Za-z0-9._@+~-]*)+$/;

/** A folder of a host that is served. Whether it may be is for the host's policy. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseFolder(field: string, text: string): string {
  return parsePattern(field, text, partsPattern, partsRule);
}

/** A Unix socket of a host: at most 107 characters (unix(7)). Whether it may be used is for the host's policy. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseSocket(field: string, text: string): string {
  parsePattern(field, text, partsPattern, partsRule);
  if (text.length > 107) throw fieldInvalid(field, text, 'at most 107 characters, as for every Unix socket');
  return text;
}

/** The script that answers for every path that is no file: `/index.php`. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseScript(field: string, text: string): string {
  return parsePattern(field, text, /^(?=.{2,201}$)(?:\/[A-Za-z0-9_][A-Za-z0-9._~-]*)+$(?<=\.php)/, 'a path below the folder that ends in ".php", of parts as in the path of a route, e.g. "/index.php"');
}
