import type { NatForward } from '../../shared/gen/proto/reeve/type/v1/NatForward.js';
import { formatNatPort, formatNatTarget, formatPorts, type NatListen, type PortRange } from '../../shared/model/nat.js';

/** The protocol of a forward as people write it. */
export function protocolText(protocol: NatForward['protocol']): 'tcp' | 'udp' {
  return protocol === 'NAT_PROTOCOL_UDP' ? 'udp' : 'tcp';
}

function portsOf(range: PortRange | null): PortRange {
  return range ?? { first: 0, last: 0 };
}

function listenOf({ listenAddress, listenInterface }: NatForward): NatListen {
  if (listenInterface !== '') return { kind: 'interface', name: listenInterface };
  return listenAddress === '' ? { kind: 'any' } : { kind: 'address', address: listenAddress };
}

/** What a forward takes: `tcp/8080`, with the listen address or interface before it. */
export function portText(forward: NatForward): string {
  return formatNatPort({ protocol: protocolText(forward.protocol), ports: portsOf(forward.ports), listen: listenOf(forward) });
}

/** Where a forward leads: `198.19.200.2:80`, or with the name of a host `web1:80 (198.19.200.2)`. */
export function targetText(forward: NatForward, toHost = ''): string {
  const ports = portsOf(forward.toPorts);
  if (toHost === '') return formatNatTarget(forward.toAddress, ports);
  return `${toHost}:${formatPorts(ports)}${forward.toAddress === '' ? '' : ` (${forward.toAddress})`}`;
}
