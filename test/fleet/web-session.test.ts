import { TOTP, URI } from 'otpauth';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listAudit } from '../../coordinator/inventory/audit.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { OperatorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperatorService.js';
import type { WebServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/WebService.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { accessApi } from '../support/access-api.js';
import { apiAs, debianAccounts } from '../support/local-account.js';
import { createTurnedClock, startLoopbackFleet, webAccount, type LoopbackFleet } from '../support/loopback-fleet.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { startWeb, type WebPage } from '../support/web-page.js';
import { ask, formTokenIn, sendForm, type WebResponse } from '../support/web-request.js';

const hosts = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const operators = serviceName<OperatorServiceDefinition>('reeve.coordinator.v1.OperatorService');
const webs = serviceName<WebServiceDefinition>('reeve.coordinator.v1.WebService');
const options = { deadlineMs: 20_000 };
const clock = createTurnedClock();
const minute = 60_000;

describe.skipIf(process.getuid?.() !== 0)('sessions of the status page (as root, who can become others)', () => {
  let fleet: LoopbackFleet;
  let web: WebPage;
  let password: string;

  beforeAll(async () => {
    fleet = await startLoopbackFleet({ clock });
    web = await startWeb(fleet, { clock });
    for (const [name, site] of [['in1', 'ams'], ['out1', 'fra']] as const) {
      await fleet.addAgent(name, { host: createSimulatedHost({ helperMs: 0 }) });
      await fleet.api.unary(hosts, 'SetHost', { host: name, setLabels: [`site=${site}`] }, options);
    }
    await accessApi(fleet.api).person('grace');
    for (const [name, labels] of [['ada', []], ['sam', ['site=ams']]] as const) await fleet.api.unary(operators, 'AddOperator', { name, role: 'admin', labels: [...labels] }, options);
    password = await web.allow('grace');
  });
  afterAll(async () => {
    await web.close();
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });
  // All limits are full again, and the wall shows the true time.
  beforeEach(() => {
    clock.pass(20 * minute);
    clock.turn(0);
  });

  const get = (path: string, cookie: string): Promise<WebResponse> => ask({ port: web.port, path, headers: [['Cookie', cookie]] });
  const isIn = async (cookie: string): Promise<boolean> => (await get('/self', cookie)).status === 200;
  const tryLogin = async (name: string, secret: string, code = ''): Promise<number> => (await sendForm(web.port, '/login', { name, password: secret, code })).status;
  const audited = (): string[] => listAudit(fleet.office().db, 5).map(({ principal, action, arguments: text, phase, code }) => `${principal} ${action} ${text} ${phase} ${code}`.trim());
  /** The API as the process of the status page, with a session or none. */
  const asPage = async (token?: string): Promise<{ call: Channel; metadata: Record<string, string>; close: () => Promise<void> }> => {
    const account = debianAccounts(10).find(({ name }) => name === webAccount);
    const door = await apiAs(account?.uid ?? -1, fleet);
    return { call: door.channel, metadata: token === undefined ? {} : { 'reeve-session': token }, close: door.close };
  };
  const tokenIn = (cookie: string): string => cookie.slice('__Host-reeve='.length);

  it('says the same to everything that is wrong', async () => {
    const bodies = new Set<string>();
    for (const [name, secret] of [['grace', 'wrong password here'], ['nobody', 'wrong password here'], ['grace', ''], ['Not A Name', 'x'], ['grace', 'a'.repeat(300)]] as const) {
      const answer = await sendForm(web.port, '/login', { name, password: secret });
      expect(answer.status, name).toBe(403);
      bodies.add(answer.body.replace(/value="[^"]*"/g, ''));
    }
    expect([...bodies]).toHaveLength(1);
    expect(audited()[0]).toBe('web:grace web login from 127.0.0.1 refused LOGIN_REFUSED');
    expect(JSON.stringify(listAudit(fleet.office().db, 50))).not.toContain('wrong password here');
  });

  it('takes as long for a name that nobody has', async () => {
    const time = async (name: string): Promise<number> => {
      clock.pass(minute * 5);
      const began = performance.now();
      await tryLogin(name, 'wrong password here');
      return performance.now() - began;
    };
    const [known, unknown] = [[] as number[], [] as number[]];
    for (let count = 0; count < 5; count += 1) {
      known.push(await time('grace'));
      unknown.push(await time(`nobody${String(count)}`));
    }
    const least = (times: number[]): number => Math.min(...times);
    expect(least(unknown)).toBeGreaterThan(least(known) / 2);
    expect(least(known)).toBeGreaterThan(least(unknown) / 2);
  });

  it('allows five tries a minute of one name from one address', async () => {
    for (let count = 0; count < 5; count += 1) expect(await tryLogin('grace', 'wrong password here')).toBe(403);
    expect(await tryLogin('grace', password)).toBe(429);
    expect(audited()[0]).toBe('web:grace web login from 127.0.0.1 refused RATE_LIMITED');
    expect(await tryLogin('ada', await web.allow('ada'))).toBe(303);
    clock.pass(minute / 5 + 1_000);
    expect(await tryLogin('grace', password)).toBe(303);
  });

  it('allows twenty tries a minute of one name from everywhere', async () => {
    const page = await asPage();
    const codes: string[] = [];
    for (let count = 0; count < 22; count += 1) {
      const tried = page.call.unary(webs, 'OpenSession', { name: 'grace', password: '', code: '', address: `192.0.2.${String(count)}` }, options);
      codes.push(await tried.then(() => 'ok', (error: unknown) => (error as { code: string }).code));
    }
    await page.close();
    expect(codes.slice(0, 20).every((code) => code === 'LOGIN_REFUSED')).toBe(true);
    expect(codes).toContain('RATE_LIMITED');
  });

  it('ends half an hour after the last use, and not before', async () => {
    const cookie = await web.login('grace', password);
    clock.turn(25 * minute);
    expect(await isIn(cookie)).toBe(true);
    clock.turn(50 * minute);
    expect(await isIn(cookie)).toBe(true);
    clock.turn(81 * minute);
    expect(await isIn(cookie)).toBe(false);
    clock.turn(50 * minute);
    expect(await isIn(cookie)).toBe(false);
  });

  it('is not kept alive by what a script fetches', async () => {
    const cookie = await web.login('grace', password);
    for (const at of [10, 20, 29]) {
      clock.turn(at * minute);
      const answer = await ask({ port: web.port, path: '/self', headers: [['Cookie', cookie], ['Sec-Fetch-Dest', 'empty'], ['Sec-Fetch-Mode', 'cors'], ['Sec-Fetch-Site', 'same-origin']] });
      expect(answer.status).toBe(200);
    }
    clock.turn(31 * minute);
    expect(await isIn(cookie)).toBe(false);
  });

  it('ends after twelve hours, however much it is used', async () => {
    const cookie = await web.login('grace', password);
    for (let at = 20; at < 12 * 60; at += 20) {
      clock.turn(at * minute);
      clock.pass(minute);
      expect(await isIn(cookie), String(at)).toBe(true);
    }
    clock.turn(12 * 60 * minute);
    expect(await isIn(cookie)).toBe(false);
  });

  it('is closed on the coordinator by logging out, and by its own form only', async () => {
    const cookie = await web.login('grace', password);
    const formToken = formTokenIn((await get('/self', cookie)).body);
    expect((await sendForm(web.port, '/logout', { form_token: 'x'.repeat(43) }, cookie)).status).toBe(403);
    expect(await isIn(cookie)).toBe(true);
    const answer = await sendForm(web.port, '/logout', { form_token: formToken }, cookie);
    expect([answer.status, answer.headers.location]).toEqual([303, '/login']);
    expect(answer.headers['set-cookie']?.[0]).toMatch(/^__Host-reeve=; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=0$/);
    expect(await isIn(cookie)).toBe(false);
  });

  it('is another one after each login, and the one before ends', async () => {
    const first = await web.login('grace', password);
    const answer = await sendForm(web.port, '/login', { name: 'grace', password }, first);
    const second = (answer.headers['set-cookie']?.[0] ?? '').split(';', 1)[0] ?? '';
    expect(second).not.toBe(first);
    expect([await isIn(first), await isIn(second)]).toEqual([false, true]);
  });

  it('there are sixteen of one login at most; the one used longest ago ends', async () => {
    const cookies: string[] = [];
    for (let count = 0; count < 17; count += 1) {
      clock.pass(minute);
      clock.turn(count * 1_000);
      cookies.push(await web.login('grace', password));
    }
    expect([await isIn(cookies[0] ?? ''), await isIn(cookies[1] ?? ''), await isIn(cookies[16] ?? '')]).toEqual([false, true, true]);
  });

  it('ends with what it rests on, at the next call', async () => {
    const api = accessApi(fleet.api);
    await api.person('kim');
    const kim = await web.allow('kim');
    let cookie = await web.login('kim', kim);
    await api.setPerson('kim', { active: false });
    expect(await isIn(cookie)).toBe(false);
    await api.setPerson('kim', { active: true });
    expect(await isIn(cookie)).toBe(false);

    clock.pass(5 * minute);
    cookie = await web.login('kim', kim);
    await api.setPerson('kim', { expiresAt: { seconds: Math.floor(clock.now() / 1000) + 60, nanos: 0 } });
    expect(await isIn(cookie)).toBe(true);
    clock.turn(2 * minute);
    expect(await isIn(cookie)).toBe(false);
    expect(await tryLogin('kim', kim)).toBe(403);
    clock.turn(0);

    // Whoever gets the name of somebody who has gone is somebody else.
    await api.removePerson('kim');
    await api.person('kim');
    clock.pass(5 * minute);
    expect(await tryLogin('kim', kim)).toBe(403);

    const ada = await web.login('ada', await web.allow('ada'));
    expect((await get('/', ada)).status).toBe(200);
    await fleet.api.unary(operators, 'SetOperator', { name: 'ada', disabled: true }, options);
    expect((await get('/', ada)).status).toBe(303);
    await fleet.api.unary(operators, 'SetOperator', { name: 'ada', disabled: false }, options);
    expect((await get('/', ada)).status).toBe(303);

    cookie = await web.login('grace', password);
    password = await web.allow('grace');
    expect(await isIn(cookie)).toBe(false);
  });

  it('asks for the second factor, and takes each code once', async () => {
    const made = await fleet.api.unary(webs, 'SetWebLogin', { name: 'ada', totp: true }, options);
    const totp = URI.parse(made.totpUri) as TOTP;
    const code = (steps: number): string => totp.generate({ timestamp: clock.now() + steps * 30_000 });
    expect(await tryLogin('ada', made.password)).toBe(403);
    expect(await tryLogin('ada', made.password, '000000')).toBe(403);
    expect(await tryLogin('ada', made.password, code(-3))).toBe(403);
    const now = code(0);
    expect(await tryLogin('ada', made.password, now)).toBe(303);
    clock.pass(5 * minute);
    expect(await tryLogin('ada', made.password, now)).toBe(403);
    expect(await tryLogin('ada', made.password, code(-1))).toBe(403);
    clock.turn(40_000);
    expect(await tryLogin('ada', made.password, code(0))).toBe(303);
    expect(JSON.stringify(listAudit(fleet.office().db, 200))).not.toContain(made.password);
    expect(JSON.stringify(listAudit(fleet.office().db, 200))).not.toContain(totp.secret.base32);
  });

  it('sees no more than a viewer within the scope of its operator, whatever its role', async () => {
    const page = await asPage(tokenIn(await web.login('sam', await web.allow('sam'))));
    const call = { ...options, metadata: page.metadata };
    expect((await page.call.unary(hosts, 'ListHost', {}, call)).hosts.map(({ name }) => name)).toEqual(['in1']);
    await expect(page.call.unary(hosts, 'GetHost', { name: 'out1' }, call)).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
    await expect(page.call.unary(hosts, 'SetHost', { host: 'in1', setLabels: ['a=b'] }, call)).rejects.toMatchObject({ code: 'ROLE_REFUSED' });
    await expect(page.call.unary(operators, 'AddOperator', { name: 'eve', role: 'admin' }, call)).rejects.toMatchObject({ code: 'ROLE_REFUSED' });
    await expect(page.call.unary(webs, 'SetWebLogin', { name: 'ada' }, call)).rejects.toMatchObject({ code: 'ROLE_REFUSED' });
    await expect(page.call.unary(webs, 'OpenSession', { name: 'ada', password: 'x', address: '192.0.2.1' }, call)).rejects.toMatchObject({ code: 'ROLE_REFUSED' });
    await page.close();
  });

  it('of a person who is no operator sees that person only', async () => {
    const page = await asPage(tokenIn(await web.login('grace', password)));
    const call = { ...options, metadata: page.metadata };
    expect(await page.call.unary(webs, 'GetSelf', {}, call)).toMatchObject({ name: 'grace', role: '', person: true });
    await expect(page.call.unary(hosts, 'ListHost', {}, call)).rejects.toMatchObject({ code: 'ROLE_REFUSED' });
    await expect(page.call.unary(operators, 'WhoAmI', {}, call)).rejects.toMatchObject({ code: 'ROLE_REFUSED' });
    await expect(page.call.unary(webs, 'ListWebLogin', {}, call)).rejects.toMatchObject({ code: 'ROLE_REFUSED' });
    await page.close();
  });

  it('is good for the process of the page only, which may do nothing without one', async () => {
    const token = tokenIn(await web.login('sam', await web.allow('sam')));
    const page = await asPage();
    await expect(page.call.unary(hosts, 'ListHost', {}, options)).rejects.toMatchObject({ code: 'ROLE_REFUSED' });
    await expect(page.call.unary(webs, 'GetSelf', {}, options)).rejects.toMatchObject({ code: 'ROLE_REFUSED' });
    await expect(page.call.unary(hosts, 'ListHost', {}, { ...options, metadata: { 'reeve-session': 'x'.repeat(43) } })).rejects.toMatchObject({ code: 'WEB_SESSION_ENDED' });
    await page.close();
    // Root, another account, and an operator elsewhere.
    await expect(fleet.api.unary(hosts, 'ListHost', {}, { ...options, metadata: { 'reeve-session': token } })).rejects.toMatchObject({ code: 'IDENTITY_REFUSED' });
    await expect(fleet.api.unary(webs, 'OpenSession', { name: 'sam', password: 'x', address: '192.0.2.1' }, options)).rejects.toMatchObject({ code: 'ROLE_REFUSED' });
    await expect(fleet.api.unary(webs, 'GetSelf', {}, options)).rejects.toMatchObject({ code: 'ROLE_REFUSED' });
    const other = await apiAs(debianAccounts(1)[0]?.uid ?? -1, fleet);
    await expect(other.channel.unary(webs, 'GetSelf', {}, { ...options, metadata: { 'reeve-session': token } })).rejects.toMatchObject({ code: 'IDENTITY_REFUSED' });
    await other.close();
  });

  it('stays nobody when its account is given a role', async () => {
    await fleet.api.unary(operators, 'AddOperator', { name: webAccount, role: 'admin' }, options);
    const page = await asPage();
    await expect(page.call.unary(hosts, 'ListHost', {}, options)).rejects.toMatchObject({ code: 'ROLE_REFUSED' });
    await page.close();
    await fleet.api.unary(operators, 'RemoveOperator', { name: webAccount }, options);
  });
});
