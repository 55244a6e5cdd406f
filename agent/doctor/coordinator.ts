import { X509Certificate } from 'node:crypto';
import { ReeveError } from '../../shared/errors/error.js';
import { advise, failed, fine, run, skipped, type CheckStep, type Finding, type Fix } from '../../shared/model/check.js';
import { parseReachableEndpoint } from '../../shared/model/join-token.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { probeTcp, probeTls } from '../../shared/rpc/probe.js';
import { certificateProblem } from '../../shared/rpc/tls.js';
import type { AgentIdentity } from '../identity/identity.js';
import type { DoctorPlace } from './place.js';

/** What one address of the coordinator came to. */
type Reach = { readonly ok: true } | { readonly ok: false; readonly text: string; readonly fix: Fix };

/** Whether this host reaches the coordinator's ports for agents and for joining, and the right one answers there. */
export function coordinatorStep(place: DoctorPlace, identity: () => AgentIdentity | undefined): CheckStep {
  return {
    name: 'coordinator',
    needs: ['identity'],
    look: async () => {
      const me = identity();
      if (me === undefined) return skipped('There is no identity.');
      const agents = await reachAny(place, me, me.agentsApi, 'for agents');
      return agents.state === 'failed' ? agents : reachAny(place, me, me.enrolment, 'for joining');
    },
  };
}

/** One of several addresses is enough. */
async function reachAny(place: DoctorPlace, me: AgentIdentity, addresses: readonly string[], purpose: string): Promise<Finding> {
  let first: Extract<Reach, { ok: false }> | undefined;
  for (const address of addresses) {
    const reach = await reachOne(place, me, address);
    if (reach.ok) return fine(`The coordinator answers on ${address}, and on its port ${purpose}.`);
    first ??= reach;
  }
  if (first === undefined) return failed(`No address of the coordinator ${purpose} is known.`, run('coordinator', `reeve host invite ${me.hostName} --rejoin`, 'Run the line that this prints on this host.'));
  return failed(`The coordinator's port ${purpose} cannot be used, so the certificate cannot be renewed: ${first.text}`, first.fix);
}

async function reachOne({ hostName, now, signal }: DoctorPlace, me: AgentIdentity, address: string): Promise<Reach> {
  const bad = (text: string, fix: Fix): Reach => ({ ok: false, text, fix });
  let endpoint: ReturnType<typeof parseReachableEndpoint>;
  try {
    endpoint = parseReachableEndpoint(address);
  } catch (error) {
    if (error instanceof ReeveError) return bad(`${address} is no address.`, advise('Join again.'));
    throw error;
  }
  const tcp = await probeTcp(endpoint, signal);
  const port = String(endpoint.port);
  switch (tcp.kind) {
    case 'open':
      break;
    case 'refused':
      return bad(`nothing listens on ${address}.`, run('coordinator', 'systemctl restart reeved', 'Start the coordinator.'));
    case 'no-route':
      return bad(`there is no route to ${address}.`, run(hostName, `ip route get ${endpoint.address}`, 'The coordinator is off, or the network of this host is down.'));
    case 'timeout':
      return bad(`${address} does not answer: a firewall drops what is sent, or the coordinator is off.`, run(hostName, 'nft list ruleset', `Let this host out to TCP port ${port} of the coordinator; there may be a firewall in between.`));
    case 'broken':
      return bad(`${address} cannot be reached: ${tcp.reason}.`, advise(/ENOTFOUND|EAI_AGAIN/.test(tcp.reason) ? 'The name does not resolve: look at /etc/resolv.conf and /etc/hosts.' : 'Look at the network of this host.'));
  }
  const tls = await probeTls(tcp.socket);
  if (tls.kind !== 'certificate') return bad(`what listens on ${address} does not speak TLS 1.3 (${tls.reason}).`, run('coordinator', `ss -ltnp 'sport = :${port}'`, 'Something else has the port of the coordinator, or something in between cuts the connection.'));
  return judgeCoordinator(me, tls.certificate, now(), hostName);
}

function judgeCoordinator(me: AgentIdentity, certificate: X509Certificate, now: number, hostName: string): Reach {
  const root = new X509Certificate(me.controlRoot);
  if (!certificate.checkIssued(root) || !certificate.verify(root.publicKey)) {
    return { ok: false, text: 'what answers there is not the coordinator of this fleet.', fix: advise(`Look at what the address leads to. If the coordinator was set up anew, this host has to join it: reeve host invite ${me.hostName}`) };
  }
  const problem = certificateProblem(certificate, { uri: formatIdentity({ kind: 'coordinator', fleetId: me.fleetId }), usage: 'server', now });
  if (problem === undefined) return { ok: true };
  const dated = problem === 'it has expired' || problem === 'it is not valid yet';
  const text = `its certificate cannot be used: ${problem}${dated ? `, by the clock of this host, ${new Date(now).toISOString()}` : ''}.`;
  return { ok: false, text, fix: dated ? run(hostName, 'timedatectl set-ntp true', 'Compare the clocks of both, and set the one that is wrong.') : run('coordinator', `reeve doctor ${me.hostName}`) };
}
