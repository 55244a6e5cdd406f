import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answers } from '../../coordinator/cli/testing/answer.js';
import { startCoordinator, type CannedCoordinator } from '../../coordinator/cli/testing/coordinator.js';

const top = join(import.meta.dirname, '../..');

describe('the inventory script, as Ansible itself reads it', () => {
  let coordinator: CannedCoordinator;
  const folder = mkdtempSync(join(tmpdir(), 'reeve-inventory-'));
  const script = join(folder, 'inventory');
  const env = (): NodeJS.ProcessEnv => ({ PATH: '/usr/bin:/bin', HOME: folder, LC_ALL: 'C.UTF-8', REEVE: join(folder, 'reeve'), REEVE_SOCKET: coordinator.socket });
  const inventory = async (...args: string[]): Promise<string> => (await promisify(execFile)('ansible-inventory', ['-i', script, ...args], { env: env(), cwd: folder })).stdout;

  beforeAll(async () => {
    coordinator = await startCoordinator();
    coordinator.answers = answers;
    writeFileSync(script, readFileSync(join(import.meta.dirname, 'inventory'), 'utf8').replace('#!/usr/lib/reeve/node', `#!${process.execPath}`), { mode: 0o755 });
    writeFileSync(join(folder, 'reeve'), `#!/bin/sh\ncd '${top}' && exec '${process.execPath}' --import tsx coordinator/cli/main.ts "$@"\n`, { mode: 0o755 });
  });
  afterAll(async () => {
    await coordinator.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('has every host with its address, labels, parent and state', async () => {
    const { _meta } = JSON.parse(await inventory('--list')) as { _meta: { hostvars: Record<string, Record<string, unknown>> } };
    expect(_meta.hostvars['web1']).toMatchObject({ ansible_host: '192.0.2.1', reeve_state: 'connected', reeve_labels: { role: 'web', site: 'ams' }, reeve_parent: '' });
    expect(_meta.hostvars['web2']).toMatchObject({ ansible_host: '2001:db8::2', reeve_state: 'lost', reeve_parent: 'web1' });
    expect(_meta.hostvars['db.example.org']).not.toHaveProperty('ansible_host');
  });

  test('groups them by label and by state', async () => {
    const graph = await inventory('--graph');
    expect(graph).toMatch(/@role_web:\n *\| *\|--web1\n *\| *\|--web2\n/);
    for (const line of ['@site_ams:', '@state_connected:', '@state_lost:', '@state_invited:']) expect(graph).toContain(line);
  });

  test('answers for one host', async () => {
    expect(JSON.parse(await inventory('--host', 'web2'))).toMatchObject({ ansible_host: '2001:db8::2' });
    const asked = await promisify(execFile)(script, ['--host', 'web1'], { env: env() });
    expect(JSON.parse(asked.stdout)).toMatchObject({ reeve_id: '01930000-0000-7000-8000-000000000001' });
    await expect(promisify(execFile)(script, ['--hosts'], { env: env() })).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('usage: inventory') as string });
  });
});
