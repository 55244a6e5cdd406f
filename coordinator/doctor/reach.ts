import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { advise, failed, fine, run, type CheckStep, type Finding } from '../../shared/model/check.js';
import { agentPort, formatEndpoint, type Endpoint } from '../../shared/model/host.js';
import { getFacts } from '../inventory/fact.js';
import type { HostRow } from '../inventory/host.js';
import type { World } from '../world.js';
import { freePort } from './certificate.js';
import { probeOthers, probeTcp, probeTls, type TcpResult, type TlsResult } from '../../shared/rpc/probe.js';

/** What the steps up to the certificate leave for the later ones. */
export interface Reached {
  certificate?: X509Certificate;
}

/** Address, route and TLS of a host that is dialled straight. The certificate that was shown is left in `reached`. */
export function directSteps(world: World, host: HostRow, reached: Reached, signal: AbortSignal): CheckStep[] {
  const { endpoint } = host;
  let socket: Socket | undefined;
  return [
    {
      name: 'address',
      needs: ['inventory'],
      look: () =>
        endpoint === undefined
          ? failed('Its address is not known.', run('coordinator', `reeve host set ${host.name} --address IP`, 'Say where its agent listens.'))
          : fine(`Its agent is said to listen on ${formatEndpoint(endpoint)}.`),
    },
    {
      name: 'route',
      needs: ['address'],
      look: async () => {
        if (endpoint === undefined) return failed('Its address is not known.');
        const result = await probeTcp(endpoint, signal);
        if (result.kind === 'open') socket = result.socket;
        const other = result.kind === 'timeout' ? await probeOthers(endpoint.address, signal) : undefined;
        return judgeTcp(world, host, endpoint, { result, other });
      },
    },
    {
      name: 'tls',
      needs: ['route'],
      look: async () => {
        if (socket === undefined) return failed('There is no connection.');
        const result = await probeTls(socket);
        if (result.kind === 'certificate') reached.certificate = result.certificate;
        return judgeTls(host, result);
      },
    },
  ];
}

/** `other` is another port of the host that said something when the agent's did not. */
function judgeTcp(world: World, host: HostRow, endpoint: Endpoint, { result, other }: { readonly result: TcpResult; readonly other: number | undefined }): Finding {
  const where = formatEndpoint(endpoint);
  const elsewhere = otherAddress(world, host, endpoint);
  switch (result.kind) {
    case 'open':
      return fine(`${where} takes connections.`);
    case 'refused':
      return failed(`${where} can be reached, but nothing listens there (or a firewall rejects it).`, elsewhere ?? run(host.name, 'systemctl restart reeve-agent', 'Start the agent. If it runs already: reeve-agent doctor.'));
    case 'no-route':
      return failed(`There is no route to ${where}: the host is off, its network is down, or it has another address.`, elsewhere ?? advise(`Switch it on, or repair its network. If it has another address: reeve host set ${host.name} --address IP`));
    case 'timeout':
      if (other === undefined) {
        const text = `${where} does not answer, and neither does any other port of the host: it is off, it hangs, or a firewall drops all that is sent to it.`;
        return failed(text, elsewhere ?? advise(`Switch it on, or repair its network or the firewall. If it has another address: reeve host set ${host.name} --address IP`));
      }
      return failed(
        `${where} does not answer, but the host is there, its port ${String(other)} answers: a firewall drops what is sent to the agent.`,
        elsewhere ?? run(host.name, 'nft list ruleset', `Let the coordinator in to TCP port ${String(endpoint.port)}; this shows the rules of the host itself. There may be a firewall in between.`),
      );
    case 'broken':
      return failed(`${where} cannot be reached: ${result.reason}.`, elsewhere ?? advise('Look at the network of the coordinator: ip route'));
  }
}

/** The host itself last said that it has other addresses: then the one in the inventory is probably wrong. */
function otherAddress(world: World, host: HostRow, endpoint: Endpoint): ReturnType<typeof run> | undefined {
  const told = getFacts(world.db, host.id)?.facts.addresses.map((entry) => entry.address) ?? [];
  const first = told.find((address) => address.includes(':') === endpoint.address.includes(':')) ?? told[0];
  if (first === undefined || told.includes(endpoint.address)) return undefined;
  const bracketed = first.includes(':') ? `[${first}]` : first;
  const wanted = endpoint.port === agentPort ? first : `${bracketed}:${String(endpoint.port)}`;
  return run('coordinator', `reeve host set ${host.name} --address ${wanted}`, `It last said that it has ${told.slice(0, 8).join(', ')}, not ${endpoint.address}.`);
}

function judgeTls(host: HostRow, result: TlsResult): Finding {
  switch (result.kind) {
    case 'certificate':
      return fine('It speaks TLS 1.3.');
    case 'not-tls':
      return failed('Something else listens there: it does not speak TLS.', freePort(host));
    case 'old-tls':
      return failed('Something else listens there: it does not speak TLS 1.3.', freePort(host));
    case 'silent':
      return failed('Something takes the connection and says nothing: another program, or an agent that hangs.', freePort(host));
    case 'closed':
      return failed('The connection is closed before TLS begins: something else listens there, something in between cuts it, or the agent has too many connections.', freePort(host));
  }
}
