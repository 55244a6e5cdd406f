/**
 * The first thing `npm test` and `npm run demo` do on a fresh machine: npm packages, and as root on Debian what else is missing. Plain JavaScript with Node's
 * own modules only, as nothing is installed yet. Then it runs the program it was given with tsx, in the same process tree.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Debian packages by who needs them: the first group to build anything, the second for tests and demo on real hosts. */
const debian = {
  build: ['make', 'gcc', 'g++', 'python3', 'git', 'binutils', 'gnupg', 'xz-utils', 'libssl-dev'],
  hosts: ['mmdebstrap', 'systemd-container', 'clang', 'libclang-rt-14-dev', 'strace', 'faketime', 'xfsprogs', 'nftables', 'iptables', 'iproute2', 'zstd', 'rsync', 'postgresql', 'openssh-client', 'ca-certificates', 'bash-completion', 'busybox-static', 'groff-base', 'man-db', 'zsh', 'ansible-core', 'python3-aiosmtpd', 'chromium', 'fonts-dejavu-core'],
};

function run(file, args, options = {}) {
  const result = spawnSync(file, args, { cwd: top, stdio: 'inherit', ...options });
  if (result.status !== 0) {
    process.stderr.write(`${file} ${args.join(' ')} failed\n`);
    process.exit(result.status ?? 1);
  }
}

function installed(name) {
  try {
    return execFileSync('dpkg-query', ['--show', '--showformat=${db:Status-Status}', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }) === 'installed';
  } catch {
    return false;
  }
}

/** Installs Debian packages that are missing; says what to install where it may not. */
function installDebian() {
  if (!existsSync('/usr/bin/dpkg-query')) return;
  const missing = [...debian.build, ...debian.hosts].filter((name) => !installed(name));
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) {
    process.stderr.write(`Not root: these Debian packages are missing and stay so: ${missing.join(' ')}\n`);
    return;
  }
  process.stderr.write(`Installing Debian packages: ${missing.join(' ')}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], { env });
  run('apt-get', ['install', '-qq', '--yes', '--no-install-recommends', ...missing], { env, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Runs `npm ci` where node_modules is missing or older than the lock file. */
function installNpm(folder) {
  const mark = join(folder, 'node_modules', '.package-lock.json');
  const lock = join(folder, 'package-lock.json');
  const fresh = existsSync(mark) && statSync(mark).mtimeMs >= statSync(lock).mtimeMs;
  if (fresh || (existsSync(mark) && sameVersions(lock, mark))) return;
  process.stderr.write(`Installing npm packages in ${folder}\n`);
  run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Whether everything the lock file asks for is there in its version; what is optional (other platforms) may be missing. */
function sameVersions(lock, mark) {
  const packages = (file) => Object.entries(JSON.parse(readFileSync(file, 'utf8')).packages).filter(([path]) => path !== '');
  const found = new Map(packages(mark).map(([path, { version }]) => [path, version]));
  return packages(lock).every(([path, { version, optional }]) => found.get(path) === version || (optional === true && !found.has(path)));
}

installDebian();
installNpm(top);
installNpm(join(top, 'packaging', 'runtime'));
const tsx = ['--import', 'tsx'];
run(process.execPath, [...tsx, 'proto/generate.ts']);
run(process.execPath, [...tsx, 'native/generate.ts']);
for (const folder of ['reeve-privd', 'peercred', 'notify']) run('make', ['-s', '-C', join('native', folder)]);
const [program, ...args] = process.argv.slice(2);
if (program !== undefined) run(process.execPath, [...tsx, program, ...args]);
