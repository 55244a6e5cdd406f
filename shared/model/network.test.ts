import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatNetwork, parseNetwork } from './network.js';

it.each([
  ['10.0.0.0/8', '10.0.0.0/8'], ['10.0.0.1', '10.0.0.1'], ['10.0.0.1/32', '10.0.0.1'], ['128.0.0.0/1', '128.0.0.0/1'], ['192.0.2.64/26', '192.0.2.64/26'],
  ['2001:db8::/32', '2001:db8::/32'], ['::1', '::1'], ['::1/128', '::1'], ['fe80::/10', 'fe80::/10'], ['2001:db8:0:0:8000::/65', '2001:db8:0:0:8000::/65'],
])('%s is %s', (text, canonical) => {
  expect(formatNetwork(parseNetwork('from', text))).toBe(canonical);
});

it.each([
  '', '/', '10.0.0.1/8', '10.0.0.0/0', '0.0.0.0/0', '::/0', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0/8', '010.0.0.0/8', '10.0.0.0/255.0.0.0', '10.*', '*', '!10.0.0.1', 'host.example.org', '::/129',
  '2001:DB8::/32', '2001:db8:0::/32', '2001:0db8::/32', '2001:db8::1/32', '::ffff:10.0.0.1', '::ffff:a00:1', '::ffff:a00:0/104', 'fe80::1%eth0', '[::1]', ' 10.0.0.1', '10.0.0.1 ', '10.0.0.1\n', '1e1.0.0.0', '10.0.0.0/1e1',
])('"%s" is refused', (text) => {
  expect(() => parseNetwork('from', text)).toThrow(expect.objectContaining({ code: 'FIELD_INVALID' }));
});

it('a network is read as it was written', () => {
  const v4 = fc.tuple(fc.integer({ min: 0, max: 0xffff_ffff }), fc.integer({ min: 1, max: 32 })).map(([bits, prefix]) => {
    const kept = (bits & (prefix === 32 ? -1 : ~(0xffff_ffff >>> prefix))) >>> 0;
    return { address: [24, 16, 8, 0].map((shift) => (kept >>> shift) & 0xff).join('.'), prefix };
  });
  fc.assert(fc.property(v4, (network) => { expect(parseNetwork('from', formatNetwork(network))).toEqual(network); }));
});
