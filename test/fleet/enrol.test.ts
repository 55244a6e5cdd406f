import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { credentials, Client, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readmit } from '../../agent/identity/enrol.js';
import type { AgentIdentity } from '../../agent/identity/identity.js';
import { loadKey, makeKey, proofBytes, signProof } from '../../shared/rpc/key.js';
import { renew } from '../../agent/identity/renew.js';
import { getHost, listHosts } from '../../coordinator/inventory/host.js';
import { getHostKey, promoteKey } from '../../coordinator/inventory/key.js';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { EnrolRequestInput } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolRequest.js';
import type { EnrolResponse } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolResponse.js';
import type { EnrolServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolService.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { IdentityServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/IdentityService.js';
import { parseJoinToken } from '../../shared/model/join-token.js';
import { openChannel, serviceName, type Channel } from '../../shared/rpc/client.js';
import { methodDefinition } from '../../shared/rpc/load.js';
import { keyFingerprint } from '../../shared/rpc/tls.js';
import { publicPart } from '../support/certificate-forge.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet, type TurnedClock } from '../support/loopback-fleet.js';
import { until } from '../support/until.js';

const enrolService = serviceName<EnrolServiceDefinition>('reeve.coordinator.v1.EnrolService');
const identityService = serviceName<IdentityServiceDefinition>('reeve.coordinator.v1.IdentityService');
const hostService = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const options = { deadlineMs: 10_000 };
const day = 86_400_000;

let fleet: LoopbackFleet;
let clock: TurnedClock;
const open: { close(): void }[] = [];

beforeEach(async () => {
  clock = createTurnedClock();
  fleet = await startLoopbackFleet({ clock });
});

afterEach(async () => {
  for (const channel of open.splice(0)) channel.close();
  await fleet.close();
  expect(fleet.bugs).toEqual([]);
});

/** Takes whatever certificate the coordinator shows, so that only the coordinator decides. */
const anyServer = (shown?: { key: string; certificate: string }) =>
  credentials.createFromSecureContext(createSecureContext(shown === undefined ? {} : { key: shown.key, cert: shown.certificate }), { rejectUnauthorized: false, checkServerIdentity: () => undefined });

function channel(port: number, shown?: { key: string; certificate: string }): Channel {
  const made = openChannel({ target: `ipv4:127.0.0.1:${String(port)}`, credentials: anyServer(shown), unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: 'it', reason }) });
  open.push(made);
  return made;
}

/** A request to join with a token's secret. */
function joinRequest(token: Uint8Array, key = makeKey()): EnrolRequestInput {
  return { publicKey: key.publicKey, signature: signProof(key.key, proofBytes('reeve-enrol-v1', token, key.publicKey)), token: Buffer.from(token), machineHint: Buffer.alloc(32, 1), agentVersion: 'test' };
}

const secretOf = (text: string): Uint8Array => parseJoinToken(text).token;
const codeOf = (error: unknown): string => (error instanceof ReeveError ? error.code : String(error));
const publicOf = (identity: AgentIdentity): Buffer => publicPart(createPrivateKey(identity.key));

/** Renews at the coordinator with an identity, by hand. */
function renewBy(identity: { key: string; certificate: string }, key = makeKey()): Promise<unknown> {
  const own = loadKey(identity.key).publicKey;
  return channel(fleet.agentsPort, identity).unary(identityService, 'Renew', { publicKey: key.publicKey, signature: signProof(key.key, proofBytes('reeve-renew-v1', own, key.publicKey)) }, options);
}

describe('a join token', () => {
  it('is good for exactly one of 50 joins at the same time', async () => {
    const { token, hostId } = await fleet.invite('web1');
    const channels = Array.from({ length: 10 }, () => channel(fleet.enrolmentPort));
    const requests = channels.flatMap((each) => Array.from({ length: 5 }, () => each));
    const tries = requests.map((each) => each.unary(enrolService, 'Enrol', joinRequest(secretOf(token)), options));
    const results = await Promise.allSettled(tries);
    const joined = results.filter((result) => result.status === 'fulfilled');
    expect(joined).toHaveLength(1);
    expect(results.filter((result) => result.status === 'rejected').map((result) => codeOf(result.reason))).toEqual(Array.from({ length: 49 }, () => 'JOIN_REFUSED'));
    const answer = joined[0]?.value as EnrolResponse;
    expect(answer.hostId).toBe(hostId);
    const issued = keyFingerprint(new X509Certificate(answer.certificate).publicKey);
    expect(fleet.office().db.prepare('SELECT fingerprint, state FROM host_key').all()).toEqual([{ fingerprint: issued, state: 'current' }]);
  });

  it('is refused in the same words whether it is unknown, used, too old, replaced, or of a host that is gone', async () => {
    const asked: { why: string; request: EnrolRequestInput }[] = [];
    const add = (why: string, request: EnrolRequestInput): void => void asked.push({ why, request });
    add('unknown', joinRequest(Buffer.alloc(32, 5)));
    add('empty', joinRequest(Buffer.alloc(0)));
    add('too long', joinRequest(Buffer.alloc(64, 5)));
    const used = secretOf((await fleet.invite('used')).token);
    await channel(fleet.enrolmentPort).unary(enrolService, 'Enrol', joinRequest(used), options);
    add('used', joinRequest(used));
    const replaced = secretOf((await fleet.invite('replaced')).token);
    await fleet.invite('replaced');
    add('replaced by a newer one', joinRequest(replaced));
    const gone = secretOf((await fleet.invite('gone')).token);
    await fleet.api.unary(hostService, 'RetireHost', { host: 'gone' }, options);
    add('of a retired host', joinRequest(gone));
    const unproven = secretOf((await fleet.invite('unproven')).token);
    add('with a key that is not proven', { ...joinRequest(unproven), signature: signProof(makeKey().key, Buffer.from('something else')) });
    add('with last keys of nobody', { ...joinRequest(Buffer.alloc(32)), token: undefined, lastPublicKey: makeKey().publicKey, lastSignature: Buffer.alloc(70) } as never);
    const old = secretOf((await fleet.invite('old')).token);
    add('too old', joinRequest(old));
    clock.turn(31 * 60_000);
    const shapes = new Map<string, string>();
    for (const { why, request } of asked) shapes.set(why, await shapeOf(request));
    expect(new Set(shapes.values()).size, JSON.stringify([...shapes])).toBe(1);
    expect([...shapes.values()][0]).toContain('JOIN_REFUSED');
  });

  /** Everything a caller can see of a refusal but the random correlation: status, text, trailers and their sizes. */
  function shapeOf(request: EnrolRequestInput): Promise<string> {
    const client = new Client(`ipv4:127.0.0.1:${String(fleet.enrolmentPort)}`, anyServer());
    open.push(client);
    const method = methodDefinition('reeve.coordinator.v1.EnrolService', 'Enrol');
    return new Promise((resolve) => {
      client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request, new Metadata(), { deadline: Date.now() + 10_000 }, (error: ServiceError | null) => {
        const trailers = Object.entries(error?.metadata.getMap() ?? {}).map(([name, value]) => `${name}:${Buffer.isBuffer(value) ? String(value.length) : 'text'}`);
        resolve(JSON.stringify([error?.code, error?.details, trailers.sort()]));
      });
    });
  }

  it('that was not used when its host is revoked is void', async () => {
    const agent = await fleet.addAgent('web1');
    const { token } = await fleet.invite('web1', { rejoin: true });
    await fleet.api.unary(hostService, 'RevokeHost', { host: 'web1' }, options);
    await expect(channel(fleet.enrolmentPort).unary(enrolService, 'Enrol', joinRequest(secretOf(token)), options)).rejects.toMatchObject({ code: 'JOIN_REFUSED' });
    expect(getHost(fleet.office().db, agent.hostId)?.state).toBe('revoked');
  });
});

describe('joining again', () => {
  it('needs an operator’s yes, and revokes the old key in the moment it happens', async () => {
    const agent = await fleet.addAgent('web1');
    await expect(fleet.invite('web1')).rejects.toMatchObject({ code: 'HOST_EXISTS' });
    const { token, hostId } = await fleet.invite('web1', { rejoin: true });
    expect(hostId).toBe(agent.hostId);
    await renewBy(agent.identity);
    await channel(fleet.enrolmentPort).unary(enrolService, 'Enrol', joinRequest(secretOf(token)), options);
    await expect(renewBy(agent.identity)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED' });
    await expect(readmit(agent.enrol, agent.identity)).rejects.toMatchObject({ code: 'JOIN_REFUSED' });
    await fleet.waitState(agent.hostId, 'lost');
  });

  it('under a retired id is not possible, in any way; the name is free and gets another id', async () => {
    const agent = await fleet.addAgent('web1');
    await fleet.api.unary(hostService, 'RetireHost', { host: 'web1' }, options);
    await expect(renewBy(agent.identity)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED' });
    await expect(readmit(agent.enrol, agent.identity)).rejects.toMatchObject({ code: 'JOIN_REFUSED' });
    await expect(fleet.invite(agent.hostId, { rejoin: true })).resolves.not.toMatchObject({ hostId: agent.hostId });
    const again = await fleet.invite('web1', { rejoin: true });
    expect(again.hostId).not.toBe(agent.hostId);
    expect(listHosts(fleet.office().db, { retired: true }).filter((host) => host.id === agent.hostId)).toMatchObject([{ state: 'retired' }]);
    const insert = fleet.office().db.prepare(`INSERT INTO host (id, name, state, invited_at_ms) VALUES (?, 'again', 'invited', 1)`);
    expect(() => insert.run(agent.hostId)).toThrow(/UNIQUE/);
  });
});

describe('renewing', () => {
  it('lets the old certificate work until the new one was used once, and not after', async () => {
    const agent = await fleet.addAgent('web1');
    const next = await renew(agent.enrol, agent.identity);
    expect(keyFingerprint(publicOf(next))).not.toBe(keyFingerprint(publicOf(agent.identity)));
    // The answer may have been lost: the old one is as good as ever, for the coordinator that dials and for the agent.
    fleet.office().fleet.refresh(agent.hostId);
    await until(() => agent.firstCalls() > 1, { timeoutMs: 10_000, what: 'the coordinator to dial the old certificate' });
    await fleet.waitState(agent.hostId, 'connected');
    const latest = await renew(agent.enrol, agent.identity);
    await expect(renewBy(next)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED' });
    await renewBy(latest);
    await expect(renewBy(agent.identity)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED' });
  });

  it('promotes the new certificate when the coordinator meets it', async () => {
    const agent = await fleet.addAgent('web1');
    const next = await renew(agent.enrol, agent.identity);
    agent.server.updateIdentity(next);
    const stateOf = (identity: AgentIdentity): string | undefined => getHostKey(fleet.office().db, keyFingerprint(publicOf(identity)))?.state;
    expect([stateOf(agent.identity), stateOf(next)]).toEqual(['current', 'staged']);
    await until(() => stateOf(next) === 'current', { timeoutMs: 15_000, what: 'the coordinator to dial the new certificate by itself' });
    expect(stateOf(agent.identity)).toBe('old');
    await expect(renewBy(agent.identity)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED' });
  });

  it('refuses a key that was used before, of this host or of another, and goes on', async () => {
    const [one, two] = [await fleet.addAgent('one'), await fleet.addAgent('two')];
    await expect(renewBy(one.identity, loadKey(one.identity.key)), 'its own').rejects.toMatchObject({ code: 'IDENTITY_REFUSED' });
    const next = makeKey();
    await renewBy(one.identity, next);
    await expect(renewBy(one.identity, next), 'the staged one').rejects.toMatchObject({ code: 'IDENTITY_REFUSED' });
    await expect(renewBy(one.identity, loadKey(two.identity.key)), 'another host’s').rejects.toMatchObject({ code: 'IDENTITY_REFUSED' });
    const { token } = await fleet.invite('three');
    const enrolment = channel(fleet.enrolmentPort);
    await expect(enrolment.unary(enrolService, 'Enrol', joinRequest(secretOf(token), loadKey(two.identity.key)), options)).rejects.toMatchObject({ code: 'JOIN_REFUSED' });
    await expect(readmitBy(one.identity, loadKey(one.identity.key))).rejects.toMatchObject({ code: 'JOIN_REFUSED' });
    await renewBy(two.identity);
    await enrolment.unary(enrolService, 'Enrol', joinRequest(secretOf(token)), options);
  });
});

/** Comes back with the last key, by hand: TLS is not asked about the coordinator's time. */
function readmitBy(identity: AgentIdentity, key = makeKey()): Promise<EnrolResponse> {
  const last = loadKey(identity.key);
  const proof = proofBytes('reeve-enrol-v1', last.publicKey, key.publicKey);
  const request = { publicKey: key.publicKey, signature: signProof(key.key, proof), lastPublicKey: last.publicKey, lastSignature: signProof(last.key, proof), machineHint: Buffer.alloc(32, 1), agentVersion: 'test' };
  return channel(fleet.enrolmentPort).unary(enrolService, 'Enrol', request, options);
}

describe('a host whose certificate expired', () => {
  /** A host that joined so long ago that its certificate expired `expired` ms before now, with a coordinator that lives now. */
  const absent = async (expired: number): Promise<LoopbackAgent['identity']> => {
    clock.turn(-(7 * day + expired));
    const { token } = await fleet.invite('web1');
    const key = makeKey();
    const answer = await channel(fleet.enrolmentPort).unary(enrolService, 'Enrol', joinRequest(secretOf(token), key), options);
    clock.turn(0);
    await fleet.restart();
    return { ...answer, key: key.pem, link: 'direct' };
  };

  it.each([
    { days: 0.01, code: 'comes back' },
    { days: 10, code: 'comes back' },
    { days: 29.9, code: 'comes back' },
    { days: 30.1, code: 'READMIT_NEEDS_OPERATOR' },
    { days: 40, code: 'READMIT_NEEDS_OPERATOR' },
    { days: 3000, code: 'READMIT_NEEDS_OPERATOR' },
  ])('$days days ago, and that proves its last key: $code', async ({ days, code }) => {
    const last = await absent(days * day);
    const answer = await readmitBy(last).catch((error: unknown) => codeOf(error));
    if (code === 'comes back') expect(answer).toMatchObject({ hostId: last.hostId });
    else expect(answer).toBe(code);
  });

  it('40 days ago comes back after an operator’s yes, within the hour that it holds, until its new key was used', async () => {
    const last = await absent(40 * day);
    await expect(readmitBy(last)).rejects.toMatchObject({ code: 'READMIT_NEEDS_OPERATOR' });
    expect(await fleet.api.unary(hostService, 'ReadmitHost', { selector: 'all' }, options)).toEqual({ hosts: ['web1'] });
    clock.turn(61 * 60_000);
    await expect(readmitBy(last)).rejects.toMatchObject({ code: 'READMIT_NEEDS_OPERATOR' });
    clock.turn(0);
    const answer = await readmitBy(last);
    expect(answer.hostId).toBe(last.hostId);
    const again = await readmitBy(last);
    expect(again.hostId, 'an answer that was lost locks nobody out').toBe(last.hostId);
    const { db } = fleet.office();
    const staged = db.prepare(`SELECT fingerprint FROM host_key WHERE host_id = ? AND state = 'staged'`).pluck().all(last.hostId) as string[];
    expect(staged, 'the newest answer alone is waited for').toHaveLength(1);
    const used = getHostKey(db, staged[0] ?? '');
    if (used !== undefined) promoteKey(db, used);
    await expect(readmitBy(last), 'the last key is the last no more').rejects.toMatchObject({ code: 'JOIN_REFUSED' });
  });

  it('does not come back when it was revoked, and not with the proof of another key', async () => {
    const last = await absent(10 * day);
    const mallory = makeKey();
    await expect(readmitBy({ ...last, key: mallory.pem })).rejects.toMatchObject({ code: 'JOIN_REFUSED' });
    const key = makeKey();
    const lastKey = loadKey(last.key);
    const stolen = { publicKey: key.publicKey, signature: signProof(key.key, proofBytes('reeve-enrol-v1', lastKey.publicKey, key.publicKey)), lastPublicKey: lastKey.publicKey };
    const forged = { ...stolen, lastSignature: signProof(key.key, proofBytes('reeve-enrol-v1', lastKey.publicKey, key.publicKey)) };
    await expect(channel(fleet.enrolmentPort).unary(enrolService, 'Enrol', forged, options)).rejects.toMatchObject({ code: 'JOIN_REFUSED' });
    await fleet.api.unary(hostService, 'RevokeHost', { host: 'web1' }, options);
    await expect(readmitBy(last)).rejects.toMatchObject({ code: 'JOIN_REFUSED' });
  });
});
