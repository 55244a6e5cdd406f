import { describe, expect, it } from 'vitest';
import { reeveError } from '../../shared/errors/error.js';
import type { ObserveNatReply } from '../../shared/gen/privd.js';
import { observeNat } from './observe.js';

const id = '01890000-0000-7000-8000-000000000001';
const reply = (over: Partial<ObserveNatReply> = {}): ObserveNatReply => ({
  generation: 7, state: 'confirmed', rules: Buffer.from('forward 1 tcp - - 8080 10.0.0.2 80 - 10.0.0.0/24\nmasquerade 2 10.0.0.0/24 eth0 -\n'), operation: Buffer.alloc(16, 1), deadlineMs: 0, counter: [], forwarding: '46',
  sshPort: [22], ruleset: Buffer.alloc(0), iptables4: Buffer.alloc(0), iptables6: Buffer.alloc(0), truncated: false, ...over,
});
const observe = (answer: ObserveNatReply | Error, scope: 'managed' | 'foreign' = 'managed') =>
  observeNat({ call: () => (answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)) }, id, scope);

describe('what the helper tells of nat', () => {
  it('becomes rules, counters and the change that waits', async () => {
    const nat = await observe(reply({
      state: 'pending', operation: Buffer.from(id.replaceAll('-', ''), 'hex'), deadlineMs: 99,
      counter: [{ name: 'm2', packets: 1, bytes: 2 }, { name: 'f10', packets: 3, bytes: 4 }, { name: 'f9', packets: 0, bytes: 0 }],
    }));
    expect(nat).toMatchObject({ state: 'pending', pending: { operationId: id, deadlineMs: 99 }, generation: 7, forwards6: true, foreign: undefined, problem: undefined });
    expect(nat.rules.forwards).toMatchObject([{ id: 1, to: '10.0.0.2', hairpin: true }]);
    expect(nat.rules.masquerades).toMatchObject([{ id: 2, outInterface: 'eth0' }]);
    expect(nat.counters.map(({ id: number, masquerade }) => [number, masquerade])).toEqual([[9, false], [10, false], [2, true]]);
  });

  it('is looked at before it is believed', async () => {
    const nat = await observe(reply({ counter: ['f0', 'f1x', '__proto__', 'f99999999999', 'm1\n'].map((name) => ({ name, packets: 1, bytes: 1 })), sshPort: [0, 22, 70_000, ...Array.from({ length: 1000 }, () => 23)] }));
    expect(nat.counters).toEqual([]);
    expect([...new Set(nat.sshPorts)]).toEqual([22, 23]);
    expect(nat.sshPorts.length).toBeLessThan(100);
  });

  it.each(['forward 1 sctp - - 8080 10.0.0.2 80 - -', 'forward 1 tcp - - 8080 127.0.0.1 80 - -', 'forward 1 tcp - - 8080 10.0.0.2 80 -', 'redirect 1', 'forward x tcp - - 8080 10.0.0.2 80 - -', 'forward 1 tcp - - 8080 10.0.0.2 80 - -\nforward 1 tcp - - 8081 10.0.0.2 80 - -'])('is refused as of a newer helper: %j', async (rules) => {
    await expect(observe(reply({ rules: Buffer.from(`${rules}\n`) }))).rejects.toMatchObject({ code: 'VERSION_UNSUPPORTED' });
  });

  it('has a state that the agent knows', async () => {
    await expect(observe(reply({ state: 'half' }))).rejects.toMatchObject({ code: 'VERSION_UNSUPPORTED' });
  });

  it('is nothing, with the reason, on a host without nft', async () => {
    expect(await observe(reeveError('NAT_ABSENT', { rule: 'there is no /usr/sbin/nft' }))).toMatchObject({ state: 'absent', lines: [], problem: { code: 'NAT_ABSENT' } });
    await expect(observe(reeveError('HELPER_UNREACHABLE', { reason: 'x' }))).rejects.toMatchObject({ code: 'HELPER_UNREACHABLE' });
  });
});
