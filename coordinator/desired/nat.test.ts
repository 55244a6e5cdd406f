import { expect, test } from 'vitest';
import { describeForward, describeMasquerade, desiredNat, type ForwardRow, type MasqueradeRow } from './nat.js';

const entry = { hostId: 'vm1', enabled: true, comment: 'a comment', by: 'root', addedAtMs: 1, generation: 1 };
const forward = (id: number, more: Partial<ForwardRow> = {}): ForwardRow => ({
  ...entry, id, protocol: 'tcp', listen: { kind: 'any' }, ports: { first: 8000 + id, last: 8000 + id }, to: { kind: 'address', address: '198.19.200.2' }, toPorts: { first: 80, last: 80 },
  sources: [], hairpin: true, adopt: false, ...more,
});
const masquerade = (id: number, more: Partial<MasqueradeRow> = {}): MasqueradeRow => ({ ...entry, id, source: '198.19.200.0/24', outInterface: undefined, toAddress: undefined, adopt: false, ...more });
const web1 = (address: string | undefined): ForwardRow['to'] => ({ kind: 'host', hostId: 'web1-id', name: 'web1', address });

test('a host is asked for what is enabled, by id, with the address of a host that it leads to, and nothing that is for people', () => {
  const rules = desiredNat({ forwards: [forward(3, { to: web1('198.19.200.7') }), forward(1), forward(2, { enabled: false })], masquerades: [masquerade(5, { outInterface: 'eth0' }), masquerade(4), masquerade(6, { enabled: false })] });
  expect(rules.forwards.map(({ id, to }) => [id, to])).toEqual([[1, '198.19.200.2'], [3, '198.19.200.7']]);
  expect(rules.masquerades).toEqual([
    { id: 4, source: '198.19.200.0/24', outInterface: undefined, toAddress: undefined, adopt: false },
    { id: 5, source: '198.19.200.0/24', outInterface: 'eth0', toAddress: undefined, adopt: false },
  ]);
  expect(Object.keys(rules.forwards[0] ?? {}).sort()).toEqual(['adopt', 'hairpin', 'id', 'listen', 'ports', 'protocol', 'sources', 'to', 'toPorts']);
});

test('what leads to a host without an address is left out', () => {
  expect(desiredNat({ forwards: [forward(1, { to: web1(undefined) })], masquerades: [] })).toEqual({ forwards: [], masquerades: [] });
});

test.each<[ForwardRow, string]>([
  [forward(1), 'tcp/8001 -> 198.19.200.2:80'],
  [forward(2, { to: web1('198.19.200.2'), listen: { kind: 'interface', name: 'eth0' } }), 'eth0:tcp/8002 -> web1 (198.19.200.2:80)'],
  [forward(3, { to: web1(undefined), protocol: 'udp', ports: { first: 1, last: 9 } }), 'udp/1-9 -> web1 (port 80)'],
  [forward(4, { to: { kind: 'address', address: '2001:db8::2' } }), 'tcp/8004 -> [2001:db8::2]:80'],
])('a forward in a few words', (row, text) => expect(describeForward(row)).toBe(text));

test('a masquerade in a few words', () => {
  expect(describeMasquerade(masquerade(1))).toBe('198.19.200.0/24');
  expect(describeMasquerade(masquerade(1, { outInterface: 'eth0', toAddress: '203.0.113.5' }))).toBe('198.19.200.0/24 out of eth0 as 203.0.113.5');
});
