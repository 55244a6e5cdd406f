import type { Facts } from '../../shared/model/fact.js';

/** How a host was at one time. */
export interface HostFigures {
  /** Load average over 5 minutes, for each processor. */
  readonly load: number;
  /** Main memory that is used, percent of all. */
  readonly memoryPercent: number;
  /** The fullest file system, percent that unprivileged users may not use any more. */
  readonly diskPercent: number;
  /** Some task waited for a processor, percent of the time; undefined: not known. Of the two below: all tasks waited. */
  readonly cpuPressure: number | undefined;
  readonly memoryPressure: number | undefined;
  readonly ioPressure: number | undefined;
}

/** One point of a host's history. */
export interface HistoryPoint extends HostFigures {
  /** Unix ms. */
  readonly atMs: number;
}

/** What is noted of a host. */
export interface HistorySample {
  readonly hostId: string;
  readonly figures: HostFigures;
  readonly disks: readonly { readonly mount: string; readonly totalBytes: number; readonly availableBytes: number }[];
}

/** File systems of which a host has a history: the largest ones. */
const mostDisks = 16;

/** What is noted of a host by what it said of itself. Whatever it said, the figures are within their bounds. */
export function historySample(hostId: string, facts: Facts): HistorySample {
  const { pressure } = facts;
  const disks = facts.disks.filter(({ totalBytes }) => totalBytes > 0);
  return {
    hostId,
    figures: {
      load: Math.min(1000, (facts.load[1] ?? 0) / Math.max(1, facts.cpuCount)),
      memoryPercent: usedPercent(facts.memoryTotalBytes, facts.memoryAvailableBytes),
      diskPercent: Math.max(0, ...disks.map((disk) => usedPercent(disk.totalBytes, disk.availableBytes))),
      cpuPressure: pressure?.cpuSome,
      memoryPressure: pressure?.memoryFull,
      ioPressure: pressure?.ioFull,
    },
    disks: [...disks]
      .sort((a, b) => b.totalBytes - a.totalBytes)
      .slice(0, mostDisks)
      .map(({ mount, totalBytes, availableBytes }) => ({ mount, totalBytes, availableBytes: Math.min(totalBytes, availableBytes) })),
  };
}

/** Percent of a total that is not available, 0 to 100; of nothing: 0. */
export function usedPercent(total: number, available: number): number {
  return total <= 0 ? 0 : Math.min(100, Math.max(0, 100 * (1 - available / total)));
}
