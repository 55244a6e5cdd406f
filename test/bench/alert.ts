import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startProgram } from '../support/bench-process.js';
import type { AlertAsk, LookMeasured } from '../support/bench-alert.js';
import type { Figure } from './report.js';

const hosts = 10_000;
const rounds = 5;
const minute = 60_000;

/** Looks at 10,000 hosts in a process of its own: when all is well, when all are lost at once and that is told to a webhook, while they stay away, and when all are back. */
export async function benchAlert(programs: string, folder: string): Promise<Figure[]> {
  let taken = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      taken += 1;
      response.end('noted');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const program = startProgram(programs, 'test/support/bench-alert.ts');
  const ask = <Answer>(message: AlertAsk): Promise<Answer> => program.ask<Answer>(message);
  const look = (passMs: number): Promise<LookMeasured> => ask<LookMeasured>({ kind: 'look', passMs });
  try {
    await ask({ kind: 'start', stateDir: join(folder, 'state'), hosts, webhook: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/` });
    const found = { well: [] as number[], lost: [] as LookMeasured[], still: [] as number[], back: [] as LookMeasured[] };
    for (let round = 0; round <= rounds; round += 1) {
      await look(10 * minute);
      const well = await look(minute);
      await ask({ kind: 'state', state: 'lost' });
      const before = taken;
      const lost = await look(6 * minute);
      const still = await look(2 * minute);
      await ask({ kind: 'state', state: 'connected' });
      await look(minute);
      const back = await look(10 * minute);
      if (taken !== before + 2) throw new Error(`${String(taken - before)} messages were taken, and not two: that all are lost, and that all are back`);
      // The first one compiles.
      if (round === 0) continue;
      found.well.push(well.blockMs);
      found.lost.push(lost);
      found.still.push(still.blockMs);
      found.back.push(back);
    }
    const blocks = (of: readonly LookMeasured[]): number[] => of.map(({ blockMs }) => blockMs);
    const times = (of: readonly LookMeasured[]): number[] => of.map(({ ms }) => ms);
    return [
      { id: 'alert/well', title: `a look at ${String(hosts)} hosts that are well: how long it keeps the coordinator from everything else`, unit: 'ms', values: found.well },
      { id: 'alert/lost', title: '  all are lost at once: from the look until the webhook has taken it', unit: 'ms', values: times(found.lost) },
      { id: 'alert/lost-block', title: '    longest time that it keeps the coordinator from everything else', unit: 'ms', values: blocks(found.lost) },
      { id: 'alert/still', title: '  a look while they stay away: the same', unit: 'ms', values: found.still },
      { id: 'alert/back', title: '  all are back: from the look until the webhook has taken it', unit: 'ms', values: times(found.back) },
      { id: 'alert/back-block', title: '    longest time that it keeps the coordinator from everything else', unit: 'ms', values: blocks(found.back) },
    ];
  } finally {
    await program.close();
    server.close();
  }
}
