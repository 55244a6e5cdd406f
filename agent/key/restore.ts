import { formatKeyLine, parseKeyLine, rsaBits, type KeyLine } from '../../shared/model/key.js';
import { withOwnExpiry } from '../../shared/model/key-file.js';
import type { KeyManifest, UserKeys } from '../../shared/model/manifest.js';
import type { Restored, Saved } from '../engine/undo.js';
import type { ObservedKeys } from './observe.js';
import { describeLine } from './render.js';

/** What restoring looks at besides what was kept. */
export interface RestoreInput {
  readonly observed: ObservedKeys;
  /** Names in passwd(5). */
  readonly names: ReadonlySet<string>;
  readonly hostId: string;
  /** Unix ms. */
  readonly now: number;
}

/** The keys of a user as they are kept. */
interface SavedKeys {
  /** Lines with their own expiries. */
  readonly lines: readonly string[];
  readonly exclusive: boolean;
}

/** The managed keys now, by user. */
function presentKeys({ files, stored, sshd }: ObservedKeys): ReadonlyMap<string, UserKeys> {
  const own = new Map(stored?.manifest?.users.map(({ user, lines }) => [user, lines]) ?? []);
  return new Map(
    files.filter((file) => file.marked).map(({ user, lines }) => [user, { user, lines: withOwnExpiry(lines, own.get(user) ?? []), exclusive: sshd.exclusive.includes(user) }]),
  );
}

/** The keys of these users as they are, for taking a change back; null: no file of theirs is managed, or it is no user. */
export function keepKeys(names: readonly string[], observed: ObservedKeys): readonly Saved[] {
  const now = presentKeys(observed);
  return names.map((name) => {
    const keys = now.get(name);
    return { name, object: keys === undefined ? null : { lines: keys.lines.map(formatKeyLine), exclusive: keys.exclusive } };
  });
}

/** The manifest with which the kept users have their keys again, everybody else as it is now. Its version is that of the request which it goes into. */
export function restoreKeys(saved: readonly Saved[], input: RestoreInput): Restored<KeyManifest> {
  const { observed, names, hostId, now } = input;
  const users = new Map(presentKeys(observed));
  const notes: string[] = [];
  for (const { name, object } of saved) {
    if (name === 'sshd') {
      notes.push('sshd goes on reading the managed key files');
      continue;
    }
    const before = object as SavedKeys | null;
    if (before === null) users.delete(name);
    else if (!names.has(name)) notes.push(`user "${name}" is gone from the host; its keys are not put back`);
    else {
      const lines = before.lines.map((line) => parseKeyLine(line, rsaBits.known)).filter(({ options }) => (options.expiresAtMs ?? Infinity) > now);
      notes.push(...gained(name, users.get(name)?.lines ?? [], lines));
      users.set(name, { user: name, lines, exclusive: before.exclusive });
    }
  }
  const sorted = [...users.values()].sort((a, b) => (a.user < b.user ? -1 : a.user > b.user ? 1 : 0));
  // Root of the host says so itself: the floors are for coordinators.
  return { wanted: { hostId, version: 1, issuedAtMs: now, notAfterMs: now, users: sorted, removed: [], breakGlass: [], force: true }, notes };
}

/** Who gets access back. */
function gained(user: string, now: readonly KeyLine[], before: readonly KeyLine[]): readonly string[] {
  const has = new Set(now.map((line) => line.key.base64));
  return before.filter((line) => !has.has(line.key.base64)).map((line) => `${describeLine(line)} can log in as "${user}" again`);
}
