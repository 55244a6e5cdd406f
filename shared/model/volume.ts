/** Room of the file system below a folder that Reeve writes to. */
export interface VolumeRoom {
  readonly totalBytes: number;
  /** What the account that writes there may still use. */
  readonly availableBytes: number;
  /** False: it has to be written, and cannot be. */
  readonly writable: boolean;
}

/** How much room there is, in a word; the proto says what the words mean. */
export type VolumeState = 'ok' | 'low' | 'full' | 'unwritable';

const mebibyte = 1024 * 1024;

/** The word for an amount of room. */
export function judgeVolume({ totalBytes, availableBytes, writable }: VolumeRoom): VolumeState {
  if (!writable) return 'unwritable';
  if (availableBytes < mebibyte) return 'full';
  return availableBytes < 64 * mebibyte || availableBytes < totalBytes * 0.05 ? 'low' : 'ok';
}

/** A word of the wire; what is not known reads as ok: an agent of another release says it. */
export function parseVolumeState(text: string): VolumeState {
  return text === 'low' || text === 'full' || text === 'unwritable' ? text : 'ok';
}

/** What a word means, for people: the end of a sentence about a folder. */
export const volumeText: Readonly<Record<VolumeState, string>> = {
  ok: 'has room',
  low: 'is nearly full: less than 64 MiB or 5 % are free',
  full: 'is full',
  unwritable: 'cannot be written',
};
