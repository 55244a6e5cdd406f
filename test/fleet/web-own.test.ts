import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listAudit } from '../../coordinator/inventory/audit.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { OperatorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperatorService.js';
import { serviceName } from '../../shared/rpc/client.js';
import { accessApi, homeUser, keys } from '../support/access-api.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { makePublicKey, type TestKey } from '../support/public-key.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';
import { startWeb, type WebPage } from '../support/web-page.js';
import { ask, formTokenIn, sendForm, type WebResponse } from '../support/web-request.js';

const hosts = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const operators = serviceName<OperatorServiceDefinition>('reeve.coordinator.v1.OperatorService');
const clock = createTurnedClock();
const options = { deadlineMs: 20_000 };

describe.skipIf(process.getuid?.() !== 0)('own keys on the status page (as root, who can become others)', () => {
  let fleet: LoopbackFleet;
  let web: WebPage;
  let host: LoopbackAgent;
  let cookie: string;
  let formToken: string;
  const adas = makePublicKey();

  beforeAll(async () => {
    fleet = await startLoopbackFleet({ clock });
    web = await startWeb(fleet, { clock });
    host = await fleet.addAgent('web1', { host: createSimulatedHost({ clock, helperMs: 0 }) });
    await fleet.api.unary(hosts, 'SetHost', { host: 'web1', setLabels: ['site=ams'] }, options);
    const api = accessApi(fleet.api);
    await api.person('grace');
    await api.person('ada');
    await api.key({ person: 'ada' }, [adas]);
    await api.grant({ person: 'grace', selector: 'web1', user: 'grace', create: homeUser('grace') });
    cookie = await web.login('grace', await web.allow('grace'));
    formToken = formTokenIn(await self());
  });
  afterAll(async () => {
    await web.close();
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });
  beforeEach(() => clock.pass(600_000));

  const self = async (as = cookie): Promise<string> => (await ask({ port: web.port, path: '/self', headers: [['Cookie', as]] })).body;
  const add = (key: string, fields: object = {}): Promise<WebResponse> => sendForm(web.port, '/self/key/add', { key, form_token: formToken, ...fields }, cookie);
  const remove = (fingerprint: string, fields: object = {}): Promise<WebResponse> => sendForm(web.port, '/self/key/remove', { fingerprint, form_token: formToken, ...fields }, cookie);
  const keysOf = async (person: string): Promise<string[]> => (await fleet.api.unary(keys, 'ListKey', { person }, options)).keys.map(({ fingerprint }) => fingerprint);
  const lines = (): string[] => (host.host.keys.files.get('grace') ?? '').split('\n').filter((line) => line.startsWith('ssh-'));
  const isOnHost = (key: TestKey, wanted: boolean): Promise<unknown> => until(() => lines().some((line) => line.startsWith(key.text)) === wanted, { timeoutMs: 10_000, everyMs: 20, what: `the host to be told ${wanted ? 'of the key' : 'that the key has gone'}` });

  it('are added, told to hosts at once, and removed again', async () => {
    const own = makePublicKey();
    const added = await add(`${own.text} grace@laptop\r\n`);
    expect([added.status, added.headers.location]).toEqual([303, '/self?done=added']);
    await isOnHost(own, true);
    const page = await self();
    expect(page).toContain(own.fingerprint);
    expect(page).toContain('grace@laptop');
    expect(page).toContain('web1');
    const removed = await remove(own.fingerprint);
    expect([removed.status, removed.headers.location]).toEqual([303, '/self?done=removed']);
    await isOnHost(own, false);
    expect(await self()).not.toContain(own.fingerprint);
    const audit = listAudit(fleet.office().db, 50).filter(({ principal }) => principal === 'web:grace').map(({ action, phase }) => `${action} ${phase}`);
    expect(audit).toEqual(expect.arrayContaining(['key add grace intent', `key remove ${own.fingerprint} intent`]));
  });

  it('of others can neither be seen, nor taken, nor removed', async () => {
    expect(await self()).not.toContain(adas.fingerprint);
    const taken = await add(`${adas.text} mine now`);
    expect(taken.status).toBe(400);
    expect(taken.body).toContain('a key that is not in use by another');
    expect(taken.body).not.toMatch(/\bada\b/);
    const removed = await remove(adas.fingerprint);
    expect(removed.status).toBe(400);
    expect(removed.body).toContain('is known</p>');
    expect(await keysOf('ada')).toEqual([adas.fingerprint]);
    // Nobody's key and that of somebody else look the same.
    const nobodys = (await remove(makePublicKey().fingerprint)).body;
    const strip = (text: string): string => text.replace(/SHA256:[A-Za-z0-9+/]{43}/g, 'KEY');
    expect(strip(nobodys)).toBe(strip(removed.body));
  });

  it('are altered by a form of the same session only', async () => {
    const own = makePublicKey();
    const ada = await web.login('ada', await web.allow('ada'));
    const foreign = formTokenIn(await self(ada));
    for (const token of ['', foreign, formToken.slice(1), 'x'.repeat(43)]) {
      expect((await add(own.text, { form_token: token })).status, token).toBe(400);
      expect((await remove(adas.fingerprint, { form_token: token })).status, token).toBe(400);
    }
    expect(await keysOf('grace')).toEqual([]);
    const body = new URLSearchParams({ key: own.text, form_token: formToken }).toString();
    const crossSite = await ask({ port: web.port, method: 'POST', path: '/self/key/add', headers: [['Cookie', cookie], ['Content-Type', 'application/x-www-form-urlencoded'], ['Content-Length', String(body.length)], ['Origin', 'https://evil.example.org'], ['Sec-Fetch-Site', 'cross-site']], body });
    expect(crossSite.status).toBe(403);
    expect((await sendForm(web.port, '/self/key/add', { key: own.text, form_token: formToken })).headers.location).toBe('/login');
    expect(await keysOf('grace')).toEqual([]);
  });

  it.each([
    ['nothing', ''],
    ['no key', 'hello'],
    ['a private key', '-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----'],
    ['options', `command="/bin/sh" ${makePublicKey().text}`],
    ['two keys', `${makePublicKey().text}\n${makePublicKey().text}`],
    ['markup', '<script>alert(1)</script>'],
  ])('are not added where there is %s, and what was typed is shown as text', async (_what, text) => {
    const answer = await add(text);
    expect(answer.status).toBe(400);
    expect(answer.body).toContain('role="alert"');
    expect(answer.body).not.toContain('<script>alert');
    expect(await keysOf('grace')).toEqual([]);
  });

  it('that an operator has limited stay limited when they are added once more', async () => {
    const own = makePublicKey();
    await fleet.api.stream(keys, 'AddKey', { options: { mode: 'CHANGE_MODE_STAGE' }, person: 'grace', keys: [{ key: { type: own.type, blob: own.blob }, options: { from: ['192.0.2.0/24'] } }] }, {}).next();
    await until(async () => (await keysOf('grace')).length === 1, { timeoutMs: 30_000, what: 'the key to be stored' });
    expect((await add(`${own.text} again`)).status).toBe(303);
    const [key] = (await fleet.api.unary(keys, 'ListKey', { person: 'grace' }, options)).keys;
    expect(key?.options?.from).toEqual(['192.0.2.0/24']);
    expect((await remove(own.fingerprint)).status).toBe(303);
  });

  it('of an operator with a scope reach all hosts on which they are to be', async () => {
    await fleet.api.unary(operators, 'AddOperator', { name: 'grace', role: 'viewer', labels: ['site=fra'] }, options);
    const own = makePublicKey();
    expect((await add(own.text)).status).toBe(303);
    await isOnHost(own, true);
    expect(await self()).toContain('sees hosts with');
    expect((await remove(own.fingerprint)).status).toBe(303);
    await isOnHost(own, false);
    await fleet.api.unary(operators, 'RemoveOperator', { name: 'grace' }, options);
    // The login stays with the person; the sessions do not.
    clock.pass(600_000);
    cookie = await web.login('grace', await web.allow('grace'));
    formToken = formTokenIn(await self());
  });

  it('are not altered by who is not active any more', async () => {
    const api = accessApi(fleet.api);
    await api.setPerson('grace', { active: false });
    expect((await add(makePublicKey().text)).headers.location).toBe('/login');
    expect(await keysOf('grace')).toEqual([]);
  });
});
