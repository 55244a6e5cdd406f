import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AuditServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/AuditService.js';
import type { RestartUnitsEvent } from '../../shared/gen/proto/reeve/coordinator/v1/RestartUnitsEvent.js';
import type { UnitOnHost } from '../../shared/gen/proto/reeve/coordinator/v1/UnitOnHost.js';
import type { UnitServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UnitService.js';
import type { UnitLogLine } from '../../shared/gen/proto/reeve/type/v1/UnitLogLine.js';
import { mostUnit } from '../../shared/model/unit.js';
import { serviceName } from '../../shared/rpc/client.js';
import { startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { createSimulatedHost, openPolicy } from '../support/simulated-host.js';
import { addSimulatedUnit } from '../support/simulated-unit.js';
import { until } from '../support/until.js';

const units = serviceName<UnitServiceDefinition>('reeve.coordinator.v1.UnitService');
const audits = serviceName<AuditServiceDefinition>('reeve.coordinator.v1.AuditService');
const deadline = { deadlineMs: 30_000 };

describe('units of a fleet', () => {
  const logged: Record<string, unknown>[] = [];
  let fleet: LoopbackFleet;
  const agents: LoopbackAgent[] = [];

  beforeAll(async () => {
    const log = pino({ level: 'trace' }, new Writable({ write: (chunk: Buffer, _encoding, done) => { logged.push(JSON.parse(chunk.toString()) as Record<string, unknown>); done(); } }));
    fleet = await startLoopbackFleet({ log });
    for (let n = 1; n <= 12; n += 1) {
      const host = createSimulatedHost();
      addSimulatedUnit(host.units, 'web.service');
      agents.push(await fleet.addAgent(`web${String(n).padStart(2, '0')}`, { host }));
    }
  });

  afterAll(async () => {
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });

  beforeEach(() => {
    for (const { host } of agents) {
      host.setPolicy(openPolicy);
      host.units.works.length = 0;
      host.units.gate = () => Promise.resolve();
      Object.assign(host.units.units.get('web.service') ?? {}, { active: 'active', sub: 'running', result: 'success', pid: 4242, fails: undefined });
    }
    logged.length = 0;
  });

  const agent = (n: number): LoopbackAgent => agents[n - 1] ?? expect.fail(`there is no agent ${String(n)}`);
  const list = async (unit: string, selector = 'all'): Promise<UnitOnHost[]> => (await fleet.api.unary(units, 'ListUnits', { selector, unit }, deadline)).hosts;
  const restart = async (unit: string, selector: string, mode: 'PLAN' | 'APPLY' = 'APPLY'): Promise<{ hosts: Map<string, UnitOnHost>; operationId: string }> => {
    const hosts = new Map<string, UnitOnHost>();
    let operationId = '';
    for await (const event of fleet.api.stream(units, 'RestartUnits', { selector, unit, mode: `CHANGE_MODE_${mode}` }, {})) {
      if (event.host) hosts.set(event.host.hostName, event.host);
      if (event.finished) ({ operationId } = event.finished);
    }
    return { hosts, operationId };
  };
  const codes = (host: UnitOnHost | undefined): string[] => (host?.errors ?? []).map(({ code }) => code);
  const restarts = (): string[] => agents.filter(({ host }) => host.units.works.some((work) => work === 'restart web.service')).map(({ name }) => name);

  it('are asked for side by side, and told with why where that was not possible', async () => {
    agent(2).host.setPolicy('version 1\nallow fact.read\nallow observe.user\n');
    const hosts = await list('web.service');
    expect(hosts.map(({ hostName }) => hostName)).toEqual(agents.map(({ name }) => name));
    expect(hosts[0]).toMatchObject({ state: { unit: 'web.service', load: 'loaded', active: 'active', sub: 'running', mainPid: 4242, memoryBytes: 1_048_576, sinceMs: 1_750_000_000_000 }, errors: [] });
    expect(hosts[1]).toMatchObject({ state: null, errors: [{ code: 'POLICY_DENIED', fields: { host: 'web02', line: 'allow unit.status unit=web.service' } }] });
    expect((await list('db.service', 'web01'))[0]?.state).toMatchObject({ load: 'not-found', active: 'inactive' });
    await expect(list('web')).rejects.toMatchObject({ code: 'FIELD_INVALID' });
    await expect(list('web.service', 'site=nowhere')).rejects.toMatchObject({ code: 'SELECTOR_EMPTY' });
  });

  it('are planned without being restarted', async () => {
    const { hosts, operationId } = await restart('web.service', 'all', 'PLAN');
    expect([hosts.size, operationId, restarts()]).toEqual([12, '', []]);
    expect(hosts.get('web01')).toMatchObject({ state: { mainPid: 4242 }, errors: [] });
    expect(agent(1).host.units.works).toEqual(['restart web.service plan']);
  });

  it('are restarted, some at a time, as one operation that is in the audit and in the logs of both sides', async () => {
    let [at, most] = [0, 0];
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    for (const { host } of agents) {
      host.units.gate = async () => {
        at += 1;
        most = Math.max(most, at);
        await gate;
        at -= 1;
      };
    }
    Object.assign(agent(3).host.units.units.get('web.service') ?? {}, { fails: 'exit-code: its process ended with exit code 3' });
    const restarting = restart('web.service', 'all');
    await until(() => at === 8, { timeoutMs: 10_000, what: 'eight hosts to restart it' });
    release();
    const { hosts, operationId } = await restarting;
    expect([hosts.size, most]).toEqual([12, 8]);
    expect(hosts.get('web01')).toMatchObject({ state: { active: 'active', mainPid: 4243 }, errors: [] });
    expect(hosts.get('web03')).toMatchObject({ state: null, errors: [{ code: 'UNIT_FAILED', fields: { host: 'web03', value: 'The restart of unit "web.service"', rule: 'exit-code: its process ended with exit code 3' } }] });
    const { records } = await fleet.api.unary(audits, 'ListAudit', { limit: 100, action: 'unit restart' }, deadline);
    const own = records.filter((record) => record.operationId === operationId);
    expect(own.filter(({ phase }) => phase === 'intent')).toHaveLength(12);
    expect(own.filter(({ phase }) => phase === 'ok')).toHaveLength(11);
    expect(own.filter(({ phase, code }) => phase === 'failed' && code === 'UNIT_FAILED').map(({ action }) => action)).toEqual(['unit restart web03']);
    const lines = logged.filter((line) => line['operationId'] === operationId).map((line) => line['msg']);
    expect(lines.filter((line) => line === 'a unit is restarted')).toHaveLength(1 + 12);
    expect(lines.filter((line) => line === 'a unit was restarted')).toHaveLength(11 * 2);
    expect(lines.filter((line) => line === 'a unit could not be restarted')).toHaveLength(2);
  });

  it('are not restarted where the policy does not name them, nor what no policy can have restarted', async () => {
    agent(1).host.setPolicy(openPolicy.replace('allow unit.restart unit=web.service,ssh.service\n', ''));
    const { hosts } = await restart('web.service', 'web01');
    expect(hosts.get('web01')).toMatchObject({ errors: [{ code: 'POLICY_DENIED', fields: { line: 'allow unit.restart unit=web.service' } }] });
    for (const unit of ['ssh.service', 'reeve-agent.service', 'dbus.service', 'systemd-journald.service']) {
      for (const mode of ['PLAN', 'APPLY'] as const) expect([unit, codes((await restart(unit, 'web02', mode)).hosts.get('web02'))]).toEqual([unit, ['UNIT_PROTECTED']]);
    }
    expect([agent(1).host.units.works, agent(2).host.units.works]).toEqual([[], []]);
    await expect(restart('web@.service', 'all')).rejects.toMatchObject({ code: 'FIELD_INVALID' });
  });

  it('go on being restarted when the caller has gone', async () => {
    let release = (): void => undefined;
    agent(4).host.units.gate = () => new Promise<void>((resolve) => (release = resolve));
    const gone = new AbortController();
    const events = fleet.api.stream(units, 'RestartUnits', { selector: 'web04', unit: 'web.service', mode: 'CHANGE_MODE_APPLY' }, { signal: gone.signal })[Symbol.asyncIterator]();
    const next: Promise<IteratorResult<RestartUnitsEvent>> = events.next();
    next.catch(() => undefined);
    await until(() => agent(4).host.units.running.size === 1, { timeoutMs: 10_000, what: 'the restart to begin' });
    gone.abort();
    await expect(next).rejects.toThrow();
    release();
    await until(() => logged.some((line) => line['msg'] === 'a unit was restarted' && line['host'] === 'web04'), { timeoutMs: 10_000, what: 'the coordinator to have heard of it' });
    expect(agent(4).host.units.units.get('web.service')?.pid).toBe(4243);
  });

  it('of an agent that is too old, or not there, are told so', async () => {
    const [old] = [agent(12)];
    const live = fleet.office().fleet.live(old.hostId);
    const { status } = live;
    if (status === undefined) throw new Error('it has told no status');
    const capabilities = status.capabilities.splice(0);
    expect(codes((await list('web.service', 'web12'))[0])).toEqual(['VERSION_UNSUPPORTED']);
    expect(codes((await restart('web.service', 'web12')).hosts.get('web12'))).toEqual(['VERSION_UNSUPPORTED']);
    status.capabilities.push(...capabilities);
    await old.close();
    await fleet.waitState(old.hostId, 'lost');
    expect(codes((await list('web.service')).at(-1))).toEqual(['HOST_UNREACHABLE']);
    expect(codes((await restart('web.service', 'all')).hosts.get('web12'))).toEqual(['HOST_UNREACHABLE']);
    expect(restarts()).toEqual(agents.slice(0, 11).map(({ name }) => name));
  });

  describe('and their log', () => {
    const read = async (more: object = {}): Promise<UnitLogLine[]> => {
      const lines: UnitLogLine[] = [];
      for await (const event of fleet.api.stream(units, 'FollowUnitLog', { host: 'web05', ...more }, {})) lines.push(...event.lines);
      return lines;
    };

    it("is that of Reeve's own services, or of those that are named", async () => {
      const { host } = agent(5);
      host.units.write('reeve-agent.service', 'one');
      host.units.write('reeve-privd.service', 'two');
      host.units.write('web.service', '\u001b[2Jthree\nlines');
      expect((await read()).map(({ unit, message }) => `${unit} ${message}`)).toEqual(['reeve-agent.service one', 'reeve-privd.service two']);
      expect(await read({ units: ['web.service'] })).toMatchObject([{ unit: 'web.service', message: '\u001b[2Jthree\nlines', priority: 4, timeUs: 1_750_000_000_000_000 }]);
      await expect(read({ units: ['db.service'] })).rejects.toMatchObject({ code: 'POLICY_DENIED', fields: { host: 'web05', line: 'allow unit.log unit=db.service' } });
      await expect(read({ units: ['-x.service'] })).rejects.toMatchObject({ code: 'FIELD_INVALID' });
      await expect(read({ lines: 100_001 })).rejects.toMatchObject({ code: 'FIELD_INVALID' });
    });

    it('is followed until the caller goes, and then nothing goes on', async () => {
      const { host } = agent(6);
      const gone = new AbortController();
      const lines: string[] = [];
      const reading = (async () => {
        for await (const event of fleet.api.stream(units, 'FollowUnitLog', { host: 'web06', units: ['web.service'], follow: true, lines: 1 }, { signal: gone.signal })) lines.push(...event.lines.map(({ message }) => message));
      })();
      reading.catch(() => undefined);
      await until(() => host.units.readers.size === 1, { timeoutMs: 10_000, what: 'the log to be followed' });
      host.units.write('web.service', 'a new line');
      host.units.write('reeve-agent.service', 'another unit');
      await until(() => lines.includes('a new line'), { timeoutMs: 10_000, what: 'the new line' });
      gone.abort();
      await expect(reading).rejects.toThrow();
      await until(() => host.units.running.size === 0 && host.units.readers.size === 0, { timeoutMs: 10_000, what: 'the work to end' });
      expect(lines).toEqual(['a new line']);
    });

    it('is cut where a line is long', async () => {
      agent(7).host.units.write('web.service', 'x'.repeat(1_000_000));
      const [line] = await read({ host: 'web07', units: ['web.service'] });
      expect([line?.message.length, line?.cut]).toEqual([mostUnit.messageBytes, true]);
    });
  });
});
