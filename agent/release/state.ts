import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { reeveError } from '../../shared/errors/error.js';
import { removeWhole, syncFolder, writeWhole } from '../host/file.js';

/** File in the state folder that says that the host was released, and under which identity. */
const releasedFile = 'released.json';

/** That the host was let go of. */
export interface Released {
  /** The identity it had; another one is not released. */
  readonly hostId: string;
  /** Operation that did it. */
  readonly operationId: string;
  /** Unix ms. */
  readonly at: number;
}

/** Whether the host was released; on the disk before anybody is told. */
export interface ReleaseState {
  released(): Released | undefined;
  /** Throws HOST_RELEASED when it was, BUSY while it is under way. */
  requireManaged(): void;
  /** No change begins from now on, until `done` is called or the host is released. */
  close(): { done: () => void };
  /** Stores it for good. Errors: IO_FAILED. */
  store(release: Omit<Released, 'hostId'>): void;
}

/** The state of the identity in use. Errors: IO_FAILED when the file is damaged: nobody may take a released host for a managed one. */
export function openReleaseState(stateDir: string, identity: { readonly hostId: string; readonly hostName: string }): ReleaseState {
  const { hostId, hostName } = identity;
  let released = readReleased(stateDir, hostId);
  let closing = 0;
  return {
    released: () => released,
    requireManaged() {
      if (released !== undefined) throw reeveError('HOST_RELEASED', { host: hostName });
      if (closing > 0) throw reeveError('BUSY', { rule: 'the host is being released' });
    },
    close() {
      closing += 1;
      return { done: () => void (closing -= 1) };
    },
    store(release) {
      const stored: Released = { hostId, ...release };
      try {
        writeWhole(join(stateDir, releasedFile), `${JSON.stringify(stored)}\n`);
      } catch (error) {
        throw reeveError('IO_FAILED', { host: hostName, rule: 'that the host is released cannot be written down' }, { cause: error });
      }
      released = stored;
    },
  };
}

/** What the file says of an identity; undefined: it is managed. Errors: IO_FAILED. */
export function readReleased(stateDir: string, hostId: string): Released | undefined {
  const path = join(stateDir, releasedFile);
  if (!existsSync(path)) return undefined;
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Partial<Record<keyof Released, unknown>>;
    if (typeof value.hostId !== 'string' || typeof value.operationId !== 'string' || typeof value.at !== 'number') throw new Error('it has not the fields it should have');
    return value.hostId === hostId ? { hostId, operationId: value.operationId, at: value.at } : undefined;
  } catch (error) {
    throw reeveError('IO_FAILED', { host: 'this host', rule: `${path} is damaged; run "reeve-agent reset", or remove the file if this host was not released` }, { cause: error });
  }
}

/** Another identity begins: what was said of an earlier one is over. */
export function forgetReleased(stateDir: string): void {
  const path = join(stateDir, releasedFile);
  if (!existsSync(path)) return;
  removeWhole(path);
  syncFolder(stateDir);
}
