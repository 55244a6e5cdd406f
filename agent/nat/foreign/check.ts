import type { NatForward } from '../../../shared/model/nat.js';
import type { HostNetwork } from './network.js';
import type { Rules } from './ruleset.js';

/** A rule of somebody else that stands in the way of a forward. */
export interface Obstacle {
  readonly kind: 'claim' | 'drop';
  /** `ip filter FORWARD handle 12`, or `ip filter FORWARD policy`. */
  readonly rule: string;
  /** What it does, for a person. */
  readonly says: string;
  /** What a person can do, with a command. */
  readonly remedy: string;
  /** A claim that does exactly what the forward does. */
  readonly same?: { /** FAMILY TABLE CHAIN HANDLE */ readonly handle: string; readonly sha256: string };
}

/** What certainly stands in the way of a forward. */
export function obstaclesOf(_rules: Rules, _forward: NatForward, _network: HostNetwork): readonly Obstacle[] {
  return [];
}
