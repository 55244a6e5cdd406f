import type { Clock } from '../../shared/kit/clock.js';
import type { Api } from './connect.js';
import type { ProfileStore } from './profile.js';
import type { Terminal } from './terminal.js';

/** What a command works with. */
export interface Context {
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Whether the answer is one JSON document. */
  readonly json: boolean;
  /** Ends the command: SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** Environment variables; a command says which it reads. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The coordinator's API; connects at the first call. */
  readonly api: () => Promise<Api>;
  /** The login of this account on this machine. */
  readonly logins: ProfileStore;
}
