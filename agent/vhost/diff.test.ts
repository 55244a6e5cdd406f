import { expect, it } from 'vitest';
import { unifiedDiff } from './diff.js';

const lines = (count: number, text: (n: number) => string): string => Array.from({ length: count }, (_none, n) => `${text(n)}\n`).join('');

it.each([
  ['a line that is another', 'a\nb\nc\n', 'a\nB\nc\n', '--- /x\n+++ /x\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n'],
  ['a file that comes', undefined, 'a\n', '--- /dev/null\n+++ /x\n@@ -0,0 +1,1 @@\n+a\n'],
  ['a file that goes', 'a\n', undefined, '--- /x\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n'],
  ['nothing', 'a\n', 'a\n', ''],
  ['no file', undefined, undefined, ''],
])('%s', (_what, before, after, diff) => {
  expect(unifiedDiff('/x', before, after)).toBe(diff);
});

it('ends at 64 KiB, at a line, and compares no texts that have next to nothing in common', () => {
  const long = unifiedDiff('/x', '', lines(900, (n) => `${'ä'.repeat(100)} ${String(n)}`));
  expect(Buffer.byteLength(long)).toBeLessThanOrEqual(65_536);
  expect(long).toMatch(/^--- [^]*\n\+ä+ [0-9]+\n$/);
  const begun = performance.now();
  expect(unifiedDiff('/x', lines(5000, (n) => `a${String(n)}`), lines(5000, (n) => `b${String(n)}`))).toBe('');
  expect(performance.now() - begun).toBeLessThan(2000);
});
