import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAlert } from '../../coordinator/inventory/alert.js';
import { doors } from '../../docs/api-page.js';
import { ReeveError } from '../../shared/errors/error.js';
import type { AlertServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/AlertService.js';
import type { AuditServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/AuditService.js';
import type { BackupServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/BackupService.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { OperationServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperationService.js';
import type { OperatorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperatorService.js';
import type { PlanServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PlanService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { accessApi, access, grants, groups } from '../support/access-api.js';
import { apiAs, debianAccounts } from '../support/local-account.js';
import { makePublicKey } from '../support/public-key.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { createSimulatedHost } from '../support/simulated-host.js';

const alerts = serviceName<AlertServiceDefinition>('reeve.coordinator.v1.AlertService');
const audits = serviceName<AuditServiceDefinition>('reeve.coordinator.v1.AuditService');
const backups = serviceName<BackupServiceDefinition>('reeve.coordinator.v1.BackupService');
const fleets = serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
const hosts = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const operations = serviceName<OperationServiceDefinition>('reeve.coordinator.v1.OperationService');
const operators = serviceName<OperatorServiceDefinition>('reeve.coordinator.v1.OperatorService');
const plans = serviceName<PlanServiceDefinition>('reeve.coordinator.v1.PlanService');
const users = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');
const options = { deadlineMs: 20_000 };
const clock = createTurnedClock();
const job = { name: 'web', folders: ['/srv'], source: 'in1', destination: 'in1', folder: '/backup/web', retention: { daily: 7 } };
const ada = { name: 'ada', kind: 'USER_KIND_HOME', shell: '/bin/bash' } as const;
const apply = { mode: 'CHANGE_MODE_APPLY' } as const;

/** Every method that takes a host or a selector, with a request about it. */
const about: Record<string, (host: string) => object> = {
  'HostService/ListHost': (selector) => ({ selector }),
  'HostService/GetHost': (name) => ({ name }),
  'HostService/SetHost': (host) => ({ host, setLabels: ['a=b'] }),
  'HostService/RetireHost': (host) => ({ host }),
  'HostService/RevokeHost': (host) => ({ host }),
  'HostService/ReadmitHost': (selector) => ({ selector }),
  'HostService/ReleaseHost': (host) => ({ host, options: apply }),
  'HostService/ProveHost': (host) => ({ host }),
  'HostService/HoldHost': (host) => ({ host, duration: { seconds: 3600 }, reason: 'r' }),
  'HostService/UnholdHost': (host) => ({ host }),
  'DoctorService/CheckHost': (host) => ({ host }),
  'MetricService/GetHistory': (host) => ({ host }),
  'PolicyService/CheckPolicy': (selector) => ({ selector }),
  'PlanService/Reconcile': (selector) => ({ selector, options: apply }),
  'PlanService/ListPending': (selector) => ({ selector }),
  'PlanService/PlanHost': (host) => ({ host }),
  'OperationService/ListOperation': (host) => ({ host }),
  'FleetService/GetOverview': (host) => ({ host }),
  'UserService/AddUser': (selector) => ({ selector, user: ada, options: apply }),
  'UserService/LockUser': (selector) => ({ selector, name: 'ada', options: apply }),
  'UserService/UnlockUser': (selector) => ({ selector, name: 'ada', options: apply }),
  'UserService/RemoveUser': (selector) => ({ selector, name: 'ada', options: apply }),
  'UserService/AdoptUser': (host) => ({ host, name: 'ada', options: apply }),
  'UserService/ListUser': (selector) => ({ selector }),
  'UserService/ObserveUser': (host) => ({ host }),
  'KeyService/ListKey': (host) => ({ host }),
  'KeyService/ObserveForeignKey': (host) => ({ host }),
  'KeyService/AdoptKey': (host) => ({ host, options: apply }),
  'NatService/AddForward': (host) => ({ host, options: apply, forward: { protocol: 'NAT_PROTOCOL_TCP', ports: { first: 80, last: 80 }, toAddress: '198.19.200.2' } }),
  'NatService/AddMasquerade': (host) => ({ host, options: apply, masquerade: { source: '198.19.200.0/24' } }),
  'NatService/RemoveNat': (host) => ({ host, options: apply, which: '1' }),
  'NatService/SetNat': (host) => ({ host, options: apply, which: '1', enabled: true }),
  'NatService/AdoptNat': (host) => ({ host, options: apply }),
  'NatService/ConfirmNat': (host) => ({ host }),
  'NatService/ListNat': (selector) => ({ selector }),
  'NatService/ObserveNat': (host) => ({ host }),
  'NatService/TraceNat': (host) => ({ host, protocol: 'NAT_PROTOCOL_TCP', port: 80, from: '192.0.2.9' }),
  'NatService/ExplainNat': (host) => ({ host, protocol: 'NAT_PROTOCOL_TCP', port: 80 }),
  'VhostService/AddVhost': (host) => ({ host, options: apply, vhost: { name: 'a.example.org', routes: [{ prefix: '/', status: { code: 404 } }] } }),
  'VhostService/SetVhost': (host) => ({ host, options: apply, name: 'a.example.org', edit: { title: 'A' } }),
  'VhostService/RemoveVhost': (host) => ({ host, options: apply, name: 'a.example.org' }),
  'VhostService/AdoptVhost': (host) => ({ host, options: apply, file: '/etc/nginx/sites-enabled/a' }),
  'VhostService/SetMaintenance': (host) => ({ host, options: apply, name: 'a.example.org', on: true }),
  'VhostService/ListVhosts': (selector) => ({ selector }),
  'VhostService/ShowVhost': (host) => ({ host, name: 'a.example.org' }),
  'VhostService/ObserveVhosts': (host) => ({ host }),
  'VhostService/ExamineSite': (host) => ({ host, file: '/etc/nginx/sites-enabled/a' }),
  'VhostService/ReloadProxy': (host) => ({ host }),
  'CertService/AddCert': (host) => ({ host, options: apply, cert: { name: 'shop', names: ['a.example.org'], days: 90 } }),
  'CertService/SetCert': (host) => ({ host, options: apply, name: 'shop' }),
  'CertService/RemoveCert': (host) => ({ host, options: apply, name: 'shop' }),
  'CertService/ListCerts': (selector) => ({ selector }),
  'CertService/ShowCert': (host) => ({ host, name: 'shop' }),
  'ContainerService/AddContainer': (host) => ({ host, options: apply, name: 'web', spec: { engine: 'podman', image: `localhost/web@sha256:${'a'.repeat(64)}` } }),
  'ContainerService/SetContainer': (host) => ({ host, options: apply, name: 'web', spec: { engine: 'podman', image: `localhost/web@sha256:${'a'.repeat(64)}` } }),
  'ContainerService/StartContainer': (host) => ({ host, options: apply, name: 'web' }),
  'ContainerService/StopContainer': (host) => ({ host, options: apply, name: 'web' }),
  'ContainerService/RestartContainer': (host) => ({ host, name: 'web' }),
  'ContainerService/RemoveContainer': (host) => ({ host, options: apply, name: 'web' }),
  'ContainerService/AdoptContainer': (host) => ({ host, options: apply, name: 'web' }),
  'ContainerService/ListContainers': (selector) => ({ selector }),
  'ContainerService/ShowContainer': (host) => ({ host, name: 'web' }),
  'ContainerService/WatchContainers': (selector) => ({ selector }),
  'ContainerService/FollowContainerLog': (host) => ({ host, name: 'web' }),
  'ContainerService/SnapshotContainer': (host) => ({ host, name: 'web', action: 'create', snapshot: 'a' }),
  'ContainerService/ListContainerSnapshots': (host) => ({ host, name: 'web' }),
  'ContainerService/ListImages': (host) => ({ host }),
  'ContainerService/PullImage': (host) => ({ host, image: 'example.org/a:1' }),
  'ContainerService/ImportImage': (host) => ({ start: { host, kind: 'archive' } }),
  'ContainerService/PruneImages': (host) => ({ host, mode: 'CHANGE_MODE_APPLY' }),
  'UnitService/ListUnits': (selector) => ({ selector, unit: 'web.service' }),
  'UnitService/RestartUnits': (selector) => ({ selector, unit: 'web.service', mode: 'CHANGE_MODE_APPLY' }),
  'UnitService/FollowUnitLog': (host) => ({ host }),
  'AlertService/ListAlert': (selector) => ({ selector }),
  'AlertService/AddAlertMute': (selector) => ({ selector, duration: { seconds: 3600 }, reason: 'r' }),
  'BackupService/AddBackup': (host) => ({ options: apply, backup: { ...job, source: host } }),
  'BackupService/ListBackups': (selector) => ({ selector }),
  'GrantService/AddGrant': (selector) => ({ selector, person: 'grace', options: apply }),
  'GrantService/ListGrant': (selector) => ({ selector }),
  'AccessService/ListAccess': (host) => ({ host }),
  'AccessService/ExplainAccess': (host) => ({ host, person: 'grace', user: 'ada' }),
};

/** Methods that name a job: it is asked below what they answer of one with a host outside the scope. */
const jobMethods = ['SetBackup', 'RemoveBackup', 'ShowBackup', 'RunBackup', 'WatchBackup', 'CancelBackup', 'ListBackupRuns', 'ShowBackupRun', 'ListSnapshots', 'ListSnapshotFiles', 'FindSnapshotFiles', 'RestoreBackup', 'VerifyBackup', 'PruneBackup', 'AdoptBackup'].map((name) => `BackupService/${name}`);

/** Methods that take no host: what they show of hosts is asked below, or they are refused to every caller with a scope. */
const others = ['AlertService/ListAlertMute', 'AlertService/RemoveAlertMute', 'HostService/InviteHost', 'FleetService/GetStatus', 'FleetService/GetFleet', 'OperationService/GetOperation', 'AuditService/ListAudit', 'OperatorService/ListOperator', 'OperatorService/WhoAmI', 'LoginService/RenewLogin', 'PackageService/ListPackage', 'PackageService/GetPackage', 'PersonService/ListPerson', 'PersonService/GetPerson', 'GroupService/ListGroup', 'GroupService/GetGroup', 'GrantService/GetGrant', 'GrantService/SetGrant', 'GrantService/RemoveGrant', 'AccessService/GetRevocation', ...['OpenSession', 'CloseSession', 'GetSelf', 'AddOwnKey', 'RemoveOwnKey', 'WatchFleet', 'ListWebLogin'].map((name) => `WebService/${name}`), ...jobMethods];

/** One message of a caller that streams. */
async function* said(request: object): AsyncGenerator {
  yield await Promise.resolve(request);
}

describe.skipIf(process.getuid?.() !== 0)('an operator with a scope (as root, who can become others)', () => {
  let fleet: LoopbackFleet;
  let inside: LoopbackAgent;
  let outside: LoopbackAgent;
  let scoped: { channel: Channel; name: string; close(): Promise<void> };

  beforeAll(async () => {
    fleet = await startLoopbackFleet({ clock });
    inside = await fleet.addAgent('in1', { host: createSimulatedHost({ helperMs: 0 }) });
    outside = await fleet.addAgent('out1', { host: createSimulatedHost({ helperMs: 0 }) });
    await label('in1', 'site=ams');
    await label('out1', 'site=fra');
    await accessApi(fleet.api).person('grace');
    await fleet.api.unary(backups, 'AddBackup', { options: { mode: 'CHANGE_MODE_STAGE' }, backup: { ...job, name: 'half', destination: 'out1' } }, options);
    const [account] = debianAccounts(1);
    await fleet.api.unary(operators, 'AddOperator', { name: account?.name ?? '', role: 'admin', labels: ['site=ams', 'team=a'] }, options);
    scoped = { name: account?.name ?? '', ...(await apiAs(account?.uid ?? -1, fleet)) };
  });

  afterAll(async () => {
    await scoped.close();
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });

  const label = (host: string, ...setLabels: string[]): Promise<unknown> => fleet.api.unary(hosts, 'SetHost', { host, setLabels }, options);
  const changed = async (channel: Channel, selector: string, user: object): Promise<{ operationId: string; hosts: string[] }> => {
    let operationId = '';
    const names: string[] = [];
    for await (const event of channel.stream(users, 'AddUser', { selector, user, options: apply }, {})) {
      if (event.host) names.push(event.host.hostName);
      if (event.finished) ({ operationId } = event.finished);
    }
    return { operationId, hosts: names.sort() };
  };
  /** What a call ended with: its error as text, or "answered". */
  const ending = async (method: string, request: object): Promise<string> => {
    clock.pass(60_000);
    const [service = '', name = ''] = method.split('/');
    const stream = doors().flatMap((door) => door.services).find((known) => known.name.endsWith(`.v1.${service}`)) !== undefined && /^(?:DoctorService\/CheckHost|PolicyService\/CheckPolicy|PlanService\/Reconcile|HostService\/ReleaseHost|KeyService\/AdoptKey|NatService\/(?:AddForward|AddMasquerade|RemoveNat|SetNat|AdoptNat)|VhostService\/(?:AddVhost|SetVhost|RemoveVhost|AdoptVhost|SetMaintenance)|CertService\/(?:Add|Set|Remove)Cert|ContainerService\/(?:(?:Add|Set|Start|Stop|Restart|Remove|Adopt|Snapshot)Container|WatchContainers|FollowContainerLog|PullImage|PruneImages)|UnitService\/(?:RestartUnits|FollowUnitLog)|BackupService\/(?:Run|Watch|Restore|Verify|Prune|Adopt)Backup|GrantService\/AddGrant|UserService\/(?:Add|Lock|Unlock|Remove|Adopt)User)$/.test(method);
    const full = serviceName<Record<string, never>>(`reeve.coordinator.v1.${service}`);
    try {
      if (method === 'ContainerService/ImportImage') for await (const _event of scoped.channel.duplex(full, name as never, said(request) as never, {})) continue;
      else if (stream) for await (const _event of scoped.channel.stream(full, name as never, request as never, {})) continue;
      else await scoped.channel.unary(full, name as never, request as never, options);
      return 'answered';
    } catch (error) {
      return error instanceof ReeveError ? `${error.code} ${JSON.stringify(error.fields)}` : String(error);
    }
  };

  it('is asked of every method there is', () => {
    const served = doors().find((door) => door.title.includes('operators'))?.services ?? [];
    const methods = served.flatMap((service) => Object.entries(service.rows).filter(([, row]) => row.wholeFleet !== true).map(([name]) => `${service.name.replace('reeve.coordinator.v1.', '')}/${name}`));
    expect(methods.filter((method) => !Object.hasOwn(about, method) && !others.includes(method)), 'say in this file what they answer about a host outside the scope').toEqual([]);
  });

  it.each(Object.keys(about))('is told by %s of a host outside it what it is told of one that never was', async (method) => {
    const request = about[method] ?? (() => ({}));
    for (const name of ['out1', outside.hostId]) {
      const seen = await ending(method, request(name));
      expect(seen.replaceAll(name, 'X')).toBe('HOST_UNKNOWN {"value":"X"}');
    }
    expect(await ending(method, request('never'))).toBe('HOST_UNKNOWN {"value":"never"}');
    if (method !== 'UserService/AdoptUser' && method !== 'GrantService/AddGrant' && /selector/.test(String(request))) expect(await ending(method, request('site=fra'))).toBe('SELECTOR_EMPTY {"value":"site=fra"}');
    expect(outside.host.calls.filter((call) => call.startsWith('user.'))).toEqual([]);
  });

  it.each(jobMethods)('is told by %s of a job with a host outside it what it is told of one that never was', async (method) => {
    const request = (name: string): object => ({ name, options: apply, backup: { ...job, name }, host: 'in1', folder: '/r', pattern: '*', rsnapshot: '/r', point: 'a' });
    expect(await ending(method, request('half'))).toBe('BACKUP_UNKNOWN {"value":"half"}');
    expect(await ending(method, request('never'))).toBe('BACKUP_UNKNOWN {"value":"never"}');
  });

  it('sees no job with a host outside it, and makes none', async () => {
    expect((await fleet.api.unary(backups, 'ListBackups', {}, options)).rows.map(({ backup }) => backup?.name)).toEqual(['half']);
    expect((await scoped.channel.unary(backups, 'ListBackups', {}, options)).rows).toEqual([]);
    for (const more of [{ destination: 'out1' }, { destination: 'in1', source: 'in1', drill: { host: 'out1', folder: '/d', everyDays: 7 } }]) {
      const seen = await ending('BackupService/AddBackup', { options: apply, backup: { ...job, source: 'in1', ...more } });
      expect(seen).toMatch(/^(?:HOST_UNKNOWN|FIELD_INVALID)/);
    }
  });

  it('mutes its own hosts only, also by "all", and ends no mute of others', async () => {
    const mute = { selector: 'all', duration: { seconds: 3600 }, reason: 'r' };
    const { mute: foreign } = await fleet.api.unary(alerts, 'AddAlertMute', mute, options);
    await scoped.channel.unary(alerts, 'AddAlertMute', mute, options);
    expect((await scoped.channel.unary(alerts, 'ListAlertMute', {}, options)).mutes).toMatchObject([{ by: `uid:${scoped.name}` }]);
    expect(await ending('AlertService/RemoveAlertMute', { id: foreign?.id })).toBe(`ALERT_MUTE_UNKNOWN {"value":"${String(foreign?.id)}"}`);
    await fleet.api.unary(alerts, 'RemoveAlertMute', { id: foreign?.id ?? 0 }, options);
    const { db } = fleet.office();
    const told = [inside.hostId, outside.hostId, undefined].map((hostId) => openAlert(db, { kind: 'clock', hostId, subject: 'scope', severity: 'warning', title: 't', text: '', sinceMs: 1, folded: hostId === inside.hostId ? [outside.hostId] : [] }, 1));
    // The keeper ends what has no cause only after five minutes.
    expect((await scoped.channel.unary(alerts, 'ListAlert', {}, options)).alerts).toMatchObject([{ id: told[0], hostName: 'in1', foldedHosts: [], muted: expect.stringContaining(scoped.name) as string }]);
    expect((await fleet.api.unary(alerts, 'ListAlert', {}, options)).alerts.filter(({ subject }) => subject === 'scope').map(({ hostName, muted }) => `${hostName} ${String(muted !== '')}`).sort()).toEqual([' false', 'in1 true', 'out1 false']);
  });

  it('means its scope by "all", and leaves the other hosts alone', async () => {
    expect((await changed(scoped.channel, 'all', { ...ada, name: 'bob' })).hosts).toEqual(['in1']);
    expect(inside.host.users.has('bob')).toBe(true);
    expect(outside.host.users.has('bob')).toBe(false);
  });

  it('sees of hosts, operations, users, audit and status only what is its own', async () => {
    const both = await changed(fleet.api, 'all', { ...ada, name: 'carol' });
    const foreign = await changed(fleet.api, 'out1', { ...ada, name: 'dave' });
    expect(both.hosts).toEqual(['in1', 'out1']);
    const ask = scoped.channel;
    expect((await ask.unary(hosts, 'ListHost', {}, options)).hosts.map((host) => host.name)).toEqual(['in1']);
    expect((await ask.unary(hosts, 'ListHost', { retired: true }, options)).hosts.map((host) => host.name)).toEqual(['in1']);
    expect((await ask.unary(operations, 'GetOperation', { id: both.operationId }, options)).hosts.map((part) => part.hostName)).toEqual(['in1']);
    await expect(ask.unary(operations, 'GetOperation', { id: foreign.operationId }, options)).rejects.toMatchObject({ code: 'OPERATION_UNKNOWN' });
    const listed = (await ask.unary(operations, 'ListOperation', {}, options)).operations.map((operation) => operation.id);
    expect(listed).toContain(both.operationId);
    expect(listed).not.toContain(foreign.operationId);
    const listedUsers = (await ask.unary(users, 'ListUser', {}, options)).users;
    expect(new Set(listedUsers.map((row) => row.hostName))).toEqual(new Set(['in1']));
    expect((await ask.unary(users, 'ListUser', { name: 'dave' }, options)).users).toEqual([]);
    const records = (await ask.unary(audits, 'ListAudit', { limit: 1000 }, options)).records;
    expect(records.length).toBeGreaterThan(0);
    expect(new Set(records.map((record) => record.principal))).toEqual(new Set([`uid:${scoped.name}`]));
    expect((await ask.unary(operators, 'ListOperator', {}, options)).operators.map((row) => row.name)).toEqual([scoped.name]);
    const known = await ask.unary(fleets, 'GetStatus', {}, options);
    expect(known.hosts).toMatchObject({ total: 1, connected: 1, lost: 0, invited: 0, revoked: 0 });
    expect(await ask.unary(fleets, 'GetOverview', {}, options)).toMatchObject({ hosts: { total: 1, connected: 1 }, byHealth: { ok: 1, warning: 0, error: 0 }, backups: { total: 0 } });
    expect((await ask.unary(operations, 'ListOperation', { outcomes: ['OUTCOME_OK'] }, options)).operations.map((operation) => operation.id)).not.toContain(foreign.operationId);
    expect(await ask.unary(hosts, 'ListHost', { search: 'out', labels: [], tree: true, limit: 10 }, options)).toMatchObject({ hosts: [], total: 0 });
    expect((await ask.unary(audits, 'ListAudit', { principal: 'uid:root', limit: 1000 }, options)).records).toEqual([]);
  });

  it('sees no trouble of other hosts, and of a host that is lost only its own', async () => {
    await fleet.api.unary(hosts, 'InviteHost', { name: 'out2', labels: ['site=fra'] }, options);
    await outside.close();
    await fleet.waitState(outside.hostId, 'lost');
    expect((await fleet.api.unary(fleets, 'GetStatus', {}, options)).health.map((item) => item.hostName)).toContain('out1');
    const { hosts: counts, health, pending, drifted } = await scoped.channel.unary(fleets, 'GetStatus', {}, options);
    expect({ counts, health, pending, drifted }).toMatchObject({ counts: { total: 1, lost: 0, invited: 0 }, health: [], pending: 0, drifted: 0 });
    for await (const _event of fleet.api.stream(users, 'AddUser', { selector: 'out1', user: { ...ada, name: 'erin' }, options: { mode: 'CHANGE_MODE_STAGE' } }, {})) continue;
    expect((await fleet.api.unary(plans, 'ListPending', {}, options)).pending).toHaveLength(1);
    expect((await scoped.channel.unary(plans, 'ListPending', {}, options)).pending).toEqual([]);
    expect((await scoped.channel.unary(fleets, 'GetStatus', {}, options)).pending).toBe(0);
  });

  it('hands no host away, and may swap one label of the scope for another', async () => {
    const set = (request: object): Promise<unknown> => scoped.channel.unary(hosts, 'SetHost', { host: 'in1', ...request }, options);
    await expect(set({ setLabels: ['site=fra'] })).rejects.toMatchObject({ code: 'SCOPE_REFUSED', fields: { value: 'site=ams or team=a', rule: 'leave host "in1" without one of these labels' } });
    await expect(set({ removeLabels: ['site'] })).rejects.toMatchObject({ code: 'SCOPE_REFUSED' });
    expect((await scoped.channel.unary(hosts, 'GetHost', { name: 'in1' }, options)).host?.labels).toEqual(['site=ams']);
    await set({ setLabels: ['team=a'], removeLabels: ['site'] });
    await set({ setLabels: ['site=ams', 'role=db'], removeLabels: ['team'] });
    expect((await fleet.api.unary(hosts, 'GetHost', { name: 'in1' }, options)).host?.labels).toEqual(['role=db', 'site=ams']);
    await expect(set({ parent: 'out1' })).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
  });

  it('invites hosts into its scope only, and not those that others have', async () => {
    const invite = (request: object): Promise<unknown> => scoped.channel.unary(hosts, 'InviteHost', request, options);
    await expect(invite({ name: 'new1' })).rejects.toMatchObject({ code: 'SCOPE_REFUSED' });
    await expect(invite({ name: 'new1', labels: ['site=fra'] })).rejects.toMatchObject({ code: 'SCOPE_REFUSED' });
    await expect(fleet.api.unary(hosts, 'GetHost', { name: 'new1' }, options)).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
    await invite({ name: 'new1', labels: ['site=ams'] });
    for (const name of ['out1', 'out2']) await expect(invite({ name, labels: ['site=ams'], rejoin: true })).rejects.toMatchObject({ code: 'HOST_EXISTS' });
    expect((await fleet.api.unary(hosts, 'GetHost', { name: 'out2' }, options)).host).toMatchObject({ labels: ['site=fra'], state: 'HOST_STATE_INVITED' });
  });

  it('does not learn the names of a host’s relatives outside it', async () => {
    await fleet.api.unary(hosts, 'SetHost', { host: 'in1', parent: 'out1' }, options);
    expect((await scoped.channel.unary(hosts, 'GetHost', { name: 'in1' }, options)).host?.parent).toBe('');
    await fleet.api.unary(hosts, 'SetHost', { host: 'in1', parent: '' }, options);
    await fleet.api.unary(hosts, 'SetHost', { host: 'out2', parent: 'in1' }, options);
    await expect(scoped.channel.unary(hosts, 'RetireHost', { host: 'in1' }, options)).rejects.toMatchObject({ code: 'HOST_HAS_CHILDREN', fields: { rule: 'a host outside your scope' } });
  });

  it('lets in within its scope and nothing wider, and sees nothing of who gets in elsewhere', async () => {
    const [all, own] = [accessApi(fleet.api), accessApi(scoped.channel)];
    await all.key({ host: 'out2', user: 'secret' }, [makePublicKey()], 'STAGE');
    await all.group('ops', { persons: ['grace'], hosts: ['out2', 'in1'] }, 'STAGE');
    await all.grant({ person: 'grace', selector: 'out2' }, 'STAGE');
    await all.grant({ group: 'ops', selector: 'all' }, 'STAGE');
    for (const selector of ['all', 'site=fra', 'role=db']) await expect(own.grant({ person: 'grace', selector }, 'STAGE')).rejects.toMatchObject({ code: 'SCOPE_REFUSED' });
    await own.grant({ person: 'grace', selector: 'site=ams' }, 'STAGE');
    await own.grant({ person: 'grace', selector: 'in1' }, 'STAGE');
    const ask = scoped.channel;
    expect((await ask.unary(grants, 'ListGrant', {}, options)).grants.map(({ id, selector }) => `${String(id)} ${selector}`)).toEqual(['2 all', '3 site=ams', '4 in1']);
    await expect(ask.unary(grants, 'GetGrant', { id: 1 }, options)).rejects.toMatchObject({ code: 'GRANT_UNKNOWN' });
    for (const change of [own.removeGrant(1, 'STAGE'), own.setGrant(1, { reason: 'r' }, 'STAGE')]) await expect(change).rejects.toMatchObject({ code: 'GRANT_UNKNOWN' });
    await expect(own.removeGrant(2, 'STAGE')).rejects.toMatchObject({ code: 'SCOPE_REFUSED' });
    expect((await ask.unary(grants, 'GetGrant', { id: 2 }, options)).hosts).not.toContain('out2');
    expect((await ask.unary(groups, 'GetGroup', { name: 'ops' }, options)).group).toMatchObject({ members: [{ person: 'grace' }, { host: 'in1' }], grants: [2] });
    expect((await ask.unary(access, 'ListAccess', { person: 'grace' }, options)).access.map(({ host }) => host).filter((name) => name !== 'in1')).toEqual([]);
    await own.removeGrant(4, 'STAGE');
  });

  it('takes effect on the next call', async () => {
    await fleet.api.unary(operators, 'SetOperator', { name: scoped.name, scope: { labels: ['site=fra'] } }, options);
    expect((await scoped.channel.unary(hosts, 'ListHost', {}, options)).hosts.map((host) => host.name)).toEqual(['out1', 'out2']);
    await expect(scoped.channel.unary(hosts, 'GetHost', { name: 'in1' }, options)).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
    await fleet.api.unary(operators, 'SetOperator', { name: scoped.name, scope: {} }, options);
    expect((await scoped.channel.unary(hosts, 'ListHost', {}, options)).hosts).toHaveLength(4);
  });
});
