import { describe, expect, it } from 'vitest';
import { openPolicy } from '../../test/support/simulated-host.js';
import { sha256 } from '../../shared/kit/digest.js';
import { noNat, type NatForward, type NatMasquerade, type NatRules } from '../../shared/model/nat.js';
import { parsePolicy } from '../../shared/model/policy.js';
import type { UsablePolicy } from '../policy/policy.js';
import { natAsk } from './ask.js';
import { checkNat, natRefusals, type NatCheckInput } from './check.js';
import type { HostNetwork } from './foreign/network.js';
import { parseRules } from './foreign/rules.js';
import type { ObservedNat } from './observe.js';
import { linesOf } from './plan.js';

const network: HostNetwork = {
  interfaces: [{ name: 'eth0', addresses: [{ address: '192.0.2.10', prefix: 24 }, { address: '2001:db8::10', prefix: 64 }] }, { name: 'br0', addresses: [{ address: '10.0.0.1', prefix: 24 }] }],
  routes: [{ family: 4, destination: '0.0.0.0', prefix: 0, interface: 'eth0', gateway: '192.0.2.1' }, { family: 4, destination: '10.0.0.0', prefix: 24, interface: 'br0', gateway: undefined }],
};
const forward = (over: Partial<NatForward> = {}): NatForward => ({
  id: 1, protocol: 'tcp', listen: { kind: 'any' }, ports: { first: 8080, last: 8080 }, to: '10.0.0.2', toPorts: { first: 80, last: 80 }, sources: [], hairpin: true, adopt: false, ...over,
});
const masquerade = (over: Partial<NatMasquerade> = {}): NatMasquerade => ({ id: 1, source: '10.0.0.0/24', outInterface: 'eth0', toAddress: undefined, adopt: false, ...over });

/** What others made, as nft prints it. */
const chain = (table: string, name: string, type: string, hook: string, prio: number, policy = 'accept'): object => ({ chain: { family: 'ip', table, name, handle: 1, type, hook, prio, policy } });
const rule = (table: string, name: string, handle: number, expr: object[]): object => ({ rule: { family: 'ip', table, chain: name, handle, expr } });
const match = (left: object, right: unknown, op = '=='): object => ({ match: { op, left, right } });
const payload = (protocol: string, field: string): object => ({ payload: { protocol, field } });
const foreignOf = (...items: object[]) => parseRules({ ruleset: JSON.stringify({ nftables: items }), iptables4: '', iptables6: '' }, (text) => sha256(text).toString('hex'));
const nat = [{ table: { family: 'ip', name: 'nat', handle: 1 } }, chain('nat', 'PREROUTING', 'nat', 'prerouting', -100), chain('nat', 'POSTROUTING', 'nat', 'postrouting', 100)];
const dnat = (to: string): object => rule('nat', 'PREROUTING', 4, [match(payload('tcp', 'dport'), 8080), { dnat: { addr: to, port: 80 } }]);
const masquerading = rule('nat', 'POSTROUTING', 5, [match(payload('ip', 'saddr'), { prefix: { addr: '10.0.0.0', len: 24 } }), match({ meta: { key: 'oifname' } }, 'eth0'), { masquerade: null }]);
const dropping = [{ table: { family: 'ip', name: 'filter', handle: 2 } }, chain('filter', 'FORWARD', 'filter', 'forward', 0, 'drop')];

function policyOf(text: string): UsablePolicy {
  const parsed = parsePolicy(text);
  if (parsed.kind !== 'policy') throw new Error('the policy of the test is wrong');
  return { kind: 'usable', policy: parsed.policy, digest: Buffer.alloc(32) };
}

function check(wanted: Partial<NatRules>, over: Partial<NatCheckInput> & { readonly there?: Partial<NatRules>; readonly policy?: string } = {}) {
  const { there, policy, ...more } = over;
  const observed = { state: 'confirmed', lines: there === undefined ? [] : linesOf({ ...noNat, ...there }, network), rules: noNat, pending: undefined, counters: [], sshPorts: [22], forwards6: false, generation: 1, foreign: undefined, truncated: false, problem: undefined } as const;
  return checkNat({ wanted: { ...noNat, ...wanted }, observed, network, ownPorts: [], advertised: [], foreign: undefined, ask: natAsk(policyOf(policy ?? openPolicy), 'front'), hostName: 'front', ...more });
}
const codes = ({ problems }: ReturnType<typeof check>): string[] => problems.map(({ code, fields }) => `${code} ${fields['value'] ?? fields['op'] ?? ''}`.trim());

describe('what stands in the way', () => {
  it.each<[string, ReturnType<typeof check>, string[]]>([
    ['nothing', check({ forwards: [forward()], masquerades: [masquerade()] }), []],
    ['an interface that is not there', check({ forwards: [forward({ listen: { kind: 'interface', name: 'eth9' } })], masquerades: [masquerade({ outInterface: 'eth8' })] }), ['NAT_INTERFACE eth9', 'NAT_INTERFACE eth8']],
    ['addresses that the host has not', check({ forwards: [forward({ listen: { kind: 'address', address: '192.0.2.11' } })], masquerades: [masquerade({ toAddress: '192.0.2.12' })] }), ['NAT_INTERFACE 192.0.2.11', 'NAT_INTERFACE 192.0.2.12']],
    ['a port of sshd, in a range', check({ forwards: [forward({ ports: { first: 20, last: 29 } })] }), ['NAT_PORT_RESERVED tcp/20-29']],
    ['a port of Reeve', check({ forwards: [forward({ ports: { first: 7420, last: 7420 } })] }), ['NAT_PORT_RESERVED tcp/7420']],
    ['a port on which Reeve listens here', check({ forwards: [forward()] }, { ownPorts: [8080] }), ['NAT_PORT_RESERVED tcp/8080']],
    ['no port of UDP', check({ forwards: [forward({ protocol: 'udp', ports: { first: 22, last: 22 } })] }, { ownPorts: [22] }), []],
    ['an IPv6 route that would go', check({ forwards: [forward({ to: 'fd00::2' })] }, { advertised: ['eth0'] }), ['NAT_FORWARDING eth0']],
    ['no such route for IPv4', check({ forwards: [forward()] }, { advertised: ['eth0'] }), []],
    ['the policy, once for each thing', check({ forwards: [forward(), forward({ id: 2, to: '192.168.1.1', ports: { first: 81, last: 81 } })], masquerades: [masquerade()] }, { policy: 'version 1\nallow nat.forward to=10.*\n' }), ['POLICY_DENIED nat.apply', 'POLICY_DENIED nat.forward', 'POLICY_DENIED nat.masquerade']],
    ['somebody else who has the port', check({ forwards: [forward()] }, { foreign: foreignOf(...nat, dnat('10.0.0.9')) }), ['NAT_FOREIGN_CLAIM tcp/8080']],
    ['somebody else who has it for something else, also where it is to be taken over', check({ forwards: [forward({ adopt: true })] }, { foreign: foreignOf(...nat, dnat('10.0.0.9')) }), ['NAT_FOREIGN_CLAIM tcp/8080']],
    ['a firewall', check({ forwards: [forward()] }, { foreign: foreignOf(...dropping) }), ['NAT_FOREIGN_DROP tcp/8080']],
  ])('%s', (_what, found, expected) => {
    expect(codes(found)).toEqual(expected);
  });

  it('is what others did since to a forward that is there no reason to refuse, so that another can be taken away', () => {
    const foreign = foreignOf(...nat, dnat('10.0.0.9'), ...dropping);
    const there = { forwards: [forward(), forward({ id: 2, ports: { first: 81, last: 81 }, listen: { kind: 'address', address: '192.0.2.77' } })], masquerades: [masquerade({ toAddress: '192.0.2.78' })] };
    expect(codes(check(there, { there, foreign }))).toEqual([]);
    expect(codes(check({ forwards: [forward({ to: '10.0.0.3' })] }, { there, foreign }))).toEqual(['NAT_FOREIGN_CLAIM tcp/8080', 'NAT_FOREIGN_DROP tcp/8080']);
  });

  it('is nothing that others made where they do the same and are taken over', () => {
    const foreign = foreignOf(...nat, dnat('10.0.0.2'), masquerading);
    const { problems, taken } = check({ forwards: [forward({ adopt: true })], masquerades: [masquerade({ adopt: true })] }, { foreign });
    expect(problems).toEqual([]);
    expect(taken.map(({ handle }) => handle)).toEqual(['ip nat PREROUTING 4', 'ip nat POSTROUTING 5']);
    expect(taken.every(({ sha256: digest }) => /^[0-9a-f]{64}$/.test(digest))).toBe(true);
    expect(codes(check({ forwards: [forward({ adopt: true })] }, { foreign, policy: openPolicy.replace('allow nat.adopt\n', '') }))).toEqual(['POLICY_DENIED nat.adopt']);
    // It is made again by a script at each start.
    const again = check({ forwards: [forward({ adopt: true })] }, { foreign, there: { forwards: [forward()] } });
    expect(again.taken.map(({ handle }) => handle)).toEqual(['ip nat PREROUTING 4']);
    expect(check({ masquerades: [masquerade({ adopt: true, outInterface: 'br0' })] }, { foreign }).taken).toEqual([]);
  });

  it('is on a host without nft only that, and only where something is wanted', () => {
    const absent = check({ forwards: [forward({ listen: { kind: 'interface', name: 'eth9' } })] });
    const observed: ObservedNat = { state: 'absent', lines: [], rules: noNat, pending: undefined, counters: [], sshPorts: [], forwards6: false, generation: 0, foreign: undefined, truncated: false, problem: { code: 'NAT_ABSENT', fields: { rule: 'there is no /usr/sbin/nft' } } };
    expect(codes(absent)).toEqual(['NAT_INTERFACE eth9']);
    expect(check({ forwards: [forward()] }, { observed }).problems).toEqual([{ code: 'NAT_ABSENT', fields: { rule: 'there is no /usr/sbin/nft', host: 'front' } }]);
    expect(check({}, { observed }).problems).toEqual([]);
  });
});

describe('the policy', () => {
  it('is asked about every port of a range, and names the first that it does not allow', () => {
    const refusals = (text: string): unknown[] => natRefusals({ ...noNat, forwards: [forward({ ports: { first: 8000, last: 8099 } })] }, natAsk(policyOf(`version 1\nallow nat.apply\n${text}`), 'front')).map(({ fields }) => fields['line']);
    expect(refusals('allow nat.forward port=8000-8049,8050-8099\n')).toEqual([]);
    expect(refusals('allow nat.forward port=8000-8049,8060-8099\n')).toEqual(['allow nat.forward to=10.0.0.2 port=8050 protocol=tcp']);
    expect(refusals('allow nat.forward\ndeny nat.forward port=8080\n')).toEqual(['allow nat.forward to=10.0.0.2 port=8080 protocol=tcp # and remove line 4, which denies it']);
    expect(refusals('allow nat.forward to=192.168.*\n')).toEqual(['allow nat.forward to=10.0.0.2 port=8000 protocol=tcp']);
  });
});
