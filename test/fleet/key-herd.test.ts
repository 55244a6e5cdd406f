import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessApi, homeUser } from '../support/access-api.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { makePublicKey } from '../support/public-key.js';
import { createSimulatedHost, openPolicy } from '../support/simulated-host.js';

/** 25 agents stand for 1,000: each asks as often as forty would in the minute, with a connection of its own every time, as an agent does. */
const agents = 25;
const asks = 40;
const minuteMs = 60_000;

describe('hosts that ask for their keys in one minute', () => {
  let fleet: LoopbackFleet;
  const herd: LoopbackAgent[] = [];
  const clock = createTurnedClock();

  beforeAll(async () => {
    fleet = await startLoopbackFleet({ clock });
    const api = accessApi(fleet.api);
    // With a bound on how old keys may be the whole manifest is asked for each time.
    const policy = openPolicy.replace(/^allow key\.put\b.*$/m, 'allow key.put max-stale=86400');
    expect(policy).toContain('max-stale=86400');
    for (let n = 0; n < agents; n += 1) herd.push(await fleet.addAgent(`web${String(n)}`, { host: createSimulatedHost({ policy }) }));
    await api.person('ada');
    await api.key({ person: 'ada' }, [makePublicKey()]);
    await api.grant({ person: 'ada', selector: 'all', user: 'ada', create: homeUser('ada') });
  }, 120_000);

  afterAll(async () => {
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });

  it('1,000 in a minute are answered soon, and the coordinator does not grow', async () => {
    const before = process.memoryUsage().rss;
    const tookMs: number[] = [];
    const began = performance.now();
    await Promise.all(herd.map(async ({ server }, index) => {
      for (let n = 0; n < asks; n += 1) {
        // Spread over the minute as 1,000 hosts with times of their own are.
        const atMs = ((n * agents + index) / (agents * asks)) * minuteMs;
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, began + atMs - performance.now())));
        // One host alone may not ask so often: to the limits of callers a minute has passed.
        clock.pass(minuteMs);
        const startedAt = performance.now();
        await server.pullKeys();
        tookMs.push(performance.now() - startedAt);
      }
    }));
    tookMs.sort((a, b) => a - b);
    const p99 = tookMs[Math.floor(tookMs.length * 0.99)] ?? Infinity;
    const grownMb = (process.memoryUsage().rss - before) / 1e6;
    process.stdout.write(`${String(tookMs.length)} asked for their keys in ${((performance.now() - began) / 1000).toFixed(0)} s: p99 ${p99.toFixed(0)} ms, ${grownMb.toFixed(0)} MB more\n`);
    expect(tookMs).toHaveLength(agents * asks);
    expect(p99).toBeLessThan(5_000);
    expect(grownMb).toBeLessThan(200);
  });
});
