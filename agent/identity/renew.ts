import { X509Certificate } from 'node:crypto';
import type { IdentityServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/IdentityService.js';
import type { RenewResponse } from '../../shared/gen/proto/reeve/coordinator/v1/RenewResponse.js';
import { errorItems, formatMessage, ReeveError, reeveError } from '../../shared/errors/error.js';
import { backoffMs } from '../../shared/kit/backoff.js';
import type { Logger } from '../../shared/kit/log.js';
import { random } from '../../shared/kit/random.js';
import { formatEndpoint, type Endpoint } from '../../shared/model/host.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { parseLink } from '../../shared/model/link.js';
import { openChannel, serviceName, targetOf } from '../../shared/rpc/client.js';
import { loadKey, makeKey, proofBytes, signProof } from '../../shared/rpc/key.js';
import { inOrder } from '../../shared/rpc/order.js';
import { fromTimestamp } from '../../shared/rpc/time.js';
import { certificateProblem, clientCredentials } from '../../shared/rpc/tls.js';
import { deniedProblem, readmit, type EnrolOptions } from './enrol.js';
import type { AgentIdentity, Issued } from './identity.js';
import { placed } from './trust.js';
import type { RenewalState } from './renewal-file.js';
import { checkIdentity } from './verify.js';

const identityService = serviceName<IdentityServiceDefinition>('reeve.coordinator.v1.IdentityService');

/** Longest wait for an answer, ms. */
const renewMs = 30_000;

/** Waits between two tries: from a minute to five when it matters, longest an hour while the certificate is still good for long. */
const wait = { baseMs: 60_000, urgentMs: 5 * 60_000, maxMs: 3600_000 };

/** Waits before the next tries when the answer was lost: the coordinator has most likely given the certificate, and was restarted or cut off just then. */
const lostWait = { baseMs: 2_000, spreadMs: 3_000, times: 6 };

/** Longest time between two looks at the clock, which may be set at any time, ms. */
const timerMs = 24 * 3600_000;

/** What renewing needs. */
export interface RenewOptions extends EnrolOptions {
  readonly log: Logger;
  /** The identity in use is another from now on. */
  readonly onRenewed: (identity: AgentIdentity) => void;
  /** What became of a try; undefined, once at the start: none is due, so that an earlier failure is over. */
  readonly onTried: (state: RenewalState | undefined) => void;
}

/** Keeps the certificate good for as long as the agent runs. Close it. */
export interface Renewer {
  /** The coordinator used the identity that is in use now: older ones are not needed any more. */
  used(): void;
  close(): void;
}

/** A clock that has gone back by more than this since the certificate was issued was wrong then: when to renew is not known by it. */
const wentBackMs = 10 * 60_000;

/**
 * When to renew: at half of the certificate's life, earlier or later by up to a tenth of it, so that a fleet that was made in one minute does not renew
 * in one minute. Life is told by the coordinator's clock and waited for by the host's, which may differ by days; at once when the host's has gone back.
 * Unix ms; `jitter` is in [0, 1).
 */
export function renewalTime(certificate: { validFrom: number; validTo: number; issued: Issued | undefined }, now: number, jitter: number): number {
  const { coordinatorMs, hostMs } = certificate.issued ?? { coordinatorMs: certificate.validFrom, hostMs: certificate.validFrom };
  if (now < hostMs - wentBackMs) return now;
  return hostMs + (certificate.validTo - coordinatorMs) * (0.5 + 0.1 * (2 * jitter - 1));
}

/** Begins to watch the certificate. */
export function startRenewer(options: RenewOptions, identity: AgentIdentity): Renewer {
  const { store, log, now } = options;
  let current = identity;
  let swappedAt = -Infinity;
  let attempt = 0;
  let lost = 0;
  let renewing = false;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const schedule = (at: () => number): void => {
    if (closed) return;
    timer = setTimeout(() => (now() >= at() ? void attemptNow() : schedule(at)), Math.min(Math.max(at() - now(), 0), timerMs));
    timer.unref();
  };
  const scheduleRenewal = (): boolean => {
    const certificate = new X509Certificate(current.certificate);
    const dates = { validFrom: Date.parse(certificate.validFrom), validTo: Date.parse(certificate.validTo), issued: current.issued };
    const jitter = random();
    schedule(() => renewalTime(dates, now(), jitter));
    return renewalTime(dates, now(), jitter) <= now();
  };
  const attemptNow = async (): Promise<void> => {
    const left = Date.parse(new X509Certificate(current.certificate).validTo) - now();
    renewing = true;
    try {
      current = left > 0 ? await renew(options, current).catch((error: unknown) => comeBack(options, current, error)) : await readmit(options, current);
      swappedAt = now();
      attempt = 0;
      lost = 0;
      log.info({ readmitted: left <= 0 }, 'the certificate was renewed');
      options.onRenewed(current);
      options.onTried({ at: now(), code: '', message: '' });
      scheduleRenewal();
    } catch (error) {
      const item = errorItems(storageError(error), 'the log of the agent')[0] ?? { code: 'INTERNAL', fields: {} };
      if (error instanceof ReeveError) log.warn({ code: item.code, reason: formatMessage(item) }, 'the certificate could not be renewed; it is tried again');
      else log.error({ err: error }, 'the certificate could not be renewed; it is tried again');
      options.onTried({ at: now(), code: item.code, message: formatMessage(item) });
      if ((isLostAnswer(error) || (lost > 0 && item.code === 'COORDINATOR_UNREACHABLE')) && lost < lostWait.times) {
        lost += 1;
        const again = now() + lostWait.baseMs + lostWait.spreadMs * random();
        schedule(() => again);
        return;
      }
      const maxMs = left < 24 * 3600_000 ? wait.urgentMs : wait.maxMs;
      const delayMs = wait.baseMs / 2 + backoffMs(attempt, { baseMs: wait.baseMs, maxMs, random });
      attempt += 1;
      // A certificate that expires before the next try is not worth waiting for: readmission begins then.
      const again = now() + (left > 0 && left < delayMs ? left : delayMs);
      schedule(() => again);
    } finally {
      renewing = false;
    }
  };

  if (!scheduleRenewal()) options.onTried(undefined);
  return {
    used() {
      // A connection that was accepted before the swap may still make its first call for 15 s after it; a renewal under way has a key of its own there.
      if (!renewing && now() - swappedAt > 15_000) store.forgetOld();
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

const lostAnswers = new WeakSet<object>();

/** Whether the coordinator had been reached when the connection broke: a coordinator that was restarted, for example. */
function isLostAnswer(error: unknown): boolean {
  return typeof error === 'object' && error !== null && lostAnswers.has(error);
}

function markLost(error: unknown): unknown {
  if (error instanceof ReeveError && error.code === 'COORDINATOR_UNREACHABLE') lostAnswers.add(error);
  return error;
}

/** A disk that takes nothing is no mistake of Reeve. */
function storageError(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^(?:ENOSPC|EDQUOT|EROFS|EACCES|EIO)$/.test(code) ? reeveError('IO_FAILED', { host: 'this host', rule: `the new certificate could not be stored (${code})` }, { cause: error }) : error;
}

/** When the other side says that our certificate has expired, its clock is ahead of ours: readmission is the way then. */
async function comeBack(options: EnrolOptions, current: AgentIdentity, error: unknown): Promise<AgentIdentity> {
  if (error instanceof ReeveError && error.code === 'COORDINATOR_UNREACHABLE' && /expired/i.test(error.fields['reason'] ?? '')) return readmit(options, current);
  throw error;
}

/** A new certificate for a new key, over the certificate that is still good. Errors: COORDINATOR_UNREACHABLE, IDENTITY_REFUSED, FIELD_INVALID. */
export async function renew(options: EnrolOptions, current: AgentIdentity): Promise<AgentIdentity> {
  return inOrder(placed(current, options.trust).agentsApi, (endpoint) => renewAt(options, current, endpoint));
}

async function renewAt(options: EnrolOptions, current: AgentIdentity, endpoint: Endpoint): Promise<AgentIdentity> {
  const { store, now } = options;
  const uri = formatIdentity({ kind: 'coordinator', fleetId: current.fleetId });
  const old = loadKey(current.key);
  const key = makeKey();
  const place = store.stageKey(key.pem);
  let reached = false;
  const channel = openChannel({
    target: targetOf(endpoint),
    credentials: clientCredentials({ key: current.key, certificate: current.certificate, trust: current.controlRoot }, (certificate) => {
      const problem = certificateProblem(certificate, { uri, usage: 'server', now: now() }) ?? deniedProblem(options, certificate);
      reached = problem === undefined;
      return problem === undefined ? undefined : new Error(`certificate refused: ${problem}`);
    }),
    unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: formatEndpoint(endpoint), reason }),
  });
  try {
    const signature = signProof(key.key, proofBytes('reeve-renew-v1', old.publicKey, key.publicKey));
    const request = { publicKey: key.publicKey, signature, instanceId: options.instanceId ?? '', machineHint: options.machineHint };
    const answer = await channel.unary(identityService, 'Renew', request, { deadlineMs: renewMs }).catch((error: unknown) => { throw reached ? markLost(error) : error; });
    const next: AgentIdentity = {
      ...current,
      key: key.pem,
      certificate: answer.certificate,
      hostName: answer.hostName === '' ? current.hostName : answer.hostName.slice(0, 253),
      agentsApi: answer.agentsApi.length > 0 ? answer.agentsApi : current.agentsApi,
      enrolment: answer.enrolment.length > 0 ? answer.enrolment : current.enrolment,
      issued: { coordinatorMs: fromTimestamp(answer.time) ?? now(), hostMs: now() },
      link: parseLink(answer.link) ?? current.link,
    };
    checkIdentity(next, key.publicKey, now());
    store.adopt(place, next);
    takeRecords(options, answer);
    return next;
  } catch (error) {
    store.discard(place);
    throw error;
  } finally {
    channel.close();
  }
}

/** Takes in what the control root signed; the new certificate is good whatever becomes of it. */
function takeRecords(options: EnrolOptions, answer: Pick<RenewResponse, 'moved' | 'denyList'>): void {
  const { moved, denyList } = answer;
  if (moved !== null) options.trust?.takeMoved(moved);
  if (denyList !== null) options.trust?.takeDenyList(denyList);
}
