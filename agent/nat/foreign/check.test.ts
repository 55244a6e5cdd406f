import { describe, expect, it } from 'vitest';
import type { NatForward } from '../../../shared/model/nat.js';
import { obstaclesOf } from './check.js';
import { forwardOf } from './fixture/forward.js';
import { exampleNetwork, loadRules, sha256 } from './fixture/load.js';
import { parseRules } from './rules.js';

const port = (first: number, last = first): { first: number; last: number } => ({ first, last });
const eth0: NatForward['listen'] = { kind: 'interface', name: 'eth0' };

/** Ruleset, forward, obstacles as `KIND CHAIN` (`=`: the same rule). */
const cases: readonly (readonly [string, string, Partial<NatForward>, readonly string[]])[] = [
  ['plain', 'the same port for any address', {}, ['claim ip nat prerouting']],
  ['plain', 'the same', { listen: eth0 }, ['claim ip nat prerouting =']],
  ['plain', 'the same port to another guest', { listen: eth0, to: '10.0.3.3', sources: ['203.0.113.0/24'] }, ['claim ip nat prerouting', 'drop inet filter forward policy']],
  ['plain', 'the same port by another interface', { listen: { kind: 'interface', name: 'docker0' } }, []],
  ['plain', 'a port of a range', { ports: port(8005), toPorts: port(443) }, ['claim ip nat prerouting']],
  ['plain', 'a range that meets two rules', { ports: port(7999, 8080), toPorts: port(80) }, ['claim ip nat prerouting', 'claim ip nat prerouting']],
  ['plain', 'the range itself', { listen: eth0, ports: port(8000, 8010), toPorts: port(8000, 8010) }, ['claim ip nat prerouting =']],
  ['plain', 'a port of UDP with another protocol', { ports: port(5353) }, []],
  ['plain', 'a port only claimed for some sources', { ports: port(9000) }, ['claim ip nat prerouting']],
  ['plain', 'a port claimed for other sources', { ports: port(9000), sources: ['192.0.2.0/24'] }, []],
  ['plain', 'a port claimed in another chain', { ports: port(7000) }, ['claim ip nat later']],
  ['plain', 'a port of the guest that the policy drops but for some sources', { ports: port(81), toPorts: port(3000) }, []],
  ['plain', 'a port of the guest that the policy drops', { ports: port(81), toPorts: port(3000), sources: ['203.0.113.0/24'] }, ['drop inet filter forward policy']],
  ['plain', 'sources that a set lets in', { ports: port(83), toPorts: port(3000), listen: { kind: 'interface', name: 'docker0' }, sources: ['192.168.1.4'] }, []],
  ['plain', 'a port that a map of verdicts lets in', { ports: port(83), toPorts: port(22), to: '10.0.3.9' }, []],
  ['plain', 'a port that may pass by a limit', { protocol: 'udp', ports: port(53), toPorts: port(53) }, []],
  ['iptables', 'the same', { listen: eth0 }, ['claim ip nat PREROUTING =']],
  ['iptables', 'a port of multiport', { ports: port(1003), toPorts: port(80) }, ['claim ip nat PREROUTING']],
  ['iptables', 'the same for some sources', { ports: port(2222), toPorts: port(22), sources: ['198.51.100.0/24'] }, ['claim ip nat PREROUTING =']],
  ['iptables', 'a port that is redirected', { ports: port(3128) }, ['claim ip nat PREROUTING']],
  ['iptables', 'a port of the guest that is rejected', { ports: port(81), toPorts: port(81) }, ['drop ip filter FORWARD']],
  ['iptables', 'a port of the guest that is dropped', { ports: port(85), toPorts: port(85) }, ['drop ip filter FORWARD']],
  ['iptables', 'an IPv6 guest', { to: 'fd00::2', ports: port(8080), toPorts: port(85) }, []],
  ['docker', 'a published port', {}, ['claim ip nat DOCKER', 'drop ip filter FORWARD policy']],
  ['docker', 'another port', { ports: port(8081) }, ['drop ip filter FORWARD policy']],
  ['docker', 'a port for a container', { ports: port(8081), to: '172.17.0.2' }, []],
  ['podman', 'a published port', { ports: port(8081) }, ['claim ip nat NETAVARK-DN-1D8721804F16F']],
  ['podman', 'a port published with CNI', { ports: port(8082) }, ['claim ip nat CNI-DN-0bb96f2fcc8a4d9a5ee1c']],
  ['podman', 'another port', { ports: port(8083) }, []],
  ['lxc', 'any port', {}, []],
  ['firewalld', 'a forwarded port', {}, ['claim inet firewalld nat_PRE_public_allow']],
  ['firewalld', 'another port', { ports: port(8081) }, []],
  ['maps', 'a port of a map', { ports: port(8023) }, ['claim ip second prerouting']],
  ['maps', 'a row with a port of a map', { ports: port(8510, 8520), toPorts: port(80) }, ['claim ip second prerouting']],
  ['maps', 'a port of two chains of one priority', { ports: port(6000), toPorts: port(81), to: '172.17.0.2' }, ['claim ip second prerouting =']],
  ['maps', 'a port of no map', { ports: port(8105) }, []],
  ['maps', 'a port that a map of verdicts drops', { ports: port(8105), toPorts: port(82) }, ['drop inet gate forward']],
  ['maps', 'a port that the policy drops, and none but ICMP is let in', { ports: port(8105), toPorts: port(99) }, ['drop inet gate forward policy']],
  ['maps', 'a port for those in a set that packets change', { ports: port(8105), toPorts: port(98) }, []],
  ['maps', 'a row that goes to any of another', { ports: port(8600, 8609), toPorts: port(8700, 8709) }, ['claim ip second prerouting', 'drop inet gate forward']],
  ['maps', 'an IPv6 port, and what is for IPv6 alone', { ports: port(8105), toPorts: port(82), to: 'fd00::2' }, []],
  ['ufw', 'the same', { listen: eth0 }, ['claim ip nat PREROUTING =', 'drop ip filter FORWARD policy']],
  ['ufw', 'a port that is allowed', { ports: port(8443), toPorts: port(443) }, []],
  ['ufw', 'an IPv6 port that is claimed and allowed', { to: 'fd00::2' }, ['claim ip6 nat PREROUTING =']],
  ['ufw', 'an IPv6 port that is not allowed', { to: 'fd00::2', ports: port(8081), toPorts: port(81) }, ['drop ip6 filter FORWARD policy']],
];

describe('what stands in the way of a forward', () => {
  it.each(cases)('%s: %s', (name, _what, other, expected) => {
    const found = obstaclesOf(loadRules(name), forwardOf(other), exampleNetwork);
    expect(found.map(({ kind, rule, same }) => `${kind} ${rule.replace(/ handle [0-9]+$/, '')}${same === undefined ? '' : ' ='}`), JSON.stringify(found)).toEqual(expected);
  });

  it.each([['docker', {}], ['ufw', { listen: eth0 }], ['plain', { ports: port(81), toPorts: port(3000), sources: ['203.0.113.0/24'] }], ['iptables', { ports: port(81), toPorts: port(81) }], ['firewalld', {}], ['podman', { ports: port(8081) }]] as const)('%s: is told with what helps', (name, other) => {
    expect(obstaclesOf(loadRules(name), forwardOf(other), exampleNetwork).map(({ rule, says, remedy }) => [rule, says, remedy])).toMatchSnapshot();
  });

  it('is nothing that is not known for certain', () => {
    const whole = JSON.stringify({ nftables: [
      { table: { family: 'inet', name: 'f', handle: 1 } },
      { chain: { family: 'inet', table: 'f', name: 'c', handle: 1, type: 'filter', hook: 'forward', prio: 0, policy: 'drop' } },
      { rule: { family: 'inet', table: 'f', chain: 'c', handle: 2, expr: [{ wonder: { of: 'tomorrow' } }, { accept: null }] } },
    ] });
    const source = { iptables4: '', iptables6: '' };
    expect(obstaclesOf(parseRules({ ruleset: whole, ...source }, sha256), forwardOf({}), exampleNetwork)).toEqual([]);
    expect(obstaclesOf(parseRules({ ruleset: whole.replace('wonder', 'counter'), ...source }, sha256), forwardOf({}), exampleNetwork)).toEqual([]);
    const cut = whole.slice(0, whole.indexOf(', {"rule"'));
    expect(obstaclesOf(parseRules({ ruleset: cut, ...source }, sha256), forwardOf({}), exampleNetwork)).toEqual([]);
  });

  it('is nothing that a table does which is, or may be, dormant', () => {
    const table = (flags: object): string => JSON.stringify({ nftables: [
      { table: { family: 'inet', name: 'f', handle: 1, ...flags } }, { chain: { family: 'inet', table: 'f', name: 'c', handle: 1, type: 'filter', hook: 'forward', prio: 0, policy: 'drop' } },
    ] });
    const kinds = (flags: object): readonly string[] => obstaclesOf(parseRules({ ruleset: table(flags), iptables4: '', iptables6: '' }, sha256), forwardOf({}), exampleNetwork).map(({ kind }) => kind);
    expect([kinds({}), kinds({ flags: ['owner'] }), kinds({ flags: 'dormant' }), kinds({ flags: ['owner', 'dormant'] }), kinds({ flags: 'f' })]).toEqual([['drop'], ['drop'], [], [], []]);
  });

  it('is nothing that a rule for the other family does', () => {
    const base = { family: 'inet', table: 'f', chain: 'c' };
    const header = (protocol: string, field: string): string => JSON.stringify({ nftables: [
      { chain: { family: 'inet', table: 'f', name: 'c', handle: 1, type: 'filter', hook: 'forward', prio: 0, policy: 'accept' } },
      { rule: { ...base, handle: 2, expr: [{ match: { op: '==', left: { payload: { protocol, field } }, right: 'tcp' } }, { drop: null }] } },
    ] });
    const kinds = (ruleset: string, to: string): readonly string[] => obstaclesOf(parseRules({ ruleset, iptables4: '', iptables6: '' }, sha256), forwardOf({ to }), exampleNetwork).map(({ kind }) => kind);
    const all = [header('ip', 'protocol'), header('ip6', 'nexthdr')].flatMap((ruleset) => ['10.0.3.2', 'fd00::2'].map((to) => kinds(ruleset, to)));
    expect(all).toEqual([['drop'], [], [], ['drop']]);
  });

  it('is nothing without rules', () => {
    expect(obstaclesOf(parseRules({ ruleset: '', iptables4: '', iptables6: '' }, sha256), forwardOf({}), exampleNetwork)).toEqual([]);
  });
});
