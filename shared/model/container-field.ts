import { utf8Length } from './bytes.js';
import { fieldInvalid, fieldMissing, parseInteger, parsePattern } from './field.js';
import { isIpv4, isIpv6 } from './host.js';
import { hasUnsafeCharacter } from './vis.js';

/** Most of each. */
export const mostContainer = { words: 64, wordBytes: 1024, variables: 128, valueBytes: 4096, secrets: 32, secretBytes: 32_768, ports: 64, volumes: 32, devices: 16, keys: 64, perHost: 1000 } as const;

/** Names of variables that alter how programs are found or loaded. */
const loaderVariable = /^(?:LD_.*|PYTHON.*|PERL.*|PATH|IFS|BASH_ENV|ENV|NODE_OPTIONS|GCONV_PATH|LOCPATH)$/;

const imageName = '[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::[0-9]{1,5})?(?:\\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*){0,8}';
const pinnedPattern = new RegExp(`^${imageName}@sha256:[0-9a-f]{64}$`);
const taggedPattern = new RegExp(`^${imageName}:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`);

/** The name of a container. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseContainerName(text: string, field = 'container name'): string {
  const rule = '1 to 63 of a-z, 0-9 and "-", beginning with a letter or digit, and not "host" or "none"';
  const name = parsePattern(field, text, /^[a-z0-9][a-z0-9-]{0,62}$/, rule);
  if (name === 'host' || name === 'none') throw fieldInvalid(field, text, rule);
  return name;
}

/** An image by digest. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parsePinnedImage(text: string, field = 'image'): string {
  const rule = 'REGISTRY/NAME@sha256: and 64 hex digits, at most 255 characters';
  if (text.length > 255) throw fieldInvalid(field, text, rule);
  return parsePattern(field, text, pinnedPattern, rule);
}

/** An image by digest or by tag, with the name of its registry: which one a short name means is not guessed. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseImage(text: string, field = 'image'): string {
  const rule = 'REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST, e.g. docker.io/library/nginx:1.27 or localhost/web:1, at most 255 characters';
  if (text === '') throw fieldMissing(field, rule);
  const [registry = ''] = text.split('/');
  const bad = text.length > 255 || !(pinnedPattern.test(text) || taggedPattern.test(text)) || !text.includes('/') || !(registry === 'localhost' || /[.:]/.test(registry));
  if (bad) throw fieldInvalid(field, text, rule);
  return text;
}

/** Name, and tag or digest, of an image that one of the parsers above has accepted. */
export function splitImage(image: string): { readonly name: string; readonly tag: string; readonly digest: string } {
  const at = image.indexOf('@sha256:');
  if (at >= 0) return { name: image.slice(0, at), tag: '', digest: image.slice(at + 8) };
  const colon = image.lastIndexOf(':');
  return { name: image.slice(0, colon), tag: image.slice(colon + 1), digest: '' };
}

/** A word of a command. Errors: FIELD_INVALID. */
export function parseWord(field: string, text: string): string {
  if (text === '' || hasUnsafeCharacter(text) || utf8Length(text) > mostContainer.wordBytes) throw fieldInvalid(field, text, `1 to ${String(mostContainer.wordBytes)} bytes without control characters`);
  return text;
}

/** The name of a variable. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseVariableName(text: string, field = 'variable'): string {
  const rule = '1 to 64 of A-Z, 0-9 and "_", beginning with a letter, and none that alters how programs are found or loaded (PATH, LD_*, PYTHON*, ...)';
  const name = parsePattern(field, text, /^[A-Z][A-Z0-9_]{0,63}$/, rule);
  if (loaderVariable.test(name)) throw fieldInvalid(field, text, rule);
  return name;
}

/** The value of a variable. Errors: FIELD_INVALID. */
export function parseVariableValue(text: string, field = 'variable'): string {
  if (hasUnsafeCharacter(text) || utf8Length(text) > mostContainer.valueBytes) throw fieldInvalid(field, text, `at most ${String(mostContainer.valueBytes)} bytes without control characters`);
  return text;
}

/** The name of a secret. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseSecretName(text: string, field = 'secret'): string {
  return parsePattern(field, text, /^[a-z0-9][a-z0-9._-]{0,63}$/, '1 to 64 of a-z, 0-9, ".", "_" and "-", beginning with a letter or digit');
}

/** A path of plain components, absolute. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parsePlainPath(text: string, field: string): string {
  const rule = 'an absolute path of letters, digits and . _ @ + -, without "." and "..", at most 255 characters';
  const path = parsePattern(field, text, /^(?:\/[A-Za-z0-9._@+-]{1,255}){1,32}$/, rule);
  if (path.length > 255 || path.split('/').some((part) => part === '.' || part === '..')) throw fieldInvalid(field, text, rule);
  return path;
}

/** A device of the host. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseDevice(text: string, field = 'device'): string {
  const path = parsePlainPath(text, field);
  if (!path.startsWith('/dev/')) throw fieldInvalid(field, text, 'a path below /dev');
  return path;
}

/** An address of the host that a port is published on: IPv4, or IPv6 without brackets. Errors: FIELD_INVALID. */
export function parsePublishAddress(text: string, field = 'address'): string {
  if (!isIpv4(text) && !isIpv6(text)) throw fieldInvalid(field, text, 'an address of the host; 0.0.0.0 for all of them');
  return text;
}

/** A bridge. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseBridge(text: string, field = 'bridge'): string {
  return parsePattern(field, text, /^[a-z][a-z0-9._-]{0,14}$/, 'the name of an interface: 1 to 15 of a-z, 0-9, ".", "_" and "-"');
}

/** The name of a snapshot of a container. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseContainerSnapshot(text: string, field = 'snapshot'): string {
  return parsePattern(field, text, /^[a-z0-9][a-z0-9-]{0,31}$/, '1 to 32 of a-z, 0-9 and "-", beginning with a letter or digit');
}

/** A number that may be left out, as 0. Errors: FIELD_INVALID. */
export function parseOptional(field: string, value: number, bounds: { readonly min: number; readonly max: number }): number | undefined {
  return value === 0 ? undefined : parseInteger(field, value, bounds);
}
