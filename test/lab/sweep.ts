/** `npx tsx test/lab/sweep.ts` takes away labs whose owner is gone; also run by each lab's guard at its owner's death. */
import { sweep } from './teardown.js';

for (const id of sweep()) process.stdout.write(`swept ${id}\n`);
