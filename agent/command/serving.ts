import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { reeveError, ReeveError } from '../../shared/errors/error.js';
import { newId } from '../../shared/kit/id.js';
import { agentPort } from '../../shared/model/host.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { parseAgentConfig } from '../config.js';
import { createPrivdClient } from '../host/privd.js';
import { becomeAccount, isRoot } from '../host/privilege.js';
import type { AgentIdentity } from '../identity/identity.js';
import { openIdentityStore } from '../identity/store.js';
import { agentAccount } from '../paths.js';
import type { AgentOptions } from './options.js';

/** Longest wait for the helper, and for the agent's own port, ms. */
const waitMs = 4000;

/**
 * `reeve-agent serving`: whether the agent of this host does its work, as far as that can be seen from the host itself: the helper answers, and the agent
 * accepts TLS with this host's certificate (unless it only dials out). An upgrade is judged by it; no coordinator is needed. Errors: AGENT_NOT_SERVING with the first thing that is not so.
 */
export async function runServing(options: AgentOptions): Promise<void> {
  // The helper answers the agent's account only.
  if (isRoot() && !options.custom) becomeAccount(agentAccount);
  const { paths } = options;
  const identity = openIdentityStore(paths.state).load();
  if (identity === undefined) throw notServing('this host has not joined a fleet');
  await askHelper(paths.helper);
  const config = parseAgentConfig(existsSync(paths.config) ? readFileSync(paths.config, 'utf8') : '');
  const wanted = options.listen ?? config.listen;
  // An agent that only dials out has no port of its own: that it is ready and that its helper answers is all that can be seen from here.
  if (wanted !== undefined || !(config.dialOut ?? identity.link === 'dial-out')) {
    const { address, port } = wanted ?? { address: '127.0.0.1', port: agentPort };
    await acceptsTls(address, port, identity);
  }
  process.stdout.write('The agent serves.\n');
}

async function askHelper(socketPath: string): Promise<void> {
  const client = createPrivdClient({ socketPath, timeoutMs: waitMs });
  try {
    await client.call('status.get', newId(Date.now()), {});
  } catch (error) {
    if (error instanceof ReeveError) throw notServing(`the helper does not answer: ${error.fields['reason'] ?? error.code}`);
    throw error;
  } finally {
    client.close();
  }
}

/** The handshake is whole for the caller before the agent asks for a certificate, which there is none of. */
function acceptsTls(address: string, port: number, identity: AgentIdentity): Promise<void> {
  const wanted = `URI:${formatIdentity({ kind: 'host', fleetId: identity.fleetId, hostId: identity.hostId })}`;
  const where = `${address} port ${String(port)}`;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, minVersion: 'TLSv1.3', rejectUnauthorized: false, checkServerIdentity: () => undefined });
    const end = (reason?: string): void => {
      clearTimeout(timer);
      socket.destroy();
      if (reason === undefined) resolve();
      else reject(notServing(reason));
    };
    const timer = setTimeout(() => end(`it does not answer on ${where}`), waitMs);
    socket.once('error', (error: NodeJS.ErrnoException) => end(`it does not accept TLS on ${where}: ${error.code ?? error.message}`));
    socket.once('secureConnect', () => {
      const shown = socket.getPeerX509Certificate()?.subjectAltName ?? '';
      end(shown === wanted ? undefined : `somebody else answers on ${where}`);
    });
  });
}

function notServing(reason: string): ReeveError {
  return reeveError('AGENT_NOT_SERVING', { reason });
}
