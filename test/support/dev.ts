/**
 * `npm run dev`: a coordinator and two agents from the source tree on loopback, with throw-away certificates. Ends with Ctrl-C and leaves nothing.
 * As root with `--policy standard` users would really be made on this machine, so only the observing preset is offered here; real changes are tried on
 * lab hosts (`npm run demo -- --keep`).
 */
import { join } from 'node:path';
import { startLocal, top } from './local.js';

const fleet = await startLocal({ count: 2, policy: 'observe', log: 'inherit' });
const stop = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
});
process.stdout.write(`
A coordinator and two agents are running; both observe only. Talk to them:

  node --import tsx ${join(top, 'coordinator/cli/main.ts')} --socket ${fleet.socketPath} status

Ctrl-C ends them.
`);
await stop;
fleet.close();
