import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/AuditService.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { ListHostRequestInput } from '../../shared/gen/proto/reeve/coordinator/v1/ListHostRequest.js';
import type { OperationServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperationService.js';
import type { PlanServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PlanService.js';
import { serviceName } from '../../shared/rpc/client.js';
import { accessApi } from '../support/access-api.js';
import { fillBrowserFleet, type BrowserFleet } from '../support/browser-fleet.js';
import { startLoopbackFleet, type LoopbackFleet } from '../support/loopback-fleet.js';
import { until } from '../support/until.js';

const hosts = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const fleets = serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
const operations = serviceName<OperationServiceDefinition>('reeve.coordinator.v1.OperationService');
const audits = serviceName<AuditServiceDefinition>('reeve.coordinator.v1.AuditService');
const plans = serviceName<PlanServiceDefinition>('reeve.coordinator.v1.PlanService');
const options = { deadlineMs: 20_000 };

/** vm1 with the guest web1, db1 (held), new1 (invited), store1 and store2 (lost). */
describe('lists of a fleet', () => {
  let fleet: LoopbackFleet;
  let filled: BrowserFleet;

  beforeAll(async () => {
    fleet = await startLoopbackFleet();
    filled = await fillBrowserFleet(fleet);
    await until(() => fleet.office().fleet.live(filled.agents.web1.hostId).facts !== undefined, { timeoutMs: 20_000, what: 'the facts of web1' });
  });
  afterAll(async () => {
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });

  const list = async (request: ListHostRequestInput): Promise<{ names: string[]; total: number }> => {
    const { hosts: found, total } = await fleet.api.unary(hosts, 'ListHost', request, options);
    return { names: found.map(({ name, depth }) => `${'>'.repeat(depth)}${name}`), total };
  };

  it.each<[string, ListHostRequestInput, string]>([
    ['without anything', {}, 'db1 new1 store1 store2 vm1 web1'],
    ['by a part of the name, whatever its case', { search: 'STORE' }, 'store1 store2'],
    ['by a label that is searched for', { search: 'site=a' }, 'web1'],
    ['by an address', { search: '192.0.2.1:' }, 'store1 store2'],
    ['by the system', { search: 'reeve-evil' }, 'web1'],
    ['by the parent', { search: 'vm1' }, 'vm1 web1'],
    ['by all of several labels', { labels: ['site=ams', 'role=web'] }, 'web1'],
    ['by labels of which it lacks one', { labels: ['site=ams', 'role=db'] }, ''],
    ['by states', { states: ['HOST_STATE_LOST', 'HOST_STATE_INVITED'] }, 'new1 store1 store2'],
    ['by health', { health: 'error' }, 'store1 store2'],
    ['by health that is good', { health: 'ok' }, 'new1 web1'],
    ['that are held', { flag: 'held' }, 'db1'],
    ['that are pending', { flag: 'pending' }, 'new1 vm1'],
    ['in the other order', { sort: 'name', descending: true }, 'web1 vm1 store2 store1 new1 db1'],
    ['by state, what is wrong first', { sort: 'state' }, 'store1 store2 new1 db1 vm1 web1'],
    ['by health, what is wrong first', { sort: 'health' }, 'store1 store2 db1 vm1 new1 web1'],
    ['by version of the agent', { sort: 'version', descending: true, states: ['HOST_STATE_LOST', 'HOST_STATE_CONNECTED'] }, 'store1 store2 db1 vm1 web1'],
    ['as a tree', { tree: true }, 'db1 new1 store1 store2 vm1 >web1'],
    ['as a tree, without the parent', { tree: true, search: 'web1' }, 'web1'],
  ])('hosts are found %s', async (_how, request, wanted) => {
    const names = wanted === '' ? [] : wanted.split(' ');
    expect(await list(request)).toEqual({ names, total: names.length });
  });

  it('hosts come by page, with how many there are in all', async () => {
    expect(await list({ offset: 1, limit: 2 })).toEqual({ names: ['new1', 'store1'], total: 6 });
    expect(await list({ offset: 6, limit: 2 })).toEqual({ names: [], total: 6 });
  });

  it.each<ListHostRequestInput>([{ sort: 'x' }, { health: 'fine' }, { flag: 'x' }, { labels: ['no label'] }, { search: 'x'.repeat(201) }, { limit: 100_001 }])('%j is refused', async (request) => {
    await expect(fleet.api.unary(hosts, 'ListHost', request, options)).rejects.toMatchObject({ code: 'FIELD_INVALID' });
  });

  it('the overview counts what the lists show', async () => {
    const overview = await fleet.api.unary(fleets, 'GetOverview', { limit: 1 }, options);
    expect(overview).toMatchObject({
      hosts: { total: 6, connected: 3, lost: 2, invited: 1, quarantined: 0, revoked: 0 },
      byHealth: { ok: 2, warning: 2, error: 2 },
      pending: 2, drifted: 0, held: 1, running: 0,
      certs: { total: 1, ended: 0, ending: 1 },
      backups: { total: 1, day: 0, week: 0, month: 0, older: 0, unproven: 1, bad: 0 },
    });
    expect(overview.health).toHaveLength(1);
    expect(overview.healthTotal).toBe(4);
    const one = await fleet.api.unary(fleets, 'GetOverview', { host: 'db1' }, options);
    expect(one.health.map(({ code, hostName }) => `${hostName} ${code}`)).toEqual(['db1 HELD']);
  });

  it('operations are found by how they ended, by host, and page by page', async () => {
    const find = async (request: object): Promise<string[]> => (await fleet.api.unary(operations, 'ListOperation', request, options)).operations.map(({ summary }) => summary);
    const all = await find({});
    expect(all.length).toBeGreaterThan(6);
    expect(await find({ outcomes: ['OUTCOME_PENDING'] })).toEqual([expect.stringContaining('nat add vm1'), 'user add deploy on all']);
    expect(await find({ host: 'web1' })).toEqual(['cert add web1 front', 'vhost add web1 a.example.org', 'grant add group ops on web1', 'user add deploy on all']);
    const [first] = (await fleet.api.unary(operations, 'ListOperation', { limit: 3 }, options)).operations.slice(-1);
    expect(await find({ before: first?.id ?? '', limit: 2 })).toEqual(all.slice(3, 5));
    const { operation } = await fleet.api.unary(operations, 'GetOperation', { id: filled.operationId }, options);
    expect(operation).toMatchObject({ parts: 4, partsEnded: 4 });
  });

  it('audit records are found by who, by what, and page by page', async () => {
    const find = async (request: object) => (await fleet.api.unary(audits, 'ListAudit', request, options)).records;
    const all = await find({ limit: 1000 });
    expect((await find({ action: 'nat add' })).every(({ action }) => action.startsWith('nat add'))).toBe(true);
    expect((await find({ action: 'nat add' })).length).toBeGreaterThan(0);
    expect(await find({ action: '%' })).toEqual([]);
    expect(new Set((await find({ principal: `host:${filled.agents.web1.hostId}`, limit: 1000 })).map(({ principal }) => principal)).size).toBeLessThanOrEqual(1);
    expect(await find({ principal: 'uid:nobody' })).toEqual([]);
    expect((await find({ before: all[4]?.seq ?? 0, limit: 2 })).map(({ seq }) => seq)).toEqual([all[5]?.seq, all[6]?.seq]);
  });

  it('what an apply would change on a host is told without changing or storing anything', async () => {
    const { web1 } = filled.agents;
    expect((await accessApi(fleet.api).user('AddUser', 'web1', 'carol')).outcome).toBe('ok');
    const account = web1.host.users.get('carol');
    if (account === undefined) throw new Error('no account');
    web1.host.users.set('carol', { ...account, shell: '/bin/sh' });
    const before = (await fleet.api.unary(audits, 'ListAudit', { limit: 1 }, options)).records[0]?.seq;
    const { results } = await fleet.api.unary(plans, 'PlanHost', { host: 'web1' }, options);
    expect(results.find(({ noun }) => noun === 'user')).toMatchObject({ outcome: 'OUTCOME_OK', changes: [{ subject: 'carol', fields: [{ field: 'shell', from: '/bin/sh', to: '/bin/bash' }] }] });
    expect(results.find(({ noun }) => noun === 'key')).toMatchObject({ outcome: 'OUTCOME_OK', changes: [] });
    expect(web1.host.users.get('carol')?.shell).toBe('/bin/sh');
    expect((await fleet.api.unary(audits, 'ListAudit', { limit: 1 }, options)).records[0]?.seq).toBe(before);
const absent = (await fleet.api.unary(plans, 'PlanHost', { host: 'new1' }, options)).results;
    expect(absent.map(({ noun, outcome }) => `${noun} ${outcome}`)).toContain('user OUTCOME_PENDING');
    expect(absent.every(({ errors }) => errors.length > 0)).toBe(true);
  });
});
