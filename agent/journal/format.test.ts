import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { claimState } from './format.js';

let state: string;
const format = (): string => readFileSync(join(state, 'format'), 'utf8');
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'reeve-format-'));
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

test('a state without a format gets ours; the version that raised it last stays named', () => {
  claimState(state, '0.2.0', 1);
  expect(format()).toBe('1 0.2.0\n');
  claimState(state, '0.2.5', 1);
  expect(format()).toBe('1 0.2.0\n');
  claimState(state, '0.3.0', 2);
  expect(format()).toBe('2 0.3.0\n');
});

test('a state that a newer agent wrote is refused with both formats and the version to install, and left as it is', () => {
  claimState(state, '0.9.0', 7);
  expect(() => claimState(state, '0.2.0', 1)).toThrow(expect.objectContaining({ code: 'STATE_NEWER', message: expect.stringMatching(/reeve-agent 0\.9\.0.*format 7, reeve-agent 0\.2\.0 knows 1/) as string }));
  expect(format()).toBe('7 0.9.0\n');
});

test('a format that cannot be read is written anew', () => {
  writeFileSync(join(state, 'format'), 'x');
  claimState(state, '0.2.0', 1);
  expect(format()).toBe('1 0.2.0\n');
});
