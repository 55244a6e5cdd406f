import type { LabHost } from '../lab/lab.js';
import type { NatAnswer, NatCall } from '../support/bench-nat-caller.js';
import type { TestFleet } from '../support/fleet.js';
import { startLineProgram } from '../support/line-program.js';
import { summarise, type Figure } from './report.js';
import { inTurns } from './round.js';

const forwards = 1000;
const rounds = { warmUp: 1, rounds: 9 };
const firstPort = 20_000;
/** Beside the command line, whose description of the API it uses. */
const program = '/usr/lib/reeve-cli/bench-nat-caller.mjs';

/**
 * The table of 1,000 forwards replaced by a change of one of them: the coordinator's call of the agent, until the host has the new table and waits to be confirmed
 * (the agent looks at the host and plans again, the helper checks every rule, writes and syncs it, loads it and arms the dead-man service). Beside it nft(8)
 * loading the same table from the file that the helper wrote.
 */
export async function benchNat(fleet: TestFleet, name: string): Promise<Figure[]> {
  const host = fleet.host(name);
  const caller = await startCaller(fleet.hub);
  try {
    for (let n = 0; n < forwards; n++) await caller.ask({ method: 'AddForward', host: name, port: firstPort + n, to: `10.0.${String(Math.floor(n / 250))}.${String(1 + (n % 250))}` });
    const made = await fleet.reeve(['apply', '--on', name, '--noun', 'nat', '--yes']);
    if (made.code !== 0) throw new Error(`the forwards were not made: ${made.stdout}${made.stderr}`);
    const times = { apply: [] as number[], confirm: [] as number[], all: [] as number[], nft: [] as number[] };
    await inTurns(
      [
        {
          name: 'reeve',
          run: async (round) => {
            const { ms } = await caller.ask({ method: 'SetNat', host: name, which: `tcp/${String(firstPort + 7)}`, enabled: round % 2 === 1 });
            const { planned = NaN, waiting = NaN, confirmed = NaN, finished = NaN } = ms;
            times.apply.push(waiting - planned);
            times.confirm.push(confirmed - waiting);
            times.all.push(finished);
          },
        },
        { name: 'nft', run: async () => void times.nft.push(await loadByNft(host)) },
      ],
      rounds,
    );
    const kept = (values: readonly number[]): number[] => values.slice(rounds.warmUp);
    const peers = [{ name: 'nft -f of the same rules', values: kept(times.nft) }];
    return [
      { id: 'nat/replace', title: '1,000 forwards replaced: the call that applies', unit: 'ms', values: kept(times.apply), peers, bar: { most: 1.5, peer: 'nft -f of the same rules' }, note: `then ${summarise(kept(times.confirm)).median.toFixed(0)} ms to confirm` },
      { id: 'nat/confirm', title: '  the confirmation: witness, fresh connections, Confirm', unit: 'ms', values: kept(times.confirm) },
      { id: 'nat/command', title: '  the whole change: plan, store, apply, confirm', unit: 'ms', values: kept(times.all), peers },
    ];
  } finally {
    caller.close();
  }
}

/** Loads the table from the helper's own file, timed in the host; ms. */
async function loadByNft(host: LabHost): Promise<number> {
  const script = 'set -e; file=$(ls /var/lib/reeve-privd/nat/*.nft); began=${EPOCHREALTIME/./}; nft -f "$file"; echo $((${EPOCHREALTIME/./} - began))';
  return Number(await host.run(['bash', '-c', script])) / 1000;
}

async function startCaller(hub: LabHost): Promise<{ ask(call: NatCall): Promise<NatAnswer>; close(): void }> {
  const { ask, close } = await startLineProgram(hub, { entry: 'bench-nat-caller.ts', path: program });
  return {
    async ask(call) {
      const answer = JSON.parse(await ask(JSON.stringify(call))) as NatAnswer;
      const wanted = call.method === 'AddForward' ? 'OUTCOME_PENDING' : 'OUTCOME_OK';
      if (answer.outcome !== wanted) throw new Error(`${call.method} ended with ${answer.outcome}: ${answer.problem}`);
      return answer;
    },
    close,
  };
}
