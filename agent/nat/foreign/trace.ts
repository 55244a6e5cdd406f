import type { NatProtocol } from '../../../shared/model/nat.js';
import { interfaceTo, type HostNetwork } from './network.js';
import type { Rules } from './ruleset.js';

/** The first packet of a connection. */
export interface TracedPacket {
  readonly protocol: NatProtocol;
  readonly port: number;
  readonly from: string;
  readonly to: string;
}

/** One rule that a packet meets. */
export interface TraceStep {
  readonly rule: string;
  readonly verdict: string;
  readonly ours: boolean;
  /** It may match; Reeve cannot tell. */
  readonly maybe: boolean;
}

/** The way of a packet. */
export interface Trace {
  readonly steps: TraceStep[];
  /** accept, drop, reject or unknown. */
  readonly verdict: string;
  /** ADDRESS:PORT it arrives at. */
  readonly arrives: string;
  /** Interface it leaves through; "lo": the host itself; "": no route. */
  readonly interface: string;
}

/** The rules that a packet meets. */
export function tracePacket(_rules: Rules, packet: TracedPacket, network: HostNetwork): Trace {
  return { steps: [], verdict: 'unknown', arrives: `${packet.to}:${String(packet.port)}`, interface: interfaceTo(network, packet.to) ?? '' };
}
