import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { reeveError } from '../../shared/errors/error.js';
import { createLog } from '../../shared/kit/log.js';
import { createAgentCore } from '../core.js';
import { openAppendFile } from '../host/append.js';
import { takeGuard } from '../host/guard.js';
import { becomeAccount, isRoot } from '../host/privilege.js';
import { createSystemHost } from '../host/system.js';
import { localOwners } from '../hold/change.js';
import { openIdentityStore } from '../identity/store.js';
import { openTrustState } from '../identity/trust.js';
import { openManifestStore } from '../key/store.js';
import { controlSocket } from '../local/client.js';
import { answerLocal } from '../local/service.js';
import { agentAccount, holdPath } from '../paths.js';
import { openRelayList } from '../relay/list.js';
import { openReleaseState } from '../release/state.js';
import { openVhostStore } from '../vhost/store.js';
import type { AgentOptions } from './options.js';
import { claimOwnState } from './serve.js';

/** How long a daemon that is just starting or ending may have the state folder, ms. */
const guardMs = 2_000;

/**
 * `reeve-agent local`, for this program only: journal and engine without the network, for a command of root while the daemon is dead. It has the same
 * account, and the same socket, which only one process can have. Ends with its standard input.
 */
export async function runLocal(options: AgentOptions): Promise<void> {
  if (isRoot() && !options.custom) becomeAccount(agentAccount);
  const { paths } = options;
  const log = createLog('reeve-agent', 'error');
  const identity = openIdentityStore(paths.state).load();
  if (identity === undefined) throw reeveError('FIELD_MISSING', { field: 'identity', rule: 'this host has not joined' });
  const guard = await takeGuard(controlSocket(paths.state), guardMs);
  claimOwnState(paths.state, log);
  const host = createSystemHost({ policyPath: paths.policy, holdPath: holdPath(paths), helperSocket: paths.helper, statePath: paths.state, policyOwners: localOwners(options.custom), log });
  const file = await openAppendFile(join(paths.state, 'journal', 'operations'));
  const core = await createAgentCore({
    host, file, log, hostName: identity.hostName, hostId: identity.hostId, certificateNotAfter: 0, manifests: openManifestStore(paths.state, identity.hostId, log), vhosts: openVhostStore(paths.state, log), instanceId: randomUUID(),
    relayList: openRelayList(paths.state), release: openReleaseState(paths.state, identity), trust: openTrustState(paths.state, identity, () => host.clock.now()),
  });
  await core.recover();
  guard.serve(answerLocal(core.undo, log));
  process.stdout.write('ready\n');
  await new Promise((resolve) => {
    process.stdin.once('end', resolve);
    process.stdin.resume();
  });
  await core.drain();
  await guard.close();
  await file.close();
  host.close();
}
