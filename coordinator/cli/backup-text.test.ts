import { expect, test } from 'vitest';
import { progressText } from './backup-progress.js';
import { modeText } from './backup-snapshot-text.js';
import { pathText, sourcePathText } from './path-text.js';

test.each([
  ['file', 0o644, '-rw-r--r--'], ['file', 0o4755, '-rwsr-xr-x'], ['file', 0o2640, '-rw-r-S---'], ['directory', 0o1777, 'drwxrwxrwt'], ['directory', 0o1770, 'drwxrwx--T'],
  ['symlink', 0o777, 'lrwxrwxrwx'], ['char', 0o600, 'crw-------'], ['block', 0, 'b---------'], ['fifo', 0o600, 'prw-------'], ['socket', 0o600, 'srw-------'], ['toString', 0, '?---------'],
])('a %s of mode %o is %s', (kind, mode, text) => {
  expect(modeText(kind, mode)).toBe(text);
});

test.each([
  [Buffer.from('/srv/ä'), '/srv/ä'], [Buffer.from([0x2f, 0xe4, 0x41]), '/\\xe4A'], [Buffer.from('\ufeff/x'), '\ufeff/x'], [Buffer.alloc(0), ''], [Buffer.from([0x2f, 0xed, 0xa0, 0x80]), '/\\xed\\xa0\\x80'],
])('the path of bytes %j is shown as %j', (bytes, text) => {
  expect(pathText(bytes)).toBe(text);
  expect(sourcePathText(bytes)).toBe(text.startsWith('/') ? text : `/${text}`);
});

const run = { job: 'shop', kind: 'backup' } as Parameters<typeof progressText>[0];
const progress = { phase: 'waiting', files: 0, filesTotal: 0, bytes: 0, rate: 0, percent: 0, remainingSeconds: 0, elapsedMs: 0 };

test.each([
  [null, 'shop: backup begins'],
  [progress, 'waiting 0:00'],
  [{ ...progress, phase: 'dum\u001bping', elapsedMs: 61_999 }, 'dum\\u{1b}ping 1:01'],
  [{ ...progress, phase: 'copying', files: 3, bytes: 900, elapsedMs: 3_753_000 }, 'copying 3 files, 900 B, 1:02:33'],
])('progress %j reads %j', (known, text) => {
  expect(progressText({ ...run, progress: known }, 0)).toBe(text);
});
