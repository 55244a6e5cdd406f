import type { Server } from '@grpc/grpc-js';
import { defaultListenerLimits, listen, type Listener, type ListenerLimits } from '../shared/rpc/listener.js';
import { createRpcServer, networkConnections } from '../shared/rpc/server.js';
import { ReeveServerCredentials } from '../shared/rpc/tls.js';
import { defaultEnrolLimits, enrolService, type EnrolLimits, type Stranger } from './api/enrol.js';
import { agentOf, identityService, type AgentCaller } from './api/identity.js';
import { linkService } from './api/link.js';
import { manifestService } from './api/manifest.js';
import { createRefusals } from './api/refusal.js';
import type { Office } from './office.js';

/** The two ports that agents dial. */
export interface AgentPorts {
  readonly agents: Listener;
  readonly enrolment: Listener;
  /** The coordinator has another certificate: new connections get it. */
  updateCertificate(): void;
  close(graceMs: number): Promise<void>;
}

/** How to listen for agents. */
export interface AgentPortOptions {
  /** Address to bind; `::` takes IPv4 and IPv6. */
  readonly host: string;
  readonly agentsPort: number;
  readonly enrolmentPort: number;
  readonly enrolLimits?: EnrolLimits;
  readonly onBug: (error: unknown) => void;
}

/** Agents that may only dial out stay connected: they are counted apart, and one has a few connections while a newer one takes the place of an older. */
const agentLimits: ListenerLimits = { ...defaultListenerLimits, proven: { total: 20_000, perName: 8 } };

/** Opens the agents' API (their certificates required) and enrolment (no certificate yet). */
export async function listenForAgents(office: Office, options: AgentPortOptions): Promise<AgentPorts> {
  const { log, clock } = office;
  const refusals = createRefusals({ db: () => office.db, clock, log });
  const onRefused = refusals.note;
  const identity = office.authority.coordinator();
  const agentCredentials = new ReeveServerCredentials(identity, { requireClient: true });
  const enrolCredentials = new ReeveServerCredentials(identity, { requireClient: false });

  const open: { agents?: Listener } = {};
  const agentServer: Server = createRpcServer<AgentCaller>({
    services: [identityService(office), linkService(office), manifestService(office)],
    log,
    clock,
    connections: networkConnections,
    onRefused,
    onBug: options.onBug,
    authenticate: (call) => {
      const caller = agentOf(office, call);
      open.agents?.authenticated(call.getPeer(), caller.name);
      return caller;
    },
  });
  const enrolServer = createRpcServer<Stranger>({
    services: [enrolService(office, options.enrolLimits ?? defaultEnrolLimits)],
    log,
    clock,
    connections: networkConnections,
    onRefused,
    onBug: options.onBug,
    authenticate: (call) => ({ name: `peer:${call.getPeer()}`, role: 'stranger' }),
  });
  const agents = await listen({ server: agentServer, credentials: agentCredentials, limits: agentLimits, listen: { host: options.host, port: options.agentsPort } });
  open.agents = agents;
  let enrolment: Listener;
  try {
    enrolment = await listen({ server: enrolServer, credentials: enrolCredentials, listen: { host: options.host, port: options.enrolmentPort } });
  } catch (error) {
    await agents.close(0);
    throw error;
  }
  return {
    agents,
    enrolment,
    updateCertificate() {
      agentCredentials.update(office.authority.coordinator());
      enrolCredentials.update(office.authority.coordinator());
    },
    async close(graceMs) {
      await Promise.all([agents.close(graceMs), enrolment.close(graceMs)]);
      refusals.close();
    },
  };
}
