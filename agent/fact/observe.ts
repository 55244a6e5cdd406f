import type { Address, Disk, Facts, Pressure } from '../../shared/model/fact.js';

/** File systems that hold data on this machine; everything else (network, kernel, memory) is not a disk. */
const localTypes: ReadonlySet<string> = new Set([
  'ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'zfs', 'f2fs', 'jfs', 'reiserfs', 'nilfs2', 'bcachefs', 'vfat', 'exfat', 'ntfs3',
]);

/** Amounts of /proc/meminfo (proc(5)), bytes. */
export function parseMeminfo(text: string): Pick<Facts, 'memoryTotalBytes' | 'memoryAvailableBytes' | 'swapTotalBytes' | 'swapFreeBytes'> {
  const amount = (name: string): number => 1024 * Number(new RegExp(`^${name}:\\s+([0-9]+) kB$`, 'm').exec(text)?.[1] ?? '0');
  return { memoryTotalBytes: amount('MemTotal'), memoryAvailableBytes: amount('MemAvailable'), swapTotalBytes: amount('SwapTotal'), swapFreeBytes: amount('SwapFree') };
}

/** Name, id and version of os-release(5). */
export function parseOsRelease(text: string): { os: string; osId: string } {
  const field = (name: string): string => {
    const value = new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? '';
    return /^(["']).*\1$/.test(value) ? value.slice(1, -1).replace(/\\(["'$`\\])/g, '$1') : value;
  };
  return { os: field('PRETTY_NAME'), osId: [field('ID'), field('VERSION_ID')].filter((part) => part !== '').join(' ') };
}

/** Model and number of processors of /proc/cpuinfo, and whether it runs under a hypervisor. */
export function parseCpuinfo(text: string): { cpuModel: string; cpuCount: number; hypervisor: boolean } {
  return {
    cpuModel: /^(?:model name|Model|cpu model)\s*:\s*(.*)$/m.exec(text)?.[1]?.trim() ?? '',
    cpuCount: Math.max(1, text.match(/^processor\s*:/gm)?.length ?? 1),
    hypervisor: /^flags\s*:.*\bhypervisor\b/m.test(text),
  };
}

/** The three averages of /proc/loadavg. */
export function parseLoadavg(text: string): number[] {
  return text.split(' ').slice(0, 3).map(Number).filter(Number.isFinite);
}

/** Averages over 300 s of the files of /proc/pressure, empty where there are none; undefined: the kernel tells of none (CONFIG_PSI, psi=0). */
export function parsePressure(texts: { cpu: string; memory: string; io: string }): Pressure | undefined {
  const share = (text: string, kind: 'some' | 'full'): number => Math.min(100, Number(new RegExp(`^${kind} .*\\bavg300=([0-9]+(?:\\.[0-9]+)?)`, 'm').exec(text)?.[1] ?? 'NaN'));
  const pressure = {
    cpuSome: share(texts.cpu, 'some'),
    memorySome: share(texts.memory, 'some'),
    memoryFull: share(texts.memory, 'full'),
    ioSome: share(texts.io, 'some'),
    ioFull: share(texts.io, 'full'),
  };
  return Object.values(pressure).every(Number.isFinite) ? pressure : undefined;
}

/** Local file systems of /proc/self/mountinfo (proc(5)), each device once, by its shortest mount point. At most 64. */
export function parseMountinfo(text: string): readonly Pick<Disk, 'mount' | 'type'>[] {
  const byDevice = new Map<string, Pick<Disk, 'mount' | 'type'>>();
  for (const line of text.split('\n')) {
    const [head = '', tail = ''] = line.split(' - ');
    const [, , device, , mount] = head.split(' ');
    const [type] = tail.split(' ');
    if (device === undefined || mount === undefined || type === undefined) continue;
    // An overlay is a disk where it is the root of a container; elsewhere it belongs to one.
    if (!localTypes.has(type) && !(type === 'overlay' && mount === '/')) continue;
    const path = mount.replace(/\\([0-7]{3})/g, (_match, code: string) => String.fromCharCode(parseInt(code, 8)));
    const known = byDevice.get(device);
    if (known === undefined || path.length < known.mount.length) byDevice.set(device, { mount: path, type });
  }
  return [...byDevice.values()].sort((a, b) => (a.mount < b.mount ? -1 : 1)).slice(0, 64);
}

/**
 * Addresses of the host from /proc/net: the agent may not open netlink sockets, which getifaddrs(3) needs. An IPv4 address belongs to the interface of
 * the most specific route that it is in. Neither loopback nor link-local. At most 64.
 */
export function parseAddresses(texts: { ifInet6: string; fibTrie: string; route: string }): readonly Address[] {
  const routes = texts.route.split('\n').slice(1).flatMap((line) => {
    const [name, destination, gateway, , , , , mask] = line.split('\t').map((part) => part.trim());
    if (name === undefined || destination === undefined || mask === undefined || gateway !== '00000000') return [];
    return [{ name, destination: littleEndian(destination), mask: littleEndian(mask) }];
  });
  routes.sort((a, b) => b.mask - a.mask);
  const local = new Set([...texts.fibTrie.matchAll(/\|-- ([0-9.]+)\n\s+\/32 host LOCAL/g)].map((match) => match[1] ?? ''));
  const ipv4 = [...local]
    .filter((address) => !address.startsWith('127.') && !address.startsWith('169.254.'))
    .map((address) => {
      const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
      return { interface: routes.find((route) => (value & route.mask) >>> 0 === route.destination)?.name ?? '', address };
    });
  const ipv6 = texts.ifInet6.split('\n').flatMap((line) => {
    const [digits, , , scope, , name] = line.trim().split(/\s+/);
    // Scope 0x10 is the host, 0x20 the link (include/net/ipv6.h).
    if (digits === undefined || !/^[0-9a-f]{32}$/.test(digits) || name === undefined || scope === '10' || scope === '20') return [];
    const groups = digits.match(/.{4}/g) ?? [];
    return [{ interface: name, address: new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1) }];
  });
  return [...ipv4, ...ipv6].sort((a, b) => (a.interface < b.interface ? -1 : a.interface > b.interface ? 1 : 0)).slice(0, 64);
}

/** Eight hexadecimal digits of the kernel's route table: the bytes of an IPv4 address, last one first. */
function littleEndian(digits: string): number {
  return parseInt((digits.match(/../g) ?? []).reverse().join(''), 16) >>> 0;
}

/** The kind of virtualisation as far as files tell: systemd's container word, the firmware's vendor and product, the processor's flag. */
export function guessVirtualization(clues: { container: string; vendor: string; product: string; hypervisor: boolean }): string {
  if (clues.container !== '') return clues.container;
  const firmware = `${clues.vendor} ${clues.product}`;
  const known = [
    [/QEMU|KVM/, 'kvm'], [/VMware/, 'vmware'], [/VirtualBox|innotek/, 'oracle'], [/Xen/, 'xen'], [/Microsoft Corporation.*Virtual/, 'microsoft'],
    [/Amazon EC2/, 'amazon'], [/Google/, 'google'], [/Parallels/, 'parallels'],
  ] as const;
  return known.find(([pattern]) => pattern.test(firmware))?.[1] ?? (clues.hypervisor ? 'vm' : 'none');
}

/** Whether facts differ in something lasting, or in a figure by so much that somebody would want to know. */
export function factsMoved(before: Facts, after: Facts): boolean {
  const lasting = (facts: Facts): string =>
    JSON.stringify({ ...facts, gatheredAt: 0, uptimeS: 0, load: [], memoryAvailableBytes: 0, swapFreeBytes: 0, pressure: facts.pressure !== undefined, disks: facts.disks.map((disk) => [disk.mount, disk.type, disk.totalBytes]) });
  if (lasting(before) !== lasting(after)) return true;
  const share = (a: number, b: number, total: number, part: number): boolean => Math.abs(a - b) > total * part;
  return (
    share(before.memoryAvailableBytes, after.memoryAvailableBytes, after.memoryTotalBytes, 0.05) ||
    share(before.swapFreeBytes, after.swapFreeBytes, after.swapTotalBytes, 0.05) ||
    pressureMoved(before.pressure, after.pressure) ||
    share(before.load[0] ?? 0, after.load[0] ?? 0, after.cpuCount, 0.5) ||
    after.disks.some((disk, index) => share(disk.availableBytes, before.disks[index]?.availableBytes ?? 0, disk.totalBytes, 0.01)) ||
    after.disks.some((disk, index) => share(disk.inodesFree, before.disks[index]?.inodesFree ?? 0, disk.inodesTotal, 0.01))
  );
}

/** Percent points by which a pressure has to move to be told at once. */
const pressureStep = 10;

function pressureMoved(before: Pressure | undefined, after: Pressure | undefined): boolean {
  if (before === undefined || after === undefined) return false;
  const figures = ({ cpuSome, memorySome, memoryFull, ioSome, ioFull }: Pressure): number[] => [cpuSome, memorySome, memoryFull, ioSome, ioFull];
  const later = figures(after);
  return figures(before).some((value, index) => Math.abs(value - (later[index] ?? value)) > pressureStep);
}
