/** Where a file system is going. */
export interface DiskTrend {
  readonly mount: string;
  readonly totalBytes: number;
  /** At the last sample. */
  readonly availableBytes: number;
  /** Negative: it empties. 0 also when too little is known. */
  readonly growthPerDayBytes: number;
  /** When it is full if it goes on like that, unix ms; undefined: not within a year, or too little is known. */
  readonly fullAtMs: number | undefined;
}

/** What was seen of a file system at one time. */
export interface DiskSample {
  /** Unix ms. */
  readonly atMs: number;
  readonly totalBytes: number;
  readonly availableBytes: number;
}

const dayMs = 86_400_000;

/** Samples from so long before the last one tell where it goes, ms: what was before says little of now. */
const windowMs = 7 * dayMs;

/** Less is not foretold from: a night's backup looks like the end of the disk. */
const least = { spanMs: dayMs, samples: 12 } as const;

/** Beyond this nobody acts, ms. */
const horizonMs = 365 * dayMs;

/** A share of the size: so much more room at once is a deletion, and such another size another disk. Pools share their room, so sizes there move a little all the time. */
const step = { deletion: 0.05, resize: 0.01 } as const;

/** From so many deletions in the window on they are no turning point but how this file system lives. */
const manyDeletions = 3;

/** Slopes between all pairs of so many samples are looked at: 2,016 of them. */
const mostSamples = 64;

/**
 * Where a file system goes by its samples, oldest first: the median of the slopes between any two of them (Theil 1950, Sen 1968), which a few odd samples do not
 * turn. What was before it got another size, or before much was deleted, does not count.
 */
export function projectDisk(mount: string, samples: readonly DiskSample[], now: number): DiskTrend {
  const known = samples.filter(({ atMs }) => atMs <= now);
  const last = known.at(-1);
  if (last === undefined) return { mount, totalBytes: 0, availableBytes: 0, growthPerDayBytes: 0, fullAtMs: undefined };
  const { totalBytes, availableBytes } = last;
  const trend = { mount, totalBytes, availableBytes, growthPerDayBytes: 0, fullAtMs: undefined };
  if (availableBytes <= 0 && totalBytes > 0) return { ...trend, fullAtMs: last.atMs };
  const telling = sinceTurn(known.filter(({ atMs }) => last.atMs - atMs <= windowMs));
  const first = telling[0];
  if (first === undefined || telling.length < least.samples || last.atMs - first.atMs < least.spanMs) return trend;
  // Adding 0 makes -0 a plain one.
  const growthPerDayBytes = Math.round(-medianSlope(thin(telling)) * dayMs) + 0;
  if (growthPerDayBytes <= 0) return { ...trend, growthPerDayBytes };
  const fullAtMs = Math.round(last.atMs + (availableBytes / growthPerDayBytes) * dayMs);
  return { ...trend, growthPerDayBytes, fullAtMs: fullAtMs - now > horizonMs ? undefined : fullAtMs };
}

/** The samples since the last resize, and since the last deletion unless they are frequent. */
function sinceTurn(samples: readonly DiskSample[]): readonly DiskSample[] {
  const turns = (turned: (before: DiskSample, after: DiskSample) => boolean, among: readonly DiskSample[]): number[] =>
    among.flatMap((after, index) => {
      const before = among[index - 1];
      return before !== undefined && turned(before, after) ? [index] : [];
    });
  const resized = turns((before, after) => Math.abs(after.totalBytes - before.totalBytes) > step.resize * before.totalBytes, samples).at(-1) ?? 0;
  const sized = samples.slice(resized);
  const deletions = turns((before, after) => after.availableBytes - before.availableBytes > step.deletion * after.totalBytes, sized);
  return deletions.length >= manyDeletions ? sized : sized.slice(deletions.at(-1) ?? 0);
}

/** At most 64 of the samples, evenly chosen, with the first and the last. */
function thin(samples: readonly DiskSample[]): readonly DiskSample[] {
  if (samples.length <= mostSamples) return samples;
  const every = (samples.length - 1) / (mostSamples - 1);
  return Array.from({ length: mostSamples }, (_, index) => samples[Math.round(index * every)]).filter((sample) => sample !== undefined);
}

/** Median of the slopes of what is available, bytes a ms. */
function medianSlope(samples: readonly DiskSample[]): number {
  const slopes: number[] = [];
  for (const [index, later] of samples.entries()) {
    for (const earlier of samples.slice(0, index)) {
      if (later.atMs > earlier.atMs) slopes.push((later.availableBytes - earlier.availableBytes) / (later.atMs - earlier.atMs));
    }
  }
  slopes.sort((a, b) => a - b);
  const half = slopes.length / 2;
  // The middle one, or the two beside the middle.
  return ((slopes[Math.ceil(half) - 1] ?? 0) + (slopes[Math.floor(half)] ?? 0)) / 2;
}
