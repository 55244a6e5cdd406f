import { createHash } from 'node:crypto';
import { reeveError } from '../../shared/errors/error.js';
import type { ObserveKeyReply, PendingGetReply, SessionEndRequest } from '../../shared/gen/privd.js';
import { keyFileHeaders } from '../../shared/model/key-file.js';
import { blobOf, formatKeyLine, formatKeyOptions, parseKeyLine, rsaBits, type KeyLine } from '../../shared/model/key.js';

/** A login that is open on a simulated host. */
export interface SimulatedSession {
  readonly user: string;
  readonly pid: number;
  readonly from: string;
  readonly sinceMs: number;
  /** sha256 of the key's blob. */
  readonly fingerprint: Uint8Array;
}

/** The keys of a simulated host; tests may change them, and call touch() then. */
export interface SimulatedKeys {
  /** Content of the managed files by user. */
  readonly files: Map<string, string>;
  /** Whose files are ours. */
  readonly owned: Set<string>;
  /** Content of ~/.ssh/authorized_keys by user. */
  readonly own: Map<string, string>;
  /** Users whose own file cannot be read. */
  readonly unreadable: Set<string>;
  sessions: SimulatedSession[];
  /** Sessions that open just before the next managed file is written. */
  opening: SimulatedSession[];
  sshd: { dropIn: 'absent' | 'pending' | 'confirmed' | 'altered'; exclusive: string; others: string[] };
  /** What waits to be confirmed; ids as 32 hex digits. */
  pending: { operation: string; deadlineMs: number; before: SimulatedKeys['sshd'] } | undefined;
}

/** What the key verbs work on. */
export interface KeyMachine {
  readonly keys: SimulatedKeys;
  readonly exists: (name: string) => boolean;
  readonly now: () => number;
}

type Asked = Readonly<Record<string, string | number | boolean | Uint8Array | undefined>>;

/** Keys of a host that has none yet. */
export function createSimulatedKeys(): SimulatedKeys {
  return {
    files: new Map(), owned: new Set(), own: new Map(), unreadable: new Set(), sessions: [], opening: [], sshd: { dropIn: 'absent', exclusive: '', others: [] }, pending: undefined,
  };
}

/** Where a user's own keys are. */
export const ownPath = (user: string): string => (user === 'root' ? '/root/.ssh/authorized_keys' : `/home/${user}/.ssh/authorized_keys`);

const filePath = (user: string): string => `/etc/ssh/reeve-keys.d/${user}`;
const sha256 = (bytes: string | Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
const textOf = (value: Asked[string]): string => (value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : '');

/** A key verb; undefined: it is none. */
export function answerKeyVerb(machine: KeyMachine, verb: string, operationId: string, asked: Asked): object | undefined {
  const { keys } = machine;
  const name = String(asked['name'] ?? '');
  switch (verb) {
    case 'observe.key':
      return asked['scope'] === 'managed' ? managedReply(keys) : ownReply(machine, name);
    case 'observe.session':
      return { session: keys.sessions };
    case 'observe.sshd': {
      const paths = ['.ssh/authorized_keys', ...(keys.sshd.dropIn === 'absent' ? [] : ['/etc/ssh/reeve-keys.d/%u'])];
      return { path: paths, port: [22], other: keys.sshd.others, pubkey: true, dropIn: keys.sshd.dropIn, dropInSha256: Buffer.alloc(0), exclusive: keys.sshd.exclusive };
    }
    case 'pending.get':
      return pendingReply(keys);
    case 'key.put':
    case 'key.remove':
      keys.sessions.push(...keys.opening.splice(0));
      return writeFile(machine, verb, name, asked['content']);
    case 'key.release':
      keys.files.set(name, textOf(asked['content']));
      keys.owned.delete(name);
      return {};
    case 'key.purge':
      return purge(keys, name, Buffer.from(asked['blobs'] as Uint8Array));
    case 'key.sshd':
      return setSshd(machine, operationId, asked);
    case 'pending.confirm':
      return confirm(keys, Buffer.from(asked['operation'] as Uint8Array).toString('hex'));
    case 'session.end':
      keys.sessions = keys.sessions.filter((session) => session.pid !== (asked as unknown as SessionEndRequest).pid || session.user !== name);
      return {};
    default:
      return undefined;
  }
}

function managedReply(keys: SimulatedKeys): ObserveKeyReply {
  const users = [...keys.files.keys()].sort();
  return {
    file: users.map((user) => ({ user, path: filePath(user), problem: '', sha256: sha256(keys.files.get(user) ?? ''), marked: keys.owned.has(user) })),
    line: users.flatMap((user) => linesOf(user, filePath(user), keys.files.get(user) ?? '')),
    truncated: false,
  };
}

function ownReply({ keys, exists }: KeyMachine, user: string): ObserveKeyReply {
  if (!exists(user)) throw reeveError('USER_ABSENT', { value: user });
  const text = keys.own.get(user);
  if (keys.unreadable.has(user)) return { file: [{ user, path: ownPath(user), problem: 'permission denied', sha256: Buffer.alloc(0), marked: false }], line: [], truncated: false };
  if (text === undefined) return { file: [], line: [], truncated: false };
  return { file: [{ user, path: ownPath(user), problem: '', sha256: sha256(text), marked: false }], line: linesOf(user, ownPath(user), text), truncated: false };
}

function linesOf(user: string, path: string, text: string): ObserveKeyReply['line'] {
  return text.split('\n').flatMap((line, index): ObserveKeyReply['line'][number][] => {
    if (line === '' || line.startsWith('#')) return [];
    const base = { user, path, number: index + 1 };
    try {
      const { key, options, comment } = parseKeyLine(line, rsaBits.known);
      const expires = (options.expiresAtMs ?? 0) / 1000;
      return [{ ...base, type: key.type, blob: blobOf(key), comment, options: formatKeyOptions({ ...options, expiresAtMs: undefined }), expires, problem: '' }];
    } catch {
      return [{ ...base, type: '', blob: Buffer.alloc(0), comment: '', options: '', expires: 0, problem: 'it has an option that Reeve does not know, or no key' }];
    }
  });
}

function contentLines(text: string): readonly KeyLine[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => parseKeyLine(line, rsaBits.known));
}

function writeFile({ keys, exists }: KeyMachine, verb: 'key.put' | 'key.remove', name: string, content: Asked[string]): object {
  const text = content === undefined ? undefined : textOf(content);
  if (keys.files.has(name) && !keys.owned.has(name)) throw reeveError('KEY_FILE_FOREIGN', { value: filePath(name) });
  if (verb === 'key.put' && !exists(name)) throw reeveError('USER_ABSENT', { value: name });
  const lines = text === undefined ? [] : contentLines(text);
  if (text !== undefined && text !== [keyFileHeaders.managed, ...lines.map(formatKeyLine)].map((line) => `${line}\n`).join('')) throw reeveError('KEY_LINE', { value: '1', rule: 'it is not in canonical form' });
  if (verb === 'key.remove') requireThere(keys.files.get(name) ?? '', lines);
  if (text === undefined) {
    keys.files.delete(name);
    keys.owned.delete(name);
  } else {
    keys.files.set(name, text);
    keys.owned.add(name);
  }
  return verb === 'key.put' ? { sha256: sha256(text ?? '') } : {};
}

/** What only takes access away adds no line; an expiry-time may be earlier. */
function requireThere(present: string, lines: readonly KeyLine[]): void {
  const strip = (line: KeyLine): string => formatKeyLine({ ...line, options: { ...line.options, expiresAtMs: undefined } });
  const there = new Map(present.split('\n').filter((line) => line !== '' && !line.startsWith('#')).flatMap((line): [string, number][] => {
    try {
      const parsed = parseKeyLine(line, rsaBits.known);
      return [[strip(parsed), parsed.options.expiresAtMs ?? Infinity]];
    } catch {
      return [];
    }
  }));
  for (const [index, line] of lines.entries()) {
    const until = there.get(strip(line));
    if (until === undefined || (line.options.expiresAtMs ?? Infinity) > until) throw reeveError('KEY_LINE', { value: String(index + 2), rule: 'it is not there' });
  }
}

function purge(keys: SimulatedKeys, name: string, blobs: Buffer): { removed: number } {
  const gone = new Set(Array.from({ length: blobs.length / 32 }, (_none, index) => blobs.subarray(32 * index, 32 * index + 32).toString('hex')));
  const before = (keys.own.get(name) ?? '').split('\n');
  const left = before.filter((line) => {
    try {
      return !gone.has(sha256(blobOf(parseKeyLine(line, rsaBits.known).key)).toString('hex'));
    } catch {
      return true;
    }
  });
  keys.own.set(name, left.join('\n'));
  return { removed: before.length - left.length };
}

function setSshd({ keys, now }: KeyMachine, operationId: string, asked: Asked): { pending: boolean; deadlineMs: number } {
  if (asked['action'] === 'release') {
    // It stays, and what is not ours and there is no other than altered.
    keys.sshd = { ...keys.sshd, dropIn: 'altered' };
    return { pending: false, deadlineMs: 0 };
  }
  if (keys.pending !== undefined) throw reeveError('CONFIRM_PENDING', { noun: 'key', when: new Date(keys.pending.deadlineMs).toISOString() });
  const deadlineMs = now() + Number(asked['confirmS'] ?? 60) * 1000;
  keys.pending = { operation: operationId.replaceAll('-', ''), deadlineMs, before: keys.sshd };
  keys.sshd = { dropIn: 'pending', exclusive: String(asked['exclusive'] ?? ''), others: keys.sshd.others };
  return { pending: true, deadlineMs };
}

function confirm(keys: SimulatedKeys, operation: string): object {
  if (keys.pending?.operation !== operation) throw reeveError('CONFIRM_UNKNOWN', { value: operation });
  keys.pending = undefined;
  keys.sshd = { ...keys.sshd, dropIn: 'confirmed' };
  return {};
}

function pendingReply({ pending }: SimulatedKeys): PendingGetReply {
  return { change: pending === undefined ? [] : [{ noun: 'key', operation: Buffer.from(pending.operation, 'hex'), deadlineMs: pending.deadlineMs, state: 'pending' }], reverted: [] };
}
