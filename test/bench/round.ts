/** One way to do the work that is measured. */
export interface Runner {
  readonly name: string;
  /** Does it once; rejects when it did not work. `round` counts from 0, warm-up included. */
  readonly run: (round: number) => Promise<void>;
}

/** How often, and how far apart. */
export interface RoundOptions {
  readonly warmUp: number;
  readonly rounds: number;
  /** A round of all runners takes at least this long, ms: agents limit how often they are called, and answers have consequences that end later. */
  readonly paceMs?: number;
  /** Pause after each runner, ms. */
  readonly restMs?: number;
  /** alternating (default): every other round backwards, so that a slow moment of the machine meets all of them alike. */
  readonly order?: 'alternating' | 'same';
}

/** Times of a runner, one per round. */
export interface Timed {
  readonly name: string;
  readonly ms: readonly number[];
  /** CPU time of this process per round, ms. */
  readonly cpuMs: readonly number[];
}

/** Runs all in turns. */
export async function inTurns(runners: readonly Runner[], options: RoundOptions): Promise<Timed[]> {
  const times = new Map(runners.map(({ name }) => [name, { ms: [] as number[], cpuMs: [] as number[] }]));
  for (let round = 0; round < options.warmUp + options.rounds; round += 1) {
    const startedAt = performance.now();
    for (const { name, run } of round % 2 === 0 || options.order === 'same' ? runners : runners.toReversed()) {
      const cpu = process.cpuUsage();
      const at = performance.now();
      await run(round);
      const ms = performance.now() - at;
      const { user, system } = process.cpuUsage(cpu);
      if (round >= options.warmUp) {
        times.get(name)?.ms.push(ms);
        times.get(name)?.cpuMs.push((user + system) / 1000);
      }
      if (options.restMs !== undefined) await pause(options.restMs);
    }
    await pause((options.paceMs ?? 0) - (performance.now() - startedAt));
  }
  return [...times].map(([name, { ms, cpuMs }]) => ({ name, ms, cpuMs }));
}

/** The times of one runner. */
export function timesOf(all: readonly Timed[], name: string): Timed {
  const found = all.find((timed) => timed.name === name);
  if (found === undefined) throw new Error(`${name} was not measured`);
  return found;
}

async function pause(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}
