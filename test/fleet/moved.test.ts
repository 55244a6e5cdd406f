import { X509Certificate } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renew } from '../../agent/identity/renew.js';
import { openTrustState } from '../../agent/identity/trust.js';
import { signedRecords } from '../../coordinator/fleet/record.js';
import { denyOtherCoordinatorKeys, tidyCoordinatorKeys } from '../../coordinator/inventory/coordinator-key.js';
import { jumpCounters } from '../../coordinator/inventory/fleet.js';
import { formatRecord } from '../../shared/model/record.js';
import type { StatusServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/StatusService.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import { parseJoinToken } from '../../shared/model/join-token.js';
import { serviceName } from '../../shared/rpc/client.js';
import { parseMovedText } from '../../shared/rpc/signed.js';
import { keyFingerprint } from '../../shared/rpc/tls.js';
import { dial, refusal } from '../support/certificate-dial.js';
import { scratchFolder, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { remoteOperator } from '../support/operator-login.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';

const fleets = serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
const statuses = serviceName<StatusServiceDefinition>('reeve.agent.v1.StatusService');
const options = { deadlineMs: 20_000 };

let fleet: LoopbackFleet;
let agent: LoopbackAgent;

beforeAll(async () => {
  fleet = await startLoopbackFleet();
  agent = await fleet.addAgent('web1', { host: createSimulatedHost({ helperMs: 0 }) });
});

afterAll(async () => {
  await fleet.close();
  expect(fleet.bugs).toEqual([]);
});

const known = async (field: 'movedKnown' | 'denyListKnown'): Promise<void> => {
  await until(async () => (await fleet.api.unary(fleets, 'GetFleet', {}, options))[field] === 1, { timeoutMs: 60_000, everyMs: 100, what: `the host to know (${field})` });
};
const freshTrust = () => openTrustState(mkdtempSync(join(scratchFolder('trust'), 't-')), agent.identity, Date.now);

describe('a coordinator whose key may have been stolen', () => {
  it('gets a new one, and every host that is connected refuses the old ones within 60 s', async () => {
    const { key, certificate } = fleet.office().authority.coordinator();
    const thief = dial(agent.port, { key, certificate });
    await thief.unary(statuses, 'GetStatus', {}, options);
    const startedAt = performance.now();
    expect(await fleet.api.unary(fleets, 'RekeyFleet', {}, options)).toEqual({ denyListVersion: 1, denied: 1 });
    expect(fleet.office().authority.coordinator().certificate).not.toBe(certificate);
    await until(async () => (await refusal(thief.unary(statuses, 'GetStatus', {}, options))) === 'IDENTITY_REFUSED', { timeoutMs: 60_000, everyMs: 100, what: 'the open connection of the thief to be refused' });
    expect(performance.now() - startedAt).toBeLessThan(60_000);
    thief.close();
    const again = dial(agent.port, { key, certificate });
    expect(await refusal(again.unary(statuses, 'GetStatus', {}, options))).toBe('IDENTITY_REFUSED');
    again.close();
    await fleet.waitState(agent.hostId, 'connected');
    await known('denyListKnown');
    expect([...agent.server.trust.denied().keys]).toEqual([keyFingerprint(new X509Certificate(certificate).publicKey)]);
    await fleet.restart();
    await fleet.waitState(agent.hostId, 'connected');
    expect(await fleet.api.unary(fleets, 'GetFleet', {}, options)).toMatchObject({ denyListVersion: 1, denied: 1 });
  });

  it('has a list of which a lower version, a forged one, and one of another fleet change nothing; what was denied stays so', () => {
    const { authority } = fleet.office();
    const trust = freshTrust();
    const keys = (letter: string) => [{ key: letter.repeat(64), notAfterMs: Date.now() + 86_400_000 }];
    const record = (version: number, letter: string, of = authority.fleetId) => authority.signRecord('deny', formatRecord({ fleet: of, version, keys: keys(letter) }));
    trust.takeDenyList(record(5, 'a'));
    trust.takeDenyList(record(4, 'b'));
    expect(trust.denied()).toEqual({ version: 5, keys: new Set(['a'.repeat(64)]) });
    const good = record(6, 'c');
    expect(() => trust.takeDenyList({ ...good, body: Buffer.from(good.body.toString().replace('"version":6', '"version":7')) })).toThrow(/has not signed it/);
    expect(() => trust.takeDenyList(record(6, 'c', '7d444840-9dc0-41d1-b245-5ffdce74fad2'))).toThrow(/another fleet/);
    expect(() => trust.takeMoved(record(6, 'c'))).toThrow(/has not signed it/);
    expect(trust.denied().version).toBe(5);
    trust.takeDenyList(good);
    expect(trust.denied()).toEqual({ version: 6, keys: new Set(['a'.repeat(64), 'c'.repeat(64)]) });
  });

  it('keeps denied keys until their certificates have ended a day ago, and counts on after a restore', () => {
    const { db } = fleet.office();
    const before = signedRecords(fleet.office()).denyVersion;
    const { notAfterMs } = db.prepare('SELECT not_after_ms AS notAfterMs FROM coordinator_key WHERE denied = 1').get() as { notAfterMs: number };
    tidyCoordinatorKeys(db, notAfterMs + 86_400_000);
    expect(db.prepare('SELECT count(*) FROM coordinator_key WHERE denied = 1').pluck().get()).toBe(1);
    expect(() => db.prepare('UPDATE coordinator_key SET denied = 0').run()).toThrow(/never good again/);
    db.exec('BEGIN');
    denyOtherCoordinatorKeys(db, '');
    jumpCounters(db);
    expect(signedRecords(fleet.office()).denyVersion).toBe(before + 1_000_001);
    db.exec('ROLLBACK');
  });
});

describe('a coordinator that moves', () => {
  it('tells it to connected hosts, which then renew at the first address that answers', async () => {
    expect((await fleet.api.unary(fleets, 'GetFleet', {}, options)).moved).toBe('');
    const { movedVersion } = await fleet.api.unary(fleets, 'SetFleet', { addresses: ['127.0.0.9', '127.0.0.1'] }, options);
    expect(movedVersion).toBe(1);
    await known('movedKnown');
    const at = (address: string): string => `${address}:${String(fleet.agentsPort)}`;
    expect(agent.server.trust.places()?.agentsApi).toEqual([at('127.0.0.9'), at('127.0.0.1')]);
    const renewed = await renew({ ...agent.enrol, trust: agent.server.trust }, { ...agent.identity, agentsApi: ['127.0.0.1:1'] });
    expect(renewed.certificate).not.toBe(agent.identity.certificate);
    agent.server.updateIdentity(renewed);
    await fleet.waitState(agent.hostId, 'connected');
  });

  it('puts all its addresses into join tokens', async () => {
    const { token } = await fleet.invite('web2');
    expect(parseJoinToken(token).endpoints.map(({ address }) => address)).toEqual(['127.0.0.9', '127.0.0.1']);
  });

  it('prints a word by which a host and an operator that can reach nobody find it', async () => {
    const ada = await remoteOperator(fleet, 'ada', { role: 'viewer' });
    ada.store.save({ ...ada.profile(), operatorsApi: ['127.0.0.1:1'], movedVersion: 0 });
    expect(await ada.reeve(['whoami'])).toMatchObject({ exit: 3 });
    const { moved } = await fleet.api.unary(fleets, 'GetFleet', {}, options);
    expect(await ada.reeve(['login', '--moved'], `${moved}\n`)).toMatchObject({ exit: 0 });
    expect(await ada.reeve(['whoami'])).toMatchObject({ exit: 0 });
    const word = parseMovedText(moved);
    const trust = freshTrust();
    expect(trust.takeMoved(word)).toBe(true);
    expect(trust.takeMoved(word)).toBe(false);
    expect(trust.places()?.agentsApi).toHaveLength(2);
    expect(() => trust.takeMoved({ ...word, body: Buffer.from(word.body.toString().replace('127.0.0.9', '203.0.113.9')) })).toThrow(/has not signed it/);
    expect(await ada.reeve(['login', '--moved'], 'reevemoved1_AAAA')).toMatchObject({ exit: 1, err: expect.stringMatching(/has not signed it/) as string });
    expect(await ada.reeve(['login', '--moved'], 'nonsense')).toMatchObject({ exit: 2, err: expect.stringMatching(/reeve fleet moved/) as string });
  });

  it.each([
    { what: 'no address', addresses: [], code: 'FIELD_MISSING' },
    { what: 'one twice', addresses: ['127.0.0.1', '127.0.0.1'], code: 'FIELD_INVALID' },
    { what: 'nine', addresses: Array.from({ length: 9 }, (_one, index) => `192.0.2.${String(index)}`), code: 'FIELD_INVALID' },
    { what: 'one that is none', addresses: ['127.0.0.1', 'UPPER'], code: 'FIELD_INVALID' },
  ])('refuses $what, and nothing is changed', async ({ addresses, code }) => {
    const before = await fleet.api.unary(fleets, 'GetFleet', {}, options);
    await expect(fleet.api.unary(fleets, 'SetFleet', { addresses }, options)).rejects.toMatchObject({ code });
    expect((await fleet.api.unary(fleets, 'GetFleet', {}, options)).addresses).toEqual(before.addresses);
  });
});
