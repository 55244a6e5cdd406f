/** One file of a snapshot, or of a source; checked. */
export interface ComparedEntry {
  /** Path from the root, without the first slash, one character for each byte. */
  readonly path: string;
  readonly kind: string;
  readonly size: number;
  readonly modifiedMs: number;
  /** Hex; empty: it could not be read, or is none of a file. */
  readonly sha256: string;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Where a symbolic link leads, one character for each byte. */
  readonly target: string;
}

/** What was found out of one file; skipped: it has changed on the source since, or cannot be read there. */
export type Compared = 'ok' | 'skipped' | 'different';

/** Compares a file of a snapshot with the same one on its source. What a snapshot cannot read is different. */
export function compareEntry(kept: ComparedEntry, source: ComparedEntry | undefined): Compared {
  if (source === undefined || source.kind === 'missing' || source.kind !== kept.kind) return 'skipped';
  if (kept.kind === 'symlink') return kept.target === source.target ? 'ok' : 'skipped';
  if (kept.kind !== 'file') return 'ok';
  if (source.size !== kept.size || source.modifiedMs !== kept.modifiedMs || source.sha256 === '') return kept.sha256 !== '' && kept.sha256 === source.sha256 ? 'ok' : 'skipped';
  return kept.sha256 === source.sha256 ? 'ok' : 'different';
}

/** What many files came to. */
export interface Comparison {
  /** Compared: ok or different. */
  readonly files: number;
  readonly bytes: number;
  readonly skipped: number;
  /** Paths. */
  readonly different: readonly string[];
  /** A line each, sorted: what a proof's digest is made of. */
  readonly lines: readonly string[];
}

/** Whether who owns it and who may do what with it came back; set-id bits come back only where the policy of the host says so. */
function isOwnedAlike(kept: ComparedEntry, other: ComparedEntry | undefined): boolean {
  const bits = 0o1777;
  return other !== undefined && kept.uid === other.uid && kept.gid === other.gid && (kept.kind === 'symlink' || (kept.mode & bits) === (other.mode & bits));
}

/** A file that was restored just now: whatever is missing or changed is different. Devices come back only where the policy of the host says so. */
function compareRestored(kept: ComparedEntry, restored: ComparedEntry | undefined): Compared {
  const found = compareEntry(kept, restored);
  if (found === 'ok') return isOwnedAlike(kept, restored) ? 'ok' : 'different';
  return found === 'skipped' && (kept.kind === 'char' || kept.kind === 'block') ? 'skipped' : 'different';
}

/** Compares files of a snapshot with those of its source, by their paths. `strict`: they were restored from it just now, so that owners and modes count, too. */
export function compareEntries(kept: readonly ComparedEntry[], source: readonly ComparedEntry[], { strict } = { strict: false }): Comparison {
  const byPath = new Map(source.map((entry) => [entry.path, entry]));
  const rows = kept.map((entry) => ({ entry, found: (strict ? compareRestored : compareEntry)(entry, byPath.get(entry.path)) }));
  const compared = rows.filter(({ found }) => found !== 'skipped');
  return {
    files: compared.length,
    bytes: compared.reduce((sum, { entry }) => sum + (entry.kind === 'file' ? entry.size : 0), 0),
    skipped: rows.length - compared.length,
    different: compared.filter(({ found }) => found === 'different').map(({ entry }) => entry.path),
    lines: rows.map(({ entry, found }) => `${found} ${entry.sha256 === '' ? '-' : entry.sha256} ${String(entry.size)} ${escapePath(entry.path)}`).sort(),
  };
}

/** A path on one line: what is not printable ASCII, and \\, is \\xNN. */
function escapePath(path: string): string {
  return path.replace(/[^\x21-\x5b\x5d-\x7e]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
