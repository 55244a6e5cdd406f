import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Metadata } from '@grpc/grpc-js';
import { reeveError } from '../../shared/errors/error.js';
import { sha256 } from '../../shared/kit/digest.js';
import { fieldInvalid } from '../../shared/model/field.js';
import type { Role } from '../../shared/model/role.js';
import { parseSessionToken, sessionLife } from '../../shared/model/web-login.js';
import type { Database } from '../inventory/database.js';
import { getOperator } from '../inventory/operator.js';
import { getPerson, isActive } from '../inventory/person.js';
import { getWebSession, removeWebSession, removeWebSessionsOf, touchWebSession } from '../inventory/web-login.js';
import { noting } from '../inventory/write.js';
import type { Office } from '../office.js';
import type { OperatorCaller, WebSession } from './caller.js';

/** Account of the process that serves the status page. */
export const webAccount = 'reeve-web';

/** The metadata of a call in which its session is, and by which the page says that nobody did anything: such a call does not keep a session alive. */
export const sessionMetadata = { token: 'reeve-session', quiet: 'reeve-quiet' } as const;

/** How often it is written that a session is used, ms. */
const touchMs = 60_000;

/** What somebody with a login is now. */
export interface Standing {
  /** Role of the operator of that name; undefined: there is none. */
  readonly role: Role | undefined;
  readonly scope: OperatorCaller['scope'];
  /** Whether there is an active person of that name. */
  readonly person: boolean;
}

/** What the person or operator of a name is now; undefined: nobody, or one of them is kept out. */
export function standingOf(db: Database, name: string, now: number): Standing | undefined {
  const operator = getOperator(db, name);
  const person = getPerson(db, name);
  if (operator === undefined && person === undefined) return undefined;
  if (operator?.disabled === true) return undefined;
  if (person !== undefined && !isActive(person, now)) return undefined;
  return { role: operator?.role, scope: operator?.scope, person: person !== undefined };
}

/** The token that a call carries; undefined: none. */
export function sessionTokenOf(metadata: Metadata | undefined): string | undefined {
  const value = metadata?.get(sessionMetadata.token)[0];
  return value === undefined ? undefined : String(value);
}

/**
 * Who calls through the process of the status page: with a session somebody with a login, with no more than the rights of a viewer; without one that process itself, which may open
 * sessions. Asked on every call, so that a session ends with what it rests on. Errors: WEB_SESSION_ENDED.
 */
export function webCallerOf(office: Office | undefined, metadata: Metadata | undefined): OperatorCaller {
  const token = sessionTokenOf(metadata);
  if (token === undefined) return { name: `uid:${webAccount}`, account: webAccount, role: 'web', scope: undefined };
  const known = parseSessionToken(token);
  if (office === undefined || known === undefined) throw reeveError('WEB_SESSION_ENDED', { reason: 'it is not known' });
  const { db, clock, log } = office;
  const now = clock.now();
  const bytes = Buffer.from(known, 'base64url');
  const hash = sha256(bytes);
  const session = getWebSession(db, hash);
  if (session === undefined) throw reeveError('WEB_SESSION_ENDED', { reason: 'it is not known' });
  if (now >= session.endsAtMs || now - session.usedAtMs >= sessionLife.idleMs) {
    noting(db, log, () => removeWebSession(db, hash));
    throw reeveError('WEB_SESSION_ENDED', { reason: 'it has ended' });
  }
  const standing = standingOf(db, session.login, now);
  if (standing === undefined) {
    noting(db, log, () => removeWebSessionsOf(db, session.login));
    throw reeveError('WEB_SESSION_ENDED', { reason: 'its login is not good any more' });
  }
  if (metadata?.get(sessionMetadata.quiet).length === 0 && now - session.usedAtMs >= touchMs) noting(db, log, () => touchWebSession(db, hash, now));
  const formToken = createHmac('sha256', bytes).update('reeve-web-form-v1').digest('base64url');
  return {
    name: `web:${session.login}`,
    account: session.login,
    role: standing.role === undefined ? 'person' : 'viewer',
    scope: standing.scope,
    session: { hash, endsAtMs: session.endsAtMs, formToken },
  };
}

/** Refuses a session that is shown at a door where there are none. Errors: IDENTITY_REFUSED. */
export function refuseSession(metadata: Metadata | undefined): void {
  if (sessionTokenOf(metadata) !== undefined) throw reeveError('IDENTITY_REFUSED', { reason: 'only the status page has sessions' });
}

/** The session of a caller. Errors: WEB_SESSION_ENDED: it calls without one. */
export function sessionOf(caller: OperatorCaller): WebSession {
  if (caller.session === undefined) throw reeveError('WEB_SESSION_ENDED', { reason: 'the call has none' });
  return caller.session;
}

/** Refuses a form that is not one of the session's own. Errors: FIELD_INVALID. */
export function requireFormToken(session: WebSession, text: string): void {
  const wanted = Buffer.from(session.formToken);
  const given = Buffer.from(text.slice(0, 64));
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw fieldInvalid('token of the form', 'it', 'the one of this session');
}
