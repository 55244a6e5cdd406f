/** What the helper says of units, whoever asks: tickets for what the policy names, and nothing for names of another form, or for what no policy can have restarted. */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { failsWith, isRoot, startPrivd, state, type Privd } from './testing/namespace.js';

const policy = `version 1
allow unit.status
allow unit.status unit=web.service
allow unit.log
allow unit.log unit=web.service,other.service
allow unit.restart unit=web.service,sshd.service,reeve-agent.service,dbus.service,systemd-journald.service
deny unit.log unit=reeve-nat.service
`;

describe.skipIf(!isRoot)('units', () => {
  let privd: Privd;
  const tickets = (): string[] => readdirSync(`${privd.root}${state}/unit-job`);
  const ticketOf = (name: string): string[] => readFileSync(`${privd.root}${state}/unit-job/${name}`, 'utf8').split('\0').slice(0, -1);
  const verbs = (unit: string): (() => Promise<unknown>)[] => [
    () => privd.call('unit.status', { unit }), () => privd.call('unit.restart', { unit, plan: false }), () => privd.call('unit.restart', { unit, plan: true }),
    () => privd.call('unit.log', { units: unit, lines: 1, follow: false }),
  ];

  beforeAll(async () => { privd = await startPrivd(); }, 120_000);
  afterAll(() => privd.close(), 60_000);
  beforeEach(() => { privd.writePolicy(policy); });

  test('get tickets where the policy names them', async () => {
    const status = await privd.call('unit.status', { unit: 'web.service' });
    expect(ticketOf(status.ticket)).toEqual(['work=status', expect.stringMatching(/^operation=[0-9a-f-]{36}$/), 'unit=web.service']);
    const restart = await privd.call('unit.restart', { unit: 'web.service', plan: false });
    expect(ticketOf(restart.ticket)).toEqual(['work=restart', expect.stringMatching(/^operation=/), 'unit=web.service', 'plan=0']);
    const log = await privd.call('unit.log', { units: 'reeve-agent.service,reeve-privd.service,web.service', lines: 100_000, follow: true });
    expect(ticketOf(log.ticket)).toEqual(['work=log', expect.stringMatching(/^operation=/), 'unit=reeve-agent.service', 'unit=reeve-privd.service', 'unit=web.service', 'lines=100000', 'follow=1']);
    expect(privd.audit().filter((record) => String(record['verb']).startsWith('unit.')).map((record) => [record['verb'], record['args'], record['phase']])).toEqual([
      ['unit.restart', 'unit=web.service plan=0', 'intent'], ['unit.restart', 'unit=web.service plan=0', 'result'],
    ]);
  });

  test.each([
    '', '.service', '@.service', '@a.service', 'foo@.service', '-x.service', '--now.service', 'web', 'web.mount', 'init.scope', 'multi-user.target', 'a b.service', 'a/b.service', '../a.service', 'a*.service', '*.service', 'a?.service', '[ab].service', 'a\\x2db.service',
    'a.service\n', 'a\n.service', 'ä.service', 'a%i.service', 'a.SERVICE', `${'a'.repeat(248)}.service`,
  ])('a name %j is refused by every verb', async (unit) => {
    const before = tickets();
    for (const verb of verbs(unit)) await expect(verb()).rejects.toMatchObject({ code: expect.stringMatching(/^FIELD_(?:INVALID|MISSING)$/) });
    expect(tickets()).toEqual(before);
  });

  test.each(['web.service,', ',web.service', 'web.service,,other.service', 'web.service, other.service', 'web.service,-x.service', 'web.service\nother.service', `${'a'.repeat(4000)}.service`])('a list %j is refused', async (units) => {
    await failsWith(privd.call('unit.log', { units, lines: 1, follow: false }), 'FIELD_INVALID', { field: 'units' });
  });

  test('more than eight of them, and more lines than anybody reads, are refused', async () => {
    await failsWith(privd.call('unit.log', { units: Array.from({ length: 9 }, () => 'web.service').join(','), lines: 1, follow: false }), 'LIMIT_EXCEEDED');
    await failsWith(privd.call('unit.log', { units: 'web.service', lines: 100_001, follow: false }), 'FIELD_INVALID', { field: 'lines' });
  });

  test.each(['reeve-agent.service', 'reeved.service', 'reeve-container-web.service', 'ssh.service', 'sshd.service', 'ssh.socket', 'ssh@x.service', 'sshd@1.service', 'dbus.service', 'dbus.socket', 'dbus-broker.service', 'systemd-journald.service', 'systemd-logind.service'])(
    '%s is not restarted, although the policy names it', async (unit) => {
      privd.writePolicy(`version 1\nallow unit.restart unit=${unit}\n`);
      const before = tickets();
      for (const plan of [true, false]) await failsWith(privd.call('unit.restart', { unit, plan }), 'UNIT_PROTECTED', { value: unit });
      expect(tickets()).toEqual(before);
    });

  test('what the policy does not name is refused, with the line that would allow it', async () => {
    const before = tickets();
    await failsWith(privd.call('unit.status', { unit: 'db.service' }), 'POLICY_DENIED', { line: 'allow unit.status unit=db.service' });
    await failsWith(privd.call('unit.restart', { unit: 'db.service', plan: false }), 'POLICY_DENIED', { line: 'allow unit.restart unit=db.service' });
    // To be told how it is before a restart is a part of the restart.
    await failsWith(privd.call('unit.restart', { unit: 'db.service', plan: true }), 'POLICY_DENIED', { line: 'allow unit.restart unit=db.service' });
    await failsWith(privd.call('unit.log', { units: 'web.service,db.service', lines: 1, follow: false }), 'POLICY_DENIED', { line: 'allow unit.log unit=db.service' });
    await failsWith(privd.call('unit.log', { units: 'web.service,reeve-nat.service', lines: 1, follow: false }), 'POLICY_DENIED', { line: 'allow unit.log unit=reeve-nat.service # and remove line 7, which denies it' });
    privd.writePolicy('version 1\nallow fact.read\n');
    await failsWith(privd.call('unit.log', { units: 'reeve-agent.service', lines: 1, follow: false }), 'POLICY_DENIED', { line: 'allow unit.log unit=reeve-agent.service' });
    expect(tickets()).toEqual(before);
  });
});
