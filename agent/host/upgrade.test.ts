import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readUpgradeNote } from './upgrade.js';

const folder = mkdtempSync(join(tmpdir(), 'reeve-note-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function noteOf(text: string): string {
  const path = join(folder, 'note');
  writeFileSync(path, text);
  return readUpgradeNote(path);
}

test('a note is one sentence', () => {
  expect(noteOf('{"from":"0.2.0","to":"0.3.0","at":1700000000000,"reason":"it ended 4 times at once, last with code 1"}\n'))
    .toBe('the upgrade to 0.3.0 was reverted to 0.2.0 on 2023-11-14T22:13:20.000Z because it ended 4 times at once, last with code 1');
});

test.each(['', 'no json', '{}', '{"from":1,"to":"x","at":1,"reason":""}', '{"from":"1","to":"2","at":1e99,"reason":"r"}', 'null', `"${'x'.repeat(5000)}"`])('what is no note says nothing: %j', (text) => {
  expect(noteOf(text)).toBe('');
});

test('no note, and one that is a link, say nothing', () => {
  expect(readUpgradeNote(join(folder, 'absent'))).toBe('');
  writeFileSync(join(folder, 'real'), '{"from":"1","to":"2","at":1,"reason":"r"}');
  symlinkSync(join(folder, 'real'), join(folder, 'link'));
  expect(readUpgradeNote(join(folder, 'link'))).toBe('');
});
