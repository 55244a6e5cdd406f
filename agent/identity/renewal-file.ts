import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeWhole, writeWhole } from '../host/file.js';

/** What became of the last try to renew. */
export interface RenewalState {
  /** Unix ms. */
  readonly at: number;
  /** Code of the error; empty: it went well. */
  readonly code: string;
  readonly message: string;
}

/** File in the state folder that says how the last renewal went. */
const renewalFile = 'renewal.json';

/** What became of the last try; undefined: there was none, or it cannot be read. */
export function readRenewal(stateDir: string): RenewalState | undefined {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(join(stateDir, renewalFile), 'utf8'));
  } catch {
    return undefined;
  }
  const { at, code, message } = (value ?? {}) as Partial<Record<keyof RenewalState, unknown>>;
  return typeof at === 'number' && typeof code === 'string' && typeof message === 'string' ? { at, code, message } : undefined;
}

/** Writes it down, or forgets it; a full disk must not end the agent, which tells of it by other ways. Answers whether it could. */
export function writeRenewal(stateDir: string, state: RenewalState | undefined): boolean {
  try {
    if (state === undefined) removeWhole(join(stateDir, renewalFile));
    else writeWhole(join(stateDir, renewalFile), `${JSON.stringify(state)}\n`);
    return true;
  } catch {
    return false;
  }
}
