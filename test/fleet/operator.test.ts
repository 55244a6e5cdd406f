import { X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logIn, renewLogin } from '../../coordinator/cli/remote.js';
import { listAudit } from '../../coordinator/inventory/audit.js';
import { getOperatorKey, tidyOperatorKeys } from '../../coordinator/inventory/operator-key.js';
import { certificateLife } from '../../coordinator/pki/authority.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { LoginServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/LoginService.js';
import type { OperatorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperatorService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { parseLoginToken } from '../../shared/model/join-token.js';
import { serviceName } from '../../shared/rpc/client.js';
import { keyFingerprint } from '../../shared/rpc/tls.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackFleet } from '../support/loopback-fleet.js';
import { inviteOperator, otherMachine, remoteOperator } from '../support/operator-login.js';
import { createSimulatedHost } from '../support/simulated-host.js';

const fleets = serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
const hosts = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const logins = serviceName<LoginServiceDefinition>('reeve.coordinator.v1.LoginService');
const operators = serviceName<OperatorServiceDefinition>('reeve.coordinator.v1.OperatorService');
const users = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');
const options = { deadlineMs: 20_000 };
const clock = createTurnedClock();
const day = 86_400_000;

let fleet: LoopbackFleet;

beforeAll(async () => {
  fleet = await startLoopbackFleet({ clock });
  await fleet.addAgent('in1', { host: createSimulatedHost({ helperMs: 0 }) });
  await fleet.addAgent('out1', { host: createSimulatedHost({ helperMs: 0 }) });
  await fleet.api.unary(hosts, 'SetHost', { host: 'in1', setLabels: ['site=ams'] }, options);
});

afterAll(async () => {
  await fleet.close();
  expect(fleet.bugs).toEqual([]);
});

const fingerprintOf = (pem: string): string => keyFingerprint(new X509Certificate(pem).publicKey);

describe('an operator on another machine', () => {
  it('logs in with a token on standard input, and is then known by certificate, role and scope', async () => {
    await fleet.api.unary(operators, 'AddOperator', { name: 'ada', role: 'operator', labels: ['site=ams'] }, options);
    const ada = otherMachine(fleet, 'ada');
    expect(await ada.reeve(['whoami'])).toMatchObject({ exit: 3, err: expect.stringMatching(/nobody is logged in/) as string });
    expect(await ada.reeve(['login'])).toMatchObject({ exit: 2, err: expect.stringMatching(/login token is missing/) as string });
    const token = await inviteOperator(fleet, 'ada');
    const loggedIn = await ada.reeve(['login'], `${token}\n`);
    expect(loggedIn).toMatchObject({ exit: 0, out: expect.stringMatching(/^Logged in as "ada" at 127\.0\.0\.1:\d+; good until 20/) as string });
    expect(statSync(ada.store.path).mode & 0o777).toBe(0o600);
    expect(existsSync(`${ada.store.path}.new`)).toBe(false);
    expect(JSON.parse((await ada.reeve(['whoami', '--json'])).out)).toMatchObject({ name: 'ada', role: 'operator', labels: ['site=ams'], coordinator: `127.0.0.1:${String(fleet.operatorsPort)}` });
    expect((JSON.parse((await ada.reeve(['host', 'list', '--json'])).out) as { hosts: { name: string }[] }).hosts.map((host) => host.name)).toEqual(['in1']);
    expect(await ada.reeve(['user', 'add', 'carol', '--on', 'all', '--yes'])).toMatchObject({ exit: 0 });
    expect(await ada.reeve(['user', 'add', 'carol', '--on', 'out1', '--yes'])).toMatchObject({ exit: 2, err: expect.stringMatching(/No host "out1" is known/) as string });
    expect(await ada.reeve(['operator', 'add', 'eve', '--role', 'admin'])).toMatchObject({ exit: 2, err: expect.stringMatching(/Role "operator" may not/) as string });
    expect(new Set(listAudit(fleet.office().db, 6).map((row) => row.principal))).toContain('operator:ada');
    const again = await ada.reeve(['login'], token);
    expect(again).toMatchObject({ exit: 1, err: expect.stringMatching(/token is unknown, used or expired/) as string });
    expect(again.err + loggedIn.out).not.toContain(token.slice(0, 40));
    expect(await ada.reeve(['whoami'])).toMatchObject({ exit: 0 });
    expect(await ada.reeve(['logout'])).toMatchObject({ exit: 0, out: 'Logged out.\n' });
    expect(existsSync(ada.store.path)).toBe(false);
    expect(await ada.reeve(['logout'])).toMatchObject({ exit: 0, out: 'Nobody was logged in.\n' });
  });

  it('has a certificate with exactly the fields of its profile', async () => {
    const bob = await remoteOperator(fleet, 'bob', { role: 'viewer', ttlMs: 3_600_000 });
    const certificate = new X509Certificate(bob.profile().certificate);
    expect(certificate.subjectAltName).toBe(`URI:reeve://${bob.profile().fleetId}/operator/bob`);
    expect((certificate as { keyUsage?: string[] }).keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(certificate.ca).toBe(false);
    expect(certificate.verify(new X509Certificate(fleet.office().authority.controlRoot).publicKey)).toBe(true);
    expect(Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)).toBe(3_600_000 + certificateLife.backdateMs);
  });

  it('gets one login for one token, however many try at once; no refusal tells why', async () => {
    await fleet.api.unary(operators, 'AddOperator', { name: 'carl', role: 'viewer' }, options);
    const token = await inviteOperator(fleet, 'carl');
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => logIn(parseLoginToken(token), otherMachine(fleet, 'carl').options)));
    expect(tries.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
    const refusals = tries.filter((one) => one.status === 'rejected').map((one) => (one.reason as { code: string }).code);
    expect(new Set(refusals)).toEqual(new Set(['LOGIN_REFUSED']));
    const unknown = { ...parseLoginToken(token), token: Buffer.alloc(32, 7) };
    await expect(logIn(unknown, otherMachine(fleet, 'carl').options)).rejects.toMatchObject({ code: 'LOGIN_REFUSED' });
    const late = parseLoginToken(await inviteOperator(fleet, 'carl'));
    clock.turn(31 * 60_000);
    await expect(logIn(late, otherMachine(fleet, 'carl', () => clock.now()).options)).rejects.toMatchObject({ code: 'LOGIN_REFUSED' });
    clock.turn(0);
    const replaced = parseLoginToken(await inviteOperator(fleet, 'carl'));
    await inviteOperator(fleet, 'carl');
    await expect(logIn(replaced, otherMachine(fleet, 'carl').options)).rejects.toMatchObject({ code: 'LOGIN_REFUSED' });
    const disabled = parseLoginToken(await inviteOperator(fleet, 'carl'));
    await fleet.api.unary(operators, 'SetOperator', { name: 'carl', disabled: true }, options);
    await expect(logIn(disabled, otherMachine(fleet, 'carl').options)).rejects.toMatchObject({ code: 'LOGIN_REFUSED' });
    await expect(inviteOperator(fleet, 'carl')).rejects.toMatchObject({ code: 'OPERATOR_DISABLED' });
    await expect(inviteOperator(fleet, 'nobody')).rejects.toMatchObject({ code: 'OPERATOR_ABSENT' });
  });

  it('does not take a host’s token, and a host does not take its', async () => {
    const { token } = await fleet.invite('new1');
    expect(await otherMachine(fleet, 'x').reeve(['login'], token)).toMatchObject({ exit: 2, err: expect.stringMatching(/login token "\(not shown\)" is not allowed: .*reeve operator invite/) as string });
  });

  it('renews beside any command past half its life, quietly; the old key is good until the new one was used', async () => {
    let offset = 0;
    const dora = await remoteOperator(fleet, 'dora', { role: 'viewer', ttlMs: 3_600_000, now: () => Date.now() + offset });
    const first = dora.profile();
    expect(await dora.reeve(['whoami'])).toMatchObject({ exit: 0 });
    expect(dora.profile()).toEqual(first);
    // Only the command's clock: TLS has the machine's.
    offset = 40 * 60_000;
    expect(await dora.reeve(['whoami'])).toMatchObject({ exit: 0, err: '' });
    const second = dora.profile();
    expect(second.certificate).not.toBe(first.certificate);
    expect(second.key).not.toBe(first.key);
    const { db } = fleet.office();
    const stateOf = (profile: { certificate: string }): string | undefined => getOperatorKey(db, fingerprintOf(profile.certificate))?.state;
    expect([stateOf(first), stateOf(second)]).toEqual(['current', 'staged']);
    dora.store.save(first);
    expect(await renewLogin(first, dora.options)).not.toEqual(first);
    dora.store.save(second);
    expect(await dora.reeve(['whoami'])).toMatchObject({ exit: 0 });
    expect([stateOf(first), stateOf(second)]).toEqual(['old', 'current']);
    dora.store.save(first);
    expect(await dora.reeve(['whoami'])).toMatchObject({ exit: 1, err: expect.stringMatching(/its key is replaced/) as string });
    dora.store.save(second);
    expect(await dora.reeve(['login'])).toMatchObject({ exit: 0, out: expect.stringMatching(/^The login was renewed as "dora"/) as string });
    expect(dora.profile().certificate).not.toBe(second.certificate);
  });

  it('is told how to come back when its login has ended, before anything is sent; the open connection ends too', async () => {
    let offset = 0;
    const erin = await remoteOperator(fleet, 'erin', { role: 'viewer', ttlMs: 3_600_000, now: () => Date.now() + offset });
    const channel = erin.open();
    await channel.unary(operators, 'WhoAmI', {}, options);
    offset = 2 * 3_600_000;
    clock.turn(offset);
    await expect(channel.unary(operators, 'WhoAmI', {}, options)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED', fields: { reason: 'it has expired' } });
    for (const line of [['whoami'], ['login']]) expect(await erin.reeve(line)).toMatchObject({ exit: 2, err: expect.stringMatching(/The login of operator "erin" ended .*\n.*reeve operator invite erin/) as string });
    channel.close();
    clock.turn(0);
  });

  it('who is disabled, revoked, removed, or given a weaker role or another scope is stopped at the next call, and what is open ends within 15 s', async () => {
    const slow = await fleet.addAgent('slow', { host: createSimulatedHost({ helperMs: 5_000 }) });
    await Promise.all(
      [
        { name: 'disabled', code: 'OPERATOR_DISABLED', act: (name: string) => fleet.api.unary(operators, 'SetOperator', { name, disabled: true }, options) },
        { name: 'revoked', code: 'IDENTITY_REFUSED', act: (name: string) => fleet.api.unary(operators, 'RevokeOperator', { name }, options) },
        { name: 'removed', code: 'IDENTITY_REFUSED', act: (name: string) => fleet.api.unary(operators, 'RemoveOperator', { name }, options) },
        { name: 'weaker', code: 'ROLE_REFUSED', act: (name: string) => fleet.api.unary(operators, 'SetOperator', { name, role: 'viewer' }, options) },
        { name: 'scoped', code: 'SCOPE_REFUSED', act: (name: string) => fleet.api.unary(operators, 'SetOperator', { name, scope: { labels: ['site=ams'] } }, options) },
      ].map(async ({ name, code, act }) => {
        const operator = await remoteOperator(fleet, name, { role: 'operator' });
        const channel = operator.open();
        const user = { name, kind: 'USER_KIND_HOME', shell: '/bin/bash' } as const;
        const stream = channel.stream(users, 'AddUser', { selector: slow.name, user, options: { mode: 'CHANGE_MODE_APPLY' } }, {});
        expect((await stream.next()).value, name).toMatchObject({ event: 'planned' });
        await act(name);
        const startedAt = performance.now();
        const next = channel.stream(users, 'LockUser', { selector: slow.name, name, options: { mode: 'CHANGE_MODE_STAGE' } }, {}).next();
        await expect(next, name).rejects.toMatchObject({ code: code === 'SCOPE_REFUSED' ? 'HOST_UNKNOWN' : code });
        expect(performance.now() - startedAt, name).toBeLessThan(3_000);
        await expect(stream.next(), name).rejects.toMatchObject({ code });
        expect(performance.now() - startedAt, name).toBeLessThan(15_000);
        channel.close();
      }),
    );
    await slow.close();
  });

  it('of whom a key was revoked does not get in again with it, also not after it was added anew', async () => {
    const mia = await remoteOperator(fleet, 'mia', { role: 'viewer' });
    expect(await fleet.api.unary(operators, 'RemoveOperator', { name: 'mia' }, options)).toEqual({ certificates: 1 });
    await fleet.api.unary(operators, 'AddOperator', { name: 'mia', role: 'admin' }, options);
    expect(await mia.reeve(['whoami'])).toMatchObject({ exit: 1, err: expect.stringMatching(/its key is revoked/) as string });
    const { db } = fleet.office();
    const { notAfterMs = 0 } = getOperatorKey(db, fingerprintOf(mia.profile().certificate)) ?? {};
    tidyOperatorKeys(db, notAfterMs + day - 1);
    expect(getOperatorKey(db, fingerprintOf(mia.profile().certificate))?.state).toBe('revoked');
    expect(() => db.prepare(`UPDATE operator_key SET state = 'current' WHERE operator = 'mia'`).run()).toThrow(/never good again/);
  });

  it('may have several machines; each renews alone', async () => {
    const first = await remoteOperator(fleet, 'nina', { role: 'viewer' });
    const second = otherMachine(fleet, 'nina');
    await logIn(parseLoginToken(await inviteOperator(fleet, 'nina')), second.options);
    await renewLogin(first.profile(), first.options);
    for (const machine of [first, second, first]) expect(await machine.reeve(['whoami'])).toMatchObject({ exit: 0 });
    const { operators: listed } = await fleet.api.unary(operators, 'ListOperator', {}, options);
    expect(listed.find((row) => row.name === 'nina')?.logins).toHaveLength(2);
  });

  it('is refused a certificate for a key that it does not hold, or that was used before', async () => {
    const olga = await remoteOperator(fleet, 'olga', { role: 'viewer' });
    const channel = olga.open();
    const publicKey = new X509Certificate(olga.profile().certificate).publicKey.export({ type: 'spki', format: 'der' });
    await expect(channel.unary(logins, 'RenewLogin', { publicKey, signature: Buffer.alloc(70) }, options)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED', fields: { reason: 'the new key is not proven' } });
    await expect(fleet.api.unary(logins, 'RenewLogin', {}, options)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED', fields: { reason: 'a local account has none to renew' } });
    channel.close();
  });

  it('as an admin finds the same services as on the local socket, and no second fleet', async () => {
    const root = await remoteOperator(fleet, 'paul', { role: 'admin' });
    const channel = root.open();
    await expect(channel.unary(fleets, 'InitFleet', { address: '127.0.0.1' }, options)).rejects.toMatchObject({ code: 'ALREADY_INITIALISED' });
    expect((await channel.unary(hosts, 'ListHost', {}, options)).hosts.length).toBe((await fleet.api.unary(hosts, 'ListHost', {}, options)).hosts.length);
    channel.close();
  });

  it('has a login file that nobody else may read, and that is whole', async () => {
    const quin = await remoteOperator(fleet, 'quin', { role: 'viewer' });
    chmodSync(quin.store.path, 0o640);
    expect(await quin.reeve(['whoami'])).toMatchObject({ exit: 2, err: expect.stringMatching(/mode 0600/) as string });
    chmodSync(quin.store.path, 0o600);
    writeFileSync(quin.store.path, readFileSync(quin.store.path).subarray(0, 100));
    expect(await quin.reeve(['whoami'])).toMatchObject({ exit: 2, err: expect.stringMatching(/reeve logout/) as string });
  });

  it('finds the coordinator at the first of its addresses that answers', async () => {
    const rosa = await remoteOperator(fleet, 'rosa', { role: 'viewer' });
    rosa.store.save({ ...rosa.profile(), operatorsApi: ['127.0.0.1:1', ...rosa.profile().operatorsApi] });
    expect(JSON.parse((await rosa.reeve(['whoami', '--json'])).out)).toMatchObject({ name: 'rosa', coordinator: `127.0.0.1:${String(fleet.operatorsPort)}` });
    rosa.store.save({ ...rosa.profile(), operatorsApi: ['127.0.0.1:1'] });
    expect(await rosa.reeve(['whoami'])).toMatchObject({ exit: 3, err: expect.stringMatching(/does not answer on 127\.0\.0\.1:1: connection refused/) as string });
  });
});

it('nobody is invited to a coordinator that does not listen for operators', async () => {
  const closed = await startLoopbackFleet({ operators: false });
  await closed.api.unary(operators, 'AddOperator', { name: 'ada', role: 'admin' }, options);
  await expect(inviteOperator(closed, 'ada')).rejects.toMatchObject({ code: 'OPERATORS_OFF' });
  await expect(new Promise((resolve, reject) => connect(closed.operatorsPort, '127.0.0.1', () => resolve('open')).once('error', reject))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await closed.close();
  expect(closed.bugs).toEqual([]);
});
