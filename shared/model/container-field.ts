import { utf8Length } from './bytes.js';
import { fieldInvalid, fieldMissing, parseInteger, parsePattern } from './field.js';
import { isIpv4, isIpv6 } from './host.js';
import { hasUnsafeCharacter } from './vis.js';

/** Most of each. */
export const mostContainer = { words: 64, wordBytes: 1024, variables: 128, valueBytes: 4096, secrets: 32, secretBytes: 32_768, ports: 64, volumes: 32, devices: 16, keys: 64, perHost: 1000 } as const;

/** Names of variables that alter how programs are found or loaded. */
const loaderVariable = /^(?:LD_.*|PYTHON.*|PERL.*|PATH|IFS|BASH_ENV|ENV|NODE_OPTIONS|GCONV_PATH|LOCPATH)$/;

/** The name of a registry, which one cannot take for the first part of a path, and what it calls an image. */
const registryPattern = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[1-9][0-9]{0,4})?$/;
const repositoryPart = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*$/;
/** The tag of an image. */
export const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
/** A SHA-256. */
export const digestPattern = /^[0-9a-f]{64}$/;

function isImageName(text: string): boolean {
  const [registry = '', ...parts] = text.split('/');
  const named = registry === 'localhost' || /[.:]/.test(registry);
  return text.length <= 255 && named && registryPattern.test(registry) && Number(registry.split(':')[1] ?? 1) <= 65_535 && parts.length > 0 && parts.every((part) => repositoryPart.test(part));
}

/** Whether a container can be managed by this name: others of a host may be called anything. */
export function isContainerName(text: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,62}$/.test(text) && text !== 'host' && text !== 'none' && !/^[0-9]+$/.test(text);
}

/** The name of a container. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseContainerName(text: string, field = 'container name'): string {
  const rule = '1 to 63 of a-z, 0-9 and "-", beginning with a letter or digit, not only digits, and not "host" or "none"';
  if (text === '') throw fieldMissing(field, rule);
  if (!isContainerName(text)) throw fieldInvalid(field, text, rule);
  return text;
}

/** An image by digest. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parsePinnedImage(text: string, field = 'image'): string {
  const rule = 'REGISTRY/NAME@sha256: and 64 hex digits';
  if (text === '') throw fieldMissing(field, rule);
  if (!isPinned(text)) throw fieldInvalid(field, text, rule);
  return text;
}

/** An image by digest or by tag, with the name of its registry: which one a short name means is not guessed. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseImage(text: string, field = 'image'): string {
  const rule = 'REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST, e.g. docker.io/library/nginx:1.27 or localhost/web:1';
  if (text === '') throw fieldMissing(field, rule);
  const { name, tag } = splitImage(text);
  if (!isPinned(text) && !(tagPattern.test(tag) && isImageName(name))) throw fieldInvalid(field, text, rule);
  return text;
}

/** Whether an image is of no registry: it was imported on its host. */
export function isLocalImage(image: string): boolean {
  return image.startsWith('localhost/');
}

/** The name that an imported root file system is given. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseLocalImage(text: string, field = 'image'): string {
  const image = parseImage(text, field);
  if (!isLocalImage(image) || splitImage(image).tag === '') throw fieldInvalid(field, text, 'localhost/NAME:TAG');
  return image;
}

export const importKinds = ['rootfs', 'image', 'archive'] as const;
export type ImportKind = (typeof importKinds)[number];

/** What an import is. Errors: FIELD_INVALID. */
export function parseImportKind(text: string, field = 'kind'): ImportKind {
  const kind = importKinds.find((known) => known === text);
  if (kind === undefined) throw fieldInvalid(field, text, 'rootfs, image or archive');
  return kind;
}

export const snapshotActions = ['create', 'restore', 'remove'] as const;
export type SnapshotAction = (typeof snapshotActions)[number];

/** What is done with a snapshot. Errors: FIELD_INVALID. */
export function parseSnapshotAction(text: string, field = 'action'): SnapshotAction {
  const action = snapshotActions.find((known) => known === text);
  if (action === undefined) throw fieldInvalid(field, text, 'create, restore or remove');
  return action;
}

function isPinned(text: string): boolean {
  const { name, digest } = splitImage(text);
  return digestPattern.test(digest) && isImageName(name);
}

/** Name, and tag or digest, of an image. */
export function splitImage(image: string): { readonly name: string; readonly tag: string; readonly digest: string } {
  const at = image.indexOf('@sha256:');
  if (at >= 0) return { name: image.slice(0, at), tag: '', digest: image.slice(at + 8) };
  const colon = image.indexOf(':', image.lastIndexOf('/') + 1);
  return colon < 0 ? { name: image, tag: '', digest: '' } : { name: image.slice(0, colon), tag: image.slice(colon + 1), digest: '' };
}

/** A word of a command; an empty one is one. Errors: FIELD_INVALID. */
export function parseWord(field: string, text: string): string {
  if (hasUnsafeCharacter(text) || utf8Length(text) > mostContainer.wordBytes) throw fieldInvalid(field, text, `at most ${String(mostContainer.wordBytes)} bytes without control characters`);
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
  const rule = 'an absolute path of letters, digits and . _ @ + -, without "." and "..", at most 1024 characters';
  const path = parsePattern(field, text, /^(?:\/[A-Za-z0-9._@+-]{1,255})+$/, rule);
  if (path.length > 1024 || path.split('/').some((part) => part === '.' || part === '..')) throw fieldInvalid(field, text, rule);
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

/** The name of a snapshot of a container. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseContainerSnapshot(text: string, field = 'snapshot'): string {
  const rule = '1 to 32 of a-z, 0-9 and "-", beginning with a letter or digit, and not "current" or "vzdump"';
  const name = parsePattern(field, text, /^[a-z0-9][a-z0-9-]{0,31}$/, rule);
  // They mean something else to pct(1).
  if (name === 'current' || name === 'vzdump') throw fieldInvalid(field, text, rule);
  return name;
}

/** A number that may be left out, as 0. Errors: FIELD_INVALID. */
export function parseOptional(field: string, value: number, bounds: { readonly min: number; readonly max: number }): number | undefined {
  return value === 0 ? undefined : parseInteger(field, value, bounds);
}
