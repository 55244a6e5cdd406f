import type { Fleet } from './fleet/fleet.js';
import type { NotifyConfig } from './notify/config.js';
import type { AlertKeeper } from './reconcile/alert.js';
import type { BackupKeeper } from './reconcile/backup-due.js';
import type { BackupEngine } from './reconcile/backup-engine.js';
import type { CertKeeper } from './reconcile/cert-due.js';
import type { ChangeEngine } from './reconcile/change.js';
import type { ExpiryKeeper } from './reconcile/expiry.js';
import type { HistoryKeeper } from './reconcile/history.js';
import type { HoldKeeper } from './reconcile/hold.js';
import type { World } from './world.js';

/** Everything an initialised coordinator's API works on. */
export interface Office extends World {
  readonly fleet: Fleet;
  readonly changes: ChangeEngine;
  readonly holds: HoldKeeper;
  readonly expiries: ExpiryKeeper;
  readonly histories: HistoryKeeper;
  readonly certs: CertKeeper;
  readonly backups: { readonly engine: BackupEngine; readonly keeper: BackupKeeper };
  readonly alerts: AlertKeeper;
  /** How alerts are told. */
  readonly notify: NotifyConfig;
  /** Makes a new key and certificate for the coordinator and takes it into use at once. Answers the key's fingerprint. */
  readonly renewCertificate: () => string;
  /** Whether the port for operators on other machines is open. */
  readonly operatorsOpen: boolean;
  /** Where the metrics listener is, as people write it; empty: it is off. */
  readonly metricsAt: string;
  /** Brings a host to the newest state in the background, if it is connected. */
  readonly converge: (hostId: string) => void;
  /** When this process started, unix ms. */
  readonly startedAtMs: number;
}
