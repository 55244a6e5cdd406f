import { reeveError } from '../../shared/errors/error.js';
import type { AlertServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/AlertService.js';
import type { AlertInput } from '../../shared/gen/proto/reeve/coordinator/v1/Alert.js';
import type { AlertMuteInput } from '../../shared/gen/proto/reeve/coordinator/v1/AlertMute.js';
import type { AddAlertMuteRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AddAlertMuteRequest.js';
import type { ListAlertRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ListAlertRequest.js';
import type { ListAlertResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/ListAlertResponse.js';
import { parseAlertKinds, parseMuteLength } from '../../shared/model/alert.js';
import { fieldMissing, parseInteger } from '../../shared/model/field.js';
import { parseHoldReason } from '../../shared/model/hold.js';
import { formatLabel, type Label } from '../../shared/model/label.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { fromDuration, toTimestamp } from '../../shared/rpc/time.js';
import type { AlertRow, MuteRow } from '../desired/alert.js';
import { isMutedBy } from '../desired/alert-mute.js';
import { listAlerts, openAlerts, toldCounts } from '../inventory/alert.js';
import { addMute, findMute, listMutes, removeMute } from '../inventory/alert-mute.js';
import type { Office } from '../office.js';
import { createMatches } from '../reconcile/alert-match.js';
import { muteLookup } from '../reconcile/alert-mute.js';
import { addAlertRoute, listAlertRoutes, removeAlertRoute, testAlertRoutes } from './alert-route.js';
import type { OperatorCaller } from './caller.js';
import { audited } from './operator.js';
import { administersFleet, changes, reads } from './row.js';
import { hostsFor, inScope, listedHosts, nameFor, type Scoped } from './select.js';

/** Most alerts of one answer, and as many as without a word of the caller. */
const mostListed = { usual: 1_000, most: 10_000 } as const;

/** Alerts, mutes and routes, for operators. */
export function alertService(office: () => Office): Service<OperatorCaller> {
  return defineService<AlertServiceDefinition, OperatorCaller>('reeve.coordinator.v1.AlertService', {
    ListAlert: { ...reads, handle: (request, { principal }) => Promise.resolve(list(office(), principal, request)) },
    AddAlertMute: { ...changes, handle: (request, { principal }) => Promise.resolve(mute(office(), principal, request)) },
    RemoveAlertMute: {
      ...changes,
      handle: ({ id }, { principal }) => {
        const { db, clock, alerts } = office();
        const row = findMute(db, parseInteger('mute', id, { min: 1, max: Number.MAX_SAFE_INTEGER }), clock.now());
        if (!isWithin(principal, row)) throw reeveError('ALERT_MUTE_UNKNOWN', { value: String(id) });
        audited(office(), principal, `alert unmute ${String(id)}`, JSON.stringify({ selector: row.selector, kinds: row.kinds }), () => removeMute(db, row.id));
        alerts.changed();
        return Promise.resolve({ mute: formatMute(row) });
      },
    },
    ListAlertMute: {
      ...reads,
      handle: (_request, { principal }) => {
        const { db, clock } = office();
        return Promise.resolve({ mutes: listMutes(db, clock.now()).filter((row) => isWithin(principal, row)).map(formatMute) });
      },
    },
    AddAlertRoute: { ...administersFleet, handle: (request, { principal }) => Promise.resolve(addAlertRoute(office(), principal, request)) },
    RemoveAlertRoute: { ...administersFleet, handle: (request, { principal }) => Promise.resolve(removeAlertRoute(office(), principal, request.id)) },
    ListAlertRoute: { ...reads, wholeFleet: true, handle: (_request, { principal }) => Promise.resolve(listAlertRoutes(office(), principal)) },
    TestAlertRoute: { ...administersFleet, rate: { perSecond: 0.5, burst: 20 }, handle: (request, { principal }) => testAlertRoutes(office(), principal, request) },
  });
}

function list(office: Office, caller: OperatorCaller, { selector, ended, limit }: ListAlertRequest): ListAlertResponseInput {
  const { db, fleet } = office;
  const most = limit === 0 ? mostListed.usual : parseInteger('limit', limit, { min: 1, max: mostListed.most });
  const hosts = new Set(listedHosts(db, caller, selector).map(({ id }) => id));
  const whole = selector === '' || selector === 'all';
  // The alerts of hosts that were retired since are history that only the whole fleet has.
  const mine = ({ hostId, endedAtMs }: AlertRow): boolean => (hostId === undefined ? whole && caller.scope === undefined : hosts.has(hostId) || (endedAtMs !== undefined && whole && caller.scope === undefined));
  const rows = listAlerts(db, { ended }).filter(mine);
  const told = toldCounts(db);
  const mutedBy = muteLookup(office, fleet);
  const alerts = rows.slice(0, most).map((row) => formatAlert(office, caller, row, { told: told.get(row.id) ?? 0, muted: row.endedAtMs === undefined ? mutedBy(row) : '' }));
  return { alerts, more: rows.length > most };
}

function formatAlert({ db }: Office, caller: Scoped, row: AlertRow, { told, muted }: { told: number; muted: string }): AlertInput {
  const nameOf = nameFor(db, caller);
  const { id, kind, severity, subject, title, text, sinceMs, openedAtMs, endedAtMs } = row;
  return {
    id, kind, severity, subject, muted, told,
    // A cause with guests names and counts them, also those that do not exist for the caller.
    title: caller.scope === undefined || row.folded.length === 0 ? title : 'cannot be reached, and what lives on it',
    text: caller.scope === undefined || row.folded.length === 0 ? text : '',
    hostName: row.hostId === undefined ? '' : nameOf(row.hostId),
    since: toTimestamp(sinceMs),
    openedAt: toTimestamp(openedAtMs),
    endedAt: endedAtMs === undefined ? null : toTimestamp(endedAtMs),
    foldedHosts: row.folded.filter((hostId) => inScope(db, caller, hostId)).map(nameOf).sort(),
  };
}

function mute(office: Office, caller: OperatorCaller, request: AddAlertMuteRequest): { mute: AlertMuteInput; open: number } {
  const { db, clock, alerts } = office;
  if (request.selector === '') throw fieldMissing('selector', 'a host name, label=value, or all');
  const hosts = hostsFor(db, caller, request.selector);
  const kinds = parseAlertKinds(request.kinds);
  const lengthMs = parseMuteLength(fromDuration(request.duration));
  const reason = parseHoldReason(request.reason);
  const now = clock.now();
  const { selector } = request;
  // By name, also when the host was named by its id.
  const [only] = hosts;
  const stored = selector === 'all' || selector.includes('=') || only === undefined ? selector : only.name;
  const row = audited(office, caller, `alert mute ${stored}`, JSON.stringify({ kinds, lengthMs, reason }), () =>
    addMute(db, { selector: stored, kinds, scope: caller.scope, untilMs: now + lengthMs, reason, by: caller.name, sinceMs: now }),
  );
  alerts.changed();
  const matches = createMatches(db);
  return { mute: formatMute(row), open: openAlerts(db).filter((alert) => isMutedBy(alert, row, matches)).length };
}

/** Whether a mute was set within the caller's scope: by somebody with no other labels. */
function isWithin({ scope }: OperatorCaller, row: MuteRow): boolean {
  if (scope === undefined) return true;
  const own = new Set(scope.map(formatLabel));
  return row.scope?.every((label: Label) => own.has(formatLabel(label))) ?? false;
}

function formatMute(row: MuteRow): AlertMuteInput {
  return { id: row.id, selector: row.selector, kinds: [...row.kinds], until: toTimestamp(row.untilMs), reason: row.reason, by: row.by, since: toTimestamp(row.sinceMs) };
}
