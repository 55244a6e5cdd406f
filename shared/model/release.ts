/** How far two releases are apart. */
export type ReleaseGap = 'same' | 'neighbours' | 'apart' | 'unknown';

/**
 * Compares two versions by release, which is major and minor (1.4.2 is of release 1.4). Neighbours are one minor apart, or the first release of a major and
 * any of the one before; those work together.
 */
export function releaseGap(a: string, b: string): { readonly gap: ReleaseGap; readonly older: 'a' | 'b' | undefined } {
  const [first, second] = [parseRelease(a), parseRelease(b)];
  if (first === undefined || second === undefined) return { gap: 'unknown', older: undefined };
  const [low, high] = compare(first, second) <= 0 ? [first, second] : [second, first];
  const difference = compare(first, second);
  if (difference === 0) return { gap: 'same', older: undefined };
  const near = (low.major === high.major && high.minor - low.minor === 1) || (high.major - low.major === 1 && high.minor === 0);
  return { gap: near ? 'neighbours' : 'apart', older: difference < 0 ? 'a' : 'b' };
}

interface Release {
  readonly major: number;
  readonly minor: number;
}

function compare(a: Release, b: Release): number {
  return a.major - b.major || a.minor - b.minor;
}

function parseRelease(text: string): Release | undefined {
  const [, major, minor] = /^([0-9]{1,4})\.([0-9]{1,4})\.[0-9]{1,6}(?:[-+~].{0,64})?$/.exec(text) ?? [];
  return major === undefined || minor === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}
