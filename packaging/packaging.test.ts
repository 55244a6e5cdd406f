import { createHash } from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildPackages } from './build.js';
import { bundle } from './bundle.js';
import { parseBuildOptions, type BuildOptions } from './options.js';

const BUILD_TIMEOUT_MS = 600_000;

describe('packages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'reeve-packaging-'));
  const options: BuildOptions = { ...parseBuildOptions([], process.env), out: join(folder, 'first'), version: '0.2.0' };
  const { root } = options;
  const installed = join(folder, 'installed');
  let debs: string[] = [];

  beforeAll(async () => {
    debs = await buildPackages(options);
    mkdirSync(installed);
    for (const deb of debs) execFileSync('dpkg-deb', ['--extract', deb, installed]);
  }, BUILD_TIMEOUT_MS);
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test('hold the files of the golden list, with these modes and owners', async () => {
    const list = debs.map((deb) => `${basename(deb)}\n${listing(deb)}`).join('\n');
    await expect(list).toMatchFileSnapshot('contents.golden');
  });

  test('are the same bytes when built again elsewhere', async () => {
    const again = await buildPackages({ ...options, out: join(folder, 'second') });
    expect(again.map(digest)).toEqual(debs.map(digest));
  }, BUILD_TIMEOUT_MS);

  test('set no user or group id on execution', () => {
    expect(execFileSync('find', [installed, '-perm', '/6000'], { encoding: 'utf8' })).toBe('');
  });

  test('carry programs that are linked with every hardening', () => {
    for (const path of ['usr/lib/reeve/reeve-notify', 'usr/lib/reeve-agent/reeve-privd', 'usr/lib/reeve-coordinator/peercred']) {
      const elf = execFileSync('readelf', ['--wide', '-h', '-l', '-d', join(installed, path)], { encoding: 'utf8' });
      expect(elf, path).toMatch(/Type:\s+DYN/);
      expect(elf, path).toContain('GNU_RELRO');
      expect(elf, path).toMatch(/BIND_NOW|NOW/);
      expect(elf, path).not.toMatch(/GNU_STACK.* RWE /);
    }
  });

  test('have a runtime that runs, and an addon that it loads', () => {
    const node = join(installed, 'usr/lib/reeve/node');
    expect(execFileSync(node, ['--version'], { encoding: 'utf8' })).toMatch(/^v24\./);
    const addon = join(installed, 'usr/lib/reeve-coordinator/better_sqlite3.node');
    const script = `const S = require(${JSON.stringify(join(root, 'node_modules/better-sqlite3'))}); console.log(new S(':memory:', { nativeBinding: ${JSON.stringify(addon)} }).prepare('select 6 * 7').pluck().get())`;
    expect(execFileSync(node, ['-e', script], { encoding: 'utf8' })).toBe('42\n');
  });

  test('have an addon whose objects can be collected at any moment', () => {
    const addon = join(installed, 'usr/lib/reeve-coordinator/better_sqlite3.node');
    // A collection between two steps of an async function, where no context is entered, is what aborted the process.
    const script = `const S = require(${JSON.stringify(join(root, 'node_modules/better-sqlite3'))}); const db = new S(':memory:', { nativeBinding: ${JSON.stringify(addon)} });
      (async () => { for (let i = 0; i < 100000; i++) { db.prepare('select 1').get(); await null; } console.log('done'); })();`;
    expect(execFileSync(join(installed, 'usr/lib/reeve/node'), ['-e', script], { encoding: 'utf8' })).toBe('done\n');
  });

  test.each(['usr/lib/reeve-agent/agent.js', 'usr/lib/reeve-coordinator/reeved.js', 'usr/lib/reeve-web/web.js', 'usr/lib/reeve-cli/reeve.js'])('%s starts from its package alone', (path) => {
    const done = spawnSync(join(installed, 'usr/lib/reeve/node'), [join(installed, path), '--help'], { cwd: installed, encoding: 'utf8', env: {} });
    expect(done.stderr).not.toMatch(/Cannot find|ERR_MODULE|SyntaxError|is not defined/);
    expect(done.status).toBe(0);
  });

  test('have failpoints only in a test build', async () => {
    const entry = { root, entry: 'shared/kit/failpoint.ts', version: '0', testBuild: true };
    expect((await bundle(entry)).code).toContain('REEVE_FAILPOINT');
    for (const program of ['reeve-agent/agent.js', 'reeve-coordinator/reeved.js', 'reeve-web/web.js', 'reeve-cli/reeve.js']) {
      expect(readFileSync(join(installed, 'usr/lib', program), 'utf8')).not.toContain('REEVE_FAILPOINT');
    }
    const helper = join(installed, 'usr/lib/reeve-agent/reeve-privd');
    if (existsSync(helper)) expect(readFileSync(helper).includes('REEVE_FAILPOINT')).toBe(false);
  });
});

test('a program that is not there is named', async () => {
  await expect(bundle({ root: import.meta.dirname, entry: 'agent/main.ts', version: '0', testBuild: false })).rejects.toThrow('Cannot bundle agent/main.ts');
});

function listing(deb: string): string {
  const lines = execFileSync('dpkg-deb', ['--contents', deb], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => {
    // mode owner/group size date time path
    const [, mode, owner, path] = /^(\S+) (\S+)\s+\d+ \S+ \S+ (.*)$/.exec(line) ?? [];
    return `${mode ?? line} ${owner ?? ''} ${path ?? ''}\n`;
  }).filter((line) => !/ \.\/usr\/lib\/[^/]+\/proto[^/]*\/.+/.test(line)).join('');
}

function digest(path: string): string {
  return `${basename(path)} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
}
