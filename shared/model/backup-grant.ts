import { canonicalJson } from './canonical.js';
import { fieldInvalid } from './field.js';
import { parseFleetId, parseId } from './id.js';
import { isSnapshotName, parseBackupFolder, parseBackupFolders, parseExclude } from './backup.js';

/** One side of a copy: who, by its id and by the sha256 of its public key, lower-case hex. */
export interface GrantSide {
  readonly host: string;
  readonly key: string;
}

/** What a backup copies, and where to. */
export interface GrantedBackup {
  readonly kind: 'backup';
  readonly folders: readonly string[];
  readonly excludes: readonly string[];
  readonly systemFolders: boolean;
  /** Folder of the job on the receiver. */
  readonly into: string;
  readonly snapshot: string;
  /** Snapshots whose files are linked instead of sent when they are the same, newest first. */
  readonly basis: readonly string[];
}

/** What a restore copies, and where to. */
export interface GrantedRestore {
  readonly kind: 'restore';
  /** Folder of the job on the sender. */
  readonly folder: string;
  readonly snapshot: string;
  /** Path from the root of the source, hex of its bytes; empty: the root. */
  readonly path: string;
  readonly into: string;
  /** What is there stays beside it. */
  readonly keepOld: boolean;
  /** It is made only to be proved, and may be taken away again by DiscardRestore. */
  readonly proof: boolean;
}

/** What the control root allows two agents to do together, once. */
export interface BackupGrant {
  readonly fleet: string;
  /** Id of the run. */
  readonly run: string;
  /** Id of the job. */
  readonly job: string;
  /** Unix ms. */
  readonly notBefore: number;
  /** Unix ms: no connection is made later. */
  readonly notAfter: number;
  readonly sender: GrantSide;
  readonly receiver: GrantSide;
  /** KiB a second; 0: as much as goes. */
  readonly bandwidthKib: number;
  /** Longest time of the copy. */
  readonly seconds: number;
  readonly what: GrantedBackup | GrantedRestore;
}

/** A grant as it is signed. */
export function formatGrant(grant: BackupGrant): string {
  return canonicalJson(grant as unknown as Parameters<typeof canonicalJson>[0]);
}

type Fields = Readonly<Record<string, unknown>>;

/** A grant whose signature was checked: its form is checked all the same. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseGrant(text: string): BackupGrant {
  const all = fieldsOf('grant', readJson(text), ['bandwidthKib', 'fleet', 'job', 'notAfter', 'notBefore', 'receiver', 'run', 'seconds', 'sender', 'what']);
  return {
    fleet: parseFleetId(textOf('fleet', all['fleet'])),
    run: parseId('run', textOf('run', all['run'])),
    job: parseId('job', textOf('job', all['job'])),
    notBefore: numberOf('notBefore', all['notBefore']),
    notAfter: numberOf('notAfter', all['notAfter']),
    sender: parseSide('sender', all['sender']),
    receiver: parseSide('receiver', all['receiver']),
    bandwidthKib: numberOf('bandwidthKib', all['bandwidthKib']),
    seconds: numberOf('seconds', all['seconds']),
    what: parseWhat(all['what']),
  };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw fieldInvalid('grant', text, 'JSON');
  }
}

function fieldsOf(field: string, value: unknown, names: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fieldInvalid(field, typeof value, 'an object');
  const found = Object.keys(value).sort();
  if (found.join() !== names.join()) throw fieldInvalid(field, found.join(), `exactly ${names.join()}`);
  return value as Fields;
}

function textOf(field: string, value: unknown): string {
  if (typeof value !== 'string') throw fieldInvalid(field, typeof value, 'text');
  return value;
}

function textsOf(field: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw fieldInvalid(field, typeof value, 'a list');
  return value.map((item) => textOf(field, item));
}

function flagOf(field: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw fieldInvalid(field, typeof value, 'true or false');
  return value;
}

function numberOf(field: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw fieldInvalid(field, String(value), 'a whole number');
  return value;
}

function parseSide(field: string, value: unknown): GrantSide {
  const { host, key } = fieldsOf(field, value, ['host', 'key']);
  const print = textOf(field, key);
  if (!/^[0-9a-f]{64}$/.test(print)) throw fieldInvalid(field, print, 'a sha256 in hex');
  return { host: parseId(field, textOf(field, host)), key: print };
}

function parseName(field: string, value: unknown): string {
  const name = textOf(field, value);
  if (!isSnapshotName(name)) throw fieldInvalid(field, name, 'the name of a snapshot');
  return name;
}

function parseWhat(value: unknown): GrantedBackup | GrantedRestore {
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  if (kind === 'backup') {
    const what = fieldsOf('what', value, ['basis', 'excludes', 'folders', 'into', 'kind', 'snapshot', 'systemFolders']);
    return {
      kind,
      folders: parseBackupFolders('folders', textsOf('folders', what['folders'])),
      excludes: textsOf('excludes', what['excludes']).map((text) => parseExclude('excludes', text)),
      systemFolders: flagOf('systemFolders', what['systemFolders']),
      into: parseBackupFolder('into', textOf('into', what['into'])),
      snapshot: parseName('snapshot', what['snapshot']),
      basis: textsOf('basis', what['basis']).map((name) => parseName('basis', name)),
    };
  }
  if (kind !== 'restore') throw fieldInvalid('what', String(kind), '"backup" or "restore"');
  const what = fieldsOf('what', value, ['folder', 'into', 'keepOld', 'kind', 'path', 'proof', 'snapshot']);
  const path = textOf('path', what['path']);
  if (!/^(?:[0-9a-f]{2})*$/.test(path)) throw fieldInvalid('path', path, 'bytes in hex');
  return {
    kind,
    folder: parseBackupFolder('folder', textOf('folder', what['folder'])),
    snapshot: parseName('snapshot', what['snapshot']),
    path,
    into: parseBackupFolder('into', textOf('into', what['into'])),
    keepOld: flagOf('keepOld', what['keepOld']),
    proof: flagOf('proof', what['proof']),
  };
}
