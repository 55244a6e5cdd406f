/** One entry of an archive, as hostile as a test wants it: names and links are written as they are. */
export interface TarEntry {
  /** At most 100 bytes. */
  readonly name: string;
  readonly kind?: 'file' | 'folder' | 'symlink' | 'hardlink' | 'character' | 'block' | 'fifo';
  readonly content?: string | Uint8Array;
  /** What a link leads to; at most 100 bytes. */
  readonly target?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Major and minor of a device. */
  readonly device?: readonly [number, number];
  /** What the header says of the size, where it is not that of the content. */
  readonly sizeBytes?: number;
}

const BLOCK = 512;
const TYPES = { file: '0', hardlink: '1', symlink: '2', character: '3', block: '4', folder: '5', fifo: '6' } as const;

/** Writes an archive in the format of POSIX.1-1988 (ustar); the same entries give the same bytes. */
export function tar(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(one), Buffer.alloc(2 * BLOCK)]);
}

function one(entry: TarEntry): Buffer[] {
  const content = Buffer.from(entry.content ?? '');
  const padding = Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK);
  return [header(entry, entry.sizeBytes ?? content.length), content, padding];
}

function header(entry: TarEntry, sizeBytes: number): Buffer {
  const kind = entry.kind ?? 'file';
  const block = Buffer.alloc(BLOCK);
  const text = (at: number, room: number, value: string): void => {
    const bytes = Buffer.from(value);
    if (bytes.length > room) throw new Error(`${JSON.stringify(value)} is longer than ${String(room)} bytes`);
    bytes.copy(block, at);
  };
  const octal = (at: number, room: number, value: number): void => text(at, room, `${value.toString(8).padStart(room - 1, '0')}\0`);
  text(0, 100, entry.name);
  octal(100, 8, entry.mode ?? (kind === 'folder' ? 0o755 : 0o644));
  octal(108, 8, entry.uid ?? 0);
  octal(116, 8, entry.gid ?? 0);
  octal(124, 12, sizeBytes);
  octal(136, 12, 1_700_000_000);
  text(148, 8, '        ');
  text(156, 1, TYPES[kind]);
  text(157, 100, entry.target ?? '');
  text(257, 8, 'ustar\x0000');
  octal(329, 8, entry.device?.[0] ?? 0);
  octal(337, 8, entry.device?.[1] ?? 0);
  octal(148, 7, block.reduce((sum, byte) => sum + byte, 0));
  return block;
}
