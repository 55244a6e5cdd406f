import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAgentChannel } from '../../test/support/agent-channel.js';
import { createTestFleet } from '../../test/support/fleet-certificates.js';
import { createSimulatedHost, openPolicy, type SimulatedHost } from '../../test/support/simulated-host.js';
import { proxyRoute, statusRoute, testSite } from '../../test/support/test-site.js';
import type { ReleaseServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ReleaseService.js';
import type { VhostServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/VhostService.js';
import type { WriteVhostsResponse } from '../../shared/gen/proto/reeve/agent/v1/WriteVhostsResponse.js';
import type { IntentInput } from '../../shared/gen/proto/reeve/type/v1/Intent.js';
import { newId } from '../../shared/kit/id.js';
import { formatVhost, type Vhost } from '../../shared/model/vhost.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { createAgentServer, type AgentServer } from '../server.js';

const service = serviceName<VhostServiceDefinition>('reeve.agent.v1.VhostService');
const releases = serviceName<ReleaseServiceDefinition>('reeve.agent.v1.ReleaseService');
const log = pino({ level: process.env['REEVE_TEST_LOG'] ?? 'silent' });
const fleet = createTestFleet();
const options = { deadlineMs: 20_000 };

let stateDir: string;
let host: SimulatedHost;
let agent: AgentServer;
let channel: Channel;

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'reeve-vhost-'));
  host = createSimulatedHost();
  await start();
});

afterEach(async () => {
  await stop();
  rmSync(stateDir, { recursive: true, force: true });
});

async function start(): Promise<void> {
  const identity = fleet.host('web1');
  agent = await createAgentServer({ host, identity, stateDir, listen: { host: '127.0.0.1', port: 0 }, log });
  channel = openAgentChannel(fleet, identity, agent.address.port);
}

async function stop(): Promise<void> {
  channel.close();
  await agent.close(1000);
}

interface Ask extends IntentInput {
  readonly about?: readonly string[];
  readonly takeOver?: string;
  readonly acceptDifferences?: boolean;
}

function write(generation: number, sites: readonly Vhost[], { about = [], takeOver = '', acceptDifferences = false, ...intent }: Ask = {}): Promise<WriteVhostsResponse> {
  const full = { mode: 'MODE_APPLY', operationId: newId(Date.now()), generation, epoch: 1, ...intent } as const;
  return channel.unary(service, 'WriteVhosts', { intent: full, vhosts: sites.map((site) => formatVhost(site)), about: [...about], takeOver, acceptDifferences }, options);
}

const files = (): string[] => [...(host.vhosts.placed?.keys() ?? [])];
const conf = (name: string): string => host.vhosts.placed?.get(`${name}.conf`)?.content ?? '';
const edit = (file: string, text: string): void => {
  const row = host.vhosts.placed?.get(file);
  if (row !== undefined) row.content = `${row.content ?? ''}${text}`;
  host.touch('vhost');
};
const [a, b, c] = ['a.example.org', 'b.example.org', 'c.example.org'] as const;

describe('WriteVhosts', () => {
  it('plans without changing anything, applies, and then finds nothing to do', async () => {
    const sites = [testSite(a), testSite(b, { listens: [{ address: undefined, port: 443, tls: true }], aliases: ['www.b.example.org'] })];
    const plan = await write(1, sites, { mode: 'MODE_PLAN', about: [a, b] });
    expect(plan.changes.map(({ kind, subject }) => [kind, subject])).toEqual([['CHANGE_KIND_CREATE', a], ['CHANGE_KIND_CREATE', b]]);
    expect(plan.changes[0]?.diff).toContain('+++ /etc/nginx/reeve/current/a.example.org.conf');
    expect(plan.changes[1]?.fields).toContainEqual({ field: 'aliases', from: '', to: 'www.b.example.org' });
    expect([host.vhosts.placed, host.vhosts.reloads]).toEqual([undefined, 0]);

    const done = await write(1, sites, { expectedDigest: plan.digest, policyDigest: plan.policyDigest, about: [a, b] });
    expect(files()).toEqual(['a.example.org.conf', 'b.example.org.conf', 'b.example.org.crt', 'b.example.org.key']);
    expect(host.vhosts).toMatchObject({ unsettled: undefined, reloads: 1 });
    expect(done).toMatchObject({ parked: [] });

    const checks = host.vhosts.checks;
    const again = await write(2, sites);
    expect(again).toMatchObject({ changes: [], parked: [] });
    expect(again.digest.equals(done.digest)).toBe(true);
    expect([host.vhosts.checks, host.vhosts.reloads]).toEqual([checks, 1]);
  });

  it('tells what differs, field by field and line by line, and leaves the others alone', async () => {
    await write(1, [testSite(a), testSite(b)]);
    const other = host.vhosts.placed?.get('b.example.org.conf');
    const plan = await write(2, [testSite(a, { title: 'A', routes: [statusRoute('/', 'new')] }), testSite(b)], { mode: 'MODE_PLAN', about: [a] });
    expect(plan.changes).toHaveLength(1);
    expect(plan.changes[0]?.fields).toEqual([{ field: 'route /', from: `200 "${a}"`, to: '200 "new"' }, { field: 'title', from: '', to: 'A' }]);
    expect(plan.changes[0]?.diff).toMatch(/^-.*a\.example\.org.*\n\+.*new/m);
    await write(2, [testSite(a, { title: 'A', routes: [statusRoute('/', 'new')] }), testSite(b)]);
    expect(conf(a)).toContain('new');
    expect(host.vhosts.placed?.get('b.example.org.conf')).toBe(other);
    const removed = await write(3, [testSite(b)]);
    expect(removed.changes.map(({ kind, subject }) => [kind, subject])).toEqual([['CHANGE_KIND_REMOVE', a]]);
    expect(files()).toEqual(['b.example.org.conf']);
  });

  it('parks a site that the web server refuses, with its words, and makes the others', async () => {
    host.vhosts.broken.set('frobnicate', 'unknown directive "frobnicate" in b.example.org.conf:7');
    const bad = testSite(b, { routes: [statusRoute('/', 'frobnicate')] });
    await expect(write(1, [testSite(a), bad], { mode: 'MODE_PLAN', about: [b] })).rejects.toMatchObject({ code: 'VHOST_PARKED', fields: { host: 'web1', value: b, rule: expect.stringContaining('frobnicate') as string, before: 'no' } });
    // Who asks for the sake of another site is only told.
    expect((await write(1, [testSite(a), bad], { mode: 'MODE_PLAN', about: [a] })).parked).toMatchObject([{ name: b, servesBefore: false }]);

    await expect(write(1, [testSite(a), bad], { about: [a, b] })).rejects.toMatchObject({ code: 'VHOST_PARKED', fields: { value: b } });
    expect(files()).toEqual(['a.example.org.conf']);
    expect(host.vhosts.unsettled).toBeUndefined();
    const told = await write(2, [testSite(a, { title: 'A' }), bad], { about: [a] });
    expect(told.parked).toMatchObject([{ name: b, problem: expect.stringContaining('frobnicate') as string, servesBefore: false }]);
    expect((await channel.unary(service, 'ObserveVhosts', { foreign: false }, options)).parked).toMatchObject([{ name: b }]);
    // Nothing is left to do but what is refused: nothing is done, and it is told all the same.
    const reloads = host.vhosts.reloads;
    await expect(write(3, [testSite(a, { title: 'A' }), bad], { about: [b] })).rejects.toMatchObject({ code: 'VHOST_PARKED' });
    expect((await write(3, [testSite(a, { title: 'A' }), bad])).changes).toEqual([]);
    expect(host.vhosts.reloads).toBe(reloads);
    await write(4, [testSite(a, { title: 'A' }), testSite(b)], { about: [b] });
    expect((await channel.unary(service, 'ObserveVhosts', { foreign: false }, options)).parked).toEqual([]);
  });

  it('leaves a site as it was whose change is refused, and out one that is refused as it is', async () => {
    await write(1, [testSite(a), testSite(b), testSite(c, { routes: [statusRoute('/', 'soon bad')] })]);
    const before = conf(b);
    host.vhosts.broken.set('frobnicate', 'unknown directive').set('soon bad', 'cannot load certificate');
    const sites = [testSite(a, { routes: [statusRoute('/', 'new')] }), testSite(b, { routes: [statusRoute('/', 'frobnicate')] }), testSite(c, { routes: [statusRoute('/', 'soon bad')] })];
    const failed = await write(2, sites, { about: [b] }).then(() => undefined, (error: unknown) => error as { items: { code: string; fields: Record<string, string> }[] });
    expect(failed?.items.map(({ code, fields }) => [code, fields['value'], fields['before']])).toEqual([['VHOST_PARKED', b, 'yes'], ['VHOST_PARKED', c, 'no']]);
    expect(conf(a)).toContain('new');
    expect(conf(b)).toBe(before);
    expect(files()).toEqual(['a.example.org.conf', 'b.example.org.conf']);
  });

  it('tells what was altered by hand, leaves it, changes others beside it, and writes over it when it may', async () => {
    const first = await write(1, [testSite(a), testSite(b)]);
    edit('a.example.org.conf', '# by hand\n');
    const seen = await channel.unary(service, 'ObserveVhosts', { foreign: false }, options);
    expect(seen.vhosts.map(({ name, state }) => [name, state])).toEqual([[a, 'edited'], [b, 'ok']]);
    expect(seen.digest.equals(first.digest)).toBe(false);
    const changed = testSite(a, { title: 'A' });
    await expect(write(2, [changed, testSite(b)], { about: [a], mode: 'MODE_PLAN' })).rejects.toMatchObject({ code: 'VHOST_DRIFT', fields: { value: a, rule: expect.stringContaining('a.example.org.conf') as string } });
    const other = testSite(b, { routes: [statusRoute('/', 'new')] });
    await expect(write(2, [changed, other], { about: [a] })).rejects.toMatchObject({ code: 'VHOST_DRIFT' });
    expect(conf(a)).toMatch(/# by hand\n$/);
    expect(conf(b)).toContain('new');
    const plan = await write(3, [{ ...changed, overwrite: true }, other], { about: [a], mode: 'MODE_PLAN' });
    expect(plan.changes[0]?.diff).toContain('-# by hand');
    await write(3, [{ ...changed, overwrite: true }, other], { about: [a] });
    expect(conf(a)).not.toContain('by hand');
  });

  it('makes a file again that somebody took away', async () => {
    await write(1, [testSite(a)]);
    const row = host.vhosts.placed?.get('a.example.org.conf');
    if (row !== undefined) row.content = undefined;
    const done = await write(1, [testSite(a)]);
    expect(done.changes[0]?.fields).toEqual([{ field: 'state', from: 'missing', to: 'as wanted' }]);
    expect(conf(a)).toContain('server_name');
  });

  it('leaves names to others who have them where a site would listen', async () => {
    host.vhosts.foreign = [
      { file: '/etc/nginx/sites-enabled/own', line: 3, name: ['x.example.org', '.b.example.org'], listen: ['[::]:80 default_server'] }, { file: '/etc/nginx/sites-enabled/far', line: 1, name: [a], listen: ['8443 ssl'] },
    ];
    await expect(write(1, [testSite(a), testSite(b)], { mode: 'MODE_PLAN', about: [b] })).rejects.toMatchObject({ code: 'VHOST_FOREIGN', fields: { value: b, owner: '/etc/nginx/sites-enabled/own' } });
    const told = await write(1, [testSite(a), testSite(b)], { about: [a] });
    expect(told.parked).toMatchObject([{ name: b, problem: expect.stringContaining('line 3 of /etc/nginx/sites-enabled/own') as string }]);
    expect(files()).toEqual(['a.example.org.conf']);
  });

  it('asks the policy for names, ports, folders, programs and snippets before anything is tried', async () => {
    host.setPolicy(openPolicy.replace('allow vhost.serve\n', '').replace('allow vhost.write wildcard=no,yes', 'allow vhost.write port=80').replace('allow vhost.proxy to=*', 'allow vhost.proxy'));
    host.vhosts.snippets.set('odd', 'x');
    const sites = [testSite('*.example.org'), testSite(a, { listens: [{ address: undefined, port: 8080, tls: false }] }), testSite(b, { routes: [{ ...statusRoute('/', ''), kind: 'static', folder: '/opt/site' }] }), testSite(c, { routes: [proxyRoute('/', '198.51.100.7')] }), testSite('d.example.org', { snippets: ['odd'] }), testSite('e.example.org')];
    const refused = await write(1, sites, { mode: 'MODE_PLAN', about: sites.map(({ name }) => name) }).then(() => undefined, (error: unknown) => error as { items: { code: string; fields: Record<string, string> }[] });
    expect(refused?.items.map(({ code, fields }) => [code, fields['line']])).toEqual([
      ['POLICY_DENIED', 'allow vhost.write name=example.org port=80 wildcard=yes'], ['POLICY_DENIED', `allow vhost.write name=${a} port=8080 wildcard=no`],
      ['POLICY_DENIED', 'allow vhost.serve folder=/opt/site'], ['POLICY_DENIED', 'allow vhost.proxy to=198.51.100.7 port=80'],
      ['POLICY_DENIED', 'allow vhost.snippet name=odd sha256=2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881'],
    ]);
    expect(host.vhosts.checks).toBe(1);
    expect((await write(1, sites, { about: ['e.example.org'] })).parked).toHaveLength(5);
    expect(files()).toEqual(['e.example.org.conf']);
    await expect(write(2, [testSite(a, { snippets: ['none'] })], { mode: 'MODE_PLAN', about: [a] })).rejects.toMatchObject({ code: 'VHOST_SNIPPET', fields: { value: 'none' } });
    const asked = await write(2, sites, { mode: 'MODE_PLAN', checkPolicy: true }).then(() => undefined, (error: unknown) => error as { items: unknown[] });
    expect(asked?.items).toHaveLength(5);
  });

  it('undoes everything when a site that worked does not answer any more', async () => {
    await write(1, [testSite(a), testSite(b)]);
    const before = conf(a);
    host.vhosts.answer = (site, path, text) => (site === a && path === '/' && text.includes('new') ? 502 : 200);
    const changed = [testSite(a, { routes: [statusRoute('/', 'new')] }), testSite(b, { title: 'B' })];
    await expect(write(2, changed, { about: [a] })).rejects.toMatchObject({ code: 'VHOST_PROBE', fields: { host: 'web1', value: a, rule: '"/" answered with status 200 before, and now: status 502' } });
    expect(conf(a)).toBe(before);
    expect(conf(b)).not.toContain('title');
    expect(host.vhosts.unsettled).toBeUndefined();
    // What did not work before may well go on so, and a site under maintenance, or one that is told to say 503, does what it should.
    host.vhosts.answer = (_site, path) => (path === '/' ? 502 : 200);
    await write(3, changed, { about: [a] });
    host.vhosts.answer = (_site, path, text) => (path === '/' && / 503/.test(text) ? 503 : 200);
    await write(4, [testSite(a, { maintenance: { retryAfterS: 30 } }), testSite(b, { routes: [statusRoute('/', 'gone', 503)] })]);
    expect(conf(a)).toContain('Retry-After');
  }, 20_000);

  it('undoes everything when a site does not answer with what was just written', async () => {
    await write(1, [testSite(a)]);
    host.vhosts.answer = (site, path) => (site === b && path.startsWith('/.well-known') ? 404 : 200);
    await expect(write(2, [testSite(a), testSite(b)], { about: [b] })).rejects.toMatchObject({ code: 'VHOST_PROBE', fields: { value: b, rule: '127.0.0.1 port 80 does not answer with its new configuration: status 404' } });
    expect(files()).toEqual(['a.example.org.conf']);
  }, 20_000);

  it('refuses to begin where the web server cannot be used, and tells when that does not take the new configuration', async () => {
    host.vhosts.running = false;
    await expect(write(1, [testSite(a)])).rejects.toMatchObject({ code: 'VHOST_ENGINE', fields: { host: 'web1', rule: 'nginx does not run' } });
    host.vhosts.running = true;
    host.vhosts.engine = '';
    await expect(write(1, [testSite(a)], { mode: 'MODE_PLAN' })).rejects.toMatchObject({ code: 'VHOST_ENGINE', fields: { remedy: expect.stringContaining('apt-get install nginx') as string } });
    host.vhosts.engine = 'nginx 1.22.1';
    host.vhosts.reloadProblem = 'bind() to 0.0.0.0:80 failed';
    await expect(write(1, [testSite(a)])).rejects.toMatchObject({ code: 'VHOST_RELOAD', fields: { host: 'web1', rule: 'bind() to 0.0.0.0:80 failed' } });
    expect(host.vhosts).toMatchObject({ placed: undefined, unsettled: undefined });
  });

  it('under a hold takes sites away and neither gives nor changes any', async () => {
    await write(1, [testSite(a), testSite(b)]);
    const before = conf(b);
    const held = await write(2, [testSite(b, { title: 'B' }), testSite(c)], { removalOnly: true });
    expect(files()).toEqual(['b.example.org.conf']);
    expect(conf(b)).toBe(before);
    expect(held.changes.map(({ kind, subject }) => [kind, subject])).toEqual([['CHANGE_KIND_REMOVE', a]]);
    expect(held.held?.changes.map(({ kind, subject }) => [kind, subject])).toEqual([['CHANGE_KIND_UPDATE', b], ['CHANGE_KIND_CREATE', c]]);
  });

  it('makes self-signed certificates, keeps them while they do, and makes them anew for other names', async () => {
    const tls = (over: Partial<Vhost> = {}): Vhost => testSite(a, { listens: [{ address: undefined, port: 443, tls: true }], ...over });
    const pair = (): unknown[] => ['crt', 'key'].map((kind) => host.vhosts.placed?.get(`${a}.${kind}`)?.content);
    await write(1, [tls()]);
    const first = pair();
    await write(2, [tls({ title: 'A' })]);
    expect(pair()).toEqual(first);
    await write(3, [tls({ aliases: ['www.a.example.org'] })]);
    expect(pair()).not.toEqual(first);
    await write(4, [tls({ cert: 'one' })]);
    expect(pair()).toEqual([undefined, undefined]);
  });

  it('lays many large sites out in parts, each of which is settled before the next', async () => {
    const routes = Array.from({ length: 64 }, (_none, n) => proxyRoute(n === 0 ? '/' : `/p${String(n).padStart(2, '0')}`, '127.0.0.1'));
    const many = Array.from({ length: 25 }, (_none, n) => testSite(`s${String(n)}.example.org`, { routes }));
    host.vhosts.broken.set('"s7.example.org"', 'no');
    const done = await write(1, many, { about: ['s3.example.org'] });
    expect(done.changes).toHaveLength(24);
    expect(done.parked).toMatchObject([{ name: 's7.example.org' }]);
    expect(files()).toHaveLength(24);
    expect(host.vhosts.reloads).toBeGreaterThan(1);
    expect((await write(2, many)).changes).toEqual([]);
  }, 60_000);

  it('takes sites of a file over once the new ones answer like the old', async () => {
    const own = '/etc/nginx/sites-enabled/own';
    host.vhosts.foreign = [{ file: own, line: 1, name: [b], listen: ['80'] }, { file: '/etc/nginx/sites-enabled/other', line: 1, name: [c], listen: ['80'] }];
    await write(1, [testSite(a)]);
    const sites = [testSite(a), testSite(b, { routes: [statusRoute('/', 'x'), statusRoute('/app', 'y')] })];
    const plan = await write(2, sites, { mode: 'MODE_PLAN', about: [b], takeOver: own });
    expect(plan.changes.map(({ kind, subject }) => [kind, subject])).toEqual([['CHANGE_KIND_CREATE', b], ['CHANGE_KIND_REMOVE', own]]);

    host.vhosts.answer = (site, path) => (site === own && path === '/app' ? 301 : path === '/favicon.ico' && site === own ? 0 : 200);
    await expect(write(2, sites, { about: [b], takeOver: own })).rejects.toMatchObject({ code: 'VHOST_ADOPT', fields: { host: 'web1', value: own, rule: `http://${b}/app: status 301 before, 200 after` } });
    expect([files(), host.vhosts.foreign.length, host.vhosts.unsettled]).toEqual([['a.example.org.conf'], 2, undefined]);

    host.vhosts.answer = (site, path) => (path === '/favicon.ico' && site === own ? 0 : 200);
    const done = await write(2, sites, { about: [b], takeOver: own });
    expect(done.differences).toEqual([`http://${b}/favicon.ico: no answer in time; it is not compared`]);
    expect(host.vhosts.foreign.map(({ file }) => file)).toEqual(['/etc/nginx/sites-enabled/other']);
    expect(conf(b)).toContain('listen 80;');
    // It has gone: there is nothing left to take over.
    expect((await write(3, sites, { about: [b], takeOver: own })).changes).toEqual([]);
  });

  it('takes sites of a file over that answer otherwise when that was said to be good, and tells what differs', async () => {
    const own = '/etc/nginx/sites-enabled/own';
    host.vhosts.foreign = [{ file: own, line: 1, name: [b], listen: ['80'] }];
    host.vhosts.answer = (site, path) => (site === own && path === '/' ? 301 : 200);
    const done = await write(1, [testSite(b)], { about: [b], takeOver: own, acceptDifferences: true });
    expect([done.differences, host.vhosts.foreign]).toEqual([[`http://${b}/: status 301 before, 200 after`], []]);
  });

  it('takes no file over of which a site cannot be made, or that the policy keeps', async () => {
    const own = '/etc/nginx/sites-enabled/own';
    host.vhosts.foreign = [{ file: own, line: 1, name: [b], listen: ['80'] }];
    host.vhosts.broken.set('frobnicate', 'unknown directive');
    const bad = testSite(b, { routes: [statusRoute('/', 'frobnicate')] });
    await expect(write(1, [bad], { takeOver: own })).rejects.toMatchObject({ code: 'VHOST_ADOPT', fields: { value: own, rule: `site "${b}": unknown directive` } });
    host.setPolicy(openPolicy.replace('allow vhost.adopt\n', ''));
    await expect(write(1, [testSite(b)], { takeOver: own })).rejects.toMatchObject({ code: 'POLICY_DENIED', fields: { op: 'vhost.adopt' } });
    expect(host.vhosts).toMatchObject({ placed: undefined, foreign: [{ file: own }] });
  });

  it('lets go: the sites stay, and nothing of them is managed any more', async () => {
    await write(1, [testSite(a)]);
    await write(2, [], { release: true });
    expect([...(host.vhosts.left?.keys() ?? [])]).toEqual(['a.example.org.conf']);
    expect((await write(3, [], { release: true })).changes).toEqual([]);
    await channel.unary(releases, 'ApplyRelease', { intent: { mode: 'MODE_APPLY', operationId: newId(Date.now()), generation: 1, epoch: 1 } }, options);
    await expect(write(4, [testSite(a)])).rejects.toMatchObject({ code: 'HOST_RELEASED' });
  });

  it('refuses what is no set of sites', async () => {
    await expect(write(1, [testSite(a), testSite(b, { aliases: [a] })])).rejects.toMatchObject({ code: 'FIELD_INVALID' });
    await expect(write(1, [testSite(a)], { takeOver: 'sites-enabled/own' })).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'take over' } });
  });
});

describe('reading', () => {
  it('gives the file of a managed site, the directives of another, and what others serve', async () => {
    await write(1, [testSite(a)]);
    expect(await channel.unary(service, 'ReadVhost', { name: a }, options)).toEqual({ path: '/etc/nginx/reeve/current/a.example.org.conf', text: conf(a) });
    await expect(channel.unary(service, 'ReadVhost', { name: b }, options)).rejects.toMatchObject({ code: 'VHOST_UNKNOWN', fields: { host: 'web1', value: b } });
    host.vhosts.sites.set('/etc/nginx/sites-enabled/own', [{ line: 1, depth: 0, word: ['server'], block: true }, { line: 2, depth: 1, word: ['listen', '80'], block: false }]);
    expect((await channel.unary(service, 'ReadSite', { file: '/etc/nginx/sites-enabled/own' }, options)).directives).toEqual([{ line: 1, depth: 0, words: ['server'], block: true }, { line: 2, depth: 1, words: ['listen', '80'], block: false }]);
    await expect(channel.unary(service, 'ReadSite', { file: '/etc/nginx/sites-enabled/none' }, options)).rejects.toMatchObject({ code: 'VHOST_FOREIGN_FILE' });
    await expect(channel.unary(service, 'ReadSite', { file: '/etc/../x' }, options)).rejects.toMatchObject({ code: 'FIELD_INVALID' });
    host.vhosts.foreign = [{ file: '/etc/nginx/sites-enabled/own', line: 1, name: ['own.example.org'], listen: ['80'] }];
    expect(await channel.unary(service, 'ObserveVhosts', { foreign: true }, options)).toMatchObject({ engine: 'nginx 1.22.1', running: true, foreign: [{ names: ['own.example.org'], listens: ['80'] }] });
    expect((await channel.unary(service, 'ObserveVhosts', { foreign: false }, options)).foreign).toEqual([]);
  });

  it('lets the web server read its configuration again where the policy does', async () => {
    const reload = (operationId = newId(Date.now())) => channel.unary(service, 'ReloadProxy', { operationId }, options);
    expect(await reload()).toEqual({ engine: 'nginx 1.22.1' });
    expect(host.vhosts.reloads).toBe(1);
    await expect(reload('x')).rejects.toMatchObject({ code: 'FIELD_INVALID' });
    host.setPolicy(openPolicy.replace('allow proxy.reload\n', ''));
    await expect(reload()).rejects.toMatchObject({ code: 'POLICY_DENIED' });
  });
});
