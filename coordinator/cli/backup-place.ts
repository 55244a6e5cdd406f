import { parseBackupFolder, parseBackupFolders, parseBackupName, parseSnapshotName } from '../../shared/model/backup.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseHostName } from '../../shared/model/host.js';

/** Most characters of a pattern. */
const mostPattern = 256;

/** A folder of a host. */
export interface Place {
  /** Name or id. */
  readonly host: string;
  readonly folder: string;
}

/** Folders of one host. */
export interface Source {
  /** Name or id; undefined: none was named. */
  readonly host: string | undefined;
  readonly folders: readonly string[];
}

/** `HOST:/folder`. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parsePlace(field: string, text: string): Place {
  const at = text.indexOf(':');
  if (at < 0) throw fieldInvalid(field, text, 'HOST:/folder, e.g. big1:/srv/backup/shop');
  return { host: parseHostName(text.slice(0, at), field), folder: parseBackupFolder(field, text.slice(at + 1)) };
}

/** What of `HOST:/folder,/folder...`, several times, is one host with all its folders; a host alone has none yet, a folder alone leaves the host open. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseSource(field: string, texts: readonly string[]): Source {
  const parts = texts.map((text) => {
    const at = text.startsWith('/') ? -1 : text.indexOf(':');
    const host = text.startsWith('/') ? undefined : parseHostName(at < 0 ? text : text.slice(0, at), field);
    const rest = host === undefined ? text : at < 0 ? '' : text.slice(at + 1);
    // A comma that no slash follows belongs to a name.
    return { text, host, folders: rest === '' ? [] : rest.split(/,(?=\/)/) };
  });
  const host = parts.find((part) => part.host !== undefined)?.host;
  const other = parts.find((part) => part.host !== undefined && part.host !== host);
  if (other !== undefined) throw fieldInvalid(field, other.text, `folders of one host, "${host ?? ''}": another host is backed up by a job of its own`);
  return { host, folders: parseBackupFolders(field, parts.flatMap((part) => part.folders)) };
}

/** A job, and a snapshot of it where one is named: `NAME` or `NAME@SNAPSHOT`; empty: the newest. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseSnapshotOf(text: string): { readonly name: string; readonly snapshot: string } {
  const at = text.indexOf('@');
  if (at < 0) return { name: parseBackupName('name', text), snapshot: '' };
  return { name: parseBackupName('name', text.slice(0, at)), snapshot: parseSnapshotName('snapshot', text.slice(at + 1)) };
}

/** The name of a snapshot; empty, the API's word for the newest, when it is absent. Errors: FIELD_INVALID, FIELD_MISSING. */
export function snapshotText(text: string | undefined): string {
  return text === undefined ? '' : parseSnapshotName('--snapshot', text);
}

/**
 * A path in a snapshot as the API takes it: from the root of the source; empty: that root. Slashes at its ends say nothing. `hex:` stands before the bytes of one that is no UTF-8, as JSON has
 * them. Errors: FIELD_INVALID, FIELD_MISSING.
 */
export function parseSnapshotPath(field: string, text: string | undefined): Buffer {
  const rule = 'a path from the root of the source, without "." and ".."';
  if (text === undefined) return Buffer.alloc(0);
  if (text === '') throw fieldMissing(field, rule);
  // What a shell passes on that is no UTF-8 arrives as U+FFFD: which bytes they were is lost.
  if (text.includes('\ufffd')) throw fieldInvalid(field, text, 'a path in UTF-8; another one as hex:BYTES, as --json shows it');
  const hex = /^hex:((?:[0-9a-f]{2})+)$/.exec(text)?.[1];
  const bytes = hex === undefined ? Buffer.from(text) : Buffer.from(hex, 'hex');
  const path = bytes.toString('latin1').replace(/^\/+|\/+$/g, '');
  if (bytes.includes(0) || (path !== '' && path.split('/').some((part) => part === '' || part === '.' || part === '..'))) throw fieldInvalid(field, text, rule);
  return Buffer.from(path, 'latin1');
}

/** A pattern of glob(7) as the API takes it: whole paths have no slash before them there. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseFilePattern(field: string, text: string): string {
  if (text === '') throw fieldMissing(field, 'a pattern of glob(7)');
  if (text.length > mostPattern) throw fieldInvalid(field, text, `at most ${String(mostPattern)} characters`);
  const rest = text.replace(/^\/+/, '');
  // Without any slash it would be held against names.
  return rest.includes('/') ? rest : text;
}
