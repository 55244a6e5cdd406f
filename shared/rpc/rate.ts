/** A token bucket: `perSecond` tokens flow in, at most `burst` are kept. */
export interface RateLimit {
  readonly perSecond: number;
  readonly burst: number;
}

/** Buckets by key. */
export interface RateLimiter {
  /** Takes a token; false when there is none. `now` is monotonic ms. */
  take(key: string, limit: RateLimit, now: number): boolean;
}

/** Most keys that are remembered; beyond it the fullest (longest unused) are forgotten. */
const keyLimit = 20_000;

/** A rate limiter that forgets keys which are full again. */
export function createRateLimiter(): RateLimiter {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return {
    take(key, limit, now) {
      const bucket = buckets.get(key);
      const tokens = bucket === undefined ? limit.burst : Math.min(limit.burst, bucket.tokens + ((now - bucket.at) / 1000) * limit.perSecond);
      if (bucket !== undefined) buckets.delete(key);
      else if (buckets.size >= keyLimit) buckets.delete(buckets.keys().next().value ?? '');
      buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
      return tokens >= 1;
    },
  };
}
