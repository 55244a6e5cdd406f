import { randomBytes } from 'node:crypto';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { OpenSessionRequest } from '../../shared/gen/proto/reeve/coordinator/v1/OpenSessionRequest.js';
import type { OpenSessionResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/OpenSessionResponse.js';
import type { SetWebLoginRequest } from '../../shared/gen/proto/reeve/coordinator/v1/SetWebLoginRequest.js';
import type { SetWebLoginResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/SetWebLoginResponse.js';
import type { WebLoginInput } from '../../shared/gen/proto/reeve/coordinator/v1/WebLogin.js';
import { sha256 } from '../../shared/kit/digest.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { isWebPassword, parseWebAddress, parseWebCode, parseWebLoginName, parseWebPassword, sessionLife } from '../../shared/model/web-login.js';
import { createRateLimiter, type RateLimiter } from '../../shared/rpc/rate.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { addAudit } from '../inventory/audit.js';
import { getOperator } from '../inventory/operator.js';
import { getPerson, isActive } from '../inventory/person.js';
import { addWebSession, getWebLogin, listWebLogins, noteWebLogin, removeWebLogin, removeWebSession, setWebLogin, type WebLoginRow } from '../inventory/web-login.js';
import { noting, writing } from '../inventory/write.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { audited } from './operator.js';
import { createPasswords, stepOfCode, totpUri, type Passwords } from './web-password.js';
import { sessionOf, standingOf } from './web-session.js';

/** Most open sessions of one login; a newer one ends the one that was used longest ago. */
const mostSessions = 16;

/** Tries: of one name from one address, and of one name from everywhere. */
const tries = { here: { perSecond: 5 / 60, burst: 5 }, everywhere: { perSecond: 20 / 60, burst: 20 } } as const;

/** Refusals that are written to the audit: who guesses must not fill the disk. */
const recordRate = { perSecond: 1, burst: 50 } as const;

/** What logins are made and checked with. */
export interface WebLoginTools {
  readonly passwords: Passwords;
  readonly limiter: RateLimiter;
}

/** New tools; their limits begin anew. */
export function createWebLoginTools(): WebLoginTools {
  return { passwords: createPasswords(), limiter: createRateLimiter() };
}

/** A try to log in, as it was read. */
interface Try {
  readonly name: string;
  readonly password: string;
  readonly code: string;
  readonly address: string;
}

/** Opens a session for who has the password. Whatever is wrong of it, the answer is the same. Errors: LOGIN_REFUSED, RATE_LIMITED, BUSY, FIELD_INVALID. */
export async function openSession(office: Office, tools: WebLoginTools, request: OpenSessionRequest): Promise<OpenSessionResponseInput> {
  const { db, clock } = office;
  const asked: Try = { ...request, name: nameOf(request.name), address: parseWebAddress(request.address) };
  const monotonic = clock.monotonic();
  const free = tools.limiter.take(`${asked.address} ${asked.name}`, tries.here, monotonic) && tools.limiter.take(asked.name, tries.everywhere, monotonic);
  if (!free) throw refused(office, tools, asked, reeveError('RATE_LIMITED', { value: 'logins', rule: '5 tries a minute' }));
  const before = getWebLogin(db, asked.name);
  const right = isWebPassword(asked.password) && (await tools.passwords.matches(asked.password, before?.password));
  // It may have been set anew while the password was looked at.
  const login = getWebLogin(db, asked.name);
  const now = clock.now();
  const step = right && login !== undefined && before?.setAtMs === login.setAtMs && standingOf(db, login.name, now) !== undefined ? stepFor(login, asked.code, now) : undefined;
  if (step === undefined) throw refused(office, tools, asked, reeveError('LOGIN_REFUSED'));
  const token = randomBytes(32);
  const endsAtMs = now + sessionLife.longestMs;
  writing(db, () => {
    addAudit(db, { timeMs: now, principal: `web:${asked.name}`, action: 'web login', arguments: `from ${asked.address}`, phase: 'ok', operationId: '', code: '' });
    noteWebLogin(db, asked.name, { now, totpStep: step });
    addWebSession(db, { hash: sha256(token), login: asked.name, madeAtMs: now, usedAtMs: now, endsAtMs }, mostSessions);
  });
  return { token: token.toString('base64url'), endsAt: toTimestamp(endsAtMs) };
}

/** What cannot be a name is nobody's. */
function nameOf(text: string): string {
  try {
    return parseWebLoginName(text);
  } catch {
    return '?';
  }
}

/** The step of the code that is asked for, 0 where none is; undefined: it is wrong, or was used before (RFC 6238 5.2). */
function stepFor(login: WebLoginRow, text: string, now: number): number | undefined {
  if (login.totpSecret === undefined) return 0;
  const code = parseWebCode(text);
  const step = code === undefined ? undefined : stepOfCode(login.totpSecret, code, now);
  return step !== undefined && step > login.totpStep ? step : undefined;
}

/** Tells the audit of a refused try. */
function refused({ db, clock, log }: Office, tools: WebLoginTools, asked: Try, error: ReeveError): ReeveError {
  if (tools.limiter.take('refusals', recordRate, clock.monotonic())) {
    const entry = { timeMs: clock.now(), principal: `web:${asked.name}`, action: 'web login', arguments: `from ${asked.address}`, phase: 'refused', operationId: '', code: error.code } as const;
    noting(db, log, () => addAudit(db, entry));
  }
  return error;
}

/** Ends the session of a call. Errors: AUDIT_UNWRITABLE: it goes on. */
export function closeSession({ db, clock }: Office, caller: OperatorCaller): void {
  const { hash } = sessionOf(caller);
  writing(db, () => {
    addAudit(db, { timeMs: clock.now(), principal: caller.name, action: 'web logout', arguments: '', phase: 'ok', operationId: '', code: '' });
    removeWebSession(db, hash);
  });
}

/** Length of a second factor's secret, bytes (RFC 4226 4). */
const totpBytes = 20;

/** Sets a login, and makes what is not given. Errors: FIELD_INVALID, FIELD_MISSING. */
export async function setLogin(office: Office, tools: WebLoginTools, caller: OperatorCaller, request: SetWebLoginRequest): Promise<SetWebLoginResponseInput> {
  const { db, clock } = office;
  const name = parseWebLoginName(request.name);
  const made = request.password === '' ? randomBytes(15).toString('base64url') : undefined;
  const hash = await tools.passwords.hash(made ?? parseWebPassword(request.password));
  const totpSecret = request.totp ? randomBytes(totpBytes) : undefined;
  audited(office, caller, `web login set ${name}`, JSON.stringify({ made: made !== undefined, totp: request.totp }), () => {
    if (getOperator(db, name) === undefined && getPerson(db, name) === undefined) throw fieldInvalid('name of a login', name, 'the name of a person or of an operator of this coordinator');
    setWebLogin(db, { name, password: hash, totpSecret, setAtMs: clock.now() });
  });
  return { password: made ?? '', totpUri: totpSecret === undefined ? '' : totpUri(totpSecret, name) };
}

/** Takes a login away. Errors: WEB_LOGIN_UNKNOWN, FIELD_*. */
export function removeLogin(office: Office, caller: OperatorCaller, text: string): void {
  const name = parseWebLoginName(text);
  audited(office, caller, `web login remove ${name}`, '', () => {
    if (!removeWebLogin(office.db, name)) throw reeveError('WEB_LOGIN_UNKNOWN', { value: name });
  });
}

/** The logins; to a caller with a scope only its own. */
export function listLogins({ db, clock }: Office, caller: OperatorCaller): WebLoginInput[] {
  const now = clock.now();
  const visible = listWebLogins(db, now, sessionLife.idleMs).filter(({ name }) => caller.scope === undefined || name === caller.account);
  return visible.map(({ name, totpSecret, setAtMs, lastAtMs, sessions }) => {
    const person = getPerson(db, name);
    return {
      name, sessions,
      role: getOperator(db, name)?.role ?? '',
      person: person !== undefined && isActive(person, now),
      totp: totpSecret !== undefined,
      setAt: toTimestamp(setAtMs),
      lastAt: lastAtMs === undefined ? null : toTimestamp(lastAtMs),
    };
  });
}
