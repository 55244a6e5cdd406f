/** One file of a snapshot, or of a source; checked. */
export interface ComparedEntry {
  /** Path from the root, without the first slash, one character for each byte. */
  readonly path: string;
  readonly kind: string;
  readonly size: number;
  readonly modifiedMs: number;
  /** Hex; empty: it could not be read, or is none of a file. */
  readonly sha256: string;
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

/** Compares files of a snapshot with those of its source, by their paths. `strict`: what was copied just now; whatever is missing or changed is different. */
export function compareEntries(kept: readonly ComparedEntry[], source: readonly ComparedEntry[], { strict } = { strict: false }): Comparison {
  const byPath = new Map(source.map((entry) => [entry.path, entry]));
  const rows = kept.map((entry) => {
    const found = compareEntry(entry, byPath.get(entry.path));
    // Devices come back only where the policy of the host says so.
    const device = entry.kind === 'char' || entry.kind === 'block';
    return { entry, found: strict && found === 'skipped' && !device ? 'different' : found };
  });
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
