import { existsSync, lstatSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseFleetId } from '../../shared/model/id.js';
import { writeFileDurably } from '../../shared/kit/file.js';

/** A login on this machine: who the operator is at a coordinator elsewhere, and how to reach and know it. PEM where nothing else is said. */
export interface Profile {
  readonly fleetId: string;
  /** Name of the operator. */
  readonly name: string;
  /** Private key, made on this machine. */
  readonly key: string;
  readonly certificate: string;
  /** When the certificate was issued, unix ms of the coordinator: its notBefore lies further back, for clocks that are behind. */
  readonly issuedAtMs: number;
  /** The only root that is trusted. */
  readonly controlRoot: string;
  /** Where the operators' API is, `ADDRESS:PORT`, in order of preference. */
  readonly operatorsApi: readonly string[];
  /** Version of the moved record that they are from; 0: none. */
  readonly movedVersion: number;
}

/** The login of this account on this machine: one file, mode 0600, always whole. */
export interface ProfileStore {
  readonly path: string;
  /** Undefined: not logged in. Errors: FIELD_INVALID when the file is damaged, or others may read it. */
  load(): Profile | undefined;
  /** Stores it durably; a crash leaves the one before. */
  save(profile: Profile): void;
  /** Removes it; true when there was one. */
  remove(): boolean;
}

/** The store below $XDG_CONFIG_HOME/reeve, or ~/.config/reeve. */
export function openProfileStore(environment: Readonly<Record<string, string | undefined>>): ProfileStore {
  const config = environment['XDG_CONFIG_HOME'] ?? '';
  const home = environment['HOME'] ?? '';
  const path = config.startsWith('/') ? join(config, 'reeve', 'login.json') : join(home, '.config', 'reeve', 'login.json');
  return {
    path,
    load: () => (existsSync(path) ? readProfile(path) : undefined),
    save(profile) {
      if (!path.startsWith('/')) throw fieldMissing('HOME', 'the folder below which the login is stored');
      writeFileDurably(path, `${JSON.stringify(profile, undefined, 2)}\n`);
    },
    remove() {
      const was = existsSync(path);
      for (const file of [path, `${path}.new`]) rmSync(file, { force: true });
      return was;
    },
  };
}

function readProfile(path: string): Profile {
  const { mode, uid } = lstatSync(path);
  if ((mode & 0o077) !== 0 || uid !== process.getuid?.()) throw fieldInvalid('login file', path, 'a file of yours that nobody else may read (mode 0600)');
  let stored: Record<string, unknown>;
  try {
    stored = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  } catch {
    throw damaged(path);
  }
  const text = (name: string): string => {
    const value = stored[name];
    if (typeof value !== 'string' || value === '') throw damaged(path);
    return value;
  };
  const operatorsApi = Array.isArray(stored['operatorsApi']) ? stored['operatorsApi'].filter((item) => typeof item === 'string') : [];
  return { fleetId: parseFleetId(text('fleetId')), name: text('name'), key: text('key'), certificate: text('certificate'), issuedAtMs: Number(stored['issuedAtMs'] ?? 0), controlRoot: text('controlRoot'), operatorsApi, movedVersion: Number(stored['movedVersion'] ?? 0) };
}

function damaged(path: string): Error {
  return fieldInvalid('login file', path, 'what "reeve login" wrote; run "reeve logout" and log in again');
}
