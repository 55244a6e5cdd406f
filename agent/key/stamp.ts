import type { KeyLine } from '../../shared/model/key.js';

/** "Not bounded", as the policy has it: 2^32 - 1 seconds. */
export const unbounded = 4_294_967_295;

/** How expiry-times are stamped. */
export interface StampOptions {
  /** Unix ms. */
  readonly now: number;
  /** max-stale of the user, s; unbounded: lines have their own expiries only. */
  readonly boundS: number;
  /** Whether a coordinator was heard just now: only then a stamp is made later. */
  readonly fresh: boolean;
}

/**
 * Lines as they are written: under max-stale each ends that long from now at the latest. A stamp that has more than half of that left stays, so that a file is
 * not written at each sync. `present` are the lines that are there.
 */
export function stampLines(lines: readonly KeyLine[], present: readonly KeyLine[], options: StampOptions): readonly KeyLine[] {
  const { now, boundS, fresh } = options;
  if (boundS >= unbounded) return lines;
  const nowS = Math.floor(now / 1000);
  // The helper looks at its clock a moment later, and clocks are put right by small steps.
  const lastMs = (nowS + boundS - Math.min(60, Math.floor(boundS / 10))) * 1000;
  const stamps = new Map(present.map((line) => [line.key.base64, line.options.expiresAtMs]));
  return lines.map((line) => {
    const own = line.options.expiresAtMs ?? Infinity;
    if (own <= lastMs) return line;
    const stamp = stamps.get(line.key.base64);
    const stays = stamp !== undefined && stamp <= lastMs && (!fresh || stamp - now >= boundS * 500);
    return { ...line, options: { ...line.options, expiresAtMs: stays ? stamp : lastMs } };
  });
}

/** The value of max-stale that lines ask of the policy, s. */
export function staleness(lines: readonly KeyLine[], now: number): number {
  return lines.reduce((most, { options }) => Math.max(most, options.expiresAtMs === undefined ? unbounded : Math.max(0, Math.ceil((options.expiresAtMs - now) / 1000))), 0);
}
