import { listen, type Listener } from '../shared/rpc/listener.js';
import { ReeveServerCredentials, type TlsIdentity } from '../shared/rpc/tls.js';
import { remoteOperatorOf } from './api/login.js';
import { createOperatorServer, type OperatorServerOptions } from './api/server.js';
import { refuseSession } from './api/web-session.js';
import type { Office } from './office.js';

/** The port that operators on other machines dial. */
export interface OperatorPort {
  readonly operators: Listener;
  /** The coordinator has another certificate: new connections get it. */
  updateCertificate(): void;
  close(graceMs: number): Promise<void>;
}

/**
 * Opens the operators' API to other machines: the services and rows of the local socket, for callers with an operator's certificate of the control root.
 * Certificates of agents fail in TLS, the coordinator's own is nobody's here.
 */
export async function listenForOperators(office: Office, options: OperatorServerOptions & { readonly host: string; readonly port: number }): Promise<OperatorPort> {
  const credentials = new ReeveServerCredentials(identityOf(office), { requireClient: true });
  const open: { listener?: Listener } = {};
  const { server, refusals } = createOperatorServer(options, {
    overNetwork: true,
    authenticate: (call) => {
      refuseSession(call.metadata);
      const caller = remoteOperatorOf(office, call);
      open.listener?.authenticated(call.getPeer());
      return caller;
    },
  });
  const operators = await listen({ server, credentials, listen: { host: options.host, port: options.port } });
  open.listener = operators;
  return {
    operators,
    updateCertificate: () => credentials.update(identityOf(office)),
    async close(graceMs) {
      await operators.close(graceMs);
      refusals.close();
    },
  };
}

function identityOf(office: Office): TlsIdentity {
  return { ...office.authority.coordinator(), trust: office.authority.controlRoot };
}
