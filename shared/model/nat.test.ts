import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatForward, formatNatLines, formatNatPort, formatNatRules, formatNatTarget, natDigestModel, natLineName, parseForward, parseInterface, parseMasquerade, parseNatAddress, parseNatComment, parseNatLines, parseNatPort, parseNatRules, parsePortText, portsMeet,
  type NatForward, type NatRules, type WireForward,
} from './nat.js';

const wire: WireForward = { id: 1, protocol: 'NAT_PROTOCOL_TCP', listenAddress: '', listenInterface: '', ports: { first: 8080, last: 8080 }, toAddress: '10.0.0.2', toPorts: { first: 80, last: 80 }, sources: [], hairpin: true, adopt: false };

describe('a forward', () => {
  it('is parsed into its canonical form', () => {
    expect(parseForward({ ...wire, sources: ['203.0.113.0/24', '198.51.100.1', '203.0.113.0/24'], listenAddress: '192.0.2.10' })).toEqual({
      id: 1, protocol: 'tcp', listen: { kind: 'address', address: '192.0.2.10' }, ports: { first: 8080, last: 8080 }, to: '10.0.0.2', toPorts: { first: 80, last: 80 }, sources: ['198.51.100.1', '203.0.113.0/24'], hairpin: true, adopt: false,
    });
    expect(parseForward({ ...wire, toPorts: null }).toPorts).toEqual({ first: 8080, last: 8080 });
  });

  it.each<[string, Partial<WireForward>, string]>([
    ['no id', { id: 0 }, 'id of a rule'],
    ['no protocol', { protocol: 'NAT_PROTOCOL_UNSPECIFIED' }, 'protocol'],
    ['no port', { ports: null }, 'port'],
    ['port 0', { ports: { first: 0, last: 0 } }, 'port'],
    ['a range that ends before it begins', { ports: { first: 90, last: 80 } }, 'port'],
    ['ranges of different lengths', { ports: { first: 80, last: 89 }, toPorts: { first: 8080, last: 8088 } }, 'destination port'],
    ['too many ports that change their numbers', { ports: { first: 10_000, last: 20_000 }, toPorts: { first: 20_000, last: 30_000 } }, 'port'],
    ['loopback as destination', { toAddress: '127.0.0.1' }, 'destination'],
    ['IPv4 inside IPv6', { toAddress: '::ffff:10.0.0.2' }, 'destination'],
    ['another spelling', { toAddress: 'FD00::2' }, 'destination'],
    ['a listen address of the other family', { listenAddress: 'fd00::1' }, 'listen address'],
    ['address and interface', { listenAddress: '192.0.2.10', listenInterface: 'eth0' }, 'listen interface'],
    ['the interface lo', { listenInterface: 'lo' }, 'listen interface'],
    ['what is no interface', { listenInterface: 'eth0"; drop' }, 'listen interface'],
    ['a source of the other family', { sources: ['fd00::/64'] }, 'source'],
    ['a source with host bits', { sources: ['10.0.0.1/24'] }, 'source'],
    ['the whole internet', { sources: ['0.0.0.0/0'] }, 'source'],
    ['65 sources', { sources: Array.from({ length: 65 }, (_none, index) => `10.0.${String(index)}.0/24`) }, 'source'],
  ])('with %s is refused', (_what, over, field) => {
    expect(() => parseForward({ ...wire, ...over })).toThrow(expect.objectContaining({ fields: expect.objectContaining({ field }) as object }) as Error);
  });
});

describe('a masquerade', () => {
  const row = { id: 1, source: '10.0.0.0/24', outInterface: '', toAddress: '', adopt: false };
  it('is parsed, and refused in the other family and without a source', () => {
    expect(parseMasquerade({ ...row, outInterface: 'eth0' })).toEqual({ id: 1, source: '10.0.0.0/24', outInterface: 'eth0', toAddress: undefined, adopt: false });
    for (const over of [{ toAddress: 'fd00::1' }, { source: '' }, { source: '0.0.0.0/0' }, { outInterface: 'ETH0' }, { id: 2 ** 31 }]) expect(() => parseMasquerade({ ...row, ...over }), JSON.stringify(over)).toThrow();
  });
});

describe('addresses, interfaces, ports and comments', () => {
  it.each(['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255', '::', '::1', 'fe80::1', 'ff02::1', '::10.0.0.2', '10.0.0.02', 'host', ''])('%j is no address of a machine', (text) => {
    expect(() => parseNatAddress('to', text)).toThrow();
  });
  it.each(['10.0.0.2', '169.254.1.1', 'fd00::2', '2001:db8::1'])('%j is one', (text) => {
    expect(parseNatAddress('to', text)).toBe(text);
  });
  it('are taken as they are meant only', () => {
    expect(parsePortText('port', '8080-8090')).toEqual({ first: 8080, last: 8090 });
    for (const text of ['0', '65536', '80-', '90-80', '080', '80,81']) expect(() => parsePortText('port', text), text).toThrow();
    expect(parseNatPort('which', 'udp/53')).toEqual({ protocol: 'udp', port: 53 });
    for (const text of ['tcp/0', 'tcp/65536', 'sctp/1', 'tcp/80-81']) expect(() => parseNatPort('which', text), text).toThrow();
    expect(parseInterface('interface', 'br-1.20')).toBe('br-1.20');
    expect(() => parseInterface('interface', 'averyverylongname')).toThrow();
    expect(parseNatComment('comment', 'Web, for Zoë 1')).toBe('Web, for Zoë 1');
    for (const text of [' x', 'a\nb', 'a\u202eb', 'x'.repeat(201)]) expect(() => parseNatComment('comment', text), JSON.stringify(text)).toThrow();
    expect(portsMeet({ first: 80, last: 90 }, { first: 90, last: 95 })).toBe(true);
    expect(portsMeet({ first: 80, last: 90 }, { first: 91, last: 95 })).toBe(false);
  });
  it('are shown as people write them', () => {
    expect(formatNatPort({ protocol: 'tcp', ports: { first: 80, last: 81 }, listen: { kind: 'address', address: '203.0.113.5' } })).toBe('203.0.113.5:tcp/80-81');
    expect(formatNatTarget('fd00::2', { first: 80, last: 80 })).toBe('[fd00::2]:80');
  });
});

describe('all rules of a host', () => {
  const ports = fc.tuple(fc.integer({ min: 1, max: 65_000 }), fc.integer({ min: 0, max: 500 })).map(([first, more]) => ({ first, last: first + more }));
  const forward = fc.record({ id: fc.integer({ min: 1, max: 2 ** 31 - 1 }), tcp: fc.boolean(), v6: fc.boolean(), listen: fc.constantFrom('any', 'address', 'interface'), ports, one: fc.boolean(), sources: fc.boolean(), hairpin: fc.boolean() })
    .map(({ id, tcp, v6, listen, ports: range, one, sources, hairpin }): NatForward => ({
      id, protocol: tcp ? 'tcp' : 'udp', ports: range, to: v6 ? 'fd00::2' : '10.0.0.2', toPorts: one ? { first: 80, last: 80 } : range, sources: sources ? [v6 ? '2001:db8::/32' : '203.0.113.0/24'] : [], hairpin, adopt: false,
      listen: listen === 'any' ? { kind: 'any' } : listen === 'interface' ? { kind: 'interface', name: 'eth0' } : { kind: 'address', address: v6 ? 'fd00::1' : '192.0.2.10' },
    }));
  const rules = fc.record({
    forwards: fc.uniqueArray(forward, { selector: ({ id }) => id, maxLength: 8 }).map((rows) => rows.sort((a, b) => a.id - b.id)),
    masquerades: fc.uniqueArray(fc.integer({ min: 1, max: 1000 }), { maxLength: 4 }).map((ids) => ids.sort((a, b) => a - b).map((id) => ({ id, source: '10.0.0.0/24', outInterface: id % 2 === 0 ? 'eth0' : undefined, toAddress: id % 3 === 0 ? '192.0.2.10' : undefined, adopt: false }))),
  });
  const network = (row: NatForward): string => (row.to.includes(':') ? 'fd00::/64' : '10.0.0.0/24');

  it('are the same after the wire, and after their lines', () => {
    fc.assert(fc.property(rules, (all: NatRules) => {
      expect(parseNatRules(formatNatRules(all))).toEqual(all);
      const lines = formatNatLines(all, network);
      expect(parseNatLines(lines)).toEqual(all);
      expect(formatNatLines(parseNatLines(lines), network)).toBe(lines);
      expect(lines.split('\n').slice(0, -1).map(natLineName)).toEqual([...all.forwards.map(({ id }) => `forward ${String(id)}`), ...all.masquerades.map(({ id }) => `masquerade ${String(id)}`)]);
    }));
  });

  it('have no id twice, and an end', () => {
    expect(() => parseNatRules({ forwards: [wire, wire], masquerades: [] })).toThrow(/each id once/);
    expect(() => parseNatRules({ forwards: Array.from({ length: 2001 }, (_none, index) => ({ ...wire, id: index + 1 })), masquerades: [] })).toThrow(/at most 2000/);
    expect(parseNatRules({ forwards: [{ ...wire, id: 2 }, wire], masquerades: [] }).forwards.map(({ id }) => id)).toEqual([1, 2]);
    expect(formatForward(parseForward(wire))).toEqual(wire);
  });

  it('have a digest that tells an altered table from one that is as it was made', () => {
    const lines = ['forward 1 tcp - - 8080 10.0.0.2 80 - -'];
    expect(natDigestModel(lines, false)).toEqual([{ name: 'forward 1 tcp/8080', line: lines[0] }]);
    expect(natDigestModel(lines, true)).toEqual([{ name: 'forward 1 tcp/8080', line: lines[0] }, { name: 'table', altered: true }]);
  });
});
