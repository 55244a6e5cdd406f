import { expect, test } from 'vitest';
import type { Live } from '../fleet/live.js';
import { addressesOf } from './backup-way.js';

const live = (...addresses: string[]): Pick<Live, 'facts'> => ({ facts: { lossy: false, facts: { addresses: addresses.map((address) => ({ interface: 'eth0', address })) } } as unknown as NonNullable<Live['facts']> });
const at = (address: string): { address: string; port: number } => ({ address, port: 7420 });

test.each([
  ['where the coordinator reaches it comes first', { endpoint: at('192.0.2.1'), link: 'direct' }, live('10.0.0.1', '192.0.2.1'), ['192.0.2.1', '10.0.0.1']],
  ['what leads nowhere from elsewhere is left out', { endpoint: undefined, link: 'direct' }, live('127.0.0.1', '::1', 'fe80::1', '169.254.1.1', '2001:db8::1'), ['2001:db8::1']],
  ['loopback is taken where the coordinator says so', { endpoint: at('127.0.0.1'), link: 'direct' }, live(), ['127.0.0.1']],
  ['a name may mean something else to another host', { endpoint: at('web1.example.org'), link: 'direct' }, live('10.0.0.1'), ['10.0.0.1']],
  ['the address of a host that dials in is not where it listens', { endpoint: at('192.0.2.1'), link: 'dial-out' }, live(), []],
  ['nothing is known yet', { endpoint: undefined, link: 'direct' }, { facts: undefined }, []],
] as const)('%s', (_title, host, known, addresses) => {
  expect(addressesOf(host, known)).toEqual(addresses);
});

test('at most eight are tried', () => {
  expect(addressesOf({ endpoint: undefined, link: 'direct' }, live(...Array.from({ length: 20 }, (_, n) => `10.0.0.${String(n)}`)))).toHaveLength(8);
});
