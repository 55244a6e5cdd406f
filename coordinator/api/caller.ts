import { reeveError } from '../../shared/errors/error.js';
import type { Label } from '../../shared/model/label.js';
import { roles, type Role } from '../../shared/model/role.js';
import type { Caller } from '../../shared/rpc/server.js';
import type { Database } from '../inventory/database.js';
import { getOperator } from '../inventory/operator.js';
import type { LocalPeer } from './peer.js';

/** The session of the status page that a call carries. */
export interface WebSession {
  /** sha256 of its token. */
  readonly hash: Buffer;
  /** Unix ms. */
  readonly endsAtMs: number;
  /** What its forms carry, base64url. */
  readonly formToken: string;
}

/** An operator at the API. */
export interface OperatorCaller extends Caller {
  /** web: the process of the status page itself; person: somebody with a session of it who is no operator. */
  readonly role: Role | 'web' | 'person';
  /** Name of the local account, or of the operator on another machine. */
  readonly account: string;
  /** Limited to hosts with one of these labels; undefined: the whole fleet. */
  readonly scope: readonly Label[] | undefined;
  /** Public key of the certificate (SubjectPublicKeyInfo, DER); undefined for a local account. */
  readonly publicKey?: Buffer;
  /** The session of the status page through which the call comes. */
  readonly session?: WebSession;
}

/** The group whose members have a role without being named one by one. */
export function roleGroup(role: Role): string {
  return `reeve-${role}`;
}

/**
 * What a local account may do now: root is an admin, and so is the account that the coordinator itself runs under (the database is its own); a named
 * operator has its role; a member of reeve-admin, reeve-operator or reeve-viewer has the strongest of those. Asked on every call, so that disabling takes effect on the next one. Errors: OPERATOR_UNKNOWN, OPERATOR_DISABLED.
 */
export function operatorOf(db: Database | undefined, peer: LocalPeer): OperatorCaller {
  const account = peer.user === '' ? String(peer.uid) : peer.user;
  const name = `uid:${account}`;
  if (peer.uid === 0 || peer.uid === process.getuid?.()) return { name, account, role: 'admin', scope: undefined };
  const named = db === undefined ? undefined : getOperator(db, account);
  if (named?.disabled === true) throw reeveError('OPERATOR_DISABLED', { value: account });
  const role = named?.role ?? [...roles].reverse().find((candidate) => peer.groups.includes(roleGroup(candidate)));
  if (role === undefined) throw reeveError('OPERATOR_UNKNOWN', { value: account });
  return { name, account, role, scope: named?.scope };
}
