import type { ErrorItem } from '../../shared/errors/error.js';
import type { KeyLine, PublicKey } from '../../shared/model/key.js';
import { shortFingerprint } from './render.js';

/** From so many keys on, a user's set must not fall by more than half at once. */
export const floorKeys = 4;

/** The lines of a user that let in, before and after. */
export interface UserLines {
  readonly user: string;
  readonly uid: number;
  readonly before: readonly KeyLine[];
  readonly after: readonly KeyLine[];
}

/** What the floors are computed from. */
export interface FloorInput {
  /** Accounts that exist. */
  readonly users: readonly UserLines[];
  /** Fingerprints of keys that are taken away by name. */
  readonly removed: ReadonlySet<string>;
  /** Fingerprints of break-glass keys, of this manifest and of the one before: one that was cut off names none. */
  readonly breakGlass: ReadonlySet<string>;
  readonly fingerprint: (key: PublicKey) => string;
  readonly hostName: string;
}

/**
 * Why so many keys are not taken away at once: more than half of a user's set from 4 keys on, or of root's whatever it has; a break-glass key that nobody took away by
 * name; and the last break-glass key of the host, however it goes. What is taken away by name does not count as falling, an empty set does.
 */
export function floorProblems(input: FloorInput): readonly ErrorItem[] {
  return [...input.users.flatMap((user) => fallProblem(input, user)), ...breakGlassProblems(input)];
}

function fallProblem(input: FloorInput, { user, uid, before, after }: UserLines): ErrorItem[] {
  const stays = new Set(after.map((line) => line.key.base64));
  const lost = before.filter((line) => !stays.has(line.key.base64) && !input.removed.has(input.fingerprint(line.key)));
  if ((uid !== 0 && before.length < floorKeys) || lost.length * 2 <= before.length) return [];
  return [problem(input, user, `${String(lost.length)} of ${String(before.length)} would go at once`)];
}

function breakGlassProblems(input: FloorInput): ErrorItem[] {
  const holders = (side: 'before' | 'after'): ReadonlyMap<string, string> =>
    new Map(input.users.flatMap(({ user, [side]: lines }) => lines.map((line) => [input.fingerprint(line.key), user] as const)).filter(([fingerprint]) => input.breakGlass.has(fingerprint)).reverse());
  const [before, after] = [holders('before'), holders('after')];
  const gone = [...before].filter(([fingerprint]) => !after.has(fingerprint));
  const [last] = gone;
  if (last !== undefined && after.size === 0) return [problem(input, last[1], `${shortFingerprint(last[0])} is the last break-glass key that gets in on this host`)];
  return gone.filter(([fingerprint]) => !input.removed.has(fingerprint)).map(([fingerprint, user]) => problem(input, user, `break-glass key ${shortFingerprint(fingerprint)} would get in nowhere any more`));
}

function problem(input: FloorInput, user: string, rule: string): ErrorItem {
  return { code: 'KEY_FLOOR', fields: { host: input.hostName, value: user, rule } };
}
