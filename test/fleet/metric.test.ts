import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { parse } from 'yaml';
import { addBackup } from '../../coordinator/inventory/backup.js';
import { addProof } from '../../coordinator/inventory/backup-proof.js';
import { addRun, setRun } from '../../coordinator/inventory/backup-run.js';
import { addCert, setCertStates } from '../../coordinator/inventory/cert.js';
import { metricTokenHash } from '../../coordinator/inventory/metric.js';
import type { MetricServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/MetricService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { newId } from '../../shared/kit/id.js';
import { parseBackup } from '../../shared/model/backup.js';
import { serviceName } from '../../shared/rpc/client.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackFleet } from '../support/loopback-fleet.js';
import { freePort } from '../support/port.js';
import { promtool } from '../support/promtool.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';

const metricService = serviceName<MetricServiceDefinition>('reeve.coordinator.v1.MetricService');
const userService = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');
const options = { deadlineMs: 20_000 };
const packaging = join(import.meta.dirname, '../../packaging');
const clock = createTurnedClock();
const openMetrics = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5';

let fleet: LoopbackFleet;
let port: number;
let token: string;

beforeAll(async () => {
  port = await freePort();
  fleet = await startLoopbackFleet({ clock, metrics: { at: { kind: 'port', address: '127.0.0.1', port }, tls: undefined } });
  const host = createSimulatedHost();
  // What a host says of itself may hold whatever breaks a line, a label or a scrape.
  const disk = { type: 'ext4', totalBytes: 1000, availableBytes: 400, inodesTotal: 10, inodesFree: 5 };
  const mounts = ['/', '/a"b\\c', '/a"b\\c', ...Array.from({ length: 12 }, (_none, index) => `/${'x'.repeat(300)}${String(index)}`)];
  const agent = await fleet.addAgent('web1', { host: { ...host, readFacts: async () => ({ ...(await host.readFacts()), disks: mounts.map((mount) => ({ ...disk, mount })) }) } });
  await until(() => fleet.office().fleet.live(agent.hostId).facts !== undefined, { timeoutMs: 20_000, everyMs: 20, what: 'facts' });
  for await (const event of fleet.api.stream(userService, 'AddUser', { selector: 'web1', user: { name: 'ada', kind: 'USER_KIND_HOME', shell: '/bin/bash' }, options: { mode: 'CHANGE_MODE_APPLY' } }, {})) expect(event.event).toBeDefined();
  fillInventory(agent.hostId, (await fleet.invite('web2')).hostId);
  token = (await fleet.api.unary(metricService, 'MakeMetricToken', {}, options)).token;
});

afterAll(async () => {
  await fleet.close();
  expect(fleet.bugs).toEqual([]);
});

/** A certificate, and a job with a run and a proof. */
function fillInventory(hostId: string, otherId: string): void {
  const { db } = fleet.office();
  const now = clock.now();
  addCert(db, { name: 'shop', source: { kind: 'self-signed', names: ['a.example.org'], days: 90 }, group: undefined, units: [], overwrite: false }, { hostId, by: 'ada', now, generation: 1 });
  const seconds = Math.floor(now / 1000);
  setCertStates(db, hostId, [{ name: 'shop', kind: 'self-signed', state: 'ok', facts: { names: ['a.example.org'], notBefore: seconds - 10, notAfter: seconds + 5 * 86_400, fingerprint: 'a'.repeat(64), spki: 'b'.repeat(64), issuer: 'x' } }], now);
  const backup = parseBackup({
    name: 'web', source: hostId, folders: ['/srv'], destination: otherId, folder: '/backup/web', excludes: [], systemFolders: false, schedule: { cron: '0 2 * * *', windowMinutes: 0 }, retention: null, bandwidthKib: 0, timeLimitMinutes: 0, dumps: [],
    active: true, shrinkPercent: 50, verifyDays: 30, drill: null,
  });
  const [jobId, runId] = [newId(now), newId(now)];
  addBackup(db, { id: jobId, backup, by: 'ada', addedAtMs: now - 3_600_000 });
  const run = { id: runId, jobId, kind: 'backup', by: 'schedule', startedAtMs: now - 60_000, snapshot: '2026-03-01T020000Z' } as const;
  addRun(db, run);
  setRun(db, { ...run, state: 'done', endedAtMs: now - 30_000, reason: '', files: 1, bytes: 1, sentFiles: 1, sentBytes: 1, way: 'direct', problems: 0 });
  addProof(db, { runId, jobId, atMs: now - 10_000, snapshot: '2026-03-01T020000Z', kind: 'sample', ok: false, files: 1, bytes: 1, skipped: 0, different: [], dumps: [], evidence: new Uint8Array(32) });
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

function ask(path: string, { bearer = token, method = 'GET', accept = '' } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { ...(bearer === '' ? {} : { authorization: `Bearer ${bearer}` }), ...(accept === '' ? {} : { accept }) };
    httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(parts).toString() }));
    })
      .on('error', reject)
      .end();
  });
}

/** A scrape, as if the one before was long ago. */
async function scrape(accept = ''): Promise<Answer> {
  clock.pass(60_000);
  return ask('/metrics', { accept });
}

describe('the metrics listener', () => {
  it('tells who has the token, in the format that was asked for', async () => {
    const classic = await scrape();
    expect(classic.status).toBe(200);
    expect(classic.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(classic.text).toContain('\nreeve_host_up{host="web1"} 1\n');
    expect(classic.text).toContain('\nreeve_operations_total{outcome="ok"} 1\n');
    expect(classic.text).toContain('# TYPE reeve_operations_total counter\n');
    const open = await scrape(openMetrics);
    expect(open.headers['content-type']).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(open.text).toContain('# TYPE reeve_operations counter\n');
    expect(open.text).toMatch(/# EOF\n$/);
  });

  it('goes on counting operations from where it was', async () => {
    for await (const event of fleet.api.stream(userService, 'AddUser', { selector: 'web1', user: { name: 'bob', kind: 'USER_KIND_HOME', shell: '/bin/bash' }, options: { mode: 'CHANGE_MODE_APPLY' } }, {})) expect(event.event).toBeDefined();
    await until(async () => (await scrape()).text.includes('\nreeve_operations_total{outcome="ok"} 2\n'), { timeoutMs: 30_000, everyMs: 50, what: 'the second operation' });
    expect((await scrape()).text).toContain('\nreeve_operations_total{outcome="ok"} 2\n');
  });

  it('tells what a host may say without letting it break the scrape, and of few file systems', async () => {
    const lines = (await scrape()).text.split('\n');
    const disks = lines.filter((line) => line.startsWith('reeve_host_disk_used_ratio{'));
    expect(disks).toHaveLength(3);
    expect(disks).toContain('reeve_host_disk_used_ratio{host="web1",mount="/a\\"b\\\\c"} 0.6');
    const series = lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.slice(0, line.lastIndexOf(' ')));
    expect(new Set(series).size).toBe(series.length);
  });

  it.each<[string, string, Parameters<typeof ask>[1], number]>([
    ['without a token', '/metrics', { bearer: '' }, 401],
    ['with another one', '/metrics', { bearer: `reevemetrics1_${'A'.repeat(43)}` }, 401],
    ['with half of one', '/metrics', { bearer: 'reevemetrics1_' }, 401],
    ['at another path', '/', {}, 404],
    ['at a path above', '/metrics/../metrics', {}, 404],
    ['by another verb', '/metrics', { method: 'POST' }, 405],
    ['by HEAD', '/metrics', { method: 'HEAD' }, 405],
  ])('refuses who comes %s, and tells nothing', async (_name, path, how, status) => {
    clock.pass(60_000);
    const answer = await ask(path, how);
    expect(answer.status).toBe(status);
    expect(answer.text).toBe('');
    expect(answer.headers.connection).toBe('close');
    if (status === 401) expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    if (status === 405) expect(answer.headers.allow).toBe('GET');
  });

  it('has an end to wrong tokens and to scrapes, and the one does not use up the other', async () => {
    clock.pass(60_000);
    const wrong = await Promise.all(Array.from({ length: 30 }, () => ask('/metrics', { bearer: 'x' })));
    expect(new Set(wrong.map(({ status }) => status))).toEqual(new Set([401, 429]));
    expect((await ask('/metrics')).status).toBe(200);
    const many = await Promise.all(Array.from({ length: 30 }, () => ask('/metrics')));
    expect(new Set(many.map(({ status }) => status))).toEqual(new Set([200, 429]));
  });

  it('holds at most 64 connections, and ends one that does not ask within 10 s', async () => {
    const open = await Promise.all(Array.from({ length: 70 }, () => held()));
    await until(() => open.filter(({ ended }) => ended()).length >= 6, { timeoutMs: 5_000, everyMs: 20, what: 'connections beyond 64 to be refused' });
    expect(open.filter(({ ended }) => !ended()).length).toBe(64);
    await until(() => open.every(({ ended }) => ended()), { timeoutMs: 15_000, everyMs: 100, what: 'connections that ask nothing to be ended' });
    expect((await scrape()).status).toBe(200);
  });

  it('is closed to a token that was replaced or revoked, at once', async () => {
    const before = token;
    const made = await fleet.api.unary(metricService, 'MakeMetricToken', {}, options);
    expect(made.listener).toBe(`http://127.0.0.1:${String(port)}/metrics`);
    clock.pass(60_000);
    expect((await ask('/metrics', { bearer: before })).status).toBe(401);
    expect((await ask('/metrics', { bearer: made.token })).status).toBe(200);
    expect(fleet.office().db.serialize().includes(Buffer.from(made.token.slice('reevemetrics1_'.length), 'base64url'))).toBe(false);
    expect((await fleet.api.unary(metricService, 'RevokeMetricToken', {}, options)).revoked).toBe(true);
    expect(metricTokenHash(fleet.office().db)).toBeUndefined();
    clock.pass(60_000);
    expect((await ask('/metrics', { bearer: made.token })).status).toBe(401);
    expect((await fleet.api.unary(metricService, 'RevokeMetricToken', {}, options)).revoked).toBe(false);
    token = (await fleet.api.unary(metricService, 'MakeMetricToken', {}, options)).token;
  });

  it('names no person, and nothing secret', async () => {
    const { text } = await scrape();
    expect(text).not.toMatch(/\bada\b|reevemetrics1_|BEGIN|[0-9a-f]{64}/);
  });
});

/** A connection that asks nothing. */
function held(): Promise<{ socket: Socket; ended: () => boolean }> {
  return new Promise((resolve) => {
    let closed = false;
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.on('close', () => (closed = true));
    socket.resume();
    socket.once('connect', () => {
      socket.write('GET /metrics HTTP/1.1\r\n');
      resolve({ socket, ended: () => closed });
    });
  });
}

describe('history', () => {
  it('is what was noted of a host, for who may see it', async () => {
    const { histories } = fleet.office();
    clock.turn(600_000);
    histories.look();
    const found = await fleet.api.unary(metricService, 'GetHistory', { host: 'web1' }, options);
    expect(found.points).toMatchObject([{ load: 0, memoryPercent: 25, cpuPressure: 1.5, memoryPressure: 0, ioPressure: 2 }]);
    expect(found.disks.map(({ mount }) => mount)).toContain('/');
    await expect(fleet.api.unary(metricService, 'GetHistory', { host: 'nobody' }, options)).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
    for (const seconds of [0, 8.64e15, Number.MAX_SAFE_INTEGER]) {
      await expect(fleet.api.unary(metricService, 'GetHistory', { host: 'web1', from: { seconds, nanos: 0 } }, options)).rejects.toMatchObject({ code: 'FIELD_INVALID' });
    }
    clock.turn(0);
  });
});

describe('promtool', () => {
  it('takes what a coordinator tells', async () => {
    const { text } = await scrape();
    expect(await promtool(['check', 'metrics'], text)).toEqual({ code: 0, text: '' });
    // It would tell.
    expect((await promtool(['check', 'metrics'], 'a_total{x="1"} 1\na_total{x="1"} 2\n')).code).not.toBe(0);
  });

  it('takes the rules, and sees every alert fire and end', async () => {
    const rules = join(packaging, 'prometheus/reeve.rules.yml');
    expect(await promtool(['check', 'rules', rules])).toMatchObject({ code: 0 });
    expect(await promtool(['test', 'rules', join(packaging, 'prometheus/reeve.rules.test.yml')])).toMatchObject({ code: 0 });
    const alerts = (parse(readFileSync(rules, 'utf8')) as { groups: { rules: { alert: string }[] }[] }).groups.flatMap((group) => group.rules.map(({ alert }) => alert));
    const tests = (parse(readFileSync(join(packaging, 'prometheus/reeve.rules.test.yml'), 'utf8')) as { tests: { alert_rule_test: { alertname: string; exp_alerts: object[] }[] }[] }).tests.flatMap((one) => one.alert_rule_test);
    for (const alert of alerts) {
      const of = tests.filter(({ alertname }) => alertname === alert);
      expect(of.map(({ exp_alerts: expected }) => expected.length > 0), `${alert} fires, and then ends`).toEqual([true, false]);
    }
  });

  it('sees a rule that is altered', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'reeve-rules-'));
    writeFileSync(join(folder, 'reeve.rules.yml'), readFileSync(join(packaging, 'prometheus/reeve.rules.yml'), 'utf8').replace('reeve_host_up == 0', 'reeve_host_up == 2'));
    writeFileSync(join(folder, 'reeve.rules.test.yml'), readFileSync(join(packaging, 'prometheus/reeve.rules.test.yml'), 'utf8'));
    expect((await promtool(['test', 'rules', join(folder, 'reeve.rules.test.yml')])).code).not.toBe(0);
    rmSync(folder, { recursive: true });
  });
});

test('what rules and dashboard name is there', async () => {
  const told = new Set((await scrape()).text.split('\n').flatMap((line) => /^[a-z_]+/.exec(line)?.[0] ?? []));
  const named = (text: string): string[] => [...new Set(text.match(/\b(?:reeve|process)_[a-z_]+/g))];
  const rules = parse(readFileSync(join(packaging, 'prometheus/reeve.rules.yml'), 'utf8')) as { groups: { rules: { expr: string }[] }[] };
  const dashboard = JSON.parse(readFileSync(join(packaging, 'grafana/reeve.json'), 'utf8')) as { panels: { title: string; description?: string; targets?: { expr: string }[] }[] };
  const expressions = [...rules.groups.flatMap((group) => group.rules.map(({ expr }) => expr)), ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))];
  expect(expressions.length).toBeGreaterThan(50);
  expect(expressions.flatMap(named).filter((name) => !told.has(name))).toEqual([]);
});
