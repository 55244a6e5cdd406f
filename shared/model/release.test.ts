import { expect, test } from 'vitest';
import { releaseGap } from './release.js';

test.each([
  ['0.1.0', '0.1.7', 'same', undefined],
  ['0.1.0-dev', '0.1.0+test', 'same', undefined],
  ['0.1.9', '0.2.0', 'neighbours', 'a'],
  ['0.2.0', '0.1.9', 'neighbours', 'b'],
  ['0.1.0', '0.3.0', 'apart', 'a'],
  ['0.9.0', '1.0.0', 'neighbours', 'a'],
  ['0.9.0', '1.1.0', 'apart', 'a'],
  ['3.0.0', '1.9.0', 'apart', 'b'],
  ['', '0.1.0', 'unknown', undefined],
  ['banana', '0.1.0', 'unknown', undefined],
] as const)('%j and %j are %s', (a, b, gap, older) => {
  expect(releaseGap(a, b)).toEqual({ gap, older });
});
