import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ChangeOptions as WireOptions } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import type { NatConfirm } from '../../shared/gen/proto/reeve/coordinator/v1/NatConfirm.js';
import type { Change } from '../../shared/model/change.js';
import { fieldInvalid, parseInteger } from '../../shared/model/field.js';
import { formatNatPort, parseNatPort } from '../../shared/model/nat.js';
import type { CallContext } from '../../shared/rpc/server.js';
import { fromDuration } from '../../shared/rpc/time.js';
import type { ForwardRow, MasqueradeRow } from '../desired/nat.js';
import type { Database } from '../inventory/database.js';
import type { HostRow } from '../inventory/host.js';
import { natOf } from '../inventory/nat.js';
import type { Office } from '../office.js';
import type { Confirmation } from '../reconcile/guard.js';
import { natNoun } from '../reconcile/nat.js';
import type { OperatorCaller } from './caller.js';
import { formatSteps, parseChangeOptions } from './event.js';
import { inventoryChange } from './key-change.js';

/** One forward or masquerade of the inventory. */
export type NatRow = ({ readonly kind: 'forward' } & ForwardRow) | ({ readonly kind: 'masquerade' } & MasqueradeRow);

/** A command about the forwards of one host. */
export interface NatCommand {
  readonly host: HostRow;
  /** `add`, `remove`, ... */
  readonly verb: string;
  /** What it is about, by which it is found again in the audit: `tcp/8080`, `masquerade:198.19.200.0/24`; several joined by commas; and behind a space what is for people only. */
  readonly subject: string;
  /** Its arguments as they were given, to tell two commands apart. */
  readonly detail: unknown;
  readonly options: WireOptions | null;
  readonly confirm: NatConfirm | null;
  /** What it changes that no host shows. Asked in the transaction, before the edit. */
  readonly unseen?: (db: Database) => readonly Change[];
  /** Stores it; false: it is so already. Throws to refuse the command. */
  readonly edit: (db: Database, generation: number) => boolean;
}

/** Runs a command about the forwards of one host. */
export function runNat(office: Office, context: CallContext<OperatorCaller>, command: NatCommand): AsyncGenerator<ChangeEventInput> {
  const { host, verb, unseen } = command;
  const steps = office.changes.run(
    {
      summary: `nat ${verb} ${host.name} ${command.subject}`,
      identity: natIdentity(verb, host.id, command.detail),
      principal: context.principal,
      nouns: [natNoun],
      hosts: [host],
      confirmation: parseConfirm(command.confirm),
      ...(unseen === undefined ? {} : { prepare: (db: Database) => ({ changes: unseen(db), hosts: [] }) }),
      edit: (db, _host, generation) => command.edit(db, generation),
    },
    parseChangeOptions(command.options),
    context.signal,
  );
  return formatSteps(steps);
}

/** The arguments of a command as the audit has them: they begin with the id of the host. */
export function natIdentity(verb: string, hostId: string, detail: unknown): string {
  return `nat ${verb} ${hostId} ${JSON.stringify(detail)}`;
}

/** How a change is to be confirmed, from the wire. Errors: FIELD_INVALID. */
function parseConfirm(wire: NatConfirm | null): Confirmation {
  const timeoutMs = fromDuration(wire?.timeout);
  return { manual: wire?.manual === true, timeoutMs: timeoutMs === undefined ? undefined : parseInteger('confirm timeout (ms)', timeoutMs, { min: 10_000, max: 600_000 }) };
}

/** All that the inventory has of a host, forwards first. */
export function natRows(db: Database, hostId: string): NatRow[] {
  const { forwards, masquerades } = natOf(db, hostId);
  return [...forwards.map((row): NatRow => ({ kind: 'forward', ...row })), ...masquerades.map((row): NatRow => ({ kind: 'masquerade', ...row }))];
}

/** What a row is named by: `tcp/8080`, `eth0:tcp/8080`, `masquerade:198.19.200.0/24`. */
export function natSubject(row: Pick<Extract<NatRow, { kind: 'forward' }>, 'kind' | 'protocol' | 'ports' | 'listen'> | Pick<Extract<NatRow, { kind: 'masquerade' }>, 'kind' | 'source'>): string {
  return row.kind === 'forward' ? formatNatPort(row) : `masquerade:${row.source}`;
}

/** The one row that a person names: by number, by PROTOCOL/PORT, by how it is listed, or by `masquerade:NETWORK`. Errors: NAT_UNKNOWN, FIELD_INVALID. */
export function findNat(db: Database, host: HostRow, which: string): NatRow {
  const rows = natRows(db, host.id);
  const found = rows.filter((row) => isNamed(row, which));
  const exact = found.filter((row) => natSubject(row) === which);
  const [one, ...more] = exact.length === 1 ? exact : found;
  if (one === undefined) throw reeveError('NAT_UNKNOWN', { host: host.name, value: which });
  if (more.length > 0) throw fieldInvalid('which', which, `one of ${[one, ...more].map((row) => String(row.id)).join(', ')}: several have that port or network`);
  return one;
}

function isNamed(row: NatRow, which: string): boolean {
  if (/^[0-9]{1,10}$/.test(which)) return row.id === Number(which);
  if (natSubject(row) === which) return true;
  return row.kind === 'forward' && hasPort(row, which);
}

function hasPort(row: ForwardRow, which: string): boolean {
  try {
    const { protocol, port } = parseNatPort('which', which);
    return row.protocol === protocol && row.ports.first <= port && port <= row.ports.last;
  } catch (error) {
    if (error instanceof ReeveError) return false;
    throw error;
  }
}

/** What becomes of one that is not made: no host shows that. */
export function unseenChange(kind: Change['kind'], text: string): Change {
  return inventoryChange(kind, 'nat', text, [kind === 'create' ? { field: 'enabled', from: '', to: 'no' } : { field: 'enabled', from: 'no', to: '' }]);
}
