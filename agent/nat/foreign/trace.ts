import { formatNatTarget, type NatProtocol } from '../../../shared/model/nat.js';
import { addressValue } from './address.js';
import { interfaceTo, isLocal, type HostNetwork } from './network.js';
import type { Rules } from './ruleset.js';
import { walkPacket } from './walk.js';

/** The first packet of a connection. */
export interface TracedPacket {
  readonly protocol: NatProtocol;
  readonly port: number;
  readonly from: string;
  readonly to: string;
}

/** One rule that a packet meets. */
export interface TraceStep {
  /** `ip filter FORWARD handle 12`, or `ip filter FORWARD policy`. */
  readonly rule: string;
  /** accept, drop, reject, return, `jump CHAIN`, `goto CHAIN`, `dnat to ADDRESS:PORT`, `redirect to ADDRESS:PORT`, masquerade, `snat to ADDRESS`, or what it may do. */
  readonly verdict: string;
  /** It is of table `inet reeve`. */
  readonly ours: boolean;
  /** It may match; Reeve cannot tell. */
  readonly maybe: boolean;
}

/** The way of a packet. */
export interface Trace {
  readonly steps: TraceStep[];
  /** accept, drop, reject or unknown. */
  readonly verdict: string;
  /** ADDRESS:PORT it arrives at, or would if it were not dropped. */
  readonly arrives: string;
  /** Interface it leaves through; "lo": the host itself; "": no route. */
  readonly interface: string;
}

/** The rules that a packet meets on its way in from outside, or out of the host if it comes from an address of its own. Those that only lead on to the next rule (jumps to chains that end nothing) are told too. */
export function tracePacket(rules: Rules, packet: TracedPacket, network: HostNetwork): Trace {
  const { protocol, port, from, to } = packet;
  const inside = { protocol, port, from, to, iif: interfaceTo(network, from), oif: '', dnat: false, originalTo: to, originalPort: port };
  const known = addressValue(from)?.family === addressValue(to)?.family;
  const walk = walkPacket(rules, inside, network, { ours: true, own: isLocal(network, from) });
  const arrives = walk.packet.to;
  return {
    steps: [...walk.steps],
    verdict: known ? walk.verdict : 'unknown',
    arrives: formatNatTarget(arrives, { first: walk.packet.port, last: walk.packet.port }),
    interface: interfaceTo(network, arrives) ?? '',
  };
}
