import { reeveError } from '../../shared/errors/error.js';
import type { Change } from '../../shared/model/change.js';
import type { Database } from '../inventory/database.js';
import { getGeneration, raiseGeneration } from '../inventory/generation.js';
import type { HostRow } from '../inventory/host.js';
import type { World } from '../world.js';
import type { Confirmation } from './guard.js';
import { hostNoun } from './host.js';
import type { Noun } from './noun.js';

/** A command that changes what hosts should be, or only converges them to it. */
export interface ChangeRequest {
  /** What was asked, for people: `user add ada on all`. */
  readonly summary: string;
  /** What makes two requests the same: noun, verb, arguments; canonical text. */
  readonly identity: string;
  /** Who asked: for the audit, and by name. */
  readonly principal: { readonly name: string; readonly account: string };
  readonly nouns: readonly Noun[];
  readonly hosts: readonly HostRow[];
  /**
   * Stores what is not of one host, before the hosts; like an edit it runs for the candidate and for good, with the id of the operation (empty for the
   * candidate). Throws to refuse the whole command.
   */
  readonly prepare?: (db: Database, operationId: string) => Prepared;
  /**
   * Stores what is wanted of one host and noun, and answers whether that is anything new, or undefined when the host has no part in it; absent: nothing new
   * is wanted. Runs once for the candidate, whose writes are taken back, and once for good; all hosts of a noun before those of the next. Throws to refuse the whole command.
   */
  readonly edit?: (db: Database, host: HostRow, generation: number, noun: Noun) => boolean | undefined;
  /** Instead of an edit: the nouns are let go of on the hosts. */
  readonly release?: boolean;
  /** Access is taken away: it is stored and told to hosts before they are asked for a plan, whatever one of them says, and before all else that they wait for. */
  readonly urgent?: boolean;
  /** How changes that hosts take back by themselves are confirmed; absent: the usual way. */
  readonly confirmation?: Confirmation;
}

/** What was stored that is not of one host. */
export interface Prepared {
  /** What that changes in the inventory. */
  readonly changes: readonly Change[];
  /** The hosts that it is about, sorted by name, beside those of the request. */
  readonly hosts: readonly HostRow[];
}

/** One host and noun of a command, with what the host should have. */
export interface Target {
  readonly host: HostRow;
  readonly noun: Noun;
  readonly generation: number;
  readonly desired: unknown;
  readonly release: boolean;
}

/** What is wanted once a command is stored. */
export interface Wanted {
  /** By host, and by noun in the order of the request. */
  readonly targets: readonly Target[];
  readonly inventory: readonly Change[];
}

/** Stores what is wanted and answers what that makes of each noun of every host. */
export function storeWanted(world: World, request: ChangeRequest, operationId: string): Wanted {
  const prepared = request.prepare?.(world.db, operationId);
  const known = new Set(request.hosts.map((host) => host.id));
  const hosts = [...request.hosts, ...(prepared?.hosts ?? []).filter((host) => !known.has(host.id))];
  const byHost = new Map<string, Target[]>(hosts.map((host) => [host.id, []]));
  for (const noun of request.nouns) {
    for (const host of hosts) byHost.get(host.id)?.push(...wantedOf(world, request, host, noun));
  }
  return { targets: [...byHost.values()].flat(), inventory: prepared?.changes ?? [] };
}

function wantedOf({ db, clock }: World, request: ChangeRequest, host: HostRow, noun: Noun): Target[] {
  const known = getGeneration(db, host.id, noun.name);
  const before = known?.wanted ?? 0;
  const raise = (released: boolean): number => raiseGeneration(db, { hostId: host.id, noun: noun.name, now: clock.now(), released });
  if (request.release === true) {
    if (known !== undefined && !known.released && known.applied < known.wanted) throw reeveError('RELEASE_UNAPPLIED', { host: host.name, noun: noun.name });
    const generation = known?.released === true ? before : raise(true);
    return [{ host, noun, generation, desired: noun.desired(db, host.id), release: true }];
  }
  if (request.edit === undefined && before === 0) return [];
  if (request.edit !== undefined) requireKept(db, host);
  const edited = request.edit === undefined ? false : request.edit(db, host, before + 1, noun);
  if (edited === undefined) return [];
  // Whoever asks for something to be so asks for it to be managed: a release that is still pending is taken back.
  const changed = edited || (request.edit !== undefined && known?.released === true);
  const generation = changed || before === 0 ? raise(false) : before;
  return [{ host, noun, generation, desired: noun.desired(db, host.id), release: changed ? false : (known?.released ?? false) }];
}

/** A host that is being let go of as a whole gets nothing new. Errors: HOST_RELEASING. */
function requireKept(db: Database, host: HostRow): void {
  if (getGeneration(db, host.id, hostNoun.name) !== undefined) throw reeveError('HOST_RELEASING', { host: host.name });
}
