import type { UnitState } from '../host/unit.js';
import type { AgentOptions } from '../command/options.js';

/** What the agent's own doctor looks at. */
export interface DoctorPlace {
  readonly options: AgentOptions;
  /** Name for messages: of the inventory when it is known, else of the machine. */
  readonly hostName: string;
  /** Account that the agent runs under. */
  readonly agentUid: number;
  /** What systemd says of the agent's units; undefined: it could not be asked. */
  readonly units: readonly UnitState[] | undefined;
  /** Unix ms. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}
