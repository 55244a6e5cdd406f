import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../../test/support/until.js';
import { watchFolders, type FolderWatch } from './folder-watch.js';
import { sitePaths, siteWatches } from './site-files.js';

const log = pino({ level: 'silent' });
let engine: string;
let watching: FolderWatch | undefined;
beforeEach(() => void (engine = mkdtempSync(join(tmpdir(), 'reeve-nginx-'))));
afterEach(() => {
  watching?.close();
  rmSync(engine, { recursive: true, force: true });
});

function place(set: string, files: readonly string[]): void {
  mkdirSync(join(engine, 'reeve', set), { recursive: true });
  for (const name of files) writeFileSync(join(engine, 'reeve', set, name), 'server {}\n');
  symlinkSync(set, join(engine, 'reeve', 'current.new'));
  renameSync(join(engine, 'reeve', 'current.new'), join(engine, 'reeve', 'current'));
}

it('the files of the set in place are looked at, and what includes them', () => {
  const include = join(engine, 'conf.d', 'reeve.conf');
  expect(sitePaths({ engine })).toEqual([join(engine, 'reeve', 'current'), include]);
  place('set-1', ['b.conf', 'a.conf']);
  const current = join(engine, 'reeve', 'current');
  expect(sitePaths({ engine })).toEqual([current, join(current, 'a.conf'), join(current, 'b.conf'), include]);
  expect(sitePaths({ engine: join(engine, 'none') })).toHaveLength(2);
});

it('an edit is told in whatever set is in place, from the first one on', async () => {
  let touched = 0;
  const told = async (what: string, act: () => void): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    touched = 0;
    act();
    await until(() => Promise.resolve(touched > 0), { timeoutMs: 5000, everyMs: 10, what });
  };
  mkdirSync(join(engine, 'conf.d'));
  watching = watchFolders(siteWatches({ engine }), () => void (touched += 1), log);
  await told('the first set', () => place('set-1', ['a.conf']));
  watching.look();
  await told('an edit', () => writeFileSync(join(engine, 'reeve', 'current', 'a.conf'), 'other\n'));
  await told('the next set', () => place('set-2', ['a.conf']));
  watching.look();
  await told('an edit of that', () => writeFileSync(join(engine, 'reeve', 'current', 'a.conf'), 'other\n'));
  await told('the include', () => writeFileSync(join(engine, 'conf.d', 'reeve.conf'), 'x'));
});

it('what may not be looked into is as good as not there', () => {
  place('set-1', ['a.conf']);
  chmodSync(engine, 0);
  // Root may look into everything; the agent is not root.
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    expect(sitePaths({ engine })).toEqual([]);
    watching = watchFolders(siteWatches({ engine }), () => undefined, log);
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(engine, 0o755);
  }
});
