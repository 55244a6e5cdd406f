import { expect, test } from 'vitest';
import { judgeVolume, parseVolumeState } from './volume.js';

const mebibyte = 1024 * 1024;

test.each([
  [{ totalBytes: 100_000 * mebibyte, availableBytes: 50_000 * mebibyte, writable: true }, 'ok'],
  [{ totalBytes: 100_000 * mebibyte, availableBytes: 4_999 * mebibyte, writable: true }, 'low'],
  [{ totalBytes: 1_000 * mebibyte, availableBytes: 63 * mebibyte, writable: true }, 'low'],
  [{ totalBytes: 1_000 * mebibyte, availableBytes: 64 * mebibyte, writable: true }, 'ok'],
  [{ totalBytes: 16 * mebibyte, availableBytes: mebibyte - 1, writable: true }, 'full'],
  [{ totalBytes: 1_000 * mebibyte, availableBytes: 900 * mebibyte, writable: false }, 'unwritable'],
])('%j is %s', (room, state) => {
  expect(judgeVolume(room)).toBe(state);
});

test('a word that is not known reads as ok', () => {
  expect(['ok', 'low', 'full', 'unwritable', 'on fire'].map(parseVolumeState)).toEqual(['ok', 'low', 'full', 'unwritable', 'ok']);
});
