import { fromHex, toHex } from './bytes.js';
import type { Canonical } from './canonical.js';
import { fieldInvalid, fieldMissing, parseInteger } from './field.js';
import { parseId } from './id.js';
import { blobOf, formatKeyOptions, keyFlags, parseKeyComment, parseNetworks, parsePublicKey, rsaBits, type KeyFlag, type KeyLine, type KeyOptions } from './key.js';
import { parseAccountName } from './user.js';

/** The keys that let into one user of a host. */
export interface UserKeys {
  readonly user: string;
  /** No key twice. */
  readonly lines: readonly KeyLine[];
  /** sshd reads only the managed file for this user. */
  readonly exclusive: boolean;
}

/** A key that was taken away by name. */
export interface RemovedKey {
  /** sha256 of the blob, hex. */
  readonly fingerprint: string;
  readonly purge: boolean;
  readonly endSessions: boolean;
}

/** All keys of a host. */
export interface KeyManifest {
  readonly hostId: string;
  readonly version: number;
  /** Unix ms. */
  readonly issuedAtMs: number;
  readonly notAfterMs: number;
  /** Sorted by user. */
  readonly users: readonly UserKeys[];
  /** Sorted by fingerprint. */
  readonly removed: readonly RemovedKey[];
  /** Fingerprints, hex, sorted. */
  readonly breakGlass: readonly string[];
  readonly force: boolean;
}

/** The wire's options of a line. */
export interface WireKeyOptions {
  readonly restrict: boolean;
  readonly noPortForwarding: boolean;
  readonly noAgentForwarding: boolean;
  readonly noX11Forwarding: boolean;
  readonly noPty: boolean;
  readonly noUserRc: boolean;
  readonly from: string[];
  readonly expiresAt: { readonly seconds: number | string | { toString(): string }; readonly nanos: number } | null;
}

/** The wire's manifest. */
export interface WireKeyManifest {
  readonly hostId: string;
  readonly version: number;
  readonly issuedAt: WireKeyOptions['expiresAt'];
  readonly notAfter: WireKeyOptions['expiresAt'];
  readonly keys: readonly { readonly type: string; readonly blob: Uint8Array }[];
  readonly users: readonly { readonly user: string; readonly lines: readonly { readonly key: number; readonly comment: string; readonly options: WireKeyOptions | null }[]; readonly exclusive: boolean }[];
  readonly removed: readonly { readonly fingerprint: Uint8Array; readonly purge: boolean; readonly endSessions: boolean }[];
  readonly breakGlass: readonly Uint8Array[];
  readonly force: boolean;
}

/** Most entries of each list of a manifest. */
export const mostManifestEntries = 5000;

const flagFields: readonly (readonly [KeyFlag, Exclude<keyof WireKeyOptions, 'from' | 'expiresAt'>])[] = [
  ['restrict', 'restrict'], ['no-agent-forwarding', 'noAgentForwarding'], ['no-port-forwarding', 'noPortForwarding'], ['no-pty', 'noPty'], ['no-user-rc', 'noUserRc'],
  ['no-X11-forwarding', 'noX11Forwarding'],
];

const msOf = (time: WireKeyOptions['expiresAt']): number | undefined => (time === null ? undefined : Number(time.seconds) * 1000);
const timeOf = (ms: number): { seconds: number; nanos: number } => ({ seconds: Math.floor(ms / 1000), nanos: 0 });

/** Options from the wire. Errors: FIELD_INVALID. */
export function parseWireOptions(wire: WireKeyOptions | null): KeyOptions {
  if (wire === null) return { flags: [], from: [], expiresAtMs: undefined };
  const set = new Set(flagFields.filter(([, field]) => wire[field]).map(([flag]) => flag));
  const expiresAtMs = msOf(wire.expiresAt);
  if (expiresAtMs !== undefined) parseInteger('expiry-time', expiresAtMs, { min: 1000, max: 253_402_300_799_000 });
  if (wire.expiresAt !== null && wire.expiresAt.nanos !== 0) throw fieldInvalid('expiry-time', `${String(wire.expiresAt.nanos)} ns`, 'whole seconds');
  return { flags: keyFlags.filter((flag) => set.has(flag)), from: parseNetworks(wire.from), expiresAtMs };
}

/** Options for the wire; null: none. */
export function formatWireOptions(options: KeyOptions): (Omit<WireKeyOptions, 'expiresAt'> & { expiresAt: { seconds: number; nanos: number } | null }) | null {
  if (formatKeyOptions(options) === '') return null;
  const has = (flag: KeyFlag): boolean => options.flags.includes(flag);
  return {
    restrict: has('restrict'), noAgentForwarding: has('no-agent-forwarding'), noPortForwarding: has('no-port-forwarding'), noPty: has('no-pty'), noUserRc: has('no-user-rc'),
    noX11Forwarding: has('no-X11-forwarding'), from: [...options.from], expiresAt: options.expiresAtMs === undefined ? null : timeOf(options.expiresAtMs),
  };
}

/** A manifest from the wire. Errors: FIELD_INVALID, FIELD_MISSING; the first problem that is met. */
export function parseManifest(wire: WireKeyManifest | null): KeyManifest {
  if (wire === null) throw fieldMissing('manifest', 'the keys of the host');
  for (const [field, list] of [['keys', wire.keys], ['users', wire.users], ['removed', wire.removed], ['break-glass keys', wire.breakGlass]] as const) {
    if (list.length > mostManifestEntries) throw fieldInvalid(field, String(list.length), `at most ${String(mostManifestEntries)}`);
  }
  const keys = wire.keys.map(({ type, blob }) => parsePublicKey(type, blob, rsaBits.known));
  const users = wire.users.map(({ user, lines, exclusive }) => ({ user: parseAccountName(user), exclusive, lines: lines.map((line) => parseLine(line, keys)) }));
  for (const { user, lines } of users) requireOnce(`keys of user "${user}"`, lines.map((line) => line.key.base64));
  requireSorted('users', users.map(({ user }) => user));
  const removed = wire.removed.map(({ fingerprint, purge, endSessions }) => ({ fingerprint: parseFingerprint(fingerprint), purge, endSessions }));
  requireSorted('removed keys', removed.map(({ fingerprint }) => fingerprint));
  const breakGlass = wire.breakGlass.map(parseFingerprint);
  requireSorted('break-glass keys', breakGlass);
  const bounds = { min: 1, max: Number.MAX_SAFE_INTEGER };
  return {
    hostId: parseId('host id', wire.hostId),
    version: parseInteger('version', wire.version, bounds),
    issuedAtMs: parseInteger('issued at', msOf(wire.issuedAt) ?? 0, bounds),
    notAfterMs: parseInteger('not after', msOf(wire.notAfter) ?? 0, bounds),
    users, removed, breakGlass, force: wire.force,
  };
}

function parseLine(line: WireKeyManifest['users'][number]['lines'][number], keys: readonly KeyLine['key'][]): KeyLine {
  const key = keys[line.key];
  if (key === undefined) throw fieldInvalid('key', String(line.key), `an index below ${String(keys.length)}`);
  return { key, comment: parseKeyComment(line.comment), options: parseWireOptions(line.options) };
}

function parseFingerprint(bytes: Uint8Array): string {
  if (bytes.length !== 32) throw fieldInvalid('fingerprint', `${String(bytes.length)} bytes`, '32 bytes');
  return toHex(bytes);
}

function requireOnce(field: string, values: readonly string[]): void {
  if (new Set(values).size !== values.length) throw fieldInvalid(field, String(values.length), 'each once');
}

function requireSorted(field: string, values: readonly string[]): void {
  if (values.some((value, index) => index > 0 && value <= (values[index - 1] ?? ''))) throw fieldInvalid(field, String(values.length), 'sorted, each once');
}

/** A manifest for the wire: each key once, in the order of its first line. */
export function formatManifest(manifest: KeyManifest): ReturnType<typeof wireManifest> {
  return wireManifest(manifest);
}

function wireManifest(manifest: KeyManifest) {
  const index = new Map<string, number>();
  const keys: { type: string; blob: Uint8Array }[] = [];
  const indexOf = ({ key }: KeyLine): number => {
    const known = index.get(key.base64);
    if (known !== undefined) return known;
    index.set(key.base64, keys.length);
    keys.push({ type: key.type, blob: blobOf(key) });
    return keys.length - 1;
  };
  const users = manifest.users.map(({ user, lines, exclusive }) => ({
    user, exclusive, lines: lines.map((line) => ({ key: indexOf(line), comment: line.comment, options: formatWireOptions(line.options) })),
  }));
  return {
    hostId: manifest.hostId, version: manifest.version, issuedAt: timeOf(manifest.issuedAtMs), notAfter: timeOf(manifest.notAfterMs), keys, users,
    removed: manifest.removed.map(({ fingerprint, ...row }) => ({ fingerprint: fromHex(fingerprint), ...row })),
    breakGlass: manifest.breakGlass.map((fingerprint) => fromHex(fingerprint)),
    force: manifest.force,
  };
}

/** What makes two manifests of one version the same: everything but when they were made and until when they may be taken. */
export function manifestContent({ hostId, version, users, removed, breakGlass, force }: KeyManifest): Canonical {
  return {
    hostId, version, breakGlass, force,
    users: users.map(({ user, lines, exclusive }) => ({ user, exclusive, lines: lines.map(({ key, options, comment }) => [formatKeyOptions(options), key.type, key.base64, comment]) })),
    removed: removed.map(({ fingerprint, purge, endSessions }) => ({ fingerprint, purge, endSessions })),
  };
}
