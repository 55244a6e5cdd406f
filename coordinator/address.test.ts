import { expect, test } from 'vitest';
import { machineAddresses, parseAddressFiles } from './address.js';

test('addresses of both families are found, each once', () => {
  const fibTrie = 'Main:\n  +-- 0.0.0.0/0 3 0 4\n     |-- 127.0.0.1\n        /32 host LOCAL\n     +-- 198.18.0.0/15 2 0 2\n        |-- 198.18.1.2\n           /32 host LOCAL\n        |-- 198.19.255.255\n           /32 link BROADCAST\nLocal:\n     |-- 198.18.1.2\n        /32 host LOCAL\n';
  const ifInet6 = '20010db8001800000000000000000001 02 40 00 80    host0\nfe80000000000000708 xx\n';
  expect(parseAddressFiles({ fibTrie, ifInet6 })).toEqual(['127.0.0.1', '198.18.1.2', '2001:db8:18::1']);
});

test('this machine has loopback at least', () => {
  expect(machineAddresses()).toContain('127.0.0.1');
});
