import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAgentServer, type AgentServer } from '../../agent/server.js';
import { owedMessages } from '../../coordinator/inventory/alert-message.js';
import { refuseWrites } from '../../coordinator/inventory/write.js';
import { noNotify } from '../../coordinator/notify/config.js';
import type { AlertServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/AlertService.js';
import type { Alert } from '../../shared/gen/proto/reeve/coordinator/v1/Alert.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import { serviceName } from '../../shared/rpc/client.js';
import { toDuration } from '../../shared/rpc/time.js';
import { accessApi } from '../support/access-api.js';
import { createTurnedClock, scratchFolder, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet, type TurnedClock } from '../support/loopback-fleet.js';
import { startMailServer, type MailServer } from '../support/mail-server.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';

const alertService = serviceName<AlertServiceDefinition>('reeve.coordinator.v1.AlertService');
const hostService = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const deadline = { deadlineMs: 40_000 };
const minute = 60_000;
const hour = 60 * minute;

describe('alerts of a fleet', () => {
  let fleet: LoopbackFleet;
  let mail: MailServer;
  let clock: TurnedClock;
  let turnedMs: number;
  let hooks: string;
  const cleanUp: (() => Promise<void> | void)[] = [];

  beforeEach(async () => {
    clock = createTurnedClock();
    turnedMs = 0;
    mail = await startMailServer({ tls: 'plain' });
    hooks = scratchFolder('hooks');
    fleet = await startLoopbackFleet({ clock, notify: { ...noNotify, hookDir: hooks, alertUrl: 'https://status.example.org/', smtp: { host: '127.0.0.1', port: mail.port, security: 'plain', from: 'reeve@example.org', login: undefined } } });
    await accessApi(fleet.api).person('ada', { mail: 'ada@example.org' });
  });

  afterEach(async () => {
    for (const task of cleanUp.splice(0).reverse()) await task();
    await fleet.close();
    await mail.close();
    rmSync(hooks, { recursive: true });
    expect(fleet.bugs).toEqual([]);
  });

  const host = (name: string, parent?: string): Promise<LoopbackAgent> => fleet.addAgent(name, { host: createSimulatedHost({ clock, hostname: name }), ...(parent === undefined ? {} : { parent }) });
  const route = (request: object) => fleet.api.unary(alertService, 'AddAlertRoute', request, deadline);
  const list = async (request: object = {}): Promise<Alert[]> => (await fleet.api.unary(alertService, 'ListAlert', request, deadline)).alerts;
  /** Lets wall-clock time pass, and looks. */
  const pass = async (ms: number): Promise<void> => {
    turnedMs += ms;
    clock.turn(turnedMs);
    await look();
  };
  const look = async (): Promise<void> => {
    fleet.office().alerts.look();
    await fleet.office().alerts.idle();
  };
  const goAway = async (...agents: LoopbackAgent[]): Promise<void> => {
    for (const agent of agents) await agent.server.close(0);
    for (const agent of agents) await fleet.waitState(agent.hostId, 'lost');
  };
  /** Starts the agent of a host again, with its identity, on its port. */
  const serveAgain = async (agent: LoopbackAgent): Promise<AgentServer> => {
    const stateDir = scratchFolder('back');
    const server = await createAgentServer({ host: agent.host, identity: agent.identity, stateDir, listen: { host: '127.0.0.1', port: agent.port }, log: pino({ level: 'silent' }) });
    cleanUp.push(async () => {
      await server.close(0);
      rmSync(stateDir, { recursive: true });
    });
    return server;
  };
  const comeBack = async (agent: LoopbackAgent): Promise<void> => {
    await serveAgain(agent);
    await fleet.waitState(agent.hostId, 'connected', 60_000);
    await until(() => fleet.office().fleet.live(agent.hostId).facts !== undefined, { timeoutMs: 20_000, what: 'its facts' });
  };
  const subjects = (): (string | undefined)[] => mail.mails().map(({ headers }) => headers.get('subject')?.replace(/ \(.*/, ''));

  it('tell once of a host that is lost for five minutes, remind after a day, and tell when it is back', async () => {
    const web1 = await host('web1');
    await route({ person: 'ada' });
    await goAway(web1);
    await pass(4 * minute);
    expect(await list()).toEqual([]);
    await pass(minute);
    expect(await list()).toMatchObject([{ kind: 'host-lost', severity: 'error', hostName: 'web1', told: 1, muted: '', endedAt: null }]);
    for (let times = 0; times < 5; times += 1) await pass(10 * minute);
    expect(subjects()).toEqual(['[reeve] web1: cannot be reached']);
    await pass(24 * hour);
    expect(subjects()).toEqual(['[reeve] web1: cannot be reached', '[reeve] web1: still: cannot be reached']);
    await comeBack(web1);
    await look();
    // It has to stay well for five minutes.
    expect(subjects()).toHaveLength(2);
    await pass(5 * minute);
    const [opened, , over] = await mail.wait(3);
    expect(over?.headers.get('subject')).toMatch(/^\[reeve\] web1: over: cannot be reached \(.* UTC to .* UTC\)$/);
    expect(over?.headers.get('references')).toContain(opened?.headers.get('message-id'));
    expect(opened?.text).toContain('https://status.example.org/');
    expect(await list()).toEqual([]);
    expect(await list({ ended: true })).toMatchObject([{ kind: 'host-lost', told: 1 }]);
    await pass(hour);
    expect(mail.mails()).toHaveLength(3);
  }, 120_000);

  it('tell of a host with all that lives on it in one, and of a guest that does not come back with it', async () => {
    const vm1 = await host('vm1');
    const guests = [await host('guest1', 'vm1'), await host('guest2', 'vm1')];
    await route({ person: 'ada' });
    await goAway(...guests, vm1);
    await pass(6 * minute);
    expect(await list()).toMatchObject([{ hostName: 'vm1', title: 'cannot be reached, and what lives on it: 2 hosts', foldedHosts: ['guest1', 'guest2'] }]);
    expect(subjects()).toEqual(['[reeve] vm1: cannot be reached, and what lives on it: 2 hosts']);
    await comeBack(vm1);
    await comeBack(guests[0] as LoopbackAgent);
    await look();
    await pass(4 * minute);
    expect(subjects()).toHaveLength(1);
    await pass(2 * minute);
    await pass(2 * minute);
    expect(subjects().slice(1).join('\n')).toMatch(/guest2: cannot be reached|2 alerts: 1 new, 1 over/);
    expect((await list()).map(({ hostName }) => hostName)).toEqual(['guest2']);
  }, 120_000);

  it('that are owed when the coordinator ends are sent once by the next one', async () => {
    const web1 = await host('web1');
    await route({ person: 'ada' });
    mail.refuse('451 4.3.0 come back later');
    await goAway(web1);
    await pass(6 * minute);
    const owed = async () => (await fleet.api.unary(alertService, 'ListAlertRoute', {}, deadline)).routes;
    expect(await owed()).toMatchObject([{ owed: 1, problem: expect.stringContaining('come back later') as string }]);
    expect(mail.mails()).toEqual([]);
    await fleet.restart();
    mail.refuse('');
    await pass(30 * minute);
    expect(subjects()).toEqual(['[reeve] web1: cannot be reached']);
    expect(await owed()).toMatchObject([{ owed: 0, problem: '' }]);
    await fleet.restart();
    for (let times = 0; times < 4; times += 1) await pass(2 * minute);
    expect(mail.mails()).toHaveLength(1);
    // The host was lost all the time: the alert that was open still is.
    expect(await list()).toMatchObject([{ kind: 'host-lost', told: 1 }]);
  }, 120_000);

  it('wait five minutes after a start of the coordinator for hosts that nobody has reached yet', async () => {
    const web1 = await host('web1');
    await route({ person: 'ada' });
    await goAway(web1);
    await fleet.restart();
    await pass(4 * minute);
    expect(await list()).toEqual([]);
    await pass(90_000);
    expect(subjects()).toEqual(['[reeve] web1: cannot be reached']);
  }, 120_000);

  it('that pile up go together', async () => {
    const agents = [await host('web1'), await host('web2'), await host('web3')];
    await route({ person: 'ada' });
    await goAway(agents[0] as LoopbackAgent);
    await pass(5 * minute);
    await goAway(...agents.slice(1));
    await pass(5 * minute);
    expect(subjects()).toEqual(['[reeve] web1: cannot be reached', '[reeve] 2 alerts: 2 new']);
    expect(mail.mails()[1]?.text).toMatch(/error: web2: [^]*error: web3: /);
  }, 120_000);

  it('are muted, listed as such, and told when the mute ends and they still stand', async () => {
    const web1 = await host('web1');
    await host('web2');
    await route({ person: 'ada' });
    const { mute, open } = await fleet.api.unary(alertService, 'AddAlertMute', { selector: 'web1', kinds: ['host-lost'], duration: toDuration(hour), reason: 'new disks' }, deadline);
    expect(open).toBe(0);
    await goAway(web1);
    await pass(6 * minute);
    expect(await list()).toMatchObject([{ muted: expect.stringContaining('new disks') as string, told: 0 }]);
    expect(await list({ selector: 'web2' })).toEqual([]);
    expect(mail.mails()).toEqual([]);
    await pass(hour);
    expect(subjects()).toEqual(['[reeve] web1: cannot be reached']);
    expect((await fleet.api.unary(alertService, 'ListAlertMute', {}, deadline)).mutes).toEqual([]);
    await expect(fleet.api.unary(alertService, 'RemoveAlertMute', { id: mute?.id ?? 0 }, deadline)).rejects.toMatchObject({ code: 'ALERT_MUTE_UNKNOWN' });
  }, 120_000);

  it('of a held host that is lost wait for the end of the hold, those of its disks do not', async () => {
    const simulated = createSimulatedHost({ clock, hostname: 'web1' });
    const web1 = await fleet.addAgent('web1', { host: { ...simulated, readFacts: async () => ({ ...(await simulated.readFacts()), disks: [{ mount: '/srv', type: 'ext4', totalBytes: 10 * 2 ** 30, availableBytes: 2 ** 20, inodesTotal: 0, inodesFree: 0 }] }) } });
    await until(() => fleet.office().fleet.live(web1.hostId).facts !== undefined, { timeoutMs: 20_000, what: 'its facts' });
    await route({ person: 'ada' });
    await fleet.api.unary(hostService, 'HoldHost', { host: 'web1', duration: toDuration(hour), reason: 'new disks' }, deadline);
    await look();
    await pass(3 * minute);
    expect(subjects()).toEqual(['[reeve] web1: /srv is nearly full']);
    await goAway(web1);
    await pass(6 * minute);
    // Nobody can tell whether the disk is still full: that stays as it was.
    expect(await list()).toMatchObject([{ kind: 'host-lost', muted: expect.stringContaining('new disks') as string }, { kind: 'disk', muted: '' }]);
    await fleet.api.unary(hostService, 'UnholdHost', { host: 'web1' }, deadline);
    await pass(2 * minute);
    expect(subjects().slice(1)).toEqual(['[reeve] web1: cannot be reached']);
  }, 120_000);

  it('go to webhooks and to programs, by kind, severity and host, and a test says what the other side said', async () => {
    const bodies: string[] = [];
    const server = createServer((request: IncomingMessage, response) => {
      let text = '';
      request.on('data', (part: Buffer) => (text += part.toString()));
      request.on('end', () => {
        bodies.push(text);
        response.end('noted');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanUp.push(() => void server.close());
    const out = join(hooks, 'out');
    mkdirSync(out);
    writeFileSync(join(hooks, 'pager'), `#!/usr/bin/env -S ${process.execPath}\nrequire('node:fs').writeFileSync(${JSON.stringify(join(out, 'message'))}, require('node:fs').readFileSync(0));\nconsole.log('paged');\n`);
    chmodSync(join(hooks, 'pager'), 0o755);
    chmodSync(hooks, 0o755);
    const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/secret-path`;
    const { route: webhook } = await route({ webhook: url, selector: 'web1', kinds: ['host-lost'] });
    const { route: hook } = await route({ hook: 'pager', severity: 'error' });
    await route({ person: 'ada', kinds: ['disk'] });
    const tested = async (request: object) => (await fleet.api.unary(alertService, 'TestAlertRoute', request, deadline)).results;
    expect(await tested({ id: webhook?.id ?? 0 })).toMatchObject([{ ok: true, answer: '200 noted' }]);
    expect(JSON.parse(bodies[0] ?? '')).toMatchObject({ test: true, alerts: [] });
    expect(await tested({ id: hook?.id ?? 0 })).toMatchObject([{ ok: true, answer: 'paged' }]);
    expect(await tested({ person: 'ada' })).toMatchObject([{ ok: true, answer: expect.stringMatching(/^250 /) as string }]);
    expect(subjects()).toEqual(['[reeve] test: alerts of this route arrive here']);
    rmSync(join(out, 'message'));
    const agents = [await host('web1'), await host('web2')];
    await goAway(...agents);
    await pass(6 * minute);
    expect(bodies.slice(1).map((body) => (JSON.parse(body) as { alerts: { host: string }[] }).alerts.map((alert) => alert.host))).toEqual([['web1']]);
    expect(existsSync(join(out, 'message'))).toBe(true);
    expect(JSON.parse(readFileSync(join(out, 'message'), 'utf8'))).toMatchObject({ test: false, alerts: [{ event: 'opened', host: 'web1' }, { event: 'opened', host: 'web2' }] });
    expect(mail.mails()).toHaveLength(1);
    expect((await fleet.api.unary(alertService, 'ListAlertRoute', {}, deadline)).routes.map(({ way }) => way)).toEqual(['webhook', 'hook', 'mail']);
    await fleet.api.unary(alertService, 'RemoveAlertRoute', { id: hook?.id ?? 0 }, deadline);
    await expect(tested({ id: hook?.id ?? 0 })).rejects.toMatchObject({ code: 'ALERT_ROUTE_UNKNOWN' });
  }, 120_000);

  it('of a start that nobody had announced are told once, and are over after an hour', async () => {
    let bootId = 'boot-1';
    const simulated = createSimulatedHost({ clock, hostname: 'web1' });
    const readFacts = async () => ({ ...(await simulated.readFacts()), bootId });
    const web1 = await fleet.addAgent('web1', { host: { ...simulated, readFacts } });
    const booted = async (name: string): Promise<void> => {
      bootId = name;
      await servers.at(-1)?.close(0);
      await fleet.waitState(web1.hostId, 'lost');
      servers.push(await serveAgain(web1));
      await until(() => fleet.office().fleet.live(web1.hostId).facts?.facts.bootId === name, { timeoutMs: 60_000, what: 'the boot id' });
      await look();
    };
    const servers: AgentServer[] = [web1.server];
    await until(() => fleet.office().fleet.live(web1.hostId).facts?.facts.bootId === 'boot-1', { timeoutMs: 60_000, what: 'the boot id' });
    await look();
    await route({ person: 'ada' });
    await fleet.api.unary(hostService, 'HoldHost', { host: 'web1', duration: toDuration(hour), reason: 'kernel' }, deadline);
    await booted('boot-2');
    expect(await list()).toEqual([]);
    await fleet.api.unary(hostService, 'UnholdHost', { host: 'web1' }, deadline);
    await booted('boot-3');
    expect(await list()).toMatchObject([{ kind: 'reboot', severity: 'warning' }]);
    await pass(2 * minute);
    await booted('boot-4');
    expect(await list()).toMatchObject([{ kind: 'reboot', severity: 'error', title: 'was started anew 2 times within a day' }]);
    expect(subjects()[0]).toBe('[reeve] web1: was started anew');
    // Over after an hour; a coordinator that starts anew knows the boot id, and tells nothing again.
    await fleet.restart();
    await fleet.waitState(web1.hostId, 'connected');
    await pass(hour);
    expect(await list()).toEqual([]);
  }, 120_000);

  it('are told, once, by a coordinator that can write nothing any more, and that its database is damaged', async () => {
    const web1 = await host('web1');
    await route({ person: 'ada' });
    await goAway(web1);
    await look();
    refuseWrites(fleet.office().db, 'page 7 is torn');
    await look();
    for (let times = 0; times < 8; times += 1) await pass(2 * minute);
    const texts = mail.mails().map(({ text }) => text).join('\n');
    expect(texts.match(/^error: coordinator: the inventory is damaged/gm)).toHaveLength(1);
    expect(texts.match(/^error: web1: cannot be reached/gm)).toHaveLength(1);
  }, 120_000);

  it('are tried again with longer and longer waits, and given up after a day; what was refused for good sooner', async () => {
    const web1 = await host('web1');
    await route({ person: 'ada' });
    mail.refuse('451 4.3.0 come back later');
    await goAway(web1);
    await pass(5 * minute);
    const attempts = () => owedMessages(fleet.office().db).map((row) => row.attempts);
    expect(attempts()).toEqual([1]);
    await pass(1_000);
    expect(attempts()).toEqual([1]);
    await pass(30_000);
    expect(attempts()).toEqual([2]);
    const [first] = owedMessages(fleet.office().db);
    for (let times = 0; times < 25; times += 1) await pass(hour);
    // It was given up, and the reminder of the day took its place.
    expect(owedMessages(fleet.office().db).map(({ id }) => id === first?.id)).toEqual([false]);
    expect((await fleet.api.unary(alertService, 'ListAlertRoute', {}, deadline)).routes).toMatchObject([{ owed: 1, problem: expect.stringContaining('come back later') as string }]);
    mail.refuse('550 5.1.1 no such mailbox');
    for (let times = 0; times < 3; times += 1) await pass(hour);
    expect(attempts()).toEqual([]);
    mail.refuse('');
    await pass(25 * hour);
    // The opening never arrived: the reminder tells it.
    expect(subjects()[0]).toMatch(/still: cannot be reached/);
  }, 120_000);

  it.each([
    [{}, 'FIELD_MISSING'],
    [{ person: 'ada', hook: 'pager' }, 'FIELD_INVALID'],
    [{ person: 'grace' }, 'PERSON_UNKNOWN'],
    [{ person: 'nomail' }, 'ALERT_UNCONFIGURED'],
    [{ hook: 'missing' }, 'ALERT_UNCONFIGURED'],
    [{ hook: '../pager' }, 'FIELD_INVALID'],
    [{ webhook: 'http://example.org/x' }, 'FIELD_INVALID'],
    [{ webhook: 'https://ada:secret@example.org/x' }, 'FIELD_INVALID'],
    [{ webhook: 'file:///etc/passwd' }, 'FIELD_INVALID'],
    [{ person: 'ada', kinds: ['lost'] }, 'FIELD_INVALID'],
    [{ person: 'ada', severity: 'bad' }, 'FIELD_INVALID'],
    [{ person: 'ada', selector: 'a b' }, 'SELECTOR_INVALID'],
  ])('are not told by %j: %s', async (request, code) => {
    await accessApi(fleet.api).person('nomail');
    await expect(route(request)).rejects.toMatchObject({ code });
    const problem = await route(request).catch((error: unknown) => error);
    expect(JSON.stringify(problem)).not.toContain('secret');
  });
});
