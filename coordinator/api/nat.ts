import type { AddForwardRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AddForwardRequest.js';
import type { AddMasqueradeRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AddMasqueradeRequest.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { NatServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/NatService.js';
import type { RemoveNatRequest } from '../../shared/gen/proto/reeve/coordinator/v1/RemoveNatRequest.js';
import type { SetNatRequest } from '../../shared/gen/proto/reeve/coordinator/v1/SetNatRequest.js';
import { fieldMissing } from '../../shared/model/field.js';
import { formatNatTarget, formatPorts, parseMasquerade, parseNatComment } from '../../shared/model/nat.js';
import { defineService, type CallContext, type Service } from '../../shared/rpc/server.js';
import { describeForward, describeMasquerade } from '../desired/nat.js';
import { addAudit } from '../inventory/audit.js';
import type { Database } from '../inventory/database.js';
import type { HostRow } from '../inventory/host.js';
import { addForward, addMasquerade, removeNat, setNatEnabled, type NewEntry } from '../inventory/nat.js';
import { writing } from '../inventory/write.js';
import type { Office } from '../office.js';
import { natNoun } from '../reconcile/nat.js';
import type { OperatorCaller } from './caller.js';
import { adoptNat } from './nat-adopt.js';
import { findNat, natIdentity, natRows, natSubject, runNat, unseenChange, type NatRow } from './nat-change.js';
import { newForward } from './nat-destination.js';
import { explainNat, listNat, observeNat, traceNat } from './nat-show.js';
import { changes, reads } from './row.js';
import { changeableHost } from './select.js';

type Context = CallContext<OperatorCaller>;

/** Port forwards and masquerading, for operators. */
export function natService(office: () => Office): Service<OperatorCaller> {
  return defineService<NatServiceDefinition, OperatorCaller>('reeve.coordinator.v1.NatService', {
    AddForward: { ...changes, handle: (request, context) => addOne(office(), context, request) },
    AddMasquerade: { ...changes, handle: (request, context) => addSource(office(), context, request) },
    RemoveNat: { ...changes, handle: (request, context) => remove(office(), context, request) },
    SetNat: { ...changes, handle: (request, context) => set(office(), context, request) },
    AdoptNat: { ...changes, handle: (request, context) => adoptNat(office(), context, request) },
    ConfirmNat: { ...changes, handle: async (request, context) => ({ operationId: await confirm(office(), context, request.host) }) },
    ListNat: { ...reads, handle: async (request, { principal }) => ({ rows: await listNat(office(), principal, request) }) },
    ObserveNat: { ...reads, handle: (request, { principal }) => observeNat(office(), principal, request) },
    TraceNat: { ...reads, handle: (request, { principal }) => traceNat(office(), principal, request) },
    ExplainNat: { ...reads, handle: (request, { principal }) => explainNat(office(), principal, request) },
  });
}

function addOne(office: Office, context: Context, request: AddForwardRequest): AsyncGenerator<ChangeEventInput> {
  const { db } = office;
  const { principal } = context;
  const host = changeableHost(db, principal, request.host);
  const comment = parseNatComment('comment', request.comment);
  const enabled = !request.disabled;
  const forward = newForward(db, principal, host, request);
  const to = request.toHost === '' ? formatNatTarget(forward.to.address, forward.toPorts) : `${request.toHost}:${formatPorts(forward.toPorts)}`;
  const subject = natSubject({ kind: 'forward', ...forward });
  return runNat(office, context, {
    host,
    verb: 'add',
    subject: `${subject} -> ${to}`,
    detail: { ...forward, to, comment, enabled },
    options: request.options,
    confirm: request.confirm,
    ...(enabled ? {} : { unseen: () => [unseenChange('create', `${subject} -> ${to}`)] }),
    edit: (_db, generation) => {
      // The destination may be another by now.
      addForward(db, newForward(db, principal, host, request), entryOf(office, principal, { hostId: host.id, enabled, comment, generation }));
      return true;
    },
  });
}

function addSource(office: Office, context: Context, request: AddMasqueradeRequest): AsyncGenerator<ChangeEventInput> {
  const { db } = office;
  const host = changeableHost(db, context.principal, request.host);
  const comment = parseNatComment('comment', request.comment);
  const enabled = !request.disabled;
  if (request.masquerade === null) throw fieldMissing('masquerade', 'the network that reaches out');
  const { id: _id, ...masquerade } = parseMasquerade({ ...request.masquerade, id: 1, adopt: false });
  return runNat(office, context, {
    host,
    verb: 'masquerade',
    subject: natSubject({ kind: 'masquerade', source: masquerade.source }),
    detail: { ...masquerade, comment, enabled },
    options: request.options,
    confirm: request.confirm,
    ...(enabled ? {} : { unseen: () => [unseenChange('create', `masquerade ${describeMasquerade(masquerade)}`)] }),
    edit: (_db, generation) => {
      addMasquerade(db, masquerade, entryOf(office, context.principal, { hostId: host.id, enabled, comment, generation }));
      return true;
    },
  });
}

/** What is stored with a new row. */
function entryOf({ clock }: Office, caller: OperatorCaller, entry: Pick<NewEntry, 'hostId' | 'enabled' | 'comment' | 'generation'>): NewEntry {
  return { ...entry, by: caller.account, now: clock.now() };
}

function remove(office: Office, context: Context, request: RemoveNatRequest): AsyncGenerator<ChangeEventInput> {
  const host = changeableHost(office.db, context.principal, request.host);
  return runNat(office, context, {
    host,
    verb: 'remove',
    subject: subjectNow(office.db, host, request.which),
    detail: { which: request.which },
    options: request.options,
    confirm: request.confirm,
    unseen: (db) => {
      const row = findNat(db, host, request.which);
      return row.enabled ? [] : [unseenChange('remove', describe(row))];
    },
    edit: (db) => {
      removeNat(db, findNat(db, host, request.which).id);
      return true;
    },
  });
}

function set(office: Office, context: Context, request: SetNatRequest): AsyncGenerator<ChangeEventInput> {
  const host = changeableHost(office.db, context.principal, request.host);
  return runNat(office, context, {
    host,
    verb: request.enabled ? 'enable' : 'disable',
    subject: subjectNow(office.db, host, request.which),
    detail: { which: request.which },
    options: request.options,
    confirm: request.confirm,
    edit: (db, generation) => setNatEnabled(db, { id: findNat(db, host, request.which).id, enabled: request.enabled, generation }),
  });
}

function describe(row: NatRow): string {
  return row.kind === 'forward' ? describeForward(row) : `masquerade ${describeMasquerade(row)}`;
}

/** What is named, as far as it is there now: a command that is repeated after it was done names what is gone. */
function subjectNow(db: Database, host: HostRow, which: string): string {
  const row = natRows(db, host.id).find(({ id }) => String(id) === which);
  return row === undefined ? which : natSubject(row);
}

/** A person confirms the change of a host that waits for one. Errors: CONFIRM_UNKNOWN, CONFIRM_REVERTED, HOST_UNREACHABLE. */
async function confirm(office: Office, { principal }: Context, name: string): Promise<string> {
  const { db, clock, waits } = office;
  const host = changeableHost(db, principal, name);
  const entry = { timeMs: clock.now(), principal: principal.name, action: `nat confirm ${host.name}`, arguments: natIdentity('confirm', host.id, {}), operationId: '', code: '' };
  writing(db, () => addAudit(db, { ...entry, phase: 'ok' }));
  return waits.agree(host, natNoun.name);
}
