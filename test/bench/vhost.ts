import type { LabHost } from '../lab/lab.js';
import type { TestFleet } from '../support/fleet.js';
import { stageSites, startSiteCaller } from '../support/web-stage.js';
import { summarise, type Figure } from './report.js';
import { inTurns } from './round.js';

const sites = 1000;
const rounds = { warmUp: 1, rounds: 9 };
const peer = 'nginx -t && systemctl reload nginx';

/**
 * One changed site of 1,000: the coordinator's call of the agent until it has answered (render, lay out, test in the sandbox, swap, reload, probe by name). Beside it
 * a person's two commands on the same host with the same sites, which neither write nor probe anything.
 */
export async function benchVhost(fleet: TestFleet, name: string): Promise<Figure[]> {
  const host = fleet.host(name);
  await stageSites(fleet.hub, name, Array.from({ length: sites }, (_, n) => ({ name: `s${String(n)}.example.org`, text: `site ${String(n)}` })));
  const made = await fleet.reeve(['apply', '--on', name, '--noun', 'vhost', '--yes']);
  if (made.code !== 0) throw new Error(`the sites were not made: ${made.stdout}${made.stderr}`);
  const caller = await startSiteCaller(fleet.hub);
  try {
    const times = { apply: [] as number[], all: [] as number[], peer: [] as number[] };
    await inTurns(
      [
        {
          name: 'reeve',
          run: async (round) => {
            const { ms, outcome, problem } = await caller.ask({ method: 'SetVhost', host: name, name: 's7.example.org', title: `round ${String(round)}` });
            if (outcome !== 'OUTCOME_OK') throw new Error(`the change ended with ${outcome}: ${problem}`);
            const { planned = NaN, finished = NaN } = ms;
            times.apply.push(finished - planned);
            times.all.push(finished);
          },
        },
        { name: 'nginx', run: async () => void times.peer.push(await byHand(host)) },
      ],
      rounds,
    );
    const kept = (values: readonly number[]): number[] => values.slice(rounds.warmUp);
    const peers = [{ name: peer, values: kept(times.peer) }];
    return [
      { id: 'vhost/one', title: 'one changed site of 1,000: render, test, swap, reload, probe', unit: 'ms', values: kept(times.apply), peers, bar: { most: 2, peer }, note: `planned before in ${(summarise(kept(times.all)).median - summarise(kept(times.apply)).median).toFixed(0)} ms` },
      { id: 'vhost/command', title: '  the whole change: plan (with the test), store, apply', unit: 'ms', values: kept(times.all), peers },
    ];
  } finally {
    caller.close();
  }
}

/** Both commands, timed in the host; ms. */
async function byHand(host: LabHost): Promise<number> {
  return Number(await host.run(['bash', '-c', 'set -e; began=${EPOCHREALTIME/./}; nginx -t 2>/dev/null; systemctl reload nginx; echo $((${EPOCHREALTIME/./} - began))'])) / 1000;
}
