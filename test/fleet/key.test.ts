import { rmSync } from 'node:fs';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAgentServer } from '../../agent/server.js';
import { newId } from '../../shared/kit/id.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { ManifestServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/ManifestService.js';
import type { KeyManifest } from '../../shared/gen/proto/reeve/type/v1/KeyManifest.js';
import { sha256 } from '../../shared/kit/digest.js';
import { openChannel, serviceName } from '../../shared/rpc/client.js';
import { reeveError } from '../../shared/errors/error.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { clientCredentials } from '../../shared/rpc/tls.js';
import { accessApi, homeUser, keys as keyService } from '../support/access-api.js';
import { createTurnedClock, scratchFolder, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet, type TurnedClock } from '../support/loopback-fleet.js';
import { makePublicKey, type TestKey } from '../support/public-key.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';

const hostService = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const manifestService = serviceName<ManifestServiceDefinition>('reeve.coordinator.v1.ManifestService');
const deadline = { deadlineMs: 20_000 };
const seconds = (ms: number): number => Math.ceil(ms / 1000) * 1000;

describe('keys of a fleet', () => {
  let fleet: LoopbackFleet;
  let clock: TurnedClock;
  let web1: LoopbackAgent;
  let api: ReturnType<typeof accessApi>;
  let adas: TestKey;

  beforeEach(async () => {
    clock = createTurnedClock();
    fleet = await startLoopbackFleet({ clock });
    api = accessApi(fleet.api);
    web1 = await fleet.addAgent('web1', { host: createSimulatedHost({ clock }) });
    adas = makePublicKey();
    await api.person('ada');
    await api.key({ person: 'ada' }, [adas]);
  });

  afterEach(async () => {
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });

  const label = (host: string, ...setLabels: string[]): Promise<unknown> => fleet.api.unary(hostService, 'SetHost', { host, setLabels }, deadline);
  const linesOf = (agent: LoopbackAgent, user: string): string[] => (agent.host.keys.files.get(user) ?? '').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const line = (key: TestKey, comment: string): string => `${key.text} ${comment}`;
  const letIn = (more: object = {}): Promise<unknown> => api.grant({ person: 'ada', selector: 'web1', user: 'ada', create: homeUser('ada'), ...more });

  it('makes the account and lets its holder in, in one command', async () => {
    const done = await api.grant({ person: 'ada', selector: 'web1', user: 'ada', create: homeUser('ada'), reason: 'disk swap' });
    expect(done).toMatchObject({ outcome: 'ok', inventory: ['+ grant 1'], hosts: ['web1 user: ok', 'web1 key: ok'] });
    expect(web1.host.users.get('ada')).toMatchObject({ present: true });
    expect(linesOf(web1, 'ada')).toEqual([line(adas, 'ada: grant 1')]);
    expect(web1.host.keys.sshd.dropIn, 'confirmed over a connection of its own').toBe('confirmed');
    expect(await api.where({ person: 'ada' })).toEqual(['web1 ada ada: grant 1']);
    await expect(api.grant({ person: 'ada', selector: 'web1', user: 'ada' })).rejects.toMatchObject({ code: 'GRANT_EXISTS', fields: { value: '1' } });
  });

  it('stores nothing for a plan, and nothing when a host refuses', async () => {
    const plan = await api.grant({ person: 'ada', selector: 'web1', user: 'ada', create: homeUser('ada') }, 'PLAN');
    expect(plan).toMatchObject({ outcome: 'ok', stored: false, inventory: ['+ grant 1'] });
    expect(plan.changes).toContain('+ user ada');
    web1.host.setPolicy('version 1\nallow fact.read\nallow observe.user\nallow observe.key\n');
    const refused = await api.grant({ person: 'ada', selector: 'web1', user: 'ada', create: homeUser('ada') });
    expect(refused).toMatchObject({ outcome: 'failed', stored: false });
    expect(await api.where({ person: 'ada' })).toEqual([]);
    expect(linesOf(web1, 'ada')).toEqual([]);
  });

  it('refuses a plan that was said yes to when more hosts are touched by now', async () => {
    await fleet.addAgent('web2', { host: createSimulatedHost({ clock }) });
    await label('web1', 'role=web');
    await api.user('AddUser', 'all', 'deploy');
    const { planId } = await api.grant({ person: 'ada', selector: 'role=web', user: 'deploy' }, 'PLAN');
    await label('web2', 'role=web');
    await expect(api.grant({ person: 'ada', selector: 'role=web', user: 'deploy' }, { planId })).rejects.toMatchObject({ code: 'PLAN_UNKNOWN' });
    expect(await api.where({ person: 'ada' })).toEqual([]);
    const again = await api.grant({ person: 'ada', selector: 'role=web', user: 'deploy' }, 'PLAN');
    expect(await api.grant({ person: 'ada', selector: 'role=web', user: 'deploy' }, { planId: again.planId })).toMatchObject({ outcome: 'ok', hosts: expect.arrayContaining(['web1 key: ok', 'web2 key: ok']) as unknown });
  });

  it('answers a command with the same operation id with what it came to, and does it once', async () => {
    const operationId = newId(Date.now());
    const first = await api.person('bob', {}, { operationId });
    expect(first).toMatchObject({ outcome: 'ok', operationId, inventory: ['+ person bob'], hosts: [] });
    expect(await api.person('bob', {}, { operationId })).toMatchObject({ outcome: 'ok', operationId });
    await expect(api.person('bob')).rejects.toMatchObject({ code: 'PERSON_EXISTS' });
    await expect(api.person('carol', {}, { operationId })).rejects.toMatchObject({ code: 'OPERATION_REUSED' });
    await letIn();
    const grant = newId(Date.now());
    await api.user('AddUser', 'web1', 'deploy');
    const given = await api.grant({ person: 'ada', selector: 'web1' }, { operationId: grant });
    expect(await api.grant({ person: 'ada', selector: 'web1' }, { operationId: grant })).toMatchObject({ hosts: given.hosts, outcome: 'ok' });
  });

  it('tells hosts of what else alters who gets in: users, labels, owners, groups', async () => {
    await label('web1', 'role=web');
    await api.group('ops', { persons: ['ada'] });
    await api.grant({ group: 'ops', selector: 'role=web' });
    expect(linesOf(web1, 'deploy')).toEqual([]);
    expect(await api.user('AddUser', 'web1', 'deploy')).toMatchObject({ hosts: ['web1 user: ok', 'web1 key: ok'] });
    expect(linesOf(web1, 'deploy')).toEqual([line(adas, 'ada via ops: grant 1')]);
    expect(await api.user('LockUser', 'web1', 'deploy')).toMatchObject({ hosts: ['web1 user: ok', 'web1 key: ok'] });
    expect(linesOf(web1, 'deploy')).toEqual([]);
    await api.user('UnlockUser', 'web1', 'deploy');
    await label('web1', 'role=db');
    await until(() => linesOf(web1, 'deploy').length === 0, { timeoutMs: 10_000, everyMs: 20, what: 'the label to take access away' });
    await fleet.api.unary(hostService, 'SetHost', { host: 'web1', addOwners: ['ada'] }, deadline);
    await until(() => linesOf(web1, 'deploy')[0] === line(adas, 'ada: owner'), { timeoutMs: 10_000, everyMs: 20, what: 'the owner to get in' });
    expect((await fleet.api.unary(hostService, 'GetHost', { name: 'web1' }, deadline)).host?.owners).toEqual(['ada']);
    await api.removeGroup('ops', { persons: ['ada'] });
    expect(linesOf(web1, 'deploy')).toEqual([line(adas, 'ada: owner')]);
  });

  it('costs a user command nothing where no key lets in', async () => {
    const before = web1.host.calls.length;
    expect(await api.user('AddUser', 'web1', 'deploy')).toMatchObject({ hosts: ['web1 user: ok'] });
    expect(web1.host.calls.slice(before).filter((call) => call.startsWith('key.'))).toEqual([]);
  });

  it('revokes at once behind a command that takes long, and reports it', async () => {
    await letIn();
    const slow = await fleet.addAgent('slow', { host: createSimulatedHost({ clock, helperMs: 300 }) });
    await api.grant({ person: 'ada', selector: 'slow', user: 'ada', create: homeUser('ada') });
    const long = Promise.all(Array.from({ length: 20 }, (_none, index) => api.user('AddUser', 'slow', `user${String(index)}`)));
    await until(() => slow.host.calls.filter((call) => call.startsWith('user.add user')).length > 0, { timeoutMs: 20_000, everyMs: 10, what: 'the long work to begin' });
    const startedAt = performance.now();
    const gone = until(() => linesOf(slow, 'ada').length === 0, { timeoutMs: 10_000, everyMs: 10, what: 'the key to be gone' }).then(() => performance.now() - startedAt);
    expect(await api.revoke('ada')).toMatchObject({ outcome: 'ok', inventory: ['~ person ada'] });
    // The other command takes twice as long.
    expect(await gone).toBeLessThan(10_000);
    expect(linesOf(web1, 'ada')).toEqual([]);
    const report = await api.report('ada');
    expect(report).toMatchObject({ done: true, keys: [adas.fingerprint], hosts: [{ host: 'slow' }, { host: 'web1' }] });
    expect(report.hosts.every((host) => host.acknowledgedAt !== null && host.digest.length === 32)).toBe(true);
    await long;
    await expect(api.grant({ person: 'ada', selector: 'web1' })).rejects.toMatchObject({ code: 'PERSON_INACTIVE' });
    expect((await api.why('ada', 'web1', 'ada')).obstacles).toContain('Person "ada" is revoked.');
  });

  it('purges and ends what is left of a revoked person, also where Reeve had managed nothing of theirs', async () => {
    await letIn();
    const other = await fleet.addAgent('other', { host: createSimulatedHost({ clock }) });
    await api.user('AddUser', 'other', 'deploy');
    other.host.keys.own.set('deploy', `${line(adas, 'old')}\n`);
    web1.host.keys.sessions = [{ user: 'ada', pid: 4711, from: '192.0.2.9', sinceMs: clock.now(), fingerprint: sha256(adas.blob) }];
    expect(await api.revoke('ada', { purgeForeign: true, endSessions: true })).toMatchObject({ outcome: 'ok' });
    expect(other.host.keys.own.get('deploy')?.trim()).toBe('');
    expect(web1.host.keys.sessions).toEqual([]);
    const { hosts, done } = await api.report('ada');
    expect(done).toBe(true);
    expect(hosts.map(({ host, purged, ended, remaining, sessions }) => ({ host, purged, ended, remaining, sessions }))).toEqual([
      { host: 'other', purged: 1, ended: 0, remaining: 0, sessions: 0 },
      { host: 'web1', purged: 0, ended: 1, remaining: 0, sessions: 0 },
    ]);
  });

  it('tells a host that was away of a revocation before all else, and is not done until then', async () => {
    await letIn();
    const hosts = web1.host;
    await web1.close();
    await fleet.waitState(web1.hostId, 'lost');
    expect(await api.revoke('ada')).toMatchObject({ outcome: 'pending', hosts: ['web1 key: pending'] });
    expect(await api.report('ada')).toMatchObject({ done: false, hosts: [{ host: 'web1', acknowledgedAt: null }] });
    expect(hosts.keys.files.get('ada')).toContain(adas.text);
    expect(await api.where({ host: 'web1' })).toEqual([]);
    await api.user('AddUser', 'web1', 'deploy', 'STAGE');
    const begun = hosts.calls.length;
    const folder = scratchFolder('again');
    const returned = await createAgentServer({ host: hosts, identity: web1.identity, stateDir: folder, listen: { host: '127.0.0.1', port: web1.port }, log: pino({ level: 'silent' }) });
    await until(async () => (await api.report('ada')).done, { timeoutMs: 20_000, everyMs: 20, what: 'the revocation to be done' });
    await until(() => hosts.users.has('deploy'), { timeoutMs: 20_000, everyMs: 20, what: 'the rest to be done' });
    expect(linesOf(web1, 'ada')).toEqual([]);
    expect(hosts.calls.slice(begun).filter((call) => /^(?:key\.(?:put|remove)|user\.add)/.test(call))[0]).toMatch(/^key\./);
    await returned.close(0);
    rmSync(folder, { recursive: true });
  });

  it('takes keys away on a host that is held, and counts that as acknowledged', async () => {
    await letIn();
    const bobs = makePublicKey();
    await api.person('bob');
    await api.key({ person: 'bob' }, [bobs]);
    await fleet.api.unary(hostService, 'HoldHost', { host: 'web1', duration: { seconds: 3600 }, reason: 'disk swap' }, deadline);
    expect(await api.grant({ person: 'bob', selector: 'web1', user: 'ada' })).toMatchObject({ outcome: 'pending', stored: true });
    expect(await api.revoke('ada')).toMatchObject({ outcome: 'pending' });
    expect(linesOf(web1, 'ada')).toEqual([]);
    expect(await api.report('ada')).toMatchObject({ done: true });
    await fleet.api.unary(hostService, 'UnholdHost', { host: 'web1' }, deadline);
    await until(() => linesOf(web1, 'ada')[0] === line(bobs, 'bob: grant 2'), { timeoutMs: 20_000, everyMs: 20, what: 'bob to get in when the hold has ended' });
  });

  it('takes keys away when an end has come', async () => {
    const now = clock.now();
    await letIn({ expiresAt: toTimestamp(seconds(now + 3_600_000)) });
    expect(linesOf(web1, 'ada')[0]).toMatch(/^expiry-time="[0-9]{14}Z" ssh-ed25519 /);
    clock.turn(3_602_000);
    fleet.office().expiries.changed();
    await until(() => linesOf(web1, 'ada').length === 0, { timeoutMs: 10_000, everyMs: 20, what: 'the key to be gone' });
    expect(await api.where({ person: 'ada' })).toEqual([]);
    expect(await api.where({ person: 'ada', at: toTimestamp(now + 60_000) })).toEqual(['web1 ada ada: grant 1']);
    expect((await api.why('ada', 'web1', 'ada')).obstacles.join()).toMatch(/Grant 1 ended /);
    expect(await api.setGrant(1, { noEnd: true })).toMatchObject({ outcome: 'ok', inventory: ['~ grant 1'] });
    expect(linesOf(web1, 'ada')).toEqual([line(adas, 'ada: grant 1')]);
  });

  it('takes over the keys in users’ own files, and refuses by name what it cannot', async () => {
    const [bobs, stray] = [makePublicKey(), makePublicKey()];
    await api.person('bob');
    await api.key({ person: 'bob' }, [bobs]);
    await api.user('AddUser', 'web1', 'deploy');
    web1.host.keys.own.set('deploy', `${line(bobs, 'bob@old')}\ncommand="id" ${line(stray, 'x')}\n`);
    await expect(api.adopt('web1', 'deploy')).rejects.toMatchObject({ code: 'KEY_LINE', fields: { value: '/home/deploy/.ssh/authorized_keys:2', host: 'web1' } });
    web1.host.keys.own.set('deploy', `${line(bobs, 'bob@old')}\n${line(stray, 'ci')}\n`);
    const foreign = await fleet.api.unary(keyService, 'ObserveForeignKey', { host: 'web1', user: 'deploy' }, deadline);
    expect(foreign.keys.map(({ fingerprint, owner }) => ({ fingerprint, owner }))).toEqual([{ fingerprint: bobs.fingerprint, owner: 'bob' }, { fingerprint: stray.fingerprint, owner: '' }]);
    expect(await api.adopt('web1', 'deploy')).toMatchObject({ outcome: 'ok', inventory: ['+ grant 1', `+ key ${stray.fingerprint}`, '+ grant 2'] });
    expect(linesOf(web1, 'deploy')).toEqual([line(bobs, 'bob: grant 1'), line(stray, 'deploy@web1: grant 2')]);
    expect(web1.host.keys.sshd).toMatchObject({ dropIn: 'confirmed', exclusive: 'deploy' });
    expect(await api.where({ host: 'web1' })).toEqual(['web1 deploy bob: grant 1', 'web1 deploy : grant 2']);
    expect(await api.adopt('web1', 'deploy')).toMatchObject({ inventory: [] });
  });

  it('gives an agent its own manifest when it asks, and nothing when it has it', async () => {
    await letIn();
    const channel = openChannel({
      target: `ipv4:127.0.0.1:${String(fleet.agentsPort)}`,
      credentials: clientCredentials({ key: web1.identity.key, certificate: web1.identity.certificate, trust: web1.identity.controlRoot }, () => undefined),
      unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: '127.0.0.1', reason }),
    });
    try {
      const full = await channel.unary(manifestService, 'GetManifest', {}, deadline);
      expect(sha256(full.manifest)).toEqual(full.sha256);
      const manifest = messageCodec<never, KeyManifest>('reeve.type.v1.KeyManifest').decode(full.manifest);
      expect(manifest).toMatchObject({ hostId: web1.hostId, users: [{ user: 'ada', lines: [{ comment: 'ada: grant 1' }] }], force: false });
      expect(manifest.keys[0]?.blob).toEqual(adas.blob);
      expect((await channel.unary(manifestService, 'GetManifest', { version: manifest.version }, deadline)).manifest).toHaveLength(0);
      const other = await fleet.addAgent('other', { host: createSimulatedHost({ clock }) });
      expect(other.hostId).not.toBe(web1.hostId);
    } finally {
      channel.close();
    }
  });
});
