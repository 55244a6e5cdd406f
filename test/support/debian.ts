import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { basePath, cacheDir, ensureBase } from '../lab/base.js';
import type { LabHost } from '../lab/lab.js';
import { execute, executeOk } from '../lab/process.js';

/** What a web host of the tests has: nginx, PHP-FPM, uwsgi with Python, and a client. */
export const webPackages = ['nginx-light', 'php-fpm', 'uwsgi-core', 'uwsgi-plugin-python3', 'openssl', 'curl'] as const;

/** Gives the files of Debian packages, with all that they need and the lab's base does not have: apt of this machine finds that out and fetches it once. */
export async function fetchDebian(names: readonly string[]): Promise<readonly string[]> {
  await ensureBase();
  const folder = join(cacheDir(), `debs-${basename(basePath('bookworm')).slice(5)}-${[...names].sort().join('-')}`);
  if (!existsSync(folder)) await fetchInto(folder, names);
  return readdirSync(folder).filter((file) => file.endsWith('.deb')).sort().map((file) => join(folder, file));
}

async function fetchInto(folder: string, names: readonly string[]): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'reeve-debs-'));
  const building = `${folder}.${String(process.pid)}`;
  mkdirSync(join(building, 'partial'), { recursive: true });
  try {
    const status = join(work, 'status');
    await executeOk(['cp', join(basePath('bookworm'), 'var/lib/dpkg/status'), status]);
    const proxies = Object.fromEntries(Object.entries(process.env).filter(([name, value]) => /^(https?|no)_proxy$/i.test(name) && value !== undefined)) as Record<string, string>;
    const fetched = await execute(
      ['apt-get', '-o', `Dir::State::status=${status}`, '-o', `Dir::Cache::archives=${building}`, '-o', 'Debug::NoLocking=1', '--yes', '--no-install-recommends', '--download-only', 'install', ...names],
      { timeoutMs: 300_000, env: { ...proxies, DEBIAN_FRONTEND: 'noninteractive' } },
    );
    if (fetched.code !== 0) throw new Error(`${names.join(' ')} could not be fetched: ${fetched.stderr}`);
    renameSync(building, folder);
  } catch (error) {
    // Somebody else fetched the same meanwhile: theirs is as good.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
    rmSync(building, { recursive: true, force: true });
  }
}

/** Installs Debian packages on a host that runs. */
export async function installDebian(host: LabHost, names: readonly string[]): Promise<void> {
  for (const file of await fetchDebian(names)) await host.run(['/bin/sh', '-c', 'mkdir -p /run/debs && cat >"$1"', 'put', `/run/debs/${basename(file)}`], { input: readFileSync(file) });
  // Everything is there, so apt needs no network; it knows the order.
  await host.run(['/bin/sh', '-c', 'DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends /run/debs/*.deb && rm -r /run/debs'], { timeoutMs: 300_000 });
}
