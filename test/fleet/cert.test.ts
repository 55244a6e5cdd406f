import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSelfSigned } from '../../agent/cert/self-signed.js';
import type { CertServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/CertService.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import type { VhostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/VhostService.js';
import { newId } from '../../shared/kit/id.js';
import { serviceName } from '../../shared/rpc/client.js';
import { accessApi, came, optionsOf, type Came, type How } from '../support/access-api.js';
import { startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { makeTestAuthority, testKey, type TestPair } from '../support/test-cert.js';
import { until } from '../support/until.js';

const certs = serviceName<CertServiceDefinition>('reeve.coordinator.v1.CertService');
const vhosts = serviceName<VhostServiceDefinition>('reeve.coordinator.v1.VhostService');
const fleetService = serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
const deadline = { deadlineMs: 30_000 };
const dayMs = 86_400_000;

describe('certificates of a fleet', () => {
  const authority = makeTestAuthority();
  const logged: string[] = [];
  let fleet: LoopbackFleet;
  let web1: LoopbackAgent;

  beforeAll(async () => {
    const log = pino({ level: 'trace' }, new Writable({ write: (chunk: Buffer, _encoding, done) => { logged.push(chunk.toString()); done(); } }));
    fleet = await startLoopbackFleet({ log });
    web1 = await fleet.addAgent('web1', { host: createSimulatedHost({ groups: ['ssl-cert'] }) });
  });

  afterAll(async () => {
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });

  const add = (name: string, what: object, how?: How, host = 'web1'): Promise<Came> => came(fleet.api.stream(certs, 'AddCert', { options: optionsOf(how), host, ...wire(name, what) }, {}));
  const wire = (name: string, what: object): object => ({ cert: { name, ...what }, ...('key' in what ? { keyPem: Buffer.from(String(what.key)) } : {}) });
  const supply = (name: string, { cert, key }: TestPair, how?: How, host?: string): Promise<Came> => add(name, { chainPem: cert, key }, how, host);
  const set = (name: string, edit: object, how?: How): Promise<Came> => came(fleet.api.stream(certs, 'SetCert', { options: optionsOf(how), host: 'web1', name, ...edit }, {}));
  const remove = (name: string): Promise<Came> => came(fleet.api.stream(certs, 'RemoveCert', { options: optionsOf(), host: 'web1', name }, {}));
  const list = async (selector = ''): Promise<string[]> => (await fleet.api.unary(certs, 'ListCerts', { selector }, deadline)).rows.map(({ hostName, cert, state, pending }) => `${hostName} ${cert?.name ?? ''} ${state?.state ?? '?'}${pending ? ' pending' : ''}`);
  const health = async (): Promise<string[]> => (await fleet.api.unary(fleetService, 'GetStatus', {}, deadline)).health.filter(({ code }) => code.startsWith('CERT_')).map(({ code, severity, title }) => `${code} ${severity} ${title}`);
  /** The host has another certificate than was written last. */
  const age = (name: string, pem: string): void => {
    const cert = web1.host.certs.certs.get(name);
    if (cert === undefined) throw new Error(`${name} is not there`);
    web1.host.certs.certs.set(name, { ...cert, pem, written: pem });
  };

  it('are supplied with their keys, self-signed, listed by their ends, shown, altered and removed', async () => {
    const pair = authority.issue(['shop.example'], { days: 30 });
    const plan = await supply('shop', { ...pair, cert: pair.cert + authority.intermediate }, 'PLAN');
    expect(plan).toMatchObject({ outcome: 'ok', stored: false, changes: ['+ cert shop'], errors: [] });
    expect(web1.host.certs.kept.size).toBe(0);
    const done = await supply('shop', { ...pair, cert: pair.cert + authority.intermediate }, { planId: plan.planId });
    expect(done).toMatchObject({ outcome: 'ok', changes: ['+ cert shop'], errors: [] });
    expect(web1.host.certs.certs.get('shop')?.key).toBe(pair.key);
    expect(await add('mail', { names: ['mail.example', 'imap.example'], group: 'ssl-cert', units: ['postfix.service'] })).toMatchObject({ outcome: 'ok', changes: ['+ cert mail'] });
    expect(web1.host.certs.reloads).toEqual(['postfix.service']);
    expect(await list()).toEqual(['web1 shop ok', 'web1 mail ok']);
    const { cert, unasked } = await fleet.api.unary(certs, 'ShowCert', { host: 'web1', name: 'mail' }, deadline);
    expect([unasked, cert?.cert]).toMatchObject(['', { names: ['imap.example', 'mail.example'], days: 365, group: 'ssl-cert', units: ['postfix.service'] }]);
    expect(cert?.state).toMatchObject({ kind: 'self-signed', names: ['imap.example', 'mail.example'], issuer: 'Self-signed by Reeve, imap.example' });
    // The same key goes with a newer certificate.
    const newer = authority.issue(['shop.example', 'www.shop.example'], { key: pair.key });
    expect(await set('shop', { chainPem: newer.cert })).toMatchObject({ outcome: 'ok', changes: ['~ cert shop'] });
    expect(await set('shop', { chainPem: newer.cert })).toMatchObject({ outcome: 'ok', changes: [] });
    expect(await set('mail', { units: { units: [] }, group: '' })).toMatchObject({ outcome: 'ok', changes: ['~ cert mail'] });
    expect(await list()).toEqual(['web1 shop ok', 'web1 mail ok']);
    expect(await remove('mail')).toMatchObject({ outcome: 'ok', changes: ['- cert mail'] });
    await expect(remove('mail')).rejects.toMatchObject({ code: 'CERT_UNKNOWN', fields: { host: 'web1', value: 'mail' } });
    expect([...web1.host.certs.certs.keys()]).toEqual(['shop']);
  });

  it('refuse what no host is asked for', async () => {
    const pair = authority.issue(['a.example']);
    const other = authority.issue(['b.example']);
    await expect(supply('shop', pair)).rejects.toMatchObject({ code: 'CERT_EXISTS', fields: { value: 'shop', host: 'web1' } });
    await expect(add('a', { chainPem: pair.cert })).rejects.toMatchObject({ code: 'FIELD_MISSING', fields: { field: 'key' } });
    await expect(supply('a', { cert: pair.cert, key: other.key })).rejects.toMatchObject({ code: 'CERT_KEY', fields: { value: 'a', rule: 'it is of another certificate' } });
    await expect(supply('a', { cert: pair.cert, key: testKey('rsa:1024') })).rejects.toMatchObject({ code: 'CERT_KEY' });
    await expect(supply('a', { cert: authority.intermediate + pair.cert, key: pair.key })).rejects.toMatchObject({ code: 'CERT_CONTENT' });
    await expect(supply('a', authority.issue(['a.example'], { days: -1 }))).rejects.toMatchObject({ code: 'CERT_CONTENT', fields: { rule: expect.stringMatching(/^it expired/) as string } });
    await expect(supply('a', pair, 'STAGE')).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'mode' } });
    await expect(add('a', { names: ['a.example'], key: pair.key })).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'key' } });
    await expect(add('a', { names: ['localhost'] })).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'names' } });
    await expect(set('shop', { chainPem: pair.cert })).rejects.toMatchObject({ code: 'CERT_KEY', fields: { rule: expect.stringContaining('another public key') as string } });
    await expect(set('shop', { days: 30 })).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'days' } });
    expect(await list()).toEqual(['web1 shop ok']);
    expect(web1.host.certs.kept.has('a')).toBe(false);
  });

  it('store nothing of one whose host cannot be reached, and answer a repeated command with what it came to', async () => {
    const pair = authority.issue(['c.example']);
    await fleet.invite('web9', { address: '127.0.0.1:1' });
    await expect(supply('c', pair, undefined, 'web9')).rejects.toMatchObject({ code: expect.stringMatching(/^HOST_/) as string });
    expect(await list('web9')).toEqual([]);
    const operationId = newId(Date.now());
    expect(await supply('c', pair, { operationId })).toMatchObject({ outcome: 'ok' });
    const calls = web1.host.calls.length;
    expect(await supply('c', pair, { operationId })).toMatchObject({ outcome: 'ok', operationId });
    expect(web1.host.calls.slice(calls)).toEqual([]);
    // A self-signed one needs nothing of the host now.
    expect(await add('own', { names: ['own.example'] }, 'STAGE')).toMatchObject({ outcome: 'pending', stored: true });
    expect(await list('web1')).toEqual(expect.arrayContaining(['web1 own ? pending']));
    expect(await accessApi(fleet.api).apply('web1', 'cert')).toMatchObject({ outcome: 'ok', changes: ['+ cert own'] });
    for (const name of ['c', 'own']) await remove(name);
  });

  it('that a site uses stay', async () => {
    await add('front', { names: ['www.example.org'] });
    await came(fleet.api.stream(vhosts, 'AddVhost', { options: optionsOf('STAGE'), host: 'web1', vhost: { name: 'www.example.org', listens: [{ port: 443, tls: true }], cert: 'front', routes: [{ prefix: '/', status: { code: 200 } }] } }, {}));
    await expect(remove('front')).rejects.toMatchObject({ code: 'CERT_IN_USE', fields: { value: 'front', host: 'web1', owner: 'site "www.example.org"' } });
    expect((await fleet.api.unary(certs, 'ShowCert', { host: 'web1', name: 'front' }, deadline)).cert?.sites).toEqual(['www.example.org']);
  });

  it('that were altered by hand are told and stay, until they are written over', async () => {
    const cert = web1.host.certs.certs.get('front');
    if (cert === undefined) throw new Error('it is not there');
    cert.pem = makeSelfSigned({ names: ['by.hand.example'], days: 90, now: Date.now() }).certPem;
    expect(await set('shop', { group: 'ssl-cert' })).toMatchObject({ outcome: 'ok', changes: ['~ cert shop'] });
    expect(await health()).toEqual(['CERT_EDITED HEALTH_SEVERITY_WARNING certificate front was altered by hand'].map((line) => expect.stringMatching(new RegExp(line.replace(/ \S+ /, ' .* '))) as string));
    expect(await set('front', { names: ['other.example'] })).toMatchObject({ outcome: 'failed', stored: false, errors: [{ code: 'CERT_DRIFT', fields: { value: 'front', host: 'web1' } }] });
    expect(await set('front', { overwrite: true })).toMatchObject({ outcome: 'ok', changes: ['~ cert front'] });
    expect(await health()).toEqual([]);
    expect(await set('front', { overwrite: true })).toMatchObject({ outcome: 'ok', changes: [] });
  });

  it('that end soon are told in time, and self-signed ones are made anew', async () => {
    const endsIn = (days: number): string => authority.issue(['shop.example'], { days, key: web1.host.certs.certs.get('shop')?.key ?? '' }).cert;
    const seen: string[][] = [];
    for (const days of [11, 9, 2, -1]) {
      age('shop', endsIn(days));
      await fleet.api.unary(certs, 'ShowCert', { host: 'web1', name: 'shop' }, deadline);
      seen.push((await health()).map((line) => line.replace(/ \S*_(\w+) /, ' $1 ')));
    }
    expect(seen.map((lines) => lines.join())).toEqual(['', expect.stringMatching(/^CERT_ENDS .*WARNING.* certificate shop expires soon$/i), expect.stringMatching(/^CERT_ENDS .*ERROR.* certificate shop expires soon$/i), expect.stringMatching(/^CERT_EXPIRED .*ERROR.* certificate shop has expired$/i)]);
    age('front', makeSelfSigned({ names: ['www.example.org'], days: 365, now: Date.now() - 250 * dayMs }).certPem);
    await fleet.api.unary(certs, 'ShowCert', { host: 'web1', name: 'front' }, deadline);
    const before = web1.host.certs.certs.get('front')?.pem;
    fleet.office().certs.look();
    await until(() => web1.host.certs.certs.get('front')?.pem !== before, { timeoutMs: 10_000, everyMs: 20, what: 'another certificate' });
    await until(async () => !(await list('web1')).some((line) => line.endsWith('pending')), { timeoutMs: 10_000, everyMs: 50, what: 'the answer of the host' });
    const calls = web1.host.calls.length;
    fleet.office().certs.look();
    expect(web1.host.calls).toHaveLength(calls);
  });

  it('leave nothing of a key in a log, the inventory, the audit or a file', async () => {
    const pair = authority.issue(['secret.example']);
    const broken = testKey('rsa:1024');
    expect(await supply('secret', pair)).toMatchObject({ outcome: 'ok' });
    const errors = [await supply('secret2', { ...pair, key: broken }).catch((error: unknown) => error), await supply('secret2', { ...pair, key: pair.key.slice(0, 150) }).catch((error: unknown) => error)];
    const files = [fleet.stateDir, web1.stateDir].flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)).filter((path) => statSync(path).isFile()).map((path) => readFileSync(path, 'latin1')));
    const texts = [...files, ...logged, ...errors.map((error) => `${String(error)} ${JSON.stringify(error)} ${(error as Error).stack ?? ''}`)];
    expect(texts.join('')).toContain('cert add');
    expect(logged.length).toBeGreaterThan(2);
    const lines = [pair.key, broken].flatMap((key) => key.split('\n').filter((line) => line.length === 64 && !line.startsWith('-----')).map((line) => line.slice(32)));
    const raw = Buffer.from(pair.key.split('\n').slice(1, -2).join(''), 'base64').subarray(36, 68).toString('latin1');
    for (const needle of [...lines, raw]) for (const text of texts) expect(text.includes(needle)).toBe(false);
  });
});
