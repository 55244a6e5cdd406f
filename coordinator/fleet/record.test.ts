import { expect, it } from 'vitest';
import { takesRecords } from './record.js';

it.each([
  ['0.1.0', false],
  ['0.1.12', false],
  ['0.2.0', true],
  ['0.10.0', true],
  ['1.0.0', true],
  ['', true],
])('an agent of version "%s" takes signed records: %s', (version, takes) => {
  expect(takesRecords(version)).toBe(takes);
});
