import { text as readText } from 'node:stream/consumers';
import { reeveError } from '../../shared/errors/error.js';
import { vis } from '../../shared/model/vis.js';
import { parseMovedText } from '../../shared/rpc/signed.js';
import { becomeAccount, isRoot } from '../host/privilege.js';
import { openIdentityStore } from '../identity/store.js';
import { openTrustState } from '../identity/trust.js';
import { agentAccount } from '../paths.js';
import type { AgentOptions } from './options.js';

/** `reeve-agent moved`: takes in where the coordinator is now, on a host that can reach nobody. The record comes on standard input; it is signed, not secret. */
export async function runMoved(options: AgentOptions): Promise<void> {
  const record = parseMovedText(await readText(process.stdin));
  if (isRoot() && !options.custom) becomeAccount(agentAccount);
  const identity = openIdentityStore(options.paths.state).load();
  if (identity === undefined) throw reeveError('FIELD_MISSING', { field: 'identity', rule: 'this host has not joined; an operator runs "reeve host invite"' });
  const trust = openTrustState(options.paths.state, identity, Date.now);
  const newer = trust.takeMoved(record);
  const places = trust.places();
  process.stdout.write(newer ? `The coordinator is now at ${vis(places?.agentsApi.join(', ') ?? '')}. To renew at once: systemctl restart reeve-agent\n` : 'This host knows that, or something newer.\n');
}
