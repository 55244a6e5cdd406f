import { ReeveError, reeveError, type ErrorItem } from '../../shared/errors/error.js';
import type { ObserveKeyReply, ObserveKeyReplyLine, PendingGetReply } from '../../shared/gen/privd.js';
import { sha256 } from '../../shared/kit/digest.js';
import { formatKeyFile, type KeyFile, type SshdKeys } from '../../shared/model/key-file.js';
import { noKeyOptions, parseKeyComment, parseKeyOptions, parsePublicKey, rsaBits, type KeyLine, type KeyOptions, type PublicKey } from '../../shared/model/key.js';
import type { PasswdEntry, Helper } from '../host/host.js';
import { keyFolder } from '../paths.js';
import type { StoredManifest } from './store.js';

/** A line of a file of a user's own. */
export interface OwnKey {
  readonly user: string;
  readonly path: string;
  readonly line: number;
  /** Undefined: it could not be read as a key. */
  readonly key: PublicKey | undefined;
  readonly options: KeyOptions;
  /** Hostile. */
  readonly comment: string;
  /** Why it cannot be managed; empty: it can. Hostile. */
  readonly problem: string;
}

/** A file that sshd would read and that could not be read. */
export interface UnreadFile {
  readonly user: string;
  readonly path: string;
  readonly reason: string;
}

/** Keys in users' own files. */
export interface OwnKeys {
  readonly keys: readonly OwnKey[];
  readonly unread: readonly UnreadFile[];
  /** Whether there may be more. */
  readonly truncated: boolean;
}

/** A login that sshd has open. */
export interface Session {
  readonly user: string;
  readonly pid: number;
  readonly from: string;
  readonly sinceMs: number;
  /** sha256 of the key's blob, hex; empty: not known. */
  readonly fingerprint: string;
}

/** sshd, as the helper sees it. */
export interface SshdSeen extends SshdKeys {
  /** Files that it reads, tokens unexpanded. */
  readonly paths: readonly string[];
  readonly others: readonly string[];
  /** Why it could not be asked; undefined: it was. */
  readonly problem: ErrorItem | undefined;
}

/** A change of sshd that reverts by itself. */
export interface Pending {
  readonly operationId: string;
  /** Unix ms. */
  readonly deadlineMs: number;
}

/** The keys of the host, as far as a plan needs them. */
export interface ObservedKeys {
  /** Sorted by user. */
  readonly files: readonly KeyFile[];
  readonly sshd: SshdSeen;
  readonly pending: Pending | undefined;
  readonly stored: StoredManifest | undefined;
  /** Empty where nothing is asked of them. */
  readonly own: OwnKeys;
  readonly sessions: readonly Session[];
}

/** Most accounts whose own files are looked at. */
export const mostAccounts = 500;

const dropIns: readonly SshdKeys['dropIn'][] = ['absent', 'pending', 'confirmed', 'altered'];

/** The managed key files, sorted by user. Errors: POLICY_DENIED, POLICY_UNUSABLE, HELPER_UNREACHABLE. */
export async function observeFiles(helper: Helper, operationId: string): Promise<readonly KeyFile[]> {
  const reply = await helper.call('observe.key', operationId, { scope: 'managed' });
  const lines = reply.line.map((line) => ({ ...parseLine(line), file: line.path }));
  return reply.file
    .map(({ user, path, problem, sha256: digest, marked }): KeyFile => {
      const mine = lines.filter((line) => line.file === path);
      const good = mine.flatMap((line): KeyLine[] => (line.key === undefined || line.problem !== '' ? [] : [{ key: line.key, options: line.options, comment: line.comment }]));
      const bad = mine.filter((line) => line.problem !== '').map((line) => ({ line: line.line, problem: line.problem }));
      return {
        user, path, marked, sha256: digest, lines: good, canonical: sha256(formatKeyFile(good)).equals(digest),
        problems: problem === '' ? bad : [{ line: 0, problem }, ...bad],
      };
    })
    .sort((a, b) => (a.user < b.user ? -1 : a.user > b.user ? 1 : 0));
}

/** What the helper makes of a line, checked once more: it is data of another process. */
function parseLine(line: ObserveKeyReplyLine): OwnKey {
  const base = { user: line.user, path: line.path, line: line.number };
  try {
    const expiresAtMs = line.expires === 0 ? undefined : line.expires * 1000;
    const key = line.blob.length === 0 ? undefined : parsePublicKey(line.type, line.blob, rsaBits.known);
    const options = { ...parseKeyOptions(line.options), expiresAtMs };
    if (line.problem !== '' || key === undefined) return { ...base, key, options, comment: line.comment, problem: line.problem === '' ? 'it has no key' : line.problem };
    return { ...base, key, options, comment: parseKeyComment(line.comment), problem: '' };
  } catch (error) {
    const problem = error instanceof ReeveError ? (error.fields['rule'] ?? error.code) : 'it cannot be read';
    return { ...base, key: undefined, options: noKeyOptions, comment: line.comment, problem: line.problem === '' ? problem : line.problem };
  }
}

/** What sshd does with keys; of a host without a usable sshd why. Errors: POLICY_DENIED, POLICY_UNUSABLE, HELPER_UNREACHABLE, VERSION_UNSUPPORTED. */
export async function observeSshd(helper: Helper, operationId: string, name?: string): Promise<SshdSeen> {
  try {
    const reply = await helper.call('observe.sshd', operationId, name === undefined ? {} : { name });
    const dropIn = dropIns.find((known) => known === reply.dropIn);
    if (dropIn === undefined) throw reeveError('VERSION_UNSUPPORTED', { value: `of drop-in state "${reply.dropIn}"`, rule: 'the helper is newer than the agent' });
    return { dropIn, exclusive: reply.exclusive.split(',').filter((user) => user !== ''), paths: reply.path, others: reply.other, problem: undefined };
  } catch (error) {
    const item = error instanceof ReeveError ? error.items.find(({ code }) => code === 'SSHD_ABSENT' || code === 'SSHD_CHECK') : undefined;
    if (item === undefined) throw error;
    return { dropIn: 'unknown', exclusive: [], paths: [], others: [], problem: item };
  }
}

/** The accounts that can log in, in the order of passwd(5). */
export function loginAccounts(passwd: readonly PasswdEntry[], managed: readonly string[]): readonly string[] {
  const nobody = 65534;
  return [...new Set(passwd.filter(({ name, uid }) => uid === 0 || (uid >= 1000 && uid !== nobody) || managed.includes(name)).map(({ name }) => name))];
}

/** Keys in the own files of accounts, as `paths` of sshd name them. Errors: POLICY_DENIED, POLICY_UNUSABLE, HELPER_UNREACHABLE. */
export async function observeOwn(helper: Helper, operationId: string, names: readonly string[], paths: readonly string[]): Promise<OwnKeys> {
  const patterns = paths.filter((path) => path !== 'none' && !path.startsWith(`${keyFolder}/`)).join('\n');
  const replies: ObserveKeyReply[] = [];
  for (const name of patterns === '' ? [] : names.slice(0, mostAccounts)) replies.push(await observeAccount(helper, operationId, { name, patterns }));
  return {
    keys: replies.flatMap((reply) => reply.line.map(parseLine)),
    unread: replies.flatMap((reply) => reply.file.filter((file) => file.problem !== '').map(({ user, path, problem }) => ({ user, path, reason: problem }))),
    truncated: names.length > mostAccounts || replies.some((reply) => reply.truncated),
  };
}

/** One account; one that went meanwhile, or that is not to be looked at, has no keys and says why. */
async function observeAccount(helper: Helper, operationId: string, of: { name: string; patterns: string }): Promise<ObserveKeyReply> {
  try {
    return await helper.call('observe.key', operationId, { scope: 'own', ...of });
  } catch (error) {
    if (!(error instanceof ReeveError) || /^(?:POLICY_|HELPER_|BUSY)/.test(error.code)) throw error;
    const problem = error.fields['rule'] ?? error.fields['reason'] ?? error.code;
    return { file: [{ user: of.name, path: '', problem, sha256: Buffer.alloc(0), marked: false }], line: [], truncated: false };
  }
}

/** Open logins. Errors: POLICY_DENIED, POLICY_UNUSABLE, HELPER_UNREACHABLE. */
export async function observeSessions(helper: Helper, operationId: string): Promise<readonly Session[]> {
  const { session } = await helper.call('observe.session', operationId, {});
  return session.map(({ fingerprint, ...rest }) => ({ ...rest, fingerprint: Buffer.from(fingerprint).toString('hex') }));
}

/** The change of sshd that waits to be confirmed. Errors: HELPER_UNREACHABLE. */
export async function observePending(helper: Helper, operationId: string): Promise<Pending | undefined> {
  const { change } = await helper.call('pending.get', operationId, {});
  const found = change.find(({ noun, state }) => noun === 'key' && state === 'pending');
  return found === undefined ? undefined : { operationId: formatUuid(found), deadlineMs: found.deadlineMs };
}

function formatUuid({ operation }: PendingGetReply['change'][number]): string {
  const hex = Buffer.from(operation).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
