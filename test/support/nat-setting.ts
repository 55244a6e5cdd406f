import type { CommandAnswer } from './chaos.js';
import type { NatFleet } from './nat-fleet.js';
import { reeveTable } from './nat-fleet.js';

/** What a row of `reeve nat list --json` tells. */
export interface NatRow {
  readonly hostName: string;
  readonly forward: { readonly id: number; readonly ports: { readonly first: number; readonly last: number }; readonly toAddress: string } | null;
  readonly masquerade: { readonly id: number; readonly source: string } | null;
  readonly toHost: string;
  readonly enabled: boolean;
  readonly addedBy: string;
  readonly pending: boolean;
  readonly pendingReason: string;
  readonly counter: { readonly connections: number | string; readonly bytes: number | string } | null;
}

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
  /** `reeve nat list front`. */
  rows(): Promise<readonly NatRow[]>;
  /** The row of the forward of a TCP or UDP port. */
  rowOf(port: number): Promise<NatRow>;
  /** Removes all forwards of these ports. */
  remove(...which: readonly string[]): Promise<void>;
}

/** Those of a fleet. */
export function natCommands(fleetOf: () => NatFleet): NatCommands {
  const change: NatCommands['change'] = (args, code = 0) => fleetOf().json<CommandAnswer>(['nat', ...args, '--yes'], code);
  /** What of it stays as it is when nobody changes anything: counters do not. */
  const wanted = async (): Promise<unknown> => (await rows()).map((row) => ({ ...row, counter: null }));
  const rows: NatCommands['rows'] = async () => (await fleetOf().json<{ rows: NatRow[] }>(['nat', 'list', 'front'])).rows;
  return {
    change,
    rows,
    async refused(args, code) {
      const before = [await wanted(), await reeveTable(fleetOf().front)];
      const { stdout, stderr, code: ended } = await fleetOf().reeve(['nat', ...args, '--yes', '--json']);
      if (ended !== code) throw new Error(`reeve nat ${args.join(' ')} exited with ${String(ended)}, wanted ${String(code)}:\n${stdout}${stderr}`);
      const after = [await wanted(), await reeveTable(fleetOf().front)];
      if (JSON.stringify(after) !== JSON.stringify(before)) throw new Error(`reeve nat ${args.join(' ')} was refused and changed something: ${JSON.stringify({ before, after }, undefined, 1)}`);
      return errorsOf(stdout);
    },
    async rowOf(port) {
      const row = (await rows()).find(({ forward }) => forward !== null && forward.ports.first <= port && port <= forward.ports.last);
      if (row === undefined) throw new Error(`No forward of the inventory has port ${String(port)}`);
      return row;
    },
    async remove(...which) {
      for (const each of which) await change(['remove', 'front', each]);
    },
  };
}

/** The errors in what a command printed with --json, of the call or of its hosts. */
export function errorsOf(stdout: string): ToldError[] {
  const answer = JSON.parse(stdout) as { error?: { errors: ToldError[] }; hosts?: { errors: ToldError[] }[] };
  return answer.error?.errors ?? (answer.hosts ?? []).flatMap((host) => host.errors);
}
