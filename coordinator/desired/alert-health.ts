import type { Cause } from './alert.js';

/** One thing of the fleet's health. */
export interface FedHealth {
  readonly code: string;
  readonly title: string;
  readonly severity: 'warning' | 'error';
  readonly text: string;
  /** Undefined: the coordinator itself. */
  readonly hostId: string | undefined;
}

/** What has a kind of its own. */
const elsewhere: ReadonlySet<string> = new Set(['HOST_LOST', 'BACKUP_FROZEN', 'BACKUP_FAILED', 'BACKUP_LATE', 'BACKUP_UNPROVEN', 'CERT_EXPIRED', 'CERT_ENDS']);

/** Codes of which a host may have several at once: their titles tell them apart. */
const several: ReadonlySet<string> = new Set(['VHOST_PARKED', 'CERT_MISSING', 'DISK_FULL', 'DISK_UNWRITABLE']);

/** What "reeve status" calls an error and no other kind tells: no error is silent. */
export function healthCauses(health: readonly FedHealth[]): Cause[] {
  return health
    .filter(({ code, severity }) => severity === 'error' && !elsewhere.has(code))
    .map(({ code, hostId, title, text }) => ({ kind: 'health', hostId, subject: several.has(code) ? `${code} ${title}` : code, severity: 'error', title, text, sinceMs: undefined, folded: [] }));
}
