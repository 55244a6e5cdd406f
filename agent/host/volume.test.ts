import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readVolumes } from './volume.js';

test('folders are measured, and what is not there is left out', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'reeve-volume-'));
  const volumes = await readVolumes(folder, ['/proc', '/no/such/folder']);
  expect(volumes.map((volume) => volume.path)).toEqual([folder, '/proc']);
  expect(['ok', 'low']).toContain(volumes[0]?.state);
  rmSync(folder, { recursive: true });
});

test('a folder of the agent that it may not write is named', async () => {
  expect(await readVolumes('/proc/self', [])).toEqual([{ path: '/proc/self', state: 'unwritable' }]);
});
