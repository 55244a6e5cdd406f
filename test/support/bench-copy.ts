import { createInterface } from 'node:readline';
import type { LabHost } from '../lab/lab.js';
import { allowKey } from './ssh-host.js';

/** Where both ways of copying find the same files, and where each keeps what it has copied. */
export const copyPlaces = { data: '/srv/data', ours: '/srv/backup/bench', theirs: '/srv/peer' } as const;

/** How much is copied. */
export interface CopySize {
  readonly smallFiles: number;
  readonly largeFiles: number;
  readonly largeMb: number;
}

/** Times a program and the writing of a folder's file system to the disk, us. */
const pullProgram = '/root/pull';

/** Makes the files that are copied: random bytes, the small ones 1 to 15 KiB, 100 of them in a folder. Gives their bytes in all. */
export async function makeFiles(source: LabHost, { smallFiles, largeFiles, largeMb }: CopySize): Promise<number> {
  const script = `
    const { mkdirSync, openSync, writeSync, closeSync, writeFileSync } = require('node:fs');
    const { randomFillSync } = require('node:crypto');
    let total = 0;
    const chunk = Buffer.alloc(1 << 20);
    for (let n = 0; n < ${String(smallFiles)}; n++) {
      const folder = ${JSON.stringify(copyPlaces.data)} + '/small/' + Math.floor(n / 100);
      if (n % 100 === 0) mkdirSync(folder, { recursive: true });
      const bytes = 1024 + (n * 7919) % 14336;
      writeFileSync(folder + '/' + n, randomFillSync(chunk, 0, bytes).subarray(0, bytes));
      total += bytes;
    }
    mkdirSync(${JSON.stringify(copyPlaces.data)} + '/large');
    for (let n = 0; n < ${String(largeFiles)}; n++) {
      const fd = openSync(${JSON.stringify(copyPlaces.data)} + '/large/' + n, 'w');
      for (let mb = 0; mb < ${String(largeMb)}; mb++) total += writeSync(fd, randomFillSync(chunk));
      closeSync(fd);
    }
    console.log(total);`;
  return Number(await source.run(['/usr/lib/reeve/node', '-e', script], { timeoutMs: 300_000 }));
}

/** Lets root of one host log in as root of another one, with the settings that OpenSSH comes with. */
export async function allowPull(store: LabHost, source: LabHost): Promise<void> {
  await store.run(['/bin/sh', '-c', 'mkdir -p -m 0700 /root/.ssh && ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519']);
  await allowKey(source, 'root', (await store.read('/root/.ssh/id_ed25519.pub')).trim());
  const hostKey = (await source.read('/etc/ssh/ssh_host_ed25519_key.pub')).split(' ').slice(0, 2).join(' ');
  await store.write('/root/.ssh/known_hosts', `${source.address} ${hostKey}\n`, 0o600);
  await store.run(['ssh', '-o', 'BatchMode=yes', `root@${source.address}`, 'true']);
  await store.write(pullProgram, '#!/bin/bash\nset -e\nmkdir -p "$1"\nbegan=${EPOCHREALTIME/./}\n"${@:2}"\nsync -f "$1"\necho $((${EPOCHREALTIME/./} - began))\n', 0o755);
}

/**
 * Pulls by rsync over ssh, as rsnapshot(1) does, then has the file system written to the disk; `basis`: an earlier copy that is linked from. As with rsnapshot, and with
 * ours, files keep their whole path in the copy (--relative): since 3.5 rsync opens each folder of a path for each file. Gives the seconds, timed in the host.
 */
export async function pull(store: LabHost, source: LabHost, to: string, basis?: string): Promise<number> {
  const copy = ['rsync', '-aHAXS', '--numeric-ids', '--fake-super', '--relative', '--delete', ...(basis === undefined ? [] : [`--link-dest=${basis}`]), '-e', 'ssh', `root@${source.address}:${copyPlaces.data}/`, `${to}/`];
  // A unit, so that what it takes is counted where the host counts its own.
  return Number(await store.run(['systemd-run', '--quiet', '--wait', '--pipe', '--collect', pullProgram, to, ...copy], { timeoutMs: 300_000 })) / 1e6;
}

/** Processor time that all units and sessions of a host have had since it was switched on, and its agent of that, s (cgroup v2, cpu.stat). */
export async function cpuOf(host: LabHost): Promise<{ readonly all: number; readonly agent: number }> {
  const files = ['system.slice', 'user.slice', 'system.slice/reeve-agent.service'];
  const [system = 0, user = 0, agent = 0] = await Promise.all(files.map(async (file) => {
    const { stdout } = await host.exec(['cat', `/sys/fs/cgroup/${file}/cpu.stat`]);
    return Number(/^usage_usec (\d+)$/m.exec(stdout)?.[1] ?? 0) / 1e6;
  }));
  return { all: system + user, agent };
}

/** Forgets how much memory a process had at most. */
export async function resetPeak(host: LabHost, pid: string): Promise<void> {
  await host.run(['/bin/sh', '-c', 'echo 5 >"/proc/$1/clear_refs"', 'reset', pid]);
}

/** The most memory that a process had since, MB. */
export async function peakOf(host: LabHost, pid: string): Promise<number> {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(await host.read(`/proc/${pid}/status`))?.[1]) / 1024;
}

/** Watches processes of these names in a host, each with the most memory it had; tells them when it is closed, e.g. `rsync 12 MB`. It costs processor time: nothing is timed meanwhile. */
export async function watchProcesses(host: LabHost, names: readonly string[]): Promise<() => Promise<string>> {
  const script = `
    const { readdirSync, readFileSync } = require('node:fs');
    const names = new Set(${JSON.stringify(names)}), before = new Set(), peaks = new Map();
    const look = (take) => {
      for (const pid of readdirSync('/proc')) {
        if (!/^[0-9]+$/.test(pid)) continue;
        try {
          const text = readFileSync('/proc/' + pid + '/status', 'latin1');
          const name = /^Name:\\t(.*)$/m.exec(text)[1];
          if (names.has(name)) take(pid + ' ' + name, Number(/^VmHWM:\\s+(\\d+)/m.exec(text)[1]) / 1024);
        } catch {}
      }
    };
    look((key) => before.add(key));
    console.log('ready');
    setInterval(() => look((key, mb) => before.has(key) || peaks.set(key, Math.max(mb, peaks.get(key) ?? 0))), 50);
    process.stdin.resume().on('end', () => {
      const shown = [...peaks].sort(([, a], [, b]) => b - a).map(([key, mb]) => key.split(' ')[1] + ' ' + mb.toFixed(0));
      console.log(shown.join(', ') + ' MB');
      process.exit();
    });`;
  const child = host.spawn(['/usr/lib/reeve/node', '-e', script]);
  if (child.stdin === null || child.stdout === null) throw new Error('a process without pipes');
  const { stdin } = child;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return async () => {
    stdin.end();
    return String((await lines.next()).value);
  };
}
