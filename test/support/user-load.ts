import type { TestFleet } from './fleet.js';

/** One command of the load. */
export interface LoadStep {
  readonly user: string;
  /** Exit code of `reeve user add`. */
  readonly code: number;
  readonly said: string;
  /** It was refused before, because the host had moved on since it was planned. */
  readonly again: boolean;
}

/** Commands that follow one another without a pause. */
export interface Load {
  readonly ended: readonly LoadStep[];
  /** Lets the running one end; gives all, and the longest time between two that a host carried out, ms. */
  stop(): Promise<{ ended: readonly LoadStep[]; longestGapMs: number }>;
}

/** Adds one user after the other on a host until it is stopped. What waited for the host is carried out there meanwhile, so that a plan may be out of date: such a command is given again, as it says. */
export function startLoad(fleet: TestFleet, host: string): Load {
  const ended: LoadStep[] = [];
  let going = true;
  let last = performance.now();
  let longestGapMs = 0;
  const work = (async () => {
    for (let n = 1; going; n += 1) {
      const user = `load${String(n)}`;
      const command = ['user', 'add', user, '--on', host, '--yes'];
      let { code, stdout, stderr } = await fleet.reeve(command);
      let tries = 1;
      for (; tries < 4 && (stdout + stderr).includes('moved since the plan was made'); tries += 1) ({ code, stdout, stderr } = await fleet.reeve(command));
      ended.push({ user, code, said: code === 0 ? '' : stdout + stderr, again: tries > 1 });
      if (code !== 0) continue;
      longestGapMs = Math.max(longestGapMs, performance.now() - last);
      last = performance.now();
    }
  })();
  return {
    ended,
    async stop() {
      going = false;
      await work;
      return { ended, longestGapMs };
    },
  };
}
