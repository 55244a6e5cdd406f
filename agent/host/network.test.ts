import { expect, test } from 'vitest';
import { advertisedRoutes } from './network.js';

test('a default route that came by router advertisements is told from one that somebody set', () => {
  const line = (flags: string, name: string): string => `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 fe80000000000000704a52fffeb12e31 00000400 00000001 00000000 ${flags} ${name.padStart(8)}\n`;
  expect(advertisedRoutes(`${line('00450003', 'host0')}${line('00000003', 'eth1')}${line('00400003', 'eth2')}`)).toEqual(['host0']);
  expect(advertisedRoutes('')).toEqual([]);
});
