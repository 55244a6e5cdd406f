import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { revisionOf } from '../../coordinator/inventory/revision.js';
import { removeWebSession } from '../../coordinator/inventory/web-login.js';
import { sha256 } from '../../shared/kit/digest.js';
import { accessApi } from '../support/access-api.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';
import { startWeb, type WebPage } from '../support/web-page.js';
import { ask, follow, formTokenIn, sendForm, type EventStream } from '../support/web-request.js';

const clock = createTurnedClock();

describe.skipIf(process.getuid?.() !== 0)('pages that follow the fleet (as root, who can become others)', () => {
  let fleet: LoopbackFleet;
  let web: WebPage;
  let agent: LoopbackAgent;
  let password: string;
  let cookie: string;
  let people = 0;

  beforeAll(async () => {
    fleet = await startLoopbackFleet({ clock });
    web = await startWeb(fleet, { clock });
    agent = await fleet.addAgent('web1', { host: createSimulatedHost({ helperMs: 0 }) });
    await accessApi(fleet.api).person('grace');
    password = await web.allow('grace');
  });
  afterAll(async () => {
    await web.close();
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });
  beforeEach(async () => {
    clock.pass(600_000);
    cookie = await web.login('grace', password);
  });

  const events = ({ told }: EventStream): string[] => told.map(({ event }) => event);
  const last = ({ told }: EventStream): string => told.at(-1)?.id ?? '';
  /** Something in the inventory is not as it was. */
  const change = (): Promise<unknown> => accessApi(fleet.api).person(`somebody${String((people += 1))}`);
  const waitFor = (condition: () => boolean, what: string): Promise<unknown> => until(condition, { timeoutMs: 10_000, everyMs: 20, what });

  it('are told the revision of now, and each change after that with a greater one', async () => {
    const stream = await follow(web.port, cookie);
    expect(stream.status).toBe(200);
    await waitFor(() => stream.told.length > 0, 'the first event');
    expect(events(stream)).toEqual(['now']);
    const before = Number(last(stream));
    await change();
    await waitFor(() => events(stream).includes('changed'), 'the change');
    expect(Number(last(stream))).toBeGreaterThan(before);
    stream.close();
  });

  it('are told that a host was lost', async () => {
    const stream = await follow(web.port, cookie);
    await waitFor(() => stream.told.length > 0, 'the first event');
    const before = revisionOf(fleet.office().db);
    await agent.close();
    await fleet.waitState(agent.hostId, 'lost');
    await waitFor(() => Number(last(stream)) > before, 'the loss');
    stream.close();
  });

  it('are told at most once a second, of the newest', async () => {
    const stream = await follow(web.port, cookie);
    await waitFor(() => stream.told.length > 0, 'the first event');
    const began = performance.now();
    for (let count = 0; count < 30; count += 1) await change();
    await waitFor(() => last(stream) === String(revisionOf(fleet.office().db)), 'the newest');
    const seconds = (performance.now() - began) / 1000;
    expect(stream.told.length - 1).toBeLessThanOrEqual(Math.ceil(seconds) + 1);
    stream.close();
  });

  it('that come back are told whether they missed something', async () => {
    const first = await follow(web.port, cookie);
    await waitFor(() => first.told.length > 0, 'the first event');
    const known = last(first);
    const same = await follow(web.port, cookie, known);
    await waitFor(() => same.told.length > 0, 'what nothing was missed says');
    expect(same.told).toEqual([{ event: 'now', id: known }]);
    first.close();
    same.close();
    await change();
    const later = await follow(web.port, cookie, known);
    await waitFor(() => later.told.length > 0, 'what was missed');
    expect(events(later)).toEqual(['gap']);
    expect(last(later)).not.toBe(known);
    later.close();
  });

  it('are told that something may be missing after the coordinator was away', async () => {
    const stream = await follow(web.port, cookie);
    await waitFor(() => stream.told.length > 0, 'the first event');
    await fleet.restart();
    await waitFor(() => events(stream).includes('gap'), 'the gap');
    await change();
    await waitFor(() => events(stream).at(-1) === 'changed', 'the change after it');
    stream.close();
  });

  it('may be four of one session', async () => {
    const streams = await Promise.all([1, 2, 3, 4].map(() => follow(web.port, cookie)));
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const fifth = await follow(web.port, cookie);
    expect(fifth.status).toBe(429);
    streams[0]?.close();
    await until(async () => {
      const again = await follow(web.port, cookie);
      streams.push(again);
      return again.status === 200;
    }, { timeoutMs: 30_000, what: 'a place that was given back' });
    for (const stream of streams) stream.close();
  });

  it('end with their session', async () => {
    const stream = await follow(web.port, cookie);
    await waitFor(() => stream.told.length > 0, 'the first event');
    const formToken = formTokenIn((await ask({ port: web.port, path: '/self', headers: [['Cookie', cookie]] })).body);
    await sendForm(web.port, '/logout', { form_token: formToken }, cookie);
    await until(() => stream.ended(), { timeoutMs: 5_000, what: 'the stream to end' });
    expect((await follow(web.port, cookie)).status).toBe(401);
  });

  it('of others go on when the session ends by which the coordinator is asked', async () => {
    const first = await follow(web.port, cookie);
    await waitFor(() => first.told.length > 0, 'the first event');
    clock.pass(600_000);
    const second = await follow(web.port, await web.login('grace', password));
    await waitFor(() => second.told.length > 0, 'the first event of the other');
    // The coordinator looks every 10 s whether a stream may still be there.
    removeWebSession(fleet.office().db, sha256(Buffer.from(cookie.slice('__Host-reeve='.length), 'base64url')));
    await until(() => first.ended(), { timeoutMs: 15_000, what: 'the stream of the one that has gone to end' });
    const before = last(second);
    await change();
    await waitFor(() => last(second) !== before, 'the change');
    expect(second.ended()).toBe(false);
    second.close();
  });
});
