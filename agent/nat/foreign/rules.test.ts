import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findForeign } from './adopt.js';
import { obstaclesOf } from './check.js';
import { forwardOf } from './fixture/forward.js';
import { exampleNetwork, loadRules, readFixture, sha256 } from './fixture/load.js';
import { parseSavedRule } from './iptables.js';
import { parseRules } from './rules.js';
import { tracePacket } from './trace.js';

const names = ['plain', 'iptables', 'docker', 'podman', 'lxc', 'firewalld', 'ufw', 'maps'];
const packet = { protocol: 'tcp', port: 8080, from: '198.18.0.9', to: '198.18.0.1' } as const;

/** All that is done with a ruleset. */
function useRules(ruleset: string, iptables4: string): string {
  const rules = parseRules({ ruleset, iptables4, iptables6: iptables4 }, sha256);
  findForeign(rules, [{ path: '/etc/rc.local', text: iptables4 }]);
  obstaclesOf(rules, forwardOf({}), exampleNetwork);
  return tracePacket(rules, packet, exampleNetwork).verdict;
}

describe('rules of a host', () => {
  it('keep the table of Reeve apart', () => {
    const ruleset = '{"nftables": [{"table": {"family": "inet", "name": "reeve", "handle": 1}}, {"table": {"family": "ip", "name": "reeve", "handle": 2}}]}';
    const rules = parseRules({ ruleset, iptables4: '', iptables6: '' }, sha256);
    expect([rules.ours?.family, rules.foreign.map(({ family }) => family), rules.whole]).toEqual(['inet', ['ip'], true]);
  });

  it('of iptables are not understood without its own listing, nor with one of another moment', () => {
    const ruleset = readFixture('docker.json');
    const verdict = (iptables4: string): string => tracePacket(parseRules({ ruleset, iptables4, iptables6: '' }, sha256), packet, exampleNetwork).verdict;
    expect(verdict(readFixture('docker.save4'))).toBe('accept');
    expect(verdict('')).toBe('unknown');
    expect(verdict(readFixture('docker.save4').replace(/^-A PREROUTING .*\n/m, ''))).toBe('unknown');
  });

  it('are parsed from options with "!", quotes and ranges', () => {
    const { items, comment } = parseSavedRule(' ! -i docker+ -p tcp -m comment --comment "a \\"b\\" -j" -m multiport ! --dports 80,90:99 -m hashlimit --hashlimit-upto 5/sec -j DNAT --to-destination [fd00::2]:80-89', 6);
    expect(comment).toBe('a "b" -j');
    expect(items).toEqual([
      { kind: 'match', keys: [{ field: 'iif' }], negated: true, tuples: [[{ kind: 'name', text: 'docker', prefix: true }]] },
      { kind: 'match', keys: [{ field: 'l4proto' }], negated: false, tuples: [[{ kind: 'range', first: 6n, last: 6n }]] },
      { kind: 'match', keys: [{ field: 'dport' }], negated: true, tuples: [[{ kind: 'range', first: 80n, last: 80n }], [{ kind: 'range', first: 90n, last: 99n }]] },
      { kind: 'maybe' },
      { kind: 'dnat', target: { address: 'fd00::2', ports: { first: 80, last: 89 } } },
    ]);
  });

  it('are parsed from options of what no first packet is', () => {
    const never = { kind: 'match', keys: [{ field: 'l4proto' }], negated: false, tuples: [] };
    expect([' -f -j DROP', ' ! -f -j DROP', ' -m rt --rt-type 0 -j DROP', ' -m physdev --physdev-is-bridged -j DROP'].map((text) => parseSavedRule(text, 6).items.slice(0, -1))).toEqual([[never], [], [never], [never]]);
  });

  it('that lead in a circle, or are nested too deep, end', () => {
    const chain = (name: string, more: object): object => ({ chain: { family: 'ip', table: 't', name, handle: 1, ...more } });
    const rule = (name: string, target: string): object => ({ rule: { family: 'ip', table: 't', chain: name, handle: 2, expr: [{ jump: { target } }] } });
    const circle = JSON.stringify({ nftables: [chain('a', { type: 'filter', hook: 'prerouting', prio: 0, policy: 'drop' }), chain('b', {}), rule('a', 'b'), rule('b', 'b'), rule('b', 'b')] });
    expect(useRules(circle, '')).toBe('unknown');
    expect(useRules(`{"nftables": [{"rule": ${'{"a":['.repeat(50_000)}`, '')).toBe('unknown');
  });

  it('never throw, whatever is cut out of them or put in', () => {
    fc.assert(fc.property(fc.constantFrom(...names), fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(40), fc.string({ maxLength: 20 }), (name, at, length, text) => {
      for (const spoil of ['json', 'save4'] as const) {
        const whole = readFixture(`${name}.${spoil}`);
        const place = Math.floor(at * whole.length);
        const spoiled = whole.slice(0, place) + text + whole.slice(place + length);
        const verdict = spoil === 'json' ? useRules(spoiled, readFixture(`${name}.save4`)) : useRules(readFixture(`${name}.json`), spoiled);
        expect(['accept', 'drop', 'reject', 'unknown']).toContain(verdict);
      }
    }), { numRuns: 150 });
  });

  it('never throw for values of any kind in their places', () => {
    const value = fc.jsonValue({ maxDepth: 3 });
    const element = fc.oneof(
      fc.record({ match: fc.record({ op: fc.constantFrom('==', '!=', 'in', '<', '>'), left: fc.constantFrom({ payload: { protocol: 'tcp', field: 'dport' } }, { ct: { key: 'state' } }, { concat: [{ meta: { key: 'iif' } }] }, { '&': [] }), right: value }) }),
      fc.record({ vmap: fc.record({ key: value, data: value }) }), fc.record({ dnat: value }), fc.record({ redirect: value }), value,
    );
    fc.assert(fc.property(fc.array(element, { maxLength: 6 }), value, (expr, elem) => {
      const base = { family: 'ip', table: 't' };
      useRules(JSON.stringify({ nftables: [
        { chain: { ...base, name: 'c', handle: 1, type: 'nat', hook: 'prerouting', prio: -100, policy: 'accept' } }, { map: { ...base, name: 'm', type: elem, map: 'verdict', elem } },
        { set: { ...base, name: 's', type: 'ipv4_addr', elem } }, { rule: { ...base, chain: 'c', handle: 3, expr } },
      ] }), '');
    }), { numRuns: 300 });
  });

  it('keep their digests when iptables fills them in', () => {
    const digests = [...(loadRules('docker').foreign.find(({ name }) => name === 'nat')?.chains.get('DOCKER')?.rules ?? [])].map((rule) => rule.sha256);
    expect(digests.every((digest) => /^[0-9a-f]{64}$/.test(digest)) && digests.length).toBe(2);
  });
});
