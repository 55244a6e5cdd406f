import type { Canonical } from './canonical.js';
import { formatKeyLine, formatKeyOptions, type KeyLine } from './key.js';

/** First line of a key file that is managed, and of one that was let go of. */
export const keyFileHeaders = {
  managed: '# Managed by Reeve: changes made here are undone. See reeve-agent(8).',
  left: '# Left by Reeve: plain configuration, yours to edit.',
} as const;

/** The content of a key file, in canonical form: the header, then a line for each key, each ended by LF. */
export function formatKeyFile(lines: readonly KeyLine[], header: keyof typeof keyFileHeaders = 'managed'): string {
  return [keyFileHeaders[header], ...lines.map(formatKeyLine)].map((line) => `${line}\n`).join('');
}

/** A managed key file as it is. */
export interface KeyFile {
  readonly user: string;
  readonly path: string;
  /** Whether it is ours. */
  readonly marked: boolean;
  /** 32 bytes; empty: it could not be read. */
  readonly sha256: Uint8Array;
  /** Whether it is, byte for byte, what its lines give. */
  readonly canonical: boolean;
  /** The lines that can be managed, as they stand. */
  readonly lines: readonly KeyLine[];
  /** What else is in it, by line; line 0: it could not be read. */
  readonly problems: readonly { readonly line: number; readonly problem: string }[];
}

/** What sshd does with the key files. */
export interface SshdKeys {
  /** `unknown`: sshd could not be asked. */
  readonly dropIn: 'absent' | 'pending' | 'confirmed' | 'altered' | 'unknown';
  /** Users whose own files are not read, sorted. */
  readonly exclusive: readonly string[];
}

/**
 * The lines of a file with expiries of their own: an expiry-time that only bounds how long the host believes the coordinator (max-stale) is none of the line.
 * `own` are the lines as they were wanted last; a line of a key that is not among them stands as it is.
 */
export function withOwnExpiry(lines: readonly KeyLine[], own: readonly KeyLine[]): readonly KeyLine[] {
  const wanted = new Map(own.map((line) => [line.key.base64, line.options.expiresAtMs]));
  return lines.map((line) => {
    const expiresAtMs = wanted.get(line.key.base64);
    const stamped = wanted.has(line.key.base64) && line.options.expiresAtMs !== undefined && line.options.expiresAtMs <= (expiresAtMs ?? Infinity);
    return stamped ? { ...line, options: { ...line.options, expiresAtMs } } : line;
  });
}

/**
 * Whether what makes sshd read the files is ours. `altered` is also what a drop-in is that was let go of: it only counts while keys are managed, which `stored` says of
 * a host without files.
 */
export function ownsDropIn(files: readonly KeyFile[], sshd: SshdKeys, stored: boolean): boolean {
  if (sshd.dropIn === 'altered') return stored || files.some((file) => file.marked);
  return sshd.dropIn === 'pending' || sshd.dropIn === 'confirmed';
}

/** What the digest model of keys is made of. */
export interface KeyState {
  readonly files: readonly KeyFile[];
  readonly sshd: SshdKeys;
  /** Whether a manifest is stored. */
  readonly stored: boolean;
  /** The lines of a user as they were wanted last. */
  readonly ownLines: (user: string) => readonly KeyLine[];
}

/** The model whose digest stands for the keys of a host: the files that are ours, sorted by user, and what sshd does with them. Lines have their own expiries. */
export function keyDigestModel({ files, sshd, stored, ownLines }: KeyState): readonly Canonical[] {
  const rows = files
    .filter((file) => file.marked)
    .map((file) => ({
      name: file.user,
      altered: !file.canonical,
      lines: withOwnExpiry(file.lines, ownLines(file.user)).map(({ key, options, comment }) => [formatKeyOptions(options), key.type, key.base64, comment]),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  // A change that waits to be confirmed is made: its confirmation alters nothing.
  return ownsDropIn(files, sshd, stored) ? [...rows, { name: 'sshd', altered: sshd.dropIn === 'altered', exclusive: [...sshd.exclusive].sort() }] : rows;
}
