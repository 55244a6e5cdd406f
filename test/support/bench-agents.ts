/** A process of simulated agents: the real agent server with TLS, access table and journal on hosts in memory. Takes identities, answers their ports. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentIdentity } from '../../agent/identity/identity.js';
import { createAgentServer } from '../../agent/server.js';
import { createLog } from '../../shared/kit/log.js';
import { answerParent } from './bench-process.js';
import { createSimulatedHost } from './simulated-host.js';

const [stateDir = ''] = process.argv.slice(2);
const log = createLog('reeve-agent');

answerParent<readonly AgentIdentity[]>((identities) =>
  Promise.all(
    identities.map(async (identity) => {
      const folder = join(stateDir, identity.hostName);
      mkdirSync(folder, { recursive: true });
      const host = createSimulatedHost({ hostname: identity.hostName });
      const agent = await createAgentServer({ host, identity, stateDir: folder, listen: { host: '127.0.0.1', port: 0 }, log });
      await agent.recovered;
      return agent.address.port;
    }),
  ),
);
