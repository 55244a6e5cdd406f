import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { hostname, machine, release, uptime } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Disk, Facts } from '../../shared/model/fact.js';
import { version } from '../../shared/kit/version.js';
import { guessVirtualization, parseAddresses, parseCpuinfo, parseLoadavg, parseMeminfo, parseMountinfo, parseOsRelease, parsePressure } from '../fact/observe.js';

/** Longest wait for one file system to answer, ms. */
const statfsMs = 2000;

/** With this many file systems that do not answer, no other is asked: each holds one of Node's few threads. */
const mostHung = 2;

/** Gathers the facts of this machine. Starts no process. */
export interface FactReader {
  read(now: number): Promise<Facts>;
}

/** A reader; it remembers file systems that hang, and does not ask them again until they answered. */
export function createFactReader(): FactReader {
  const hung = new Set<string>();
  const fixed = readFixed();
  return {
    async read(now) {
      return {
        ...fixed,
        gatheredAt: now,
        hostname: hostname(),
        ...parseOsRelease(readText('/etc/os-release')),
        kernel: release(),
        load: parseLoadavg(readText('/proc/loadavg')),
        ...parseMeminfo(readText('/proc/meminfo')),
        disks: await readDisks(hung),
        addresses: parseAddresses({ ifInet6: readText('/proc/net/if_inet6'), fibTrie: readText('/proc/net/fib_trie'), route: readText('/proc/net/route') }),
        uptimeS: Math.floor(uptime()),
        agentVersion: version,
        pressure: parsePressure({ cpu: readText('/proc/pressure/cpu'), memory: readText('/proc/pressure/memory'), io: readText('/proc/pressure/io') }),
        // Written by what installs a kernel or a library that only a start takes into use (unattended-upgrades, update-notifier-common).
        rebootRequired: existsSync('/run/reboot-required'),
      };
    },
  };
}

/** sha256 of the machine-id; empty when there is none. */
export function readMachineHint(): Buffer {
  const id = readText('/etc/machine-id').trim();
  return id === '' ? Buffer.alloc(0) : createHash('sha256').update(id).digest();
}

/** Kernel's boot id. */
export function readBootId(): string {
  return readText('/proc/sys/kernel/random/boot_id').trim();
}

/** What does not change while the agent runs. */
function readFixed(): Pick<Facts, 'arch' | 'cpuModel' | 'cpuCount' | 'bootId' | 'virtualization' | 'machineHint'> {
  const { hypervisor, ...cpu } = parseCpuinfo(readText('/proc/cpuinfo'));
  const firmware = (name: string): string => readText(`/sys/class/dmi/id/${name}`).trim();
  return {
    arch: machine(),
    ...cpu,
    bootId: readBootId(),
    virtualization: guessVirtualization({
      container: readText('/run/systemd/container').trim(),
      vendor: firmware('sys_vendor'),
      product: firmware('product_name'),
      hypervisor,
    }),
    machineHint: readMachineHint().toString('hex'),
  };
}

async function readDisks(hung: Set<string>): Promise<readonly Disk[]> {
  const disks: Disk[] = [];
  for (const { mount, type } of parseMountinfo(readText('/proc/self/mountinfo'))) {
    if (hung.size >= mostHung) break;
    if (hung.has(mount)) continue;
    hung.add(mount);
    const asked = statfs(mount).then(
      (stat) => ({ mount, type, totalBytes: stat.blocks * stat.bsize, availableBytes: stat.bavail * stat.bsize, inodesTotal: stat.files, inodesFree: stat.ffree }),
      () => undefined,
    );
    void asked.finally(() => hung.delete(mount));
    const timer = new AbortController();
    const disk = await Promise.race([asked, sleep(statfsMs, undefined, { signal: timer.signal, ref: false }).catch(() => undefined)]);
    timer.abort();
    if (disk !== undefined) disks.push(disk);
  }
  return disks;
}

/** A small file of the kernel or the system; empty when it cannot be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(0, 1024 * 1024);
  } catch {
    return '';
  }
}
