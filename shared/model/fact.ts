import { fieldInvalid } from './field.js';
import { isIpv4, isIpv6 } from './host.js';
import { hasUnsafeCharacter, vis } from './vis.js';

/** What a host says of itself. Data, never a path, an argument or a template. */
export interface Facts {
  /** Unix ms, by the host's clock. */
  readonly gatheredAt: number;
  readonly hostname: string;
  readonly os: string;
  readonly osId: string;
  readonly kernel: string;
  readonly arch: string;
  readonly cpuModel: string;
  readonly cpuCount: number;
  /** Over 1, 5 and 15 minutes. */
  readonly load: readonly number[];
  readonly memoryTotalBytes: number;
  readonly memoryAvailableBytes: number;
  readonly swapTotalBytes: number;
  readonly swapFreeBytes: number;
  readonly disks: readonly Disk[];
  readonly addresses: readonly Address[];
  readonly uptimeS: number;
  readonly bootId: string;
  readonly virtualization: string;
  readonly agentVersion: string;
  /** sha256 of the machine-id, lower-case hex; empty: not known. A hint to find clones. */
  readonly machineHint: string;
  /** Undefined: the kernel does not tell, or the agent is of an older release. */
  readonly pressure: Pressure | undefined;
  /** An upgrade wants the host to be started anew. */
  readonly rebootRequired: boolean;
}

/** Share of the last 300 s in which work waited for something it lacked, percent 0..100 (Documentation/accounting/psi.rst). */
export interface Pressure {
  readonly cpuSome: number;
  readonly memorySome: number;
  readonly memoryFull: number;
  readonly ioSome: number;
  readonly ioFull: number;
}

/** One mounted file system. */
export interface Disk {
  readonly mount: string;
  readonly type: string;
  readonly totalBytes: number;
  readonly availableBytes: number;
  /** 0: it has no fixed number, or it is not known. */
  readonly inodesTotal: number;
  readonly inodesFree: number;
}

/** One network address. */
export interface Address {
  readonly interface: string;
  readonly address: string;
}

/** Bounds of what a host may report. */
export const factLimits = { reportBytes: 64 * 1024, textCharacters: 1024, disks: 64, addresses: 64 } as const;

/** Facts as the wire has them. */
export interface WireFacts {
  readonly gatheredAt: { readonly seconds: number | string | { toString(): string }; readonly nanos: number } | null;
  readonly hostname: string;
  readonly os: string;
  readonly osId: string;
  readonly kernel: string;
  readonly arch: string;
  readonly cpuModel: string;
  readonly cpuCount: number;
  readonly load: readonly (number | string)[];
  readonly memoryTotalBytes: number;
  readonly memoryAvailableBytes: number;
  readonly swapTotalBytes: number;
  readonly swapFreeBytes: number;
  readonly disks: readonly Disk[];
  readonly addresses: readonly { interface: string; address: string }[];
  readonly uptimeS: number;
  readonly bootId: string;
  readonly virtualization: string;
  readonly agentVersion: string;
  readonly machineHint: Uint8Array;
  readonly pressure: Pressure | null;
  readonly rebootRequired: boolean;
}

/** Facts in the inventory: those that an older release stored lack some. */
export type StoredFacts = Omit<Facts, 'disks' | 'pressure' | 'rebootRequired'> & {
  readonly disks: readonly (Omit<Disk, 'inodesTotal' | 'inodesFree'> & Partial<Pick<Disk, 'inodesTotal' | 'inodesFree'>>)[];
} & Partial<Pick<Facts, 'pressure' | 'rebootRequired'>>;

/** Facts that passed the checks. */
export interface ParsedFacts {
  readonly facts: Facts;
  /** Something was cut, replaced by U+FFFD or left out. */
  readonly lossy: boolean;
}

/**
 * Facts from the wire: texts are cut at 1,024 characters, unsafe characters replaced, impossible figures and entries left out; all of that is flagged.
 * Escaping for a terminal or a page is the sink's work. Errors: FIELD_INVALID when the report is larger than 64 KiB.
 */
export function parseFacts(wire: WireFacts): ParsedFacts {
  const size = sizeOf(wire);
  if (size > factLimits.reportBytes) throw fieldInvalid('facts', `${String(size)} bytes`, 'at most 65536');
  const ingest = new Ingest();
  const facts: Facts = {
    gatheredAt: ingest.whole(wire.gatheredAt === null ? 0 : Number(wire.gatheredAt.seconds) * 1000 + Math.floor(wire.gatheredAt.nanos / 1e6)),
    hostname: ingest.text(wire.hostname),
    os: ingest.text(wire.os),
    osId: ingest.text(wire.osId),
    kernel: ingest.text(wire.kernel),
    arch: ingest.text(wire.arch),
    cpuModel: ingest.text(wire.cpuModel),
    cpuCount: ingest.whole(wire.cpuCount),
    load: ingest.list(wire.load, 3).map((value) => ingest.figure(Number(value))),
    memoryTotalBytes: ingest.whole(wire.memoryTotalBytes),
    memoryAvailableBytes: ingest.whole(wire.memoryAvailableBytes),
    swapTotalBytes: ingest.whole(wire.swapTotalBytes),
    swapFreeBytes: ingest.whole(wire.swapFreeBytes),
    disks: ingest.list(wire.disks, factLimits.disks).map((disk) => ({
      mount: ingest.text(disk.mount),
      type: ingest.text(disk.type),
      totalBytes: ingest.whole(disk.totalBytes),
      availableBytes: ingest.whole(disk.availableBytes),
      inodesTotal: ingest.whole(disk.inodesTotal),
      inodesFree: ingest.whole(disk.inodesFree),
    })),
    addresses: ingest
      .list(wire.addresses, factLimits.addresses)
      .filter((entry) => ingest.only(isIpv4(entry.address) || isIpv6(entry.address)))
      .map((entry) => ({ interface: ingest.text(entry.interface), address: entry.address })),
    uptimeS: ingest.whole(wire.uptimeS),
    bootId: ingest.text(wire.bootId),
    virtualization: ingest.text(wire.virtualization),
    agentVersion: ingest.text(wire.agentVersion),
    machineHint: ingest.only(wire.machineHint.length === 32 || wire.machineHint.length === 0) ? hex(wire.machineHint) : '',
    pressure: wire.pressure === null ? undefined : mapPressure(wire.pressure, (value) => ingest.percent(value)),
    rebootRequired: wire.rebootRequired,
  };
  return { facts, lossy: ingest.lossy };
}

/** Facts as the wire has them, within its bounds: a long text in a file of the host must not cost it its connection. */
export function formatFacts(facts: Facts): Omit<WireFacts, 'gatheredAt' | 'load' | 'disks' | 'addresses' | 'machineHint' | 'pressure'> & {
  gatheredAt: { seconds: number; nanos: number };
  load: number[];
  disks: Disk[];
  addresses: Address[];
  machineHint: Uint8Array;
  pressure: Pressure | null;
} {
  const seconds = Math.floor(facts.gatheredAt / 1000);
  const cut = (text: string): string => text.slice(0, factLimits.textCharacters);
  return {
    ...facts,
    hostname: cut(facts.hostname),
    os: cut(facts.os),
    osId: cut(facts.osId),
    kernel: cut(facts.kernel),
    arch: cut(facts.arch),
    cpuModel: cut(facts.cpuModel),
    virtualization: cut(facts.virtualization),
    gatheredAt: { seconds, nanos: Math.round((facts.gatheredAt - seconds * 1000) * 1e6) },
    load: [...facts.load],
    disks: facts.disks.slice(0, factLimits.disks).map((disk) => ({ ...disk, mount: cut(disk.mount), type: cut(disk.type) })),
    addresses: facts.addresses.slice(0, factLimits.addresses),
    machineHint: unhex(facts.machineHint),
    pressure: facts.pressure ?? null,
  };
}

/** Takes what a host says, remembering whether all of it could be taken as it was. */
class Ingest {
  lossy = false;

  text(value: string): string {
    const cut = value.slice(0, factLimits.textCharacters);
    const clean = hasUnsafeCharacter(cut) ? replaceUnsafe(cut) : cut;
    return this.#same(value, clean);
  }

  whole(value: number): number {
    return this.#same(value, Number.isSafeInteger(value) && value >= 0 ? value : 0);
  }

  figure(value: number): number {
    return this.#same(value, Number.isFinite(value) && value >= 0 && value < 1e9 ? value : 0);
  }

  percent(value: number): number {
    return this.#same(value, value >= 0 && value <= 100 ? value : 0);
  }

  list<T>(values: readonly T[], most: number): readonly T[] {
    return this.#same(values, values.length > most ? values.slice(0, most) : values);
  }

  only(valid: boolean): boolean {
    if (!valid) this.lossy = true;
    return valid;
  }

  #same<T>(before: T, after: T): T {
    if (before !== after) this.lossy = true;
    return after;
  }
}

/** Pressure with each figure altered. */
function mapPressure({ cpuSome, memorySome, memoryFull, ioSome, ioFull }: Pressure, alter: (value: number) => number): Pressure {
  return { cpuSome: alter(cpuSome), memorySome: alter(memorySome), memoryFull: alter(memoryFull), ioSome: alter(ioSome), ioFull: alter(ioFull) };
}

/** Facts as a release stored them: what that one did not know is not known. */
export function completeFacts(stored: StoredFacts): Facts {
  return {
    ...stored,
    pressure: stored.pressure,
    rebootRequired: stored.rebootRequired ?? false,
    disks: stored.disks.map((disk) => ({ ...disk, inodesTotal: disk.inodesTotal ?? 0, inodesFree: disk.inodesFree ?? 0 })),
  };
}

function replaceUnsafe(text: string): string {
  return Array.from(text, (char) => (vis(char) === char ? char : '\ufffd')).join('');
}

function sizeOf(wire: WireFacts): number {
  const texts = [wire.hostname, wire.os, wire.osId, wire.kernel, wire.arch, wire.cpuModel, wire.bootId, wire.virtualization, wire.agentVersion];
  const disks = wire.disks.flatMap((disk) => [disk.mount, disk.type]);
  const addresses = wire.addresses.flatMap((entry) => [entry.interface, entry.address]);
  return [...texts, ...disks, ...addresses].reduce((sum, text) => sum + text.length, 0) + 32 * (wire.disks.length + wire.addresses.length + wire.load.length);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function unhex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_value, index) => parseInt(text.slice(2 * index, 2 * index + 2), 16));
}
