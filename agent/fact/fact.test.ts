import { existsSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { completeFacts, formatFacts, parseFacts, type Facts, type WireFacts } from '../../shared/model/fact.js';
import { createFactReader } from '../host/facts.js';
import { factsMoved, guessVirtualization, parseAddresses, parseCpuinfo, parseMeminfo, parseMountinfo, parseOsRelease, parsePressure } from './observe.js';

describe('the facts of this machine', () => {
  it('are plausible, and survive the wire as they are', async () => {
    const facts = await createFactReader().read(Date.now());
    expect(facts.memoryTotalBytes).toBeGreaterThan(facts.memoryAvailableBytes);
    expect(facts.memoryAvailableBytes).toBeGreaterThan(0);
    expect(facts.load).toHaveLength(3);
    expect(facts.cpuCount).toBeGreaterThan(0);
    expect(facts.disks.length).toBeGreaterThan(0);
    for (const disk of facts.disks) expect(disk.totalBytes).toBeGreaterThanOrEqual(disk.availableBytes);
    expect(facts.bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(facts.os).not.toBe('');
    expect(facts.disks.some((disk) => disk.inodesTotal > 0 && disk.inodesFree <= disk.inodesTotal)).toBe(true);
    expect(facts.pressure !== undefined).toBe(existsSync('/proc/pressure/cpu'));
    expect(facts.rebootRequired).toBe(existsSync('/run/reboot-required'));
    expect(facts.addresses.every((entry) => !entry.address.startsWith('127.') && entry.address !== '::1')).toBe(true);
    expect(parseFacts(formatFacts(facts))).toEqual({ facts, lossy: false });
  });

  it('have moved only when somebody would want to know', async () => {
    const facts = await createFactReader().read(1000);
    expect(factsMoved(facts, { ...facts, gatheredAt: 2000, uptimeS: facts.uptimeS + 60, memoryAvailableBytes: facts.memoryAvailableBytes - 1 })).toBe(false);
    expect(factsMoved(facts, { ...facts, hostname: 'other' })).toBe(true);
    expect(factsMoved(facts, { ...facts, memoryAvailableBytes: 0 })).toBe(true);
    expect(factsMoved(facts, { ...facts, rebootRequired: !facts.rebootRequired })).toBe(true);
    const calm = { cpuSome: 1, memorySome: 1, memoryFull: 1, ioSome: 1, ioFull: 1 };
    expect(factsMoved({ ...facts, pressure: calm }, { ...facts, pressure: { ...calm, ioFull: 10 } })).toBe(false);
    expect(factsMoved({ ...facts, pressure: calm }, { ...facts, pressure: { ...calm, ioFull: 12 } })).toBe(true);
    expect(factsMoved({ ...facts, pressure: calm }, { ...facts, pressure: undefined })).toBe(true);
    const [disk] = facts.disks;
    if (disk === undefined) throw new Error('This machine has no disk');
    const full = { ...disk, inodesTotal: 1000, inodesFree: 0 };
    expect(factsMoved({ ...facts, disks: [{ ...full, inodesFree: 11 }] }, { ...facts, disks: [full] })).toBe(true);
  });
});

describe('files of the kernel', () => {
  it('give amounts of memory', () => {
    expect(parseMeminfo('MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:    500 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n')).toEqual({
      memoryTotalBytes: 1_024_000, memoryAvailableBytes: 512_000, swapTotalBytes: 0, swapFreeBytes: 0,
    });
  });

  it('give the name of the system without its quotes', () => {
    expect(parseOsRelease('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n')).toEqual({ os: 'Debian GNU/Linux 12 (bookworm)', osId: 'debian 12' });
    expect(parseOsRelease('')).toEqual({ os: '', osId: '' });
  });

  it('give processors', () => {
    expect(parseCpuinfo('processor\t: 0\nmodel name\t: AMD EPYC\nflags\t: fpu hypervisor lm\n\nprocessor\t: 1\nmodel name\t: AMD EPYC\n')).toEqual({ cpuModel: 'AMD EPYC', cpuCount: 2, hypervisor: true });
  });

  it('give pressure, and none where the kernel tells of none', () => {
    const text = (some: string, full: string): string => `some avg10=0.00 avg60=1.00 avg300=${some} total=625\nfull avg10=0.00 avg60=0.00 avg300=${full} total=0\n`;
    expect(parsePressure({ cpu: text('5.24', '9.00'), memory: text('0.57', '0.52'), io: text('100.00', '0.00') })).toEqual({ cpuSome: 5.24, memorySome: 0.57, memoryFull: 0.52, ioSome: 100, ioFull: 0 });
    // Before Linux 5.13 the file of processors has one line only.
    expect(parsePressure({ cpu: 'some avg10=0.00 avg60=0.00 avg300=7.00 total=1\n', memory: text('0.00', '0.00'), io: text('0.00', '0.00') })?.cpuSome).toBe(7);
    expect(parsePressure({ cpu: '', memory: '', io: '' })).toBeUndefined();
    expect(parsePressure({ cpu: text('1.00', '1.00'), memory: text('0.00', '0.00'), io: 'some avg10=x' })).toBeUndefined();
  });

  it('give each local disk once, by its shortest mount point', () => {
    const text = [
      '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
      '23 22 0:20 / /proc rw - proc proc rw',
      '24 22 8:1 /var/lib /run/reeve/var\\040lib rw - ext4 /dev/sda1 rw',
      '25 22 8:2 / /srv/my\\040data rw shared:2 - xfs /dev/sda2 rw',
      '26 22 0:50 / /mnt/nfs rw - nfs4 10.0.0.1:/x rw',
      'garbage', '',
    ].join('\n');
    expect(parseMountinfo(text)).toEqual([{ mount: '/', type: 'ext4' }, { mount: '/srv/my data', type: 'xfs' }]);
  });

  it('give addresses with their interfaces, without loopback and link-local', () => {
    expect(
      parseAddresses({
        ifInet6: 'fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n20010db8000000000000000000000007 04 40 00 82     eth1\n00000000000000000000000000000001 01 80 10 80       lo\n',
        fibTrie: 'Local:\n           |-- 127.0.0.1\n              /32 host LOCAL\n           |-- 192.0.2.2\n              /32 host LOCAL\n        |-- 192.0.2.255\n           /32 link BROADCAST\n           |-- 192.0.2.2\n              /32 host LOCAL\n',
        route: 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\neth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\neth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n',
      }),
    ).toEqual([{ interface: 'eth0', address: '192.0.2.2' }, { interface: 'eth1', address: '2001:db8::7' }]);
  });

  it.each([
    [{ container: 'systemd-nspawn', vendor: '', product: '', hypervisor: true }, 'systemd-nspawn'],
    [{ container: '', vendor: 'QEMU', product: 'Standard PC', hypervisor: true }, 'kvm'],
    [{ container: '', vendor: 'Microsoft Corporation', product: 'Virtual Machine', hypervisor: true }, 'microsoft'],
    [{ container: '', vendor: 'Microsoft Corporation', product: 'Surface', hypervisor: false }, 'none'],
    [{ container: '', vendor: '', product: '', hypervisor: true }, 'vm'],
  ])('guess %j to be %s', (clues, wanted) => {
    expect(guessVirtualization(clues)).toBe(wanted);
  });

  it('never make a parser throw, whatever is in them', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        parseMeminfo(text);
        parseOsRelease(text);
        parseCpuinfo(text);
        parsePressure({ cpu: text, memory: text, io: `some avg300=${text}` });
        parseMountinfo(`1 2 8:1 / ${text} rw - ext4 x`);
        parseAddresses({ ifInet6: text, fibTrie: text, route: text });
      }),
    );
  });
});

describe('facts from a host', () => {
  const good: Facts = {
    gatheredAt: 1000, hostname: 'web1', os: 'Debian', osId: 'debian 12', kernel: '6.1', arch: 'x86_64', cpuModel: 'x', cpuCount: 1, load: [0.5, 0, 0],
    memoryTotalBytes: 1, memoryAvailableBytes: 1, swapTotalBytes: 0, swapFreeBytes: 0, disks: [], addresses: [], uptimeS: 1, bootId: 'b', virtualization: 'none',
    agentVersion: '1', machineHint: 'ab'.repeat(32), pressure: { cpuSome: 1.5, memorySome: 2, memoryFull: 0, ioSome: 100, ioFull: 99.99 }, rebootRequired: true,
  };
  const wire = (over: Partial<WireFacts>): WireFacts => ({ ...formatFacts(good), ...over });

  it.each<[string, Partial<WireFacts>, Partial<Facts>]>([
    ['a text that is too long', { hostname: 'x'.repeat(2000) }, { hostname: 'x'.repeat(1024) }],
    ['a terminal escape', { hostname: 'a\u001b[31mb' }, { hostname: 'a\ufffd[31mb' }],
    ['a text that turns direction', { os: 'a\u202eb' }, { os: 'a\ufffdb' }],
    ['a figure that cannot be', { uptimeS: -1, load: [NaN, Infinity, 1] }, { uptimeS: 0, load: [0, 0, 1] }],
    ['an address that is none', { addresses: [{ interface: 'eth0', address: '$(id)' }, { interface: 'eth1', address: '192.0.2.1' }] }, { addresses: [{ interface: 'eth1', address: '192.0.2.1' }] }],
    ['a pressure that cannot be', { pressure: { cpuSome: 101, memorySome: -1, memoryFull: NaN, ioSome: 3, ioFull: Infinity } }, { pressure: { cpuSome: 0, memorySome: 0, memoryFull: 0, ioSome: 3, ioFull: 0 } }],
    ['a hint of another length', { machineHint: Buffer.from('x') }, { machineHint: '' }],
  ])('are taken with a flag when they hold %s', (_name, over, wanted) => {
    const parsed = parseFacts(wire(over));
    expect(parsed.lossy).toBe(true);
    expect(parsed.facts).toEqual({ ...good, ...wanted });
  });

  it('of an older agent have neither pressure nor inodes, and are whole', () => {
    const before = { ...good, pressure: undefined, rebootRequired: false, disks: [{ mount: '/', type: 'ext4', totalBytes: 2, availableBytes: 1, inodesTotal: 0, inodesFree: 0 }] };
    expect(parseFacts(formatFacts(before))).toEqual({ facts: before, lossy: false });
  });

  it('that an older release stored are completed', () => {
    const { pressure: _pressure, rebootRequired: _rebootRequired, ...rest } = good;
    const stored = { ...rest, disks: [{ mount: '/', type: 'ext4', totalBytes: 2, availableBytes: 1 }] };
    expect(completeFacts(stored)).toEqual({ ...stored, pressure: undefined, rebootRequired: false, disks: [{ mount: '/', type: 'ext4', totalBytes: 2, availableBytes: 1, inodesTotal: 0, inodesFree: 0 }] });
    expect(completeFacts(JSON.parse(JSON.stringify(good)) as typeof good)).toEqual(good);
  });

  it('are refused when they are larger than 64 KiB', () => {
    const disks = Array.from({ length: 70 }, () => ({ mount: 'x'.repeat(1000), type: 'ext4', totalBytes: 1, availableBytes: 1, inodesTotal: 1, inodesFree: 1 }));
    expect(() => parseFacts(wire({ disks }))).toThrow(/65536/);
  });
});
