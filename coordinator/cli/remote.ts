import { X509Certificate } from 'node:crypto';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { random } from '../../shared/kit/random.js';
import { formatEndpoint, type Endpoint } from '../../shared/model/host.js';
import { formatIdentity } from '../../shared/model/identity.js';
import type { JoinToken } from '../../shared/model/join-token.js';
import type { RenewLoginResponse } from '../../shared/gen/proto/reeve/coordinator/v1/RenewLoginResponse.js';
import { movedPlaces, parseMovedRecord, type MovedRecord } from '../../shared/model/record.js';
import { openRecord, type SignedRecord } from '../../shared/rpc/signed.js';
import { openChannel, targetOf, type Channel } from '../../shared/rpc/client.js';
import { loadKey, makeKey, proofBytes, signProof } from '../../shared/rpc/key.js';
import { inOrder } from '../../shared/rpc/order.js';
import { proveCoordinator } from '../../shared/rpc/prove.js';
import { fromTimestamp } from '../../shared/rpc/time.js';
import { certificateProblem, clientCredentials } from '../../shared/rpc/tls.js';
import { apiOf, maxAnswerBytes, type Api } from './connect.js';
import type { Profile, ProfileStore } from './profile.js';
import { enrolService, loginService, operatorService } from './service.js';

/** Longest waits, ms: for the answer to a login, for one of several addresses to answer, and for a renewal beside a command. */
const wait = { loginMs: 30_000, addressMs: 5_000, quietMs: 5_000 };

/** What a connection to a coordinator elsewhere needs. */
export interface RemoteOptions {
  readonly store: ProfileStore;
  readonly signal: AbortSignal;
  /** Unix ms. */
  readonly now: () => number;
}

/**
 * The API of a coordinator elsewhere, by the stored login: the first of its addresses that answers. The server is known by the stored control root. Errors:
 * LOGIN_ENDED before anything is sent, COORDINATOR_UNREACHABLE, what the coordinator answers.
 */
export async function connectRemote(profile: Profile, options: RemoteOptions): Promise<Api> {
  const ends = Date.parse(new X509Certificate(profile.certificate).validTo);
  if (ends <= options.now()) throw reeveError('LOGIN_ENDED', { value: profile.name, when: new Date(ends).toISOString() });
  const { channel, where } = await inOrder(profile.operatorsApi, async (endpoint) => {
    const opened = openTo(profile, endpoint, options);
    // One address is tried by the command's own call; of several, the first that answers is taken.
    if (profile.operatorsApi.length > 1) await answering(opened, options.signal);
    return { channel: opened, where: formatEndpoint(endpoint) };
  });
  const settle = async (): Promise<void> => {
    if (!isDue(profile, ends, options.now())) return;
    try {
      await renewOver(channel, profile, options.store, { deadlineMs: wait.quietMs, now: options.now });
    } catch {
      // The login is good for half its life yet, and the next command tries again.
    }
  };
  return { ...apiOf(channel, options.signal), where, certificateEnds: ends, settle };
}

async function answering(channel: Channel, signal: AbortSignal): Promise<void> {
  try {
    await channel.unary(operatorService, 'WhoAmI', {}, { deadlineMs: wait.addressMs, signal });
  } catch (error) {
    channel.close();
    throw error;
  }
}

/** Logs in with a token. Nothing is sent before the coordinator was proved by the token's pin. Errors: COORDINATOR_UNREACHABLE, IDENTITY_REFUSED, LOGIN_REFUSED. */
export async function logIn(token: JoinToken, options: RemoteOptions): Promise<Profile> {
  const { endpoint, proved } = await inOrder(token.endpoints.map(formatEndpoint), async (at) => ({ endpoint: at, proved: await proveCoordinator(at, token.pin, options.now()) }));
  const key = makeKey();
  const channel = openTo({ ...proved, key: '', certificate: '' }, endpoint, options);
  try {
    await channel.ready(wait.loginMs);
    const request = { publicKey: key.publicKey, signature: signProof(key.key, proofBytes('reeve-login-v1', token.token, key.publicKey)), token: Buffer.from(token.token) };
    const answer = await channel.unary(enrolService, 'EnrolOperator', request, { deadlineMs: wait.loginMs, signal: options.signal }).catch((error: unknown) => { throw lostAnswer(error); });
    failpoint('cli.login.answered');
    if (answer.fleetId !== proved.fleetId) throw reeveError('IDENTITY_REFUSED', { reason: 'the answer is of another fleet' });
    const { name, certificate, operatorsApi } = answer;
    // Not what the answer says: the root that was proved.
    return keep(options.store, { fleetId: proved.fleetId, name, key: key.pem, certificate, issuedAtMs: fromTimestamp(answer.time) ?? options.now(), controlRoot: proved.controlRoot, operatorsApi, movedVersion: 0 }, key.publicKey, options.now());
  } finally {
    channel.close();
  }
}

/** Whoever logs in must know that a lost answer may mean a spent token. */
function lostAnswer(error: unknown): unknown {
  if (!(error instanceof ReeveError) || error.code !== 'COORDINATOR_UNREACHABLE') return error;
  const reason = `${error.fields['reason'] ?? ''}; the token was sent and may be spent, so an admin runs "reeve operator invite" again`;
  return reeveError('COORDINATOR_UNREACHABLE', { ...error.fields, reason }, { cause: error });
}

/** A new certificate for a new key, over the one that is still good. Errors: LOGIN_ENDED, COORDINATOR_UNREACHABLE, IDENTITY_REFUSED. */
export async function renewLogin(profile: Profile, options: RemoteOptions): Promise<Profile> {
  const ends = Date.parse(new X509Certificate(profile.certificate).validTo);
  if (ends <= options.now()) throw reeveError('LOGIN_ENDED', { value: profile.name, when: new Date(ends).toISOString() });
  return inOrder(profile.operatorsApi, async (endpoint) => {
    const channel = openTo(profile, endpoint, options);
    try {
      return await renewOver(channel, profile, options.store, { deadlineMs: wait.loginMs, now: options.now });
    } finally {
      channel.close();
    }
  });
}

async function renewOver(channel: Channel, profile: Profile, store: ProfileStore, options: { deadlineMs: number; now: () => number }): Promise<Profile> {
  const key = makeKey();
  const signature = signProof(key.key, proofBytes('reeve-login-renew-v1', loadKey(profile.key).publicKey, key.publicKey));
  const answer = await channel.unary(loginService, 'RenewLogin', { publicKey: key.publicKey, signature }, { deadlineMs: options.deadlineMs });
  failpoint('cli.login.answered');
  const places = placesOf(profile, answer);
  return keep(store, { ...profile, key: key.pem, certificate: answer.certificate, issuedAtMs: fromTimestamp(answer.time) ?? options.now(), ...places }, key.publicKey, options.now());
}

/** Checks what the coordinator answered, and stores it: certificate, key, root and name belong together. Errors: IDENTITY_REFUSED. */
function keep(store: ProfileStore, profile: Profile, publicKey: Buffer, now: number): Profile {
  const refused = (reason: string): ReeveError => reeveError('IDENTITY_REFUSED', { reason });
  const certificate = new X509Certificate(profile.certificate);
  const root = new X509Certificate(profile.controlRoot);
  if (!certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(publicKey)) throw refused('the answer is for another key');
  if (!certificate.checkIssued(root) || !certificate.verify(root.publicKey)) throw refused('the control root has not signed the answer');
  const problem = certificateProblem(certificate, { uri: formatIdentity({ kind: 'operator', fleetId: profile.fleetId, name: profile.name }), usage: 'client', now });
  if (problem !== undefined) throw refused(`of the answer: ${problem}`);
  store.save(profile);
  failpoint('cli.login.stored');
  return profile;
}

/** Where the coordinator is after a renewal: an answer of one that has not moved as far as the login knows changes nothing. */
function placesOf(profile: Profile, answer: Pick<RenewLoginResponse, 'operatorsApi' | 'moved'>): Pick<Profile, 'operatorsApi' | 'movedVersion'> {
  const moved = answer.moved === null ? undefined : openMoved(profile, answer.moved);
  const { operatorsApi, movedVersion } = profile;
  if ((moved?.version ?? 0) < movedVersion || answer.operatorsApi.length === 0) return { operatorsApi, movedVersion };
  return { operatorsApi: moved === undefined ? answer.operatorsApi : movedPlaces(moved).operatorsApi, movedVersion: moved?.version ?? 0 };
}

function openMoved(profile: Profile, record: SignedRecord): MovedRecord {
  const moved = parseMovedRecord(openRecord('moved', record, profile.controlRoot));
  if (moved.fleet !== profile.fleetId) throw reeveError('RECORD_REFUSED', { reason: 'it is of another fleet' });
  return moved;
}

/** Takes in a moved record; the login as it is then. Errors: RECORD_REFUSED. */
export function takeMoved(profile: Profile, record: SignedRecord, store: ProfileStore): Profile {
  const moved = openMoved(profile, record);
  if (moved.version <= profile.movedVersion) return profile;
  const next = { ...profile, operatorsApi: movedPlaces(moved).operatorsApi, movedVersion: moved.version };
  store.save(next);
  return next;
}

/** Whether a login is past half its life, earlier or later by up to a twentieth. */
function isDue(profile: Profile, endsMs: number, now: number): boolean {
  return now > profile.issuedAtMs + (endsMs - profile.issuedAtMs) * (0.45 + 0.1 * random());
}

function openTo(profile: Pick<Profile, 'fleetId' | 'key' | 'certificate' | 'controlRoot'>, endpoint: Endpoint, options: Pick<RemoteOptions, 'now' | 'signal'>): Channel {
  const uri = formatIdentity({ kind: 'coordinator', fleetId: profile.fleetId });
  return openChannel({
    target: targetOf(endpoint),
    credentials: clientCredentials({ key: profile.key, certificate: profile.certificate, trust: profile.controlRoot }, (certificate) => {
      const problem = certificateProblem(certificate, { uri, usage: 'server', now: options.now() });
      return problem === undefined ? undefined : new Error(`certificate refused: ${problem}`);
    }),
    unreachable: (reason) => (options.signal.aborted ? reeveError('CANCELLED') : reeveError('COORDINATOR_UNREACHABLE', { value: formatEndpoint(endpoint), reason })),
    options: { 'grpc.max_receive_message_length': maxAnswerBytes },
  });
}
