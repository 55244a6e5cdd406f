import { reeveError } from '../../shared/errors/error.js';

/** A change that waits until a person confirms it. */
export interface PersonWait {
  /** Whether a person did. */
  agreed(): boolean;
  /** Resolves when a person does. */
  readonly agreement: Promise<void>;
  /** Tells the person what came of it; without an error it is confirmed. Once. */
  end(error?: Error): void;
}

/** The changes that wait for persons; one at a time of a host and noun. Kept in memory: a coordinator that was restarted finds them again with their hosts. */
export interface Waits {
  /** A change begins to wait. */
  begin(hostId: string, noun: string, operationId: string): PersonWait;
  /** A person confirms; answers the operation when the host has. Errors: CONFIRM_UNKNOWN, what the confirmation came to. */
  agree(host: { readonly id: string; readonly name: string }, noun: string): Promise<string>;
}

interface Entry {
  readonly operationId: string;
  readonly agree: () => void;
  readonly ended: Promise<Error | undefined>;
}

/** No waits yet. */
export function createWaits(): Waits {
  const entries = new Map<string, Entry>();
  return {
    begin(hostId, noun, operationId) {
      let agreed = false;
      let wake = (): void => undefined;
      let finish = (_error: Error | undefined): void => undefined;
      const agreement = new Promise<void>((resolve) => (wake = resolve));
      const ended = new Promise<Error | undefined>((resolve) => (finish = resolve));
      const agree = (): void => {
        agreed = true;
        wake();
      };
      const key = `${hostId} ${noun}`;
      const entry: Entry = { operationId, agree, ended };
      entries.set(key, entry);
      return {
        agreed: () => agreed,
        agreement,
        end(error) {
          if (entries.get(key) === entry) entries.delete(key);
          finish(error);
        },
      };
    },
    async agree(host, noun) {
      const entry = entries.get(`${host.id} ${noun}`);
      if (entry === undefined) throw reeveError('CONFIRM_UNKNOWN', { host: host.name, value: `of noun ${noun} that waits for a person` });
      entry.agree();
      const error = await entry.ended;
      if (error !== undefined) throw error;
      return entry.operationId;
    },
  };
}
