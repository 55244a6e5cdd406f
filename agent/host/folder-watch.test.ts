import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../../test/support/until.js';
import { watchFolders, type FolderWatch } from './folder-watch.js';

const log = pino({ level: 'silent' });
const account = 65_534;
let above: string;
let keys: string;
let touched: string[];
let watching: FolderWatch;

beforeEach(() => {
  above = mkdtempSync(join(tmpdir(), 'reeve-watch-'));
  chmodSync(above, 0o755);
  keys = join(above, 'keys');
  touched = [];
  watching = watchFolders(
    [
      { folder: above, matters: (name) => name === 'keys', part: 'above' },
      { folder: above, matters: (name) => name === 'hold', part: 'hold' },
      { folder: keys, matters: (name) => name !== 'other', part: 'keys' },
    ],
    (part) => void touched.push(part),
    log,
  );
});
afterEach(() => {
  watching.close();
  rmSync(above, { recursive: true, force: true });
});

/** Acts, and waits until that is told. */
async function told(part: string, act: () => void): Promise<void> {
  touched = [];
  act();
  await until(() => touched.includes(part), { timeoutMs: 5000, everyMs: 10, what: `a touch of ${part}` });
}

it('a folder that comes is watched from then on', async () => {
  await told('above', () => mkdirSync(keys));
  await told('keys', () => writeFileSync(join(keys, 'deploy'), 'a\n'));
  await told('keys', () => writeFileSync(join(keys, 'deploy'), 'b\n'));
});

it('so is one of the same name that takes its place', async () => {
  for (let round = 0; round < 3; round++) {
    await told('above', () => mkdirSync(keys));
    await told('keys', () => writeFileSync(join(keys, 'deploy'), 'a\n'));
    await told('above', () => rmSync(keys, { recursive: true }));
  }
});

it('two files of one folder may be two parts', async () => {
  await told('hold', () => writeFileSync(join(above, 'hold'), 'a\n'));
  expect(touched).not.toContain('above');
  await told('above', () => mkdirSync(keys));
  expect(touched).not.toContain('hold');
});

it('what is no folder, and a link that leads to itself, are none until there is one', async () => {
  await told('above', () => symlinkSync('keys', keys));
  await told('above', () => unlinkSync(keys));
  await told('above', () => mkdirSync(keys));
  await told('keys', () => writeFileSync(join(keys, 'deploy'), 'a\n'));
});

it('nothing is watched any more once it is closed, whoever looks', async () => {
  watching.close();
  watching.look();
  const other = watchFolders([{ folder: above, part: 'other' as const }], (part) => void touched.push(part), log);
  await told('other', () => mkdirSync(keys));
  other.close();
  expect(new Set(touched)).toEqual(new Set(['other']));
});

it('names that do not matter are not told', async () => {
  await told('above', () => mkdirSync(keys));
  // What came before in the same folder is told before.
  await told('keys', () => {
    writeFileSync(join(above, 'sshd_config'), 'a\n');
    writeFileSync(join(keys, 'other'), 'a\n');
    writeFileSync(join(keys, 'deploy'), 'a\n');
  });
  expect(touched).not.toContain('above');
});

it.skipIf(process.geteuid?.() !== 0)('a folder that is opened to others only after it was made is watched from then on', async () => {
  // The agent is not root, and whoever makes a folder makes it for root at first.
  process.seteuid?.(account);
  try {
    await told('above', () => asRoot(() => mkdirSync(keys, { mode: 0o700 })));
    await told('above', () => asRoot(() => chmodSync(keys, 0o755)));
    await told('keys', () => asRoot(() => writeFileSync(join(keys, 'deploy'), 'a\n')));
  } finally {
    process.seteuid?.(0);
  }
});

function asRoot(act: () => void): void {
  process.seteuid?.(0);
  try {
    act();
  } finally {
    process.seteuid?.(account);
  }
}
