import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execute, executeOk, startTimeOf } from './process.js';
import { sourceOf, suites, type Suite } from './suite.js';

/** What every host holds. No nodejs: a managed host must not need it. */
const PACKAGES = [
  'systemd', 'systemd-sysv', 'dbus', 'iproute2', 'iputils-ping', 'nftables', 'openssh-server', 'rsync', 'procps', 'strace', 'ca-certificates', 'passwd', 'login', 'apt',
];
/** Part of the cache key: raise it when `prepare` changes. */
const RECIPE = 5;
const NO_DOCS = ['/usr/share/man/*', '/usr/share/doc/*', '/usr/share/locale/*', '/usr/share/info/*'];
/** Timers and units that start work of their own in the middle of a test, or that have no business on a host without a console. */
const MASKED = [
  'apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'e2scrub_all.timer', 'e2scrub_reap.service', 'fstrim.timer',
  'getty@tty1.service', 'console-getty.service', 'systemd-pstore.service', 'systemd-networkd-wait-online.service', 'systemd-resolved.service', 'systemd-modules-load.service',
];

/** The folder of things that outlive a run: base trees and, while a lab lives, its hosts' own layers. */
export function cacheDir(): string {
  return process.env['REEVE_LAB_CACHE'] ?? '/var/cache/reeve-lab';
}

/** Gives the folder of a distribution's unpacked base tree, building it (about half a minute, once per package list) where it is absent. */
export async function ensureBase(suite: Suite = 'bookworm'): Promise<string> {
  const base = basePath(suite);
  if (existsSync(base)) return base;
  mkdirSync(cacheDir(), { recursive: true });
  removeAbandonedBuilds();
  const building = join(cacheDir(), `build-${String(process.pid)}-${startTimeOf(process.pid) ?? ''}-${suite}`);
  rmSync(building, { recursive: true, force: true });
  await bootstrap(suite, building);
  await prepare(building);
  try {
    renameSync(building, base);
  } catch (error) {
    // Somebody else built the same tree meanwhile: theirs is as good.
    if (!existsSync(base)) throw error;
    rmSync(building, { recursive: true, force: true });
  }
  return base;
}

/** Where a distribution's base tree is once it is built. */
export function basePath(suite: Suite): string {
  const key = createHash('sha256').update(JSON.stringify([RECIPE, suite, PACKAGES, NO_DOCS, MASKED])).digest('hex').slice(0, 16);
  return join(cacheDir(), `base-${key}`);
}

async function bootstrap(suite: Suite, target: string): Promise<void> {
  const options = NO_DOCS.map((path) => `--dpkgopt=path-exclude=${path}`);
  const source = await sourceOf(suite, cacheDir());
  const argv = ['mmdebstrap', '--quiet', '--variant=minbase', '--mode=root', `--include=${PACKAGES.join(',')}`, ...options, ...source.options, suite, target, ...source.lines];
  const proxies = Object.fromEntries(Object.entries(process.env).filter(([name, value]) => /^(https?|no)_proxy$/i.test(name) && value !== undefined)) as Record<string, string>;
  const built = await execute(argv, { timeoutMs: 900_000, env: proxies });
  if (built.code === 0) return;
  rmSync(target, { recursive: true, force: true });
  throw new Error(
    `The lab's base tree of ${suites[suite].title} could not be built: mmdebstrap ended with exit code ${String(built.code)}. It takes packages from the mirror this ` +
      `machine's apt uses; check that "apt-get update" works, or put a finished tree into ${cacheDir()}.\n${built.stderr.slice(-4_000)}`,
  );
}

async function prepare(root: string): Promise<void> {
  for (const unit of MASKED) await executeOk(['systemctl', `--root=${root}`, '--quiet', 'mask', unit]);
  await executeOk(['systemctl', `--root=${root}`, '--quiet', 'enable', 'systemd-networkd.service']);
  for (const name of readdirSync(join(root, 'etc/ssh'))) {
    if (name.startsWith('ssh_host_')) rmSync(join(root, 'etc/ssh', name)); // each host gets keys of its own
  }
  rmSync(join(root, 'etc/resolv.conf'), { force: true });
  // A host of the lab reaches no mirror; tests that use apt name their own.
  for (const file of ['sources.list', ...readdirSync(join(root, 'etc/apt/sources.list.d')).map((name) => join('sources.list.d', name))]) rmSync(join(root, 'etc/apt', file), { force: true });
  writeFileSync(join(root, 'etc/resolv.conf'), '# the lab has no name server\n');
  // The machine's real figures are not the host's; a host's journal stays small and in memory.
  mkdirSync(join(root, 'etc/systemd/journald.conf.d'), { recursive: true });
  writeFileSync(join(root, 'etc/systemd/journald.conf.d/lab.conf'), '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\nRateLimitBurst=0\n');
}

function removeAbandonedBuilds(): void {
  for (const name of readdirSync(cacheDir())) {
    const [, pid, start] = /^build-(\d+)-(\d*)-/.exec(name) ?? [];
    if (pid !== undefined && startTimeOf(Number(pid)) !== start) rmSync(join(cacheDir(), name), { recursive: true, force: true });
  }
}
