import type { X509Certificate } from 'node:crypto';
import type { EnrolRequestInput } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolRequest.js';
import type { EnrolResponse } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolResponse.js';
import type { EnrolServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolService.js';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { version } from '../../shared/kit/version.js';
import { formatEndpoint, type Endpoint } from '../../shared/model/host.js';
import { formatIdentity } from '../../shared/model/identity.js';
import type { JoinToken } from '../../shared/model/join-token.js';
import { parseLink } from '../../shared/model/link.js';
import { openChannel, serviceName, targetOf } from '../../shared/rpc/client.js';
import { loadKey, makeKey, proofBytes, signProof, type NewKey } from '../../shared/rpc/key.js';
import { inOrder } from '../../shared/rpc/order.js';
import { proveCoordinator } from '../../shared/rpc/prove.js';
import { fromTimestamp } from '../../shared/rpc/time.js';
import { certificateProblem, clientCredentials, keyFingerprint } from '../../shared/rpc/tls.js';
import type { AgentIdentity } from './identity.js';
import type { IdentityStore } from './store.js';
import { placed, type TrustState } from './trust.js';
import { checkIdentity } from './verify.js';

/** Longest wait for the answer, ms. */
const enrolMs = 30_000;

const enrolService = serviceName<EnrolServiceDefinition>('reeve.coordinator.v1.EnrolService');

/** What joining needs. */
export interface EnrolOptions {
  readonly store: IdentityStore;
  readonly machineHint: Buffer;
  /** Unix ms. */
  readonly now: () => number;
  /** Random name of the agent's process; absent: it is not a daemon that speaks. */
  readonly instanceId?: string;
  /** What the control root has told this host; absent before it has joined. */
  readonly trust?: TrustState;
}

/**
 * Joins a fleet with a token. Nothing is sent before the coordinator was proved by the token's pin. Errors: COORDINATOR_UNREACHABLE (nothing was sent,
 * or an answer that was lost, and then the message says so), IDENTITY_REFUSED, JOIN_REFUSED.
 */
export async function joinFleet(options: EnrolOptions, joinToken: JoinToken): Promise<AgentIdentity> {
  const { endpoint, proved } = await firstProved(joinToken, options.now());
  return enrol(options, endpoint, proved, (key) => {
    const proof = proofBytes('reeve-enrol-v1', joinToken.token, key.publicKey);
    return { publicKey: key.publicKey, signature: signProof(key.key, proof), token: Buffer.from(joinToken.token) };
  });
}

/**
 * Comes back with the last key after the certificate expired. The server is proved by the stored control root. Errors: COORDINATOR_UNREACHABLE,
 * JOIN_REFUSED, READMIT_NEEDS_OPERATOR.
 */
export async function readmit(options: EnrolOptions, last: AgentIdentity): Promise<AgentIdentity> {
  const lastKey = loadKey(last.key);
  return inOrder(placed(last, options.trust).enrolment, (endpoint) =>
    enrol(options, endpoint, { fleetId: last.fleetId, controlRoot: last.controlRoot }, (key) => {
      const proof = proofBytes('reeve-enrol-v1', lastKey.publicKey, key.publicKey);
      return {
        publicKey: key.publicKey, signature: signProof(key.key, proof), lastPublicKey: lastKey.publicKey, lastSignature: signProof(lastKey.key, proof),
      };
    }),
  );
}

async function firstProved(joinToken: JoinToken, now: number): Promise<{ endpoint: Endpoint; proved: { fleetId: string; controlRoot: string } }> {
  return inOrder(joinToken.endpoints.map(formatEndpoint), async (endpoint) => ({ endpoint, proved: await proveCoordinator(endpoint, joinToken.pin, now) }));
}

/** Whether a coordinator's key was denied: why it is refused, or undefined. */
export function deniedProblem(options: Pick<EnrolOptions, 'trust'>, certificate: X509Certificate): string | undefined {
  return options.trust?.denied().keys.has(keyFingerprint(certificate.publicKey)) === true ? 'its key was revoked' : undefined;
}

async function enrol(
  options: EnrolOptions,
  endpoint: Endpoint,
  proved: { fleetId: string; controlRoot: string },
  ask: (key: NewKey) => EnrolRequestInput,
): Promise<AgentIdentity> {
  const { store, now } = options;
  const uri = formatIdentity({ kind: 'coordinator', fleetId: proved.fleetId });
  const key = makeKey();
  const channel = openChannel({
    target: targetOf(endpoint),
    // Enrolment asks for no client certificate: there is none yet, or it has expired.
    credentials: clientCredentials({ key: '', certificate: '', trust: proved.controlRoot }, (certificate) => {
      const problem = certificateProblem(certificate, { uri, usage: 'server', now: now() }) ?? deniedProblem(options, certificate);
      return problem === undefined ? undefined : new Error(`certificate refused: ${problem}`);
    }),
    unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: formatEndpoint(endpoint), reason }),
  });
  let place: string | undefined;
  try {
    await channel.ready(enrolMs);
    place = store.stageKey(key.pem);
    const request = { ...ask(key), machineHint: options.machineHint, agentVersion: version };
    const answer = await channel.unary(enrolService, 'Enrol', request, { deadlineMs: enrolMs }).catch((error: unknown) => { throw lostAnswer(error, request); });
    failpoint('agent.enrol.sent');
    const identity = { ...identityOf(answer, key, proved, now()), ...(options.machineHint.length === 0 ? {} : { machineHint: options.machineHint.toString('hex') }) };
    checkIdentity(identity, key.publicKey, now());
    store.adopt(place, identity, { joined: request.token !== undefined });
    return identity;
  } catch (error) {
    if (place !== undefined) store.discard(place);
    throw error;
  } finally {
    channel.close();
  }
}

/** With a token, a lost answer may mean a spent token: whoever runs the join must know. */
function lostAnswer(error: unknown, request: EnrolRequestInput): unknown {
  if (!(error instanceof ReeveError) || error.code !== 'COORDINATOR_UNREACHABLE' || request.token === undefined) return error;
  const reason = `${error.fields['reason'] ?? ''}; the token was sent and may be spent, so an operator runs "reeve host invite" again`;
  return reeveError('COORDINATOR_UNREACHABLE', { ...error.fields, reason }, { cause: error });
}

function identityOf(answer: EnrolResponse, key: NewKey, proved: { fleetId: string; controlRoot: string }, now: number): AgentIdentity {
  if (answer.fleetId !== proved.fleetId) throw reeveError('IDENTITY_REFUSED', { reason: 'the answer is of another fleet' });
  return {
    fleetId: answer.fleetId,
    hostId: answer.hostId,
    hostName: answer.hostName,
    key: key.pem,
    certificate: answer.certificate,
    // Not what the answer says: the root that was proved.
    controlRoot: proved.controlRoot,
    agentsRoot: answer.agentsRoot,
    agentsApi: answer.agentsApi,
    enrolment: answer.enrolment,
    issued: { coordinatorMs: fromTimestamp(answer.time) ?? now, hostMs: now },
    link: parseLink(answer.link) ?? 'direct',
  };
}
