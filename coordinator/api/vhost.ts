import type { AddVhostRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AddVhostRequest.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { RemoveVhostRequest } from '../../shared/gen/proto/reeve/coordinator/v1/RemoveVhostRequest.js';
import type { SetMaintenanceRequest } from '../../shared/gen/proto/reeve/coordinator/v1/SetMaintenanceRequest.js';
import type { SetVhostRequest } from '../../shared/gen/proto/reeve/coordinator/v1/SetVhostRequest.js';
import type { VhostEdit } from '../../shared/gen/proto/reeve/coordinator/v1/VhostEdit.js';
import type { VhostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/VhostService.js';
import { fieldMissing } from '../../shared/model/field.js';
import { formatVhost, parseVhostDraft, type VhostDraft, type WireVhost } from '../../shared/model/vhost.js';
import { defineService, type CallContext, type Service } from '../../shared/rpc/server.js';
import { editVhost } from '../desired/vhost-edit.js';
import type { Database } from '../inventory/database.js';
import type { HostRow } from '../inventory/host.js';
import { addVhost, removeVhost, setVhost } from '../inventory/vhost.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { changes, reads } from './row.js';
import { changeableHost, type Scoped } from './select.js';
import { adoptVhost, examineSite } from './vhost-adopt.js';
import { findVhost, requireStorable, runVhost } from './vhost-change.js';
import { listVhosts, observeVhosts, reloadProxy, showVhost } from './vhost-show.js';
import { resolveRoutes } from './vhost-upstream.js';

type Context = CallContext<OperatorCaller>;

/** A site may have certificates of authorities, and their revocation lists. */
const sized = { ...changes, maxBytes: 1_048_576 };

/** The web front, for operators. */
export function vhostService(office: () => Office): Service<OperatorCaller> {
  return defineService<VhostServiceDefinition, OperatorCaller>('reeve.coordinator.v1.VhostService', {
    AddVhost: { ...sized, handle: (request, context) => add(office(), context, request) },
    SetVhost: { ...sized, handle: (request, context) => set(office(), context, request) },
    RemoveVhost: { ...changes, handle: (request, context) => remove(office(), context, request) },
    AdoptVhost: { ...changes, handle: (request, context) => adoptVhost(office(), context, request) },
    SetMaintenance: { ...changes, handle: (request, context) => setMaintenance(office(), context, request) },
    ListVhosts: { ...reads, handle: (request, { principal }) => Promise.resolve({ rows: listVhosts(office(), principal, request.selector) }) },
    ShowVhost: { ...reads, handle: (request, { principal }) => showVhost(office(), principal, request) },
    ObserveVhosts: { ...reads, handle: (request, { principal }) => observeVhosts(office(), principal, request.host) },
    ExamineSite: { ...reads, handle: (request, { principal }) => examineSite(office(), principal, request) },
    ReloadProxy: { ...changes, handle: (request, { principal }) => reloadProxy(office(), principal, request.host) },
  });
}

function add(office: Office, context: Context, request: AddVhostRequest): AsyncGenerator<ChangeEventInput> {
  const { clock } = office;
  const { principal } = context;
  const host = changeableHost(office.db, principal, request.host);
  const { vhost } = request;
  if (vhost === null) throw fieldMissing('vhost', 'the site');
  const asked = parseVhostDraft(vhost);
  return runVhost(office, context, {
    host,
    verb: 'add',
    subject: asked.name,
    detail: formatVhost(asked),
    options: request.options,
    edit: (db, generation) => {
      // Where it leads to may be another by now.
      const site = newSite(db, principal, host, vhost);
      addVhost(db, site, { hostId: host.id, takeOver: undefined, by: principal.account, now: clock.now(), generation });
      return true;
    },
  });
}

/** A site from the wire, as it may stand in the inventory. Errors: FIELD_*, HOST_UNKNOWN, HOST_RELEASING, VHOST_UPSTREAM, SCOPE_REFUSED, CERT_UNKNOWN. */
function newSite(db: Database, caller: Scoped, host: HostRow, wire: WireVhost): VhostDraft {
  const site = parseVhostDraft({ ...wire, routes: resolveRoutes(db, caller, host, wire.routes) });
  requireStorable(db, host, site);
  return site;
}

function set(office: Office, context: Context, request: SetVhostRequest): AsyncGenerator<ChangeEventInput> {
  const { edit } = request;
  if (edit === null) throw fieldMissing('edit', 'what is to be altered');
  return alter(office, context, { ...request, verb: 'set', detail: { name: request.name, edit } }, (db, host, site) => {
    const resolved = resolveEdit(db, context.principal, host, edit);
    return editVhost(site, resolved, host.name);
  });
}

/** An edit with the ids of hosts. */
function resolveEdit(db: Database, caller: Scoped, host: HostRow, edit: VhostEdit): VhostEdit {
  const setRoutes = edit.setRoutes.map((route) => {
    const [target] = route.target === null ? [] : resolveRoutes(db, caller, host, [route.target]);
    return target === undefined ? route : { ...route, target };
  });
  return { ...edit, addRoutes: resolveRoutes(db, caller, host, edit.addRoutes), setRoutes };
}

function setMaintenance(office: Office, context: Context, request: SetMaintenanceRequest): AsyncGenerator<ChangeEventInput> {
  const { on, retryAfterS } = request;
  return alter(office, context, { ...request, verb: on ? 'maintenance on' : 'maintenance off', detail: { name: request.name, on, retryAfterS } }, (_db, _host, site) => ({ ...site, maintenance: on, retryAfterS, overwrite: false }));
}

/** What an altering command is about. */
interface Altering extends Pick<SetVhostRequest, 'host' | 'name' | 'options'> {
  readonly verb: string;
  readonly detail: unknown;
}

/** Runs a command that alters a site of the inventory. */
function alter(office: Office, context: Context, about: Altering, edit: (db: Database, host: HostRow, site: WireVhost) => WireVhost): AsyncGenerator<ChangeEventInput> {
  const host = changeableHost(office.db, context.principal, about.host);
  return runVhost(office, context, {
    host,
    verb: about.verb,
    subject: about.name,
    detail: about.detail,
    options: about.options,
    edit: (db, generation) => {
      const row = findVhost(db, host, about.name);
      const site = parseVhostDraft(edit(db, host, formatVhost(row.site)));
      requireStorable(db, host, site);
      return setVhost(db, row, site, generation);
    },
  });
}

function remove(office: Office, context: Context, request: RemoveVhostRequest): AsyncGenerator<ChangeEventInput> {
  const host = changeableHost(office.db, context.principal, request.host);
  return runVhost(office, context, {
    host,
    verb: 'remove',
    subject: request.name,
    detail: { name: request.name },
    options: request.options,
    edit: (db) => {
      removeVhost(db, findVhost(db, host, request.name));
      return true;
    },
  });
}
