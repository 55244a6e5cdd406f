import type { Clock } from '../shared/kit/clock.js';
import type { Logger } from '../shared/kit/log.js';
import type { Database } from './inventory/database.js';
import type { History } from './inventory/history.js';
import type { Authority } from './pki/authority.js';
import type { Waits } from './reconcile/wait.js';

/** What the parts of an initialised coordinator share; main builds it. */
export interface World {
  readonly db: Database;
  /** How hosts did, in a file of its own. */
  readonly history: History;
  readonly authority: Authority;
  readonly clock: Clock;
  readonly log: Logger;
  /** Folder of the sockets through which links are carried, mode 0700. */
  readonly linkDir: string;
  /** The coordinator's epoch; goes into every intent. */
  readonly epoch: number;
  /** Addresses of the machine that the coordinator runs on, as they are now. */
  readonly ownAddresses: () => readonly string[];
  /** Changes that wait until a person confirms them. */
  readonly waits: Waits;
}
