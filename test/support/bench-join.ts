/** A process of hosts that join: per token, what `reeve-agent join` does with its keys and the coordinator. Answers how long it took, ms. */
import { join } from 'node:path';
import { joinFleet } from '../../agent/identity/enrol.js';
import { openIdentityStore } from '../../agent/identity/store.js';
import type { JoinToken } from '../../shared/model/join-token.js';
import { answerParent } from './bench-process.js';

const [stateDir = ''] = process.argv.slice(2);
let count = 0;

answerParent<JoinToken>(async (joinToken) => {
  count += 1;
  const store = openIdentityStore(join(stateDir, String(count)));
  const startedAt = performance.now();
  await joinFleet({ store, machineHint: Buffer.alloc(32, 0xab), now: Date.now }, joinToken);
  return performance.now() - startedAt;
});
