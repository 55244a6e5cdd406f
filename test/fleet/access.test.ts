import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { Client, credentials, Metadata, ServerCredentials, type ChannelCredentials, type ServiceError } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operatorOf } from '../../coordinator/api/caller.js';
import { listAudit } from '../../coordinator/inventory/audit.js';
import { doors, renderApiPage } from '../../docs/api-page.js';
import type { OperatorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperatorService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { roles } from '../../shared/model/role.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { contract, methodDefinition, serviceDefinition } from '../../shared/rpc/load.js';
import { createRpcServer, type MethodRow, type Service } from '../../shared/rpc/server.js';
import { systemClock } from '../../shared/kit/clock.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { newKey, stolenRoots } from '../support/certificate-forge.js';
import { apiAs, debianAccounts, type LocalAccount } from '../support/local-account.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { show } from '../support/wrong-certificate.js';

const operatorService = serviceName<OperatorServiceDefinition>('reeve.coordinator.v1.OperatorService');
const userService = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');
const options = { deadlineMs: 10_000 };
const clock = createTurnedClock();

let fleet: LoopbackFleet;
let agent: LoopbackAgent;

beforeAll(async () => {
  fleet = await startLoopbackFleet({ clock });
  agent = await fleet.addAgent('web1', { host: createSimulatedHost({ helperMs: 0 }) });
});

afterAll(async () => {
  await fleet.close();
  expect(fleet.bugs).toEqual([]);
});

/** What a method answers to an empty request, by hand: gRPC's status, the code, and everything else that can be seen. */
function callEmpty(target: string, tls: ChannelCredentials, method: string): Promise<{ status: number | 'ok'; code: string; seen: string }> {
  const client = new Client(target, tls, { 'grpc.use_local_subchannel_pool': 1, 'grpc.default_authority': 'reeve', 'grpc.ssl_target_name_override': 'reeve' });
  const [service = '', name = ''] = method.split('/');
  const definition = methodDefinition(service, name);
  return new Promise((resolve) => {
    const finish = (error: ServiceError | null): void => {
      const trailer = error?.metadata.get('reeve-errors-bin')[0];
      client.close();
      resolve({ status: error?.code ?? 'ok', code: error?.details ?? '', seen: `${error?.details ?? ''} ${Buffer.isBuffer(trailer) ? trailer.toString('latin1') : ''}` });
    };
    const until = { deadline: Date.now() + 10_000 };
    if (!definition.responseStream) {
      client.makeUnaryRequest(definition.path, definition.requestSerialize, definition.responseDeserialize, {}, new Metadata(), until, finish);
      return;
    }
    const call = client.makeServerStreamRequest(definition.path, definition.requestSerialize, definition.responseDeserialize, {}, new Metadata(), until);
    call.on('data', () => {
      call.cancel();
      finish(null);
    });
    call.on('error', finish);
    call.on('end', () => finish(null));
  });
}

const services = doors().flatMap((door) => door.services);
const methods = services.flatMap((service) => Object.entries(service.rows).map(([name, row]) => ({ method: `${service.name}/${name}`, row })));
const operatorServices = doors().find((door) => door.title.includes('operators'))?.services ?? [];
const operatorMethods = operatorServices.flatMap((service) => Object.entries(service.rows).map(([name, row]) => ({ method: `${service.name}/${name}`, row })));
const unimplemented = 12;

/** Methods whose every call is about the whole fleet: an operator with a scope may not call them, whatever its role. */
const ofTheWholeFleet = [
  'AccessService/RevokePerson', 'AlertService/AddAlertRoute', 'AlertService/ListAlertRoute', 'AlertService/RemoveAlertRoute', 'AlertService/TestAlertRoute', 'AuditService/VerifyAudit', 'FleetService/InitFleet', 'FleetService/RekeyFleet', 'FleetService/SetFleet', 'GroupService/AddGroup', 'GroupService/RemoveGroup',
  'KeyService/AddKey', 'KeyService/RemoveKey', 'MetricService/MakeMetricToken', 'MetricService/RevokeMetricToken', 'OperatorService/AddOperator', 'OperatorService/InviteOperator', 'OperatorService/RemoveOperator', 'OperatorService/RevokeOperator',
  'OperatorService/SetOperator', 'PersonService/AddPerson', 'PersonService/RemovePerson', 'PersonService/SetPerson', 'WebService/RemoveWebLogin', 'WebService/SetWebLogin',
];

/** Methods that are about the caller's own certificate, session or keys only: for every role, or for whoever has a session of the status page, although they write. */
const ofOneself = ['LoginService/RenewLogin', ...['OpenSession', 'CloseSession', 'GetSelf', 'AddOwnKey', 'RemoveOwnKey'].map((name) => `WebService/${name}`)].map((method) => `reeve.coordinator.v1.${method}`);

describe('methods', () => {
  it('of the contract are those of the tables, service by service, and those that are documented', () => {
    const page = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');
    const known = Object.entries(contract()).filter(([, definition]) => !('format' in definition)).map(([name]) => name);
    expect(services.map((service) => service.name).sort()).toEqual(known.sort());
    for (const service of services) {
      const section = page.split(`### ${service.name}\n`)[1]?.split('\n#')[0] ?? '';
      const documented = [...section.matchAll(/^\| (\w+) \| /gm)].map((match) => match[1] ?? '').filter((name) => name !== 'method');
      const wanted = Object.keys(serviceDefinition(service.name)).sort();
      expect(Object.keys(service.rows).sort(), `${service.name}: rows`).toEqual(wanted);
      expect(documented.sort(), `${service.name}: docs/api.md`).toEqual(wanted);
      for (const name of wanted) expect(section, `${service.name}: what ${name} does`).toMatch(new RegExp(`^- \`${name}\`: \\S`, 'm'));
    }
    expect(page === renderApiPage() || 'run: npx tsx docs/generate.ts').toBe(true);
  });

  it('are served behind their own door, and behind no other', async () => {
    const roots = stolenRoots(fleet.stateDir);
    const coordinator = show({ uri: formatIdentity({ kind: 'coordinator', fleetId: agent.identity.fleetId }), root: roots.control, otherRoot: roots.agents, does: 'client', key: newKey() });
    const tls = (shown: { key: string; certificate: string } | undefined): ChannelCredentials =>
      credentials.createFromSecureContext(createSecureContext(shown === undefined ? {} : { key: shown.key, cert: shown.certificate }), { rejectUnauthorized: false, checkServerIdentity: () => undefined });
    const open = [
      { target: `ipv4:127.0.0.1:${String(agent.port)}`, tls: tls(coordinator) },
      { target: `ipv4:127.0.0.1:${String(fleet.agentsPort)}`, tls: tls(agent.identity) },
      { target: `ipv4:127.0.0.1:${String(fleet.enrolmentPort)}`, tls: tls(undefined) },
      { target: `unix:${fleet.socketPath}`, tls: credentials.createInsecure() },
    ];
    const wrong: string[] = [];
    for (const [index, door] of open.entries()) {
      const own = new Set(doors()[index]?.services.map((service) => service.name));
      for (const { method } of methods) {
        const { status } = await callEmpty(door.target, door.tls, method);
        const served = status !== unimplemented;
        if (served !== own.has(method.split('/')[0] ?? '')) wrong.push(`${door.target}: ${method} answered ${String(status)}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(methods.length).toBeGreaterThan(30);
  });

  it('cannot be reached but through the check of who calls, of the role, of the rate and of the size', async () => {
    const ran: string[] = [];
    const spied = services.map((service): Service<{ name: string; role: string }> => ({
      name: service.name,
      rows: Object.fromEntries(Object.entries(service.rows).map(([name, row]) => [name, { ...row, handle: () => { ran.push(`${service.name}/${name}`); return Promise.resolve({}); } }])),
    }));
    const server = createRpcServer({ services: spied, log: pino({ level: 'silent' }), clock: systemClock, authenticate: () => ({ name: 'somebody', role: 'nobody' }) });
    const port = await new Promise<number>((resolve, reject) => server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error))));
    const codes = new Set<string>();
    for (const { method } of methods) codes.add((await callEmpty(`ipv4:127.0.0.1:${String(port)}`, credentials.createInsecure(), method)).code);
    expect([...codes]).toEqual(['ROLE_REFUSED']);
    expect(ran).toEqual([]);
    server.forceShutdown();
    const [first] = spied;
    if (first === undefined) throw new Error('there are no services');
    const fewer = { name: first.name, rows: Object.fromEntries(Object.entries(first.rows).slice(1)) };
    expect(() => createRpcServer({ services: [fewer], log: pino({ level: 'silent' }), clock: systemClock, authenticate: () => ({ name: 'a', role: 'b' }) })).toThrow(/methods without a row/);
  });
});

describe('a local account', () => {
  const peer = (user: string, groups: string[]): Parameters<typeof operatorOf>[1] => ({ uid: 4242, user, groups });

  it.each([
    { groups: ['reeve-viewer'], role: 'viewer' },
    { groups: ['users', 'reeve-operator', 'reeve-viewer'], role: 'operator' },
    { groups: ['reeve-viewer', 'reeve-admin'], role: 'admin' },
  ])('in $groups is $role without being named', ({ groups, role }) => {
    expect(operatorOf(fleet.office().db, peer('grace', groups))).toMatchObject({ role, name: 'uid:grace' });
  });

  it.each([[[]], [['reeve']], [['reeve-admins', 'xreeve-admin', 'REEVE-ADMIN', 'sudo', 'root']]])('in %j is nobody', (groups) => {
    expect(() => operatorOf(fleet.office().db, peer('grace', groups))).toThrow(expect.objectContaining({ code: 'OPERATOR_UNKNOWN' }) as Error);
  });

  it('that is disabled is nobody, whatever group it is in', async () => {
    await fleet.api.unary(operatorService, 'AddOperator', { name: 'heidi', role: 'admin' }, options);
    await fleet.api.unary(operatorService, 'SetOperator', { name: 'heidi', disabled: true }, options);
    expect(() => operatorOf(fleet.office().db, peer('heidi', ['reeve-admin']))).toThrow(expect.objectContaining({ code: 'OPERATOR_DISABLED' }) as Error);
  });
});

describe.skipIf(process.getuid?.() !== 0)('the operators’ API over its socket (as root, who can become others)', () => {
  type Who = 'viewer' | 'operator' | 'admin' | 'unknown' | 'disabled' | 'scoped viewer' | 'scoped operator' | 'scoped admin';
  const who: readonly Who[] = ['viewer', 'operator', 'admin', 'unknown', 'disabled', 'scoped viewer', 'scoped operator', 'scoped admin'];
  const roleOf = (name: Who): string => (name === 'disabled' ? 'admin' : name.replace('scoped ', ''));
  const labelsOf = (name: Who): string[] => (name.startsWith('scoped') ? ['site=ams', 'site=fra'] : []);
  const accounts = new Map<Who, LocalAccount & { channel: Channel; target: string; close(): Promise<void> }>();

  beforeAll(async () => {
    const found = debianAccounts(who.length);
    await Promise.all(
      who.map(async (name, index) => {
        const account = found[index] ?? { name: '', uid: -1 };
        if (name !== 'unknown') await fleet.api.unary(operatorService, 'AddOperator', { name: account.name, role: roleOf(name), labels: labelsOf(name) }, options);
        if (name === 'disabled') await fleet.api.unary(operatorService, 'SetOperator', { name: account.name, disabled: true }, options);
        const door = await apiAs(account.uid, fleet);
        accounts.set(name, { ...account, ...door, target: `unix:${door.socketPath}` });
      }),
    );
  });

  afterAll(() => Promise.all([...accounts.values()].map((account) => account.close())));

  const account = (name: Who) => {
    const found = accounts.get(name);
    if (found === undefined) throw new Error(`${name} has no account`);
    return found;
  };
  const refusalOf = (name: Who, row: MethodRow<never, unknown, never>): string | undefined => {
    if (name === 'unknown') return 'OPERATOR_UNKNOWN';
    if (name === 'disabled') return 'OPERATOR_DISABLED';
    if (!row.roles.includes(roleOf(name))) return 'ROLE_REFUSED';
    return labelsOf(name).length > 0 && row.wholeFleet === true ? 'SCOPE_REFUSED' : undefined;
  };
  const table = operatorMethods.flatMap(({ method, row }) => who.map((name) => ({ name, method, refusal: refusalOf(name, row) })));

  it('knows each account', async () => {
    for (const name of roles) {
      expect(await account(name).channel.unary(operatorService, 'WhoAmI', {}, options)).toEqual({ name: account(name).name, role: name, labels: [] });
      expect(await account(`scoped ${name}`).channel.unary(operatorService, 'WhoAmI', {}, options)).toEqual({ name: account(`scoped ${name}`).name, role: name, labels: ['site=ams', 'site=fra'] });
    }
    await expect(account('unknown').channel.unary(operatorService, 'WhoAmI', {}, options)).rejects.toMatchObject({ code: 'OPERATOR_UNKNOWN' });
    await expect(account('disabled').channel.unary(operatorService, 'WhoAmI', {}, options)).rejects.toMatchObject({ code: 'OPERATOR_DISABLED' });
  });

  it('has a table that lets nobody do more than a stronger role, and lets no method open to all', () => {
    for (const { method, row } of operatorMethods) {
      if (ofOneself.includes(method)) continue;
      const allowed = roles.map((role) => row.roles.includes(role));
      expect(allowed, method).toEqual([...allowed].sort());
      expect(allowed.at(-1), method).toBe(true);
      if (row.risk !== 'read') expect(row.roles, method).not.toContain('viewer');
      if (row.risk === 'identity') expect(row.roles, method).toEqual(['admin']);
    }
    expect(operatorMethods.filter(({ row }) => row.wholeFleet === true).map(({ method }) => method.replace('reeve.coordinator.v1.', '')).sort()).toEqual(ofTheWholeFleet);
  });

  it.each(table.filter((cell) => cell.refusal !== undefined))('refuses $method to $name with $refusal, and writes it down', async ({ name, method, refusal }) => {
    clock.pass(60_000);
    const answer = await callEmpty(account(name).target, credentials.createInsecure(), method);
    expect(answer.code).toBe(refusal);
    expect(listAudit(fleet.office().db, 1)[0]).toMatchObject({ principal: name === 'unknown' || name === 'disabled' ? expect.stringMatching(/^(?:uid|peer):/) as string : `uid:${account(name).name}`, action: method, phase: 'refused', code: refusal });
    expect(answer.seen).not.toMatch(/\/(?:dev|tmp|var|etc|home|usr|root)\b|\bat .+:\d+|node_modules|SqliteError/);
  });

  it.each(table.filter((cell) => cell.refusal === undefined))('lets $name call $method', async ({ name, method }) => {
    const answer = await callEmpty(account(name).target, credentials.createInsecure(), method);
    expect(answer.code).not.toMatch(/^(?:ROLE_REFUSED|SCOPE_REFUSED|OPERATOR_(?!ABSENT))/);
    if (!ofOneself.includes(method)) expect(answer.code).not.toBe('IDENTITY_REFUSED');
    expect(answer.code).not.toBe('INTERNAL');
    expect(answer.status).not.toBe(unimplemented);
  });

  it('stops an operator who is disabled at the next call, and closes what is open within 15 s', async () => {
    const { name, channel } = account('operator');
    const slow = await fleet.addAgent('slow', { host: createSimulatedHost({ helperMs: 5_000 }) });
    const stream = channel.stream(userService, 'AddUser', { selector: 'slow', user: { name: 'ada', kind: 'USER_KIND_HOME', shell: '/bin/bash' }, options: { mode: 'CHANGE_MODE_APPLY' } }, {});
    expect((await stream.next()).value).toMatchObject({ event: 'planned' });
    await fleet.api.unary(operatorService, 'SetOperator', { name, disabled: true }, options);
    const startedAt = performance.now();
    await expect(channel.unary(operatorService, 'WhoAmI', {}, options)).rejects.toMatchObject({ code: 'OPERATOR_DISABLED' });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    await expect(stream.next()).rejects.toMatchObject({ code: 'OPERATOR_DISABLED' });
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    await fleet.api.unary(operatorService, 'SetOperator', { name, disabled: false }, options);
    expect(await channel.unary(operatorService, 'WhoAmI', {}, options)).toMatchObject({ role: 'operator' });
    await slow.close();
  });
});
