import type { ErrorItem } from '../../shared/errors/error.js';
import { formatKeyOptions, type KeyLine } from '../../shared/model/key.js';
import type { UserKeys } from '../../shared/model/manifest.js';
import type { OwnKey } from './observe.js';
import type { KeyDraft } from './draft.js';

/** Users whose own files sshd is to stop reading, and reads now. */
export function newlyExclusive(users: readonly UserKeys[], exclusive: readonly string[]): readonly UserKeys[] {
  return users.filter((user) => user.exclusive && !exclusive.includes(user.user));
}

/** Keys that let in now and would not any more when sshd stops reading the users' own files. Keys that were taken away by name may go. */
export function adoptionProblems(draft: KeyDraft): readonly ErrorItem[] {
  const { observed, hostName } = draft.input;
  return newlyExclusive(draft.users, observed.sshd.exclusive).flatMap((user) => {
    const losses = lossesOf(draft, user);
    const [first] = losses;
    if (first === undefined) return [];
    const more = losses.length > 1 ? ` (and ${String(losses.length - 1)} more)` : '';
    return [{ code: 'KEY_ADOPT_LOSES', fields: { host: hostName, value: user.user, rule: `${first}${more}` } }];
  });
}

function lossesOf(draft: KeyDraft, user: UserKeys): readonly string[] {
  const { observed, now, manifest, fingerprint } = draft.input;
  const { keys, unread, truncated } = observed.own;
  const removed = new Set(manifest.removed.map((row) => row.fingerprint));
  const lines = keys.filter((own) => own.user === user.user && (own.options.expiresAtMs ?? Infinity) > now && !(own.key !== undefined && removed.has(fingerprint(own.key))));
  return [
    ...unread.filter((file) => file.user === user.user).map((file) => `${file.path} cannot be read: ${file.reason}`),
    ...(truncated ? ['it has more keys than can be looked at'] : []),
    ...lines.flatMap((own) => lossOf(own, user.lines)),
  ];
}

function lossOf(own: OwnKey, wanted: readonly KeyLine[]): readonly string[] {
  const where = `line ${String(own.line)} of ${own.path}`;
  if (own.problem !== '' || own.key === undefined) return [`${where} cannot be managed: ${own.problem}`];
  const { base64 } = own.key;
  const line = wanted.find((other) => other.key.base64 === base64);
  if (line === undefined) return [`${where} has a key that is not among those that are wanted`];
  const rest = { ...own.options, expiresAtMs: undefined };
  if (formatKeyOptions({ ...line.options, expiresAtMs: undefined }) !== formatKeyOptions(rest)) return [`the key of ${where} is wanted with other options`];
  return (line.options.expiresAtMs ?? Infinity) < (own.options.expiresAtMs ?? Infinity) ? [`the key of ${where} is wanted with an earlier end`] : [];
}
