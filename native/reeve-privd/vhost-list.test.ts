/** The helper's list of what a site may say against what the agent writes: nothing that is written is refused, and what is altered is. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nginx } from '../../agent/vhost/nginx/engine.js';
import { randomSite } from '../../agent/vhost/nginx/testing/random-site.js';
import { fileBase } from '../../shared/model/vhost-name.js';
import { parseVhost } from '../../shared/model/vhost.js';
import { packageBinary, sources, testBinary } from './testing/namespace.js';

const sites = 400;
const sha = 'ab'.repeat(32);

describe('files of sites', () => {
  let dir: string;
  let helper: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'reeve-sites-'));
    if (packageBinary !== undefined) execFileSync('flock', [sources, 'make', '-s', '-C', sources, 'all'], { stdio: ['ignore', 'ignore', 'inherit'] });
    helper = packageBinary ?? testBinary;
  }, 300_000);
  afterAll(() => { rmSync(dir, { recursive: true }); }, 60_000);

  /** The lines of the helper about a folder: how many are fine, and the others. */
  const check = (folder: string): { good: number; bad: string[] } => {
    const lines = spawnSync(helper, ['--check-sites', folder], { encoding: 'utf8', maxBuffer: 1 << 28 }).stdout.split('\n').filter((line) => line !== '');
    return { good: lines.filter((line) => line.startsWith('ok\t')).length, bad: lines.filter((line) => !line.startsWith('ok\t')) };
  };
  const folderOf = (name: string, files: Readonly<Record<string, string>>): string => {
    const folder = join(dir, name);
    mkdirSync(folder, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
    return folder;
  };

  test('of the golden files none is refused', () => {
    const golden = join(sources, '../../agent/vhost/nginx/golden');
    const names = readdirSync(golden).filter((name) => name.endsWith('.conf'));
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) {
      const [conf = '', ...others] = readFileSync(join(golden, name), 'utf8').split(/\n# file (\S+)\n/);
      const site = /server_name "([^"]+)"/.exec(conf)?.[1] ?? '';
      const files = { [`${fileBase(site)}.conf`]: conf, ...Object.fromEntries(others.flatMap((file, index) => (index % 2 === 0 ? [[file, others[index + 1] ?? '']] : []))) };
      expect(check(folderOf(`golden-${name}`, files)), name).toEqual({ good: 1 + others.length / 2, bad: [] });
    }
  });

  test(`of the files of ${String(sites)} random sites none is refused`, { timeout: 120_000 }, () => {
    const folders: Map<string, string>[] = [];
    let written = 0;
    for (let seed = 0; seed < sites; seed += 1) {
      let site;
      try {
        site = parseVhost(randomSite(seed));
      } catch {
        continue; // too much in one site
      }
      const files = nginx(seed % 2 === 0).render(site, sha);
      const base = `${fileBase(site.name)}.conf`;
      const free = folders.find((map) => !map.has(base));
      const folder = free ?? new Map<string, string>();
      if (free === undefined) folders.push(folder);
      for (const { name, text } of files) folder.set(name, text);
      written += files.length;
    }
    const told = folders.map((files, index) => check(folderOf(`random-${String(index)}`, Object.fromEntries(files))));
    expect(told.flatMap(({ bad }) => bad)).toEqual([]);
    expect(told.reduce((sum, { good }) => sum + good, 0)).toBe(written);
  });

  test('a directive that is not on the list is refused, whatever place it is put in', { timeout: 120_000 }, () => {
    const site = parseVhost(randomSite(4));
    const [conf] = nginx(true).render(site, sha);
    const lines = (conf?.text ?? '').split('\n');
    const hostile = ['load_module "/srv/a.so";', 'include "/etc/nginx/nginx.conf";', 'ssl_engine a;', 'perl "sub {}";', 'js_content a;', 'content_by_lua_block { os.execute("a") }', 'access_log "/etc/cron.d/a";', 'root "/etc";', 'set $a b;'];
    const step = Math.ceil(lines.length / 50);
    for (let at = 1; at < lines.length; at += step) {
      const word = hostile[at % hostile.length] ?? '';
      const text = [...lines.slice(0, at), word, ...lines.slice(at)].join('\n');
      const { good, bad } = check(folderOf('hostile', { [`${fileBase(site.name)}.conf`]: text }));
      expect([good, bad.length], `${word} as line ${String(at + 1)}`).toEqual([0, 1]);
    }
  });
});
