import { fromHex, toBase64 } from '../../shared/model/bytes.js';
import type { OwnKey, Session } from './observe.js';
import { addStep, note, type KeyDraft, type KeyPlanInput } from './draft.js';
import { shortFingerprint } from './render.js';

/** What tells which removed keys are still there. */
export type Removal = Pick<KeyPlanInput, 'manifest' | 'observed' | 'fingerprint'>;

/** Whether a fingerprint was taken away by name and does not let into this user any more. */
function isGone({ manifest, fingerprint }: Removal, user: string, hex: string): boolean {
  if (!manifest.removed.some((row) => row.fingerprint === hex)) return false;
  return manifest.users.find((other) => other.user === user)?.lines.some((line) => fingerprint(line.key) === hex) !== true;
}

/** Removed keys in users' own files. */
export function remainingKeys(of: Removal): readonly OwnKey[] {
  return of.observed.own.keys.filter(({ user, key }) => key !== undefined && isGone(of, user, of.fingerprint(key)));
}

/** Logins that removed keys have open. */
export function remainingSessions(of: Removal): readonly Session[] {
  return of.observed.sessions.filter(({ user, fingerprint }) => fingerprint !== '' && isGone(of, user, fingerprint));
}

/**
 * Takes removed keys out of users' own files and ends the logins that they opened, where that is asked for. What the policy does not allow of it stays, and is told
 * as remaining: it must not keep the rest of a revocation from being done.
 */
export function planEndings(draft: KeyDraft): void {
  const { manifest, deny, fingerprint } = draft.input;
  const wants = new Map(manifest.removed.map((row) => [row.fingerprint, row]));
  const files = new Map<string, { user: string; path: string; keys: Set<string> }>();
  for (const { user, path, key } of remainingKeys(draft.input)) {
    const hex = key === undefined ? '' : fingerprint(key);
    if (wants.get(hex)?.purge !== true || deny('key.purge', { name: user }) !== undefined) continue;
    const file = files.get(`${user}:${path}`) ?? { user, path, keys: new Set() };
    files.set(`${user}:${path}`, { ...file, keys: file.keys.add(hex) });
  }
  for (const { user, path, keys } of files.values()) {
    const blobs = toBase64(fromHex([...keys].sort().join('')));
    addStep(draft, 'purge', { verb: 'key.purge', request: { name: user, path, blobs }, undo: undefined, final: true, removesAccess: true });
    note(draft, user, 'update', [...keys].map((hex) => ({ field: `own key ${shortFingerprint(hex)}`, from: path, to: '' })));
  }
  for (const { user, pid, from, fingerprint: hex } of remainingSessions(draft.input)) {
    if (wants.get(hex)?.endSessions !== true || deny('session.end', { name: user }) !== undefined) continue;
    addStep(draft, 'end', { verb: 'session.end', request: { name: user, pid }, undo: undefined, final: true, removesAccess: true });
    note(draft, user, 'update', [{ field: `session ${String(pid)}`, from: from === '' ? 'open' : `from ${from}`, to: '' }]);
  }
}
