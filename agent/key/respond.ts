import type { SyncAuthorizedKeysResponseInput } from '../../shared/gen/proto/reeve/agent/v1/SyncAuthorizedKeysResponse.js';
import type { KeyOptionsInput } from '../../shared/gen/proto/reeve/type/v1/KeyOptions.js';
import type { ObservedKeyInput } from '../../shared/gen/proto/reeve/type/v1/ObservedKey.js';
import type { SessionInput } from '../../shared/gen/proto/reeve/type/v1/Session.js';
import type { KeyFile } from '../../shared/model/key-file.js';
import { blobOf, type KeyLine, type PublicKey } from '../../shared/model/key.js';
import { formatWireOptions } from '../../shared/model/manifest.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import type { ObservedKeys, OwnKey, Session } from './observe.js';

const wireKey = (key: PublicKey | undefined): { type: string; blob: Uint8Array } | null => (key === undefined ? null : { type: key.type, blob: blobOf(key) });
const wireOptions = (line: Pick<KeyLine, 'options'>): KeyOptionsInput | null => formatWireOptions(line.options);

/** A key of a user's own file, as the wire has it. */
export function formatOwnKey(own: OwnKey): ObservedKeyInput {
  return { user: own.user, origin: own.path, line: own.line, key: wireKey(own.key), comment: own.comment.slice(0, 256), options: wireOptions(own), problem: own.problem.slice(0, 256) };
}

/** The lines of a managed file, as the wire has them. `lines` have their own expiries. */
export function formatManagedFile(file: KeyFile, lines: readonly KeyLine[]): readonly ObservedKeyInput[] {
  const bad = file.problems.map(({ line, problem }) => ({ user: file.user, origin: 'managed', line, key: null, comment: '', options: null, problem: problem.slice(0, 256) }));
  return [...lines.map((line, index) => ({ user: file.user, origin: 'managed', line: index + 2, key: wireKey(line.key), comment: line.comment, options: wireOptions(line), problem: '' })), ...bad];
}

/** A login, as the wire has it. */
export function formatSession(session: Session): SessionInput {
  return { user: session.user, pid: session.pid, from: session.from, since: toTimestamp(session.sinceMs), fingerprint: Buffer.from(session.fingerprint, 'hex') };
}

/** The files and the pending change, as a response has them. */
export function formatState({ files, pending }: ObservedKeys): Pick<SyncAuthorizedKeysResponseInput, 'files' | 'pending'> {
  return {
    files: files.filter((file) => file.marked).map(({ user, lines, sha256 }) => ({ user, lines: lines.length, sha256: Buffer.from(sha256) })),
    pending: pending === undefined ? null : { operationId: pending.operationId, noun: 'key', deadline: toTimestamp(pending.deadlineMs) },
  };
}
