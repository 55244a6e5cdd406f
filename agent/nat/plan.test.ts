import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noNat, parseNatLines, type NatForward, type NatMasquerade, type NatRules } from '../../shared/model/nat.js';
import type { HostNetwork } from './foreign/network.js';
import type { ObservedNat } from './observe.js';
import { linesOf, planNat, planNatRelease, type NatPlanInput } from './plan.js';

const network: HostNetwork = {
  interfaces: [{ name: 'eth0', addresses: [{ address: '192.0.2.10', prefix: 24 }] }, { name: 'br0', addresses: [{ address: '10.0.0.1', prefix: 24 }, { address: 'fd00::1', prefix: 64 }] }],
  routes: [],
};

const forward = (id: number, over: Partial<NatForward> = {}): NatForward => ({
  id, protocol: 'tcp', listen: { kind: 'any' }, ports: { first: 8000 + id, last: 8000 + id }, to: '10.0.0.2', toPorts: { first: 80, last: 80 }, sources: [], hairpin: true, adopt: false, ...over,
});
const masquerade = (id: number, over: Partial<NatMasquerade> = {}): NatMasquerade => ({ id, source: '10.0.0.0/24', outInterface: 'eth0', toAddress: undefined, adopt: false, ...over });

const observed = (lines: readonly string[], over: Partial<ObservedNat> = {}): ObservedNat => ({
  state: lines.length === 0 ? 'absent' : 'confirmed', lines, rules: lines.length === 0 ? noNat : parseNatLines(lines.join('\n')), pending: undefined, counters: [], sshPorts: [22], forwards6: false, generation: 1,
  foreign: undefined, truncated: false, problem: undefined, ...over,
});
const stateOf = (rules: NatRules, over: Partial<ObservedNat> = {}): ObservedNat => observed(linesOf(rules, network), over);
const input = (wanted: NatRules, before: ObservedNat, over: Partial<NatPlanInput> = {}): NatPlanInput => ({
  wanted, observed: before, network, removalsOnly: false, taken: [], problems: [], confirmS: 60, undo: false, ...over,
});
const sent = (value: unknown): string => Buffer.from(String(value), 'base64').toString();
const told = (plan: ReturnType<typeof planNat>): unknown[] => plan.changes.map(({ kind, subject, fields }) => [kind, subject, ...fields.map(({ field, from, to }) => `${field}: ${from} -> ${to}`)]);

describe('the plan of forwards and masquerades', () => {
  it.each<[string, NatRules, ObservedNat, unknown[]]>([
    ['that come', { forwards: [forward(1, { sources: ['203.0.113.0/24'] })], masquerades: [masquerade(1)] }, stateOf(noNat), [
      ['create', 'tcp/8001 -> 10.0.0.2:80', 'port:  -> tcp/8001', 'to:  -> 10.0.0.2:80', 'sources:  -> 203.0.113.0/24', 'hairpin:  -> yes'],
      ['create', 'masquerade 10.0.0.0/24', 'source:  -> 10.0.0.0/24', 'interface:  -> eth0'],
    ]],
    ['that go', noNat, stateOf({ forwards: [forward(1, { hairpin: false })], masquerades: [] }), [['remove', 'tcp/8001 -> 10.0.0.2:80', 'port: tcp/8001 -> ', 'to: 10.0.0.2:80 -> ']]],
    ['that lead elsewhere', { forwards: [forward(1, { to: '10.0.0.3' })], masquerades: [] }, stateOf({ forwards: [forward(1)], masquerades: [] }), [['update', 'tcp/8001 -> 10.0.0.3:80', 'to: 10.0.0.2:80 -> 10.0.0.3:80']]],
    ['of IPv6', { forwards: [forward(1, { to: 'fd00::2', listen: { kind: 'interface', name: 'eth0' } })], masquerades: [] }, stateOf(noNat), [['create', 'eth0:tcp/8001 -> [fd00::2]:80', 'port:  -> eth0:tcp/8001', 'to:  -> [fd00::2]:80', 'hairpin:  -> yes']]],
    ['of which the table was altered', { forwards: [forward(1)], masquerades: [] }, stateOf({ forwards: [forward(1)], masquerades: [] }, { state: 'altered' }), [['update', 'table inet reeve', 'state: altered -> as wanted']]],
    ['of which the network of the destination is another', { forwards: [forward(1)], masquerades: [] }, observed(['forward 1 tcp - - 8001 10.0.0.2 80 - 10.0.0.0/25']), [['update', 'tcp/8001 -> 10.0.0.2:80']]],
    ['that are all there', { forwards: [forward(1)], masquerades: [masquerade(1)] }, stateOf({ forwards: [forward(1)], masquerades: [masquerade(1)] }), []],
  ])('%s', (_what, wanted, before, changes) => {
    const plan = planNat(input(wanted, before));
    expect(told(plan)).toEqual(changes);
    expect(plan.steps.map(({ verb }) => verb)).toEqual(changes.length === 0 ? [] : ['nat.apply']);
    if (plan.steps[0] !== undefined) expect(sent(plan.steps[0].request['rules'])).toBe(linesOf(wanted, network).map((line) => `${line}\n`).join(''));
  });

  it('does nothing at all when something stands in the way, and still shows what it would', () => {
    const problem = { code: 'NAT_INTERFACE', fields: { host: 'front', value: 'eth9' } } as const;
    const plan = planNat(input({ forwards: [forward(1)], masquerades: [] }, stateOf(noNat), { problems: [problem] }));
    expect(plan).toMatchObject({ steps: [], problems: [problem], changes: [{ kind: 'create' }] });
  });

  it('takes the rule of another over, also where all else is as it should be', () => {
    const rules = { forwards: [forward(1)], masquerades: [] };
    const plan = planNat(input(rules, stateOf(rules), { taken: [{ handle: 'ip nat PREROUTING 4', sha256: 'ab'.repeat(32) }] }));
    expect(told(plan)).toEqual([['remove', 'rule of another: ip nat PREROUTING 4']]);
    expect(sent(plan.steps[0]?.request['adopt'])).toBe(`ip nat PREROUTING 4 ${'ab'.repeat(32)}\n`);
  });

  it('keeps what root takes back by itself: nobody else is there to confirm it', () => {
    const plan = planNat(input(noNat, stateOf({ forwards: [forward(1)], masquerades: [] }), { undo: true }));
    expect(plan.steps.map(({ verb }) => verb)).toEqual(['nat.apply', 'pending.confirm']);
  });

  it('of a release leaves the rules, and asks nothing of a host that has none', () => {
    const plan = planNatRelease(stateOf({ forwards: [forward(1)], masquerades: [masquerade(2)] }), []);
    expect(plan.steps).toMatchObject([{ verb: 'nat.release', final: true }]);
    expect(plan.changes.map(({ subject, fields }) => [subject, fields[0]?.to])).toEqual([['tcp/8001 -> 10.0.0.2:80', 'released'], ['masquerade 10.0.0.0/24', 'released']]);
    expect(planNatRelease(stateOf(noNat), [])).toEqual({ steps: [], changes: [], problems: [] });
  });
});

describe('any two states', () => {
  const row = fc.record({ id: fc.integer({ min: 1, max: 6 }), to: fc.constantFrom('10.0.0.2', '10.9.0.2', 'fd00::2'), hairpin: fc.boolean(), adopt: fc.boolean(), wide: fc.boolean() });
  const rules = fc.record({
    forwards: fc.uniqueArray(row, { selector: ({ id }) => id, maxLength: 6 }).map((rows) =>
      rows.map(({ id, wide, ...more }) => forward(id, { ...more, ...(wide ? { ports: { first: 9000 + 10 * id, last: 9009 + 10 * id } } : {}) })).sort((a, b) => a.id - b.id)),
    masquerades: fc.uniqueArray(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }).map((ids) => ids.sort().map((id) => masquerade(id))),
  });
  const made = (plan: ReturnType<typeof planNat>, before: readonly string[]): readonly string[] =>
    plan.steps[0] === undefined ? before : sent(plan.steps[0].request['rules']).split('\n').filter((line) => line !== '');

  it('lead from one to the other in one step, and then there is nothing to do', () => {
    fc.assert(fc.property(rules, rules, (from, to) => {
      const plan = planNat(input(to, stateOf(from)));
      const after = made(plan, linesOf(from, network));
      expect(after).toEqual(linesOf(to, network));
      expect(planNat(input(to, observed(after)))).toEqual({ steps: [], changes: [], problems: [] });
    }));
  });

  it('lead on from there when a hold has let only removals through', () => {
    fc.assert(fc.property(rules, rules, (from, to) => {
      const before = linesOf(from, network);
      const held = planNat(input(to, stateOf(from), { removalsOnly: true, problems: [{ code: 'NAT_INTERFACE', fields: {} }] }));
      expect(held.steps.every(({ removesAccess }) => removesAccess)).toBe(true);
      expect(held.changes.every(({ kind }) => kind === 'remove')).toBe(true);
      const after = made(held, before);
      expect(before).toEqual(expect.arrayContaining([...after]));
      const kept = new Set([...to.forwards.map(({ id }) => `forward ${String(id)}`), ...to.masquerades.map(({ id }) => `masquerade ${String(id)}`)]);
      expect(after).toEqual(before.filter((line) => kept.has(line.split(' ', 2).join(' '))));
      expect(made(planNat(input(to, observed(after))), after)).toEqual(linesOf(to, network));
    }));
  });
});
