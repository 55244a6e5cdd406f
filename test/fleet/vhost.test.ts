import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChangeEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { NatServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/NatService.js';
import type { VhostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/VhostService.js';
import type { VhostInput } from '../../shared/gen/proto/reeve/type/v1/Vhost.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { accessApi, came, optionsOf, plans, type Came, type How } from '../support/access-api.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet, type TurnedClock } from '../support/loopback-fleet.js';
import { createSimulatedHost, type SimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';

const vhosts = serviceName<VhostServiceDefinition>('reeve.coordinator.v1.VhostService');
const hostService = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const fleetService = serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
const nat = serviceName<NatServiceDefinition>('reeve.coordinator.v1.NatService');
const deadline = { deadlineMs: 30_000 };

interface Told extends Came {
  readonly diffs: string[];
  readonly notes: string[];
}

/** Runs a command to its end, with the diffs and notes of its hosts. */
async function run(events: AsyncIterable<ChangeEvent>): Promise<Told> {
  const diffs: string[] = [];
  const notes: string[] = [];
  const listen = async function* (): AsyncGenerator<ChangeEvent> {
    for await (const event of events) {
      for (const result of [...(event.planned?.hosts ?? []), ...(event.host ? [event.host] : [])]) {
        diffs.push(...result.changes.map(({ diff }) => diff).filter((diff) => diff !== ''));
        notes.push(...result.notes);
      }
      yield event;
    }
  };
  return { ...(await came(listen())), diffs, notes: [...new Set(notes)] };
}

/** The commands of one operator. */
function vhostApi(api: Channel, clock: TurnedClock) {
  const proxy = (to: object): VhostInput['routes'] => [{ prefix: '/', proxy: { to: { address: '10.0.0.5', port: 8080, ...to } } }];
  const often = <T>(work: () => T): T => {
    clock.pass(60_000);
    return work();
  };
  return {
    add: (host: string, name: string, { to, ...more }: VhostInput & { to?: object } = {}, how?: How) =>
      often(() => run(api.stream(vhosts, 'AddVhost', { options: optionsOf(how), host, vhost: { name, listens: [{ port: 80 }], routes: proxy(to ?? {}) ?? [], ...more } }, {}))),
    set: (host: string, name: string, edit: object, how?: How) => often(() => run(api.stream(vhosts, 'SetVhost', { options: optionsOf(how), host, name, edit }, {}))),
    remove: (host: string, name: string, how?: How) => often(() => run(api.stream(vhosts, 'RemoveVhost', { options: optionsOf(how), host, name }, {}))),
    maintenance: (host: string, name: string, on: boolean, retryAfterS = 0) => often(() => run(api.stream(vhosts, 'SetMaintenance', { options: optionsOf(), host, name, on, retryAfterS }, {}))),
    adopt: (host: string, file: string, more: object = {}, how?: How) => often(() => run(api.stream(vhosts, 'AdoptVhost', { options: optionsOf(how), host, file, ...more }, {}))),
    examine: (host: string, file: string) => often(() => api.unary(vhosts, 'ExamineSite', { host, file }, deadline)),
    list: (selector = '') => api.unary(vhosts, 'ListVhosts', { selector }, deadline).then(({ rows }) => rows),
    show: (host: string, name: string) => often(() => api.unary(vhosts, 'ShowVhost', { host, name }, deadline)),
    observe: (host: string) => often(() => api.unary(vhosts, 'ObserveVhosts', { host }, deadline)),
    reload: (host: string) => api.unary(vhosts, 'ReloadProxy', { host }, deadline),
    health: () => api.unary(fleetService, 'GetStatus', {}, deadline).then(({ health }) => health.map(({ code, title, hostName }) => `${hostName} ${code} ${title}`)),
    pending: () => api.unary(plans, 'ListPending', {}, deadline).then(({ pending }) => pending.map(({ hostName, noun, reason }) => `${hostName} ${noun}: ${reason}`)),
  };
}

describe('sites of a fleet', () => {
  let fleet: LoopbackFleet;
  let clock: TurnedClock;
  let web1: LoopbackAgent;
  let host: SimulatedHost;
  let api: ReturnType<typeof vhostApi>;

  beforeEach(async () => {
    clock = createTurnedClock();
    fleet = await startLoopbackFleet({ clock });
    host = createSimulatedHost({ clock });
    web1 = await fleet.addAgent('web1', { host });
    api = vhostApi(fleet.api, clock);
  });

  afterEach(async () => {
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });

  /** The files that are in place. */
  const files = (): string[] => [...(host.vhosts.placed?.keys() ?? [])];
  const conf = (name: string): string => host.vhosts.placed?.get(`${name}.conf`)?.content ?? '';

  it('are added, listed, shown, altered and removed', async () => {
    const planned = await api.add('web1', 'app.example.org', {}, 'PLAN');
    expect(planned).toMatchObject({ outcome: 'ok', stored: false, changes: ['+ vhost app.example.org'] });
    expect(planned.diffs.join('')).toContain('+');
    expect(await api.list()).toEqual([]);
    expect(files()).toEqual([]);
    expect(await api.add('web1', 'app.example.org', { aliases: ['www.app.example.org'], users: [{ name: 'ada', hash: `$2b$12$${'a'.repeat(53)}` }] })).toMatchObject({ outcome: 'ok', hosts: ['web1 vhost: ok'], changes: ['+ vhost app.example.org'] });
    expect(files()).toContain('app.example.org.conf');
    expect(await api.list('web1')).toMatchObject([{ hostName: 'web1', vhost: { name: 'app.example.org', aliases: ['www.app.example.org'], users: [{ name: 'ada', hash: '' }] }, pending: false, parked: null }]);
    expect(await api.show('web1', 'app.example.org')).toMatchObject({ state: 'ok', path: '/etc/nginx/reeve/current/app.example.org.conf', text: conf('app.example.org'), problem: '' });
    await expect(api.show('web1', 'www.app.example.org')).rejects.toMatchObject({ code: 'FIELD_INVALID' });
    expect(await api.set('web1', 'app.example.org', { title: 'The App', addRoutes: [{ prefix: '/gone', status: { code: 410 } }] })).toMatchObject({ outcome: 'ok', changes: ['~ vhost app.example.org'] });
    expect(conf('app.example.org')).toContain('"/gone/"');
    expect(await api.set('web1', 'app.example.org', { title: 'The App' })).toMatchObject({ outcome: 'ok', changes: [] });
    expect(await api.maintenance('web1', 'app.example.org', true, 300)).toMatchObject({ outcome: 'ok' });
    expect(conf('app.example.org')).toContain('300');
    expect(await api.maintenance('web1', 'app.example.org', false)).toMatchObject({ outcome: 'ok' });
    expect(await api.remove('web1', 'app.example.org')).toMatchObject({ outcome: 'ok', changes: ['- vhost app.example.org'] });
    expect(files().filter((name) => name.startsWith('app'))).toEqual([]);
    await expect(api.remove('web1', 'app.example.org')).rejects.toMatchObject({ code: 'VHOST_UNKNOWN' });
    expect(await api.reload('web1')).toMatchObject({ engine: 'nginx 1.22.1' });
  });

  it('have names and ports of their own, and no forward takes one', async () => {
    await api.add('web1', 'app.example.org', { aliases: ['www.app.example.org'] });
    await expect(api.add('web1', 'www.app.example.org')).rejects.toMatchObject({ code: 'VHOST_EXISTS', fields: { host: 'web1', value: '"www.app.example.org"', rule: 'it is a name of site "app.example.org"' } });
    await expect(api.add('web1', 'tls.example.org', { listens: [{ port: 80, tls: true }] })).rejects.toMatchObject({ code: 'VHOST_EXISTS', fields: { value: 'at port 80' } });
    const forward = { protocol: 'NAT_PROTOCOL_TCP' as const, ports: { first: 1, last: 100 }, toAddress: '198.19.200.2', toPorts: { first: 1, last: 100 } };
    await expect(came(fleet.api.stream(nat, 'AddForward', { options: optionsOf(), host: 'web1', forward }, {}))).rejects.toMatchObject({ code: 'NAT_EXISTS' });
    await expect(api.add('web1', 'x.example.org', { cert: 'nobody', listens: [{ port: 443, tls: true }] })).rejects.toMatchObject({ code: 'CERT_UNKNOWN', fields: { host: 'web1', value: 'nobody' } });
    await expect(api.add('web1', 'x.example.org', { to: { address: '', host: 'nowhere' } })).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
    expect(await api.list()).toHaveLength(1);
    const both = await Promise.allSettled([api.add('web1', 'race.example.org'), api.add('web1', 'race.example.org', { title: 'other' })]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('that a host refuses are parked and told, and the others are made', async () => {
    await api.add('web1', 'good.example.org');
    host.vhosts.broken.set('"bad.example.org"', 'host not found in upstream "nowhere"');
    const refused = await api.add('web1', 'bad.example.org');
    expect(refused).toMatchObject({ outcome: 'failed', stored: false });
    expect(refused.errors).toMatchObject([{ code: 'VHOST_PARKED', fields: { value: 'bad.example.org', host: 'web1' } }]);
    expect(await api.list()).toHaveLength(1);

    // It was stored while the host was away, beside another.
    await api.add('web1', 'bad.example.org', {}, 'STAGE');
    await api.add('web1', 'other.example.org', {}, 'STAGE');
    clock.pass(60_000);
    const applied = await accessApi(fleet.api).apply('web1', 'vhost');
    expect(applied.outcome).toBe('ok');
    expect(files()).toEqual(expect.arrayContaining(['good.example.org.conf', 'other.example.org.conf']));
    expect(files()).not.toContain('bad.example.org.conf');
    expect((await api.list()).map(({ vhost, parked, pending }) => [vhost?.name, parked?.problem ?? '', pending])).toEqual([
      ['bad.example.org', 'host not found in upstream "nowhere"', false], ['good.example.org', '', false], ['other.example.org', '', false],
    ]);
    expect(await api.health()).toContain('web1 VHOST_PARKED site bad.example.org is not served');
    expect(await api.pending()).toEqual(['web1 vhost: site "bad.example.org" is parked: host not found in upstream "nowhere"']);
    // A change of another one is not held up by it, and says that it is still there.
    const beside = await api.set('web1', 'good.example.org', { title: 'Good' });
    expect(beside).toMatchObject({ outcome: 'ok', notes: ['site "bad.example.org" stays out: host not found in upstream "nowhere"'] });
    // What makes it good again makes it live.
    host.vhosts.broken.clear();
    expect(await api.set('web1', 'bad.example.org', { title: 'Not bad' })).toMatchObject({ outcome: 'ok' });
    expect(files()).toContain('bad.example.org.conf');
    expect(await api.pending()).toEqual([]);
    expect((await api.health()).filter((line) => line.includes('VHOST'))).toEqual([]);
  });

  it('that fail only when they are made are pending with the reason, and the others are made', async () => {
    await api.add('web1', 'other.example.org', {}, 'STAGE');
    await api.add('web1', 'bad.example.org', {}, 'STAGE');
    const apply = (how: How) => {
      clock.pass(60_000);
      return run(fleet.api.stream(plans, 'Reconcile', { options: optionsOf(how), selector: 'web1', noun: 'vhost' }, {}));
    };
    const { planId } = await apply('PLAN');
    host.vhosts.broken.set('"bad.example.org"', 'no such file');
    const applied = await apply({ planId });
    expect(applied).toMatchObject({ outcome: 'failed', stored: true, errors: [{ code: 'VHOST_PARKED', fields: { value: 'bad.example.org' } }] });
    expect(files().filter((name) => name.endsWith('.example.org.conf'))).toEqual(['other.example.org.conf']);
    expect((await api.list()).map(({ vhost, parked, pending }) => [vhost?.name, parked?.problem ?? '', pending])).toEqual([['bad.example.org', 'no such file', true], ['other.example.org', '', true]]);
    expect((await api.health()).filter((line) => line.startsWith('web1'))).toEqual(['web1 VHOST_PARKED site bad.example.org is not served']);
    expect(await api.pending()).toEqual(['web1 vhost: Site "bad.example.org" of host "web1" was refused, the others were not: no such file']);
    host.vhosts.broken.clear();
    expect(await apply('APPLY')).toMatchObject({ outcome: 'ok', changes: ['+ vhost bad.example.org'] });
    expect((await api.list()).map(({ parked, pending }) => [parked, pending])).toEqual([[null, false], [null, false]]);
  });

  it('that were altered by hand are kept until somebody says otherwise; others are changed beside them', async () => {
    await api.add('web1', 'a.example.org');
    await api.add('web1', 'b.example.org');
    const file = host.vhosts.placed?.get('a.example.org.conf');
    if (file?.content === undefined) throw new Error('no file');
    file.content = `${file.content}# by hand\n`;
    host.touch('vhost');
    const refused = await api.set('web1', 'a.example.org', { title: 'A' });
    expect(refused).toMatchObject({ outcome: 'failed', stored: false, errors: [{ code: 'VHOST_DRIFT', fields: { value: 'a.example.org' } }] });
    expect(await api.show('web1', 'a.example.org')).toMatchObject({ state: 'edited', text: expect.stringContaining('# by hand') as string });
    expect(await api.set('web1', 'b.example.org', { title: 'B' })).toMatchObject({ outcome: 'ok' });
    expect(conf('a.example.org')).toContain('# by hand');
    expect(await api.set('web1', 'a.example.org', { title: 'A', overwrite: true })).toMatchObject({ outcome: 'ok', changes: ['~ vhost a.example.org'] });
    expect(conf('a.example.org')).not.toContain('# by hand');
    // It was said once.
    expect((await api.list()).map(({ vhost }) => vhost?.overwrite)).toEqual([false, false]);
  });

  it('that answered before and do not any more are put back, and are not tried again by themselves', async () => {
    await api.add('web1', 'app.example.org');
    const before = conf('app.example.org');
    host.vhosts.answer = (_site, path, text) => (text.includes('10.0.0.6') && !path.includes('reeve-probe') ? 502 : 200);
    const failed = await api.set('web1', 'app.example.org', { setRoutes: [{ prefix: '/', target: { prefix: '/', proxy: { to: { address: '10.0.0.6', port: 8080 } } } }] });
    expect(failed).toMatchObject({ outcome: 'failed', stored: true });
    expect(failed.errors).toMatchObject([{ code: 'VHOST_PROBE', fields: { value: 'app.example.org' } }]);
    expect(conf('app.example.org')).toBe(before);
    expect(await api.list()).toMatchObject([{ pending: true, parked: { servesBefore: true } }]);
    const reloads = host.vhosts.reloads;
    fleet.office().converge(web1.hostId);
    expect((await accessApi(fleet.api).user('AddUser', 'web1', 'ada')).outcome, 'what it is owed was looked at before').toBe('ok');
    expect(host.vhosts.reloads).toBe(reloads);
    host.vhosts.answer = () => 200;
    clock.pass(60_000);
    expect(await accessApi(fleet.api).apply('web1', 'vhost')).toMatchObject({ outcome: 'ok' });
    expect(await api.list()).toMatchObject([{ pending: false, parked: null }]);
  });

  it('lead to a host of the inventory and follow it, and it cannot go while they do', async () => {
    await fleet.invite('app1', { address: '10.0.0.7' });
    expect(await api.add('web1', 'app.example.org', { to: { address: '', host: 'app1' } })).toMatchObject({ outcome: 'ok' });
    expect(await api.add('web1', 'own.example.org', { to: { address: '', host: 'web1' } })).toMatchObject({ outcome: 'ok' });
    expect(conf('app.example.org')).toContain('10.0.0.7:8080');
    expect(conf('own.example.org')).toContain('127.0.0.1:8080');
    expect((await api.list()).map(({ vhost }) => vhost?.routes[0]?.proxy?.to?.host)).toEqual(['app1', 'web1']);
    await fleet.api.unary(hostService, 'SetHost', { host: 'app1', address: '10.0.0.8' }, deadline);
    await until(() => conf('app.example.org').includes('10.0.0.8:8080'), { timeoutMs: 20_000, what: 'the site to follow' });
    await expect(fleet.api.unary(hostService, 'RetireHost', { host: 'app1' }, deadline)).rejects.toMatchObject({ code: 'VHOST_UPSTREAM' });
    await api.remove('web1', 'app.example.org');
    await fleet.api.unary(hostService, 'RetireHost', { host: 'app1' }, deadline);
  });

  it('of a host that is away are stored, and shown without their files', async () => {
    await web1.close();
    await fleet.waitState(web1.hostId, 'lost');
    expect(await api.add('web1', 'app.example.org')).toMatchObject({ outcome: 'pending', stored: true });
    expect(await api.list()).toMatchObject([{ pending: true, parked: null }]);
    expect(await api.show('web1', 'app.example.org')).toMatchObject({ state: 'unknown', problem: expect.stringContaining('web1') as string });
  });

  const directive = (line: number, depth: number, block: boolean, ...word: string[]) => ({ line, depth, word, block });

  it('of others are listed, examined and taken over, but for lines that are given up', async () => {
    const file = '/etc/nginx/sites-enabled/old';
    host.vhosts.foreign = [{ file, line: 1, name: ['old.example.org'], listen: ['80'] }];
    host.vhosts.sites.set(file, [
      directive(1, 0, true, 'server'), directive(2, 1, false, 'listen', '80'), directive(3, 1, false, 'server_name', 'old.example.org'), directive(4, 1, false, 'charset', 'utf-8'), directive(5, 1, false, 'access_log', '/x'),
      directive(6, 1, true, 'location', '/'), directive(7, 2, false, 'proxy_pass', 'http://10.0.0.9:80'), directive(8, 2, false, 'proxy_set_header', 'Host', '$host'),
    ]);
    expect(await api.observe('web1')).toMatchObject({ engine: 'nginx 1.22.1', running: true, foreign: [{ file, names: ['old.example.org'] }] });
    const claimed = await api.add('web1', 'old.example.org');
    expect(claimed.errors).toMatchObject([{ code: 'VHOST_FOREIGN', fields: { owner: file } }]);
    const examined = await api.examine('web1', file);
    expect(examined.vhosts).toMatchObject([{ name: 'old.example.org', routes: [{ prefix: '/', proxy: { to: { address: '10.0.0.9' } } }] }]);
    expect(examined.misfits.map(({ line, matters }) => [line, matters])).toEqual([[4, true], [5, false]]);
    await expect(api.adopt('web1', file)).rejects.toMatchObject({ code: 'VHOST_ADOPT', items: [{ fields: { rule: expect.stringMatching(/^line 4: charset utf-8; /) as string } }, { fields: { rule: expect.stringContaining('--without 4') as string } }] });
    await expect(api.adopt('web1', file, { without: [4, 5] })).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'without', value: '5' } });
    expect(await api.adopt('web1', file, { without: [4] }, 'PLAN')).toMatchObject({ outcome: 'ok', stored: false });
    expect(host.vhosts.foreign).toHaveLength(1);
    expect(await api.adopt('web1', file, { without: [4] })).toMatchObject({ outcome: 'ok' });
    expect(host.vhosts.foreign).toEqual([]);
    expect(conf('old.example.org')).toContain('10.0.0.9:80');
    // The file is asked for once.
    expect(await api.set('web1', 'old.example.org', { title: 'Old' })).toMatchObject({ outcome: 'ok', changes: ['~ vhost old.example.org'] });
  });

  it('are let go of with a host', async () => {
    await api.add('web1', 'app.example.org');
    clock.pass(60_000);
    expect(await came(fleet.api.stream(hostService, 'ReleaseHost', { options: optionsOf(), host: 'web1', noun: 'vhost' }, {}))).toMatchObject({ outcome: 'ok' });
    expect(await api.list()).toEqual([]);
    expect([...(host.vhosts.left?.keys() ?? [])]).toContain('app.example.org.conf');
  });
});
