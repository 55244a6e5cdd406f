import type { Cause } from './alert.js';
import { hostCause, type FedHost } from './alert-host.js';
import { formatUtc } from '../../shared/model/time.js';

/** Where a file system is going, by the days before. */
export interface FedTrend {
  readonly mount: string;
  /** When it is full if it goes on like that, unix ms; undefined: not to be told. */
  readonly fullAtMs: number | undefined;
}

const dayMs = 86_400_000;
const gib = 2 ** 30;

/** From when on a full disk is near, ms; what is nearer than `errorMs` is an error. */
const near = { warningMs: 3 * dayMs, errorMs: dayMs } as const;

/** Less than both of these is too little, and so is less than this share of the inodes. */
const floor = { share: 0.05, bytes: gib, inodes: 0.05 } as const;

/** File systems that are full by nature. */
const fullByNature: ReadonlySet<string> = new Set(['squashfs', 'iso9660', 'erofs', 'cramfs', 'udf', 'romfs']);

/** Free space for people: whole MiB, or GiB with a decimal. */
function size(bytes: number): string {
  return bytes < gib ? `${String(Math.floor(bytes / 2 ** 20))} MiB` : `${(bytes / gib).toFixed(1)} GiB`;
}

/** File systems of a host that are about to be full, or nearly are. One that is below its floor is not told of its trend as well. */
export function diskCauses(host: FedHost, trends: readonly FedTrend[], now: number): Cause[] {
  const fullAt = new Map(trends.map(({ mount, fullAtMs }) => [mount, fullAtMs]));
  return (host.facts?.disks ?? []).flatMap((disk) => {
    if (disk.totalBytes <= 0 || fullByNature.has(disk.type)) return [];
    const causes: Cause[] = [];
    const left = `${size(disk.availableBytes)} of ${size(disk.totalBytes)} are left`;
    const remedy = `on the host: df -h ${disk.mount}`;
    const full = fullAt.get(disk.mount);
    if (disk.availableBytes < floor.share * disk.totalBytes && disk.availableBytes < floor.bytes) {
      causes.push(hostCause(host, { kind: 'disk', subject: disk.mount, severity: 'error', title: `${disk.mount} is nearly full`, text: `${left}; ${remedy}`, sinceMs: undefined }));
    } else if (full !== undefined && full - now < near.warningMs) {
      const text = `by the days before it is full ${formatUtc(full)}; ${left}; ${remedy}`;
      causes.push(hostCause(host, { kind: 'disk', subject: disk.mount, severity: full - now < near.errorMs ? 'error' : 'warning', title: `${disk.mount} will be full soon`, text, sinceMs: undefined }));
    }
    if (disk.inodesTotal > 0 && disk.inodesFree < floor.inodes * disk.inodesTotal) {
      const text = `${String(disk.inodesFree)} of ${String(disk.inodesTotal)} inodes are left: too many files; on the host: df -i ${disk.mount}`;
      causes.push(hostCause(host, { kind: 'disk', subject: `${disk.mount} (inodes)`, severity: 'error', title: `${disk.mount} has hardly any inodes left`, text, sinceMs: undefined }));
    }
    return causes;
  });
}
