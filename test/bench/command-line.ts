import type { TestFleet } from '../support/fleet.js';
import type { Figure } from './report.js';
import { inTurns, timesOf } from './round.js';

const runtime = '/usr/lib/reeve/node';

/** The command line as packaged, and the runtime alone beside it. */
export async function benchCommandLine(fleet: TestFleet): Promise<Figure[]> {
  const all = await inTurns(
    [
      { name: 'version', run: () => done(fleet, ['/usr/bin/reeve', '--version']) },
      { name: 'list', run: () => done(fleet, ['/usr/bin/reeve', 'host', 'list']) },
      { name: 'runtime', run: () => done(fleet, [runtime, '-e', '0']) },
    ],
    { warmUp: 2, rounds: 15 },
  );
  const peers = [{ name: 'the runtime with nothing to do', values: timesOf(all, 'runtime').ms }];
  return [
    { id: 'command-line/version', title: 'reeve --version', unit: 'ms', values: timesOf(all, 'version').ms, peers },
    { id: 'command-line/host-list', title: 'reeve host list', unit: 'ms', values: timesOf(all, 'list').ms, peers },
  ];
}

async function done(fleet: TestFleet, argv: readonly string[]): Promise<void> {
  await fleet.hub.run(argv);
}
