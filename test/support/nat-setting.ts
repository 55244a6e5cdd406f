import type { ManagedNat } from '../../shared/gen/proto/reeve/coordinator/v1/ManagedNat.js';
import type { NatServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/NatService.js';
import { serviceName } from '../../shared/rpc/client.js';
import type { CommandAnswer } from './chaos.js';
import type { NatFleet } from './nat-fleet.js';
import { reeveTable } from './nat-fleet.js';

/** An error as commands tell it with --json. */
export interface ToldError {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

/** Commands about forwards, of one fleet. */
export interface NatCommands {
  /** `reeve nat ARGS --yes`. */
  change(args: readonly string[], code?: number): Promise<CommandAnswer>;
  /** `reeve nat ARGS --yes`, which is refused and changes nothing: neither the front nor what is wanted of it. Gives all errors that were told. */
  refused(args: readonly string[], code: number): Promise<ToldError[]>;
  /** What is wanted of the front, with counters as it tells them now. */
  rows(): Promise<readonly ManagedNat[]>;
  /** The row of the forward of a TCP or UDP port. */
  rowOf(port: number): Promise<ManagedNat>;
  /** Removes all forwards of these ports. */
  remove(...which: readonly string[]): Promise<void>;
}

const natService = serviceName<NatServiceDefinition>('reeve.coordinator.v1.NatService');

/** Those of a fleet. */
export function natCommands(fleetOf: () => NatFleet): NatCommands {
  const change: NatCommands['change'] = (args, code = 0) => fleetOf().json<CommandAnswer>(['nat', ...args, '--yes'], code);
  const list = async (counters: boolean): Promise<readonly ManagedNat[]> => (await fleetOf().api.call(natService, 'ListNat', { selector: 'front', counters })).rows;
  const rows: NatCommands['rows'] = () => list(true);
  /** What stays as it is when nobody changes anything. */
  const all = async (): Promise<unknown> => [await list(false), await reeveTable(fleetOf().front)];
  return {
    change,
    rows,
    async refused(args, code) {
      const before = await all();
      const { stdout, stderr, code: ended } = await fleetOf().reeve(['nat', ...args, '--yes', '--json']);
      if (ended !== code) throw new Error(`reeve nat ${args.join(' ')} exited with ${String(ended)}, wanted ${String(code)}:\n${stdout}${stderr}`);
      const after = await all();
      if (JSON.stringify(after) !== JSON.stringify(before)) throw new Error(`reeve nat ${args.join(' ')} was refused and changed something: ${JSON.stringify({ before, after }, undefined, 1)}`);
      return errorsOf(stdout);
    },
    async rowOf(port) {
      const row = (await rows()).find(({ forward }) => forward !== null && has(forward.ports, port));
      if (row === undefined) throw new Error(`No forward of the inventory has port ${String(port)}`);
      return row;
    },
    async remove(...which) {
      for (const each of which) await change(['remove', 'front', each]);
    },
  };
}

function has(range: { first: number; last: number } | null, port: number): boolean {
  return range !== null && range.first <= port && port <= range.last;
}

/** The errors in what a command printed with --json, of the call or of its hosts. */
export function errorsOf(stdout: string): ToldError[] {
  const answer = JSON.parse(stdout) as { error?: { errors: ToldError[] }; hosts?: { errors: ToldError[] }[] };
  return answer.error?.errors ?? (answer.hosts ?? []).flatMap((host) => host.errors);
}
