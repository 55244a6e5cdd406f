import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ChangeOptions as WireOptions } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import type { Change, FieldChange } from '../../shared/model/change.js';
import { formatUtc } from '../../shared/model/time.js';
import type { CallContext } from '../../shared/rpc/server.js';
import type { KeyIndex } from '../desired/key.js';
import type { Database } from '../inventory/database.js';
import { getGeneration } from '../inventory/generation.js';
import type { HostRow } from '../inventory/host.js';
import { storeKeys } from '../inventory/key-list.js';
import type { Removal } from '../inventory/key-removed.js';
import { keysAt } from '../inventory/key-source.js';
import { touchedHosts, type KeySubject } from '../inventory/key-touched.js';
import type { Office } from '../office.js';
import { hostNoun } from '../reconcile/host.js';
import { keyNoun } from '../reconcile/key.js';
import { userNoun } from '../reconcile/user.js';
import type { ChangeRequest } from '../reconcile/wanted.js';
import type { OperatorCaller } from './caller.js';
import { formatSteps, parseChangeOptions } from './event.js';
import { hostsWithIds } from './select.js';

/** What an edit of persons, keys, groups or grants came to. */
export interface AccessEdit {
  readonly changes: readonly Change[];
  /** What it is about that was not there before. */
  readonly about?: readonly KeySubject[];
}

/** A command about who may log in. */
export interface AccessCommand {
  /** For people: `grant add ada on role=web`. */
  readonly summary: string;
  /** Its arguments, for the audit and to tell two commands apart. */
  readonly detail: unknown;
  readonly options: WireOptions | null;
  /** What it is about, as far as that is there before. Asked inside the transaction. */
  readonly about: (db: Database) => readonly KeySubject[];
  /** Stores it. Runs for the candidate and for good; throws to refuse the command. */
  readonly edit: (db: Database, at: { readonly now: number; readonly operationId: string }) => AccessEdit;
  /** What becomes of keys that fall; absent: they are taken away by name. */
  readonly removal?: Removal;
  /** Hosts do not ask their floors. */
  readonly force?: boolean;
  /** Ids of hosts that it names: their keys are managed from now on. */
  readonly named?: readonly string[];
  /** Users that it makes or takes over, before the keys. */
  readonly users?: { readonly hosts: readonly HostRow[]; readonly store: (db: Database, host: HostRow, generation: number) => boolean };
  /** Stores what needs those users. */
  readonly afterUsers?: (db: Database) => void;
  /** Besides those that it touches: ids of hosts that are told in any case. */
  readonly also?: (db: Database) => readonly string[];
  /** A host is told by a generation of noun key. */
  readonly onHost?: (db: Database, hostId: string, generation: number) => void;
  readonly urgent?: boolean;
}

/** Keys that fall are taken away by name. */
export const byName: Removal = { purge: false, endSessions: false };

/** Runs a command about who may log in, on the hosts whose keys it alters. */
export function runAccess(office: Office, context: CallContext<OperatorCaller>, command: AccessCommand): AsyncGenerator<ChangeEventInput> {
  const { db } = office;
  const { principal } = context;
  const keys = createKeyPass(office);
  const named = new Set(command.named);
  const makes = command.users?.hosts ?? [];
  const request: ChangeRequest = {
    summary: command.summary,
    identity: `${command.summary} ${JSON.stringify(command.detail)}`,
    principal,
    nouns: command.users === undefined ? [keyNoun] : [userNoun, keyNoun],
    hosts: makes,
    ...(command.urgent === undefined ? {} : { urgent: command.urgent }),
    prepare: (_db, operationId) => {
      const touched = (subjects: readonly KeySubject[]): string[] => subjects.flatMap((subject) => touchedHosts(db, subject));
      const before = touched(command.about(db));
      const { changes, about } = command.edit(db, { now: keys.begin(), operationId });
      const ids = new Set([...before, ...touched(about ?? []), ...(command.also?.(db) ?? []), ...named]);
      const hosts = hostsWithIds(db, principal, ids).filter(({ id }) => getGeneration(db, id, hostNoun.name) === undefined);
      keys.about([...makes, ...hosts].map(({ id }) => id), command.afterUsers);
      return { changes, hosts };
    },
    edit: (_db, host, generation, noun) => {
      if (noun !== keyNoun) return makes.some(({ id }) => id === host.id) ? command.users?.store(db, host, generation) : undefined;
      const told = keys.store(host.id, generation, { removed: command.removal ?? byName, force: command.force === true, manage: named.has(host.id) });
      if (told) command.onHost?.(db, host.id, generation);
      return told ? true : undefined;
    },
  };
  return followed(office, formatSteps(office.changes.run(request, parseChangeOptions(command.options), context.signal)));
}

/** The steps of a command after which something may come to its end at another time. */
export async function* followed(office: Office, steps: AsyncIterable<ChangeEventInput>): AsyncGenerator<ChangeEventInput> {
  for await (const step of steps) {
    if (step.finished?.stored === true) office.expiries.changed();
    yield step;
  }
}

/** The keys of all hosts of a command, resolved once in each of its passes: the candidate's and the real one. */
export interface KeyPass {
  /** A pass begins; answers its moment, unix ms. */
  begin(): number;
  /** The hosts of the pass, and what is stored before their keys are resolved. */
  about(hostIds: readonly string[], first?: (db: Database) => void): void;
  /** Stores what a host is to be told with this generation; false: nothing new. */
  store(hostId: string, generation: number, change: { readonly removed: Removal; readonly force: boolean; readonly manage: boolean }): boolean;
}

/** A pass over the inventory. */
export function createKeyPass({ db, clock }: Office): KeyPass {
  let now = 0;
  let hostIds: readonly string[] = [];
  let first: ((db: Database) => void) | undefined;
  let index: KeyIndex | undefined;
  return {
    begin() {
      index = undefined;
      now = clock.now();
      return now;
    },
    about(ids, before) {
      hostIds = ids;
      first = before;
    },
    store(hostId, generation, change) {
      if (index === undefined) {
        first?.(db);
        index = keysAt(db, hostIds, now);
      }
      return storeKeys(db, index, { hostId, generation }, { ...change, now });
    },
  };
}

/** What changes in the inventory itself: fields without a difference are left out. */
export function inventoryChange(kind: Change['kind'], noun: string, subject: string, fields: readonly (FieldChange | undefined)[] = []): Change {
  return { kind, noun, subject, fields: fields.filter((field) => field !== undefined) };
}

/** A field that becomes another; undefined: it stays. */
export function fieldChange(field: string, from: string, to: string): FieldChange | undefined {
  return from === to ? undefined : { field, from, to };
}

/** An end as text; empty: none. */
export function endText(ms: number | undefined): string {
  return ms === undefined ? '' : formatUtc(ms);
}
