import { reeveError } from '../../shared/errors/error.js';
import type { AddAlertRouteRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AddAlertRouteRequest.js';
import type { AlertRouteInput } from '../../shared/gen/proto/reeve/coordinator/v1/AlertRoute.js';
import type { TestAlertRouteRequest } from '../../shared/gen/proto/reeve/coordinator/v1/TestAlertRouteRequest.js';
import type { TestAlertRouteResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/TestAlertRouteResponse.js';
import { parseAlertKinds, parseAlertSeverity, parseHookName, parseWebhook, webhookOrigin, type AlertTarget } from '../../shared/model/alert.js';
import { fieldInvalid, fieldMissing, parseInteger } from '../../shared/model/field.js';
import { parsePersonName } from '../../shared/model/person.js';
import { parseSelector } from '../../shared/model/selector.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import type { RouteRow } from '../desired/alert.js';
import { addRoute, findRoute, listRoutes, removeRoute, routeState } from '../inventory/alert-route.js';
import { findPerson } from '../inventory/person.js';
import { hookProblem } from '../notify/hook.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { audited } from './operator.js';

/** Has alerts told to a person, a webhook or a program. Errors: PERSON_UNKNOWN, PERSON_INACTIVE, ALERT_UNCONFIGURED, SELECTOR_INVALID, FIELD_*. */
export function addAlertRoute(office: Office, caller: OperatorCaller, request: AddAlertRouteRequest): { route: AlertRouteInput } {
  const { db, clock, alerts } = office;
  const target = parseTarget(office, request);
  const { selector } = request;
  if (selector !== '') parseSelector(selector);
  const route = { target, kinds: parseAlertKinds(request.kinds), severity: parseAlertSeverity(request.severity), selector, remind: !request.noRemind };
  const { kinds, severity, remind } = route;
  const row = audited(office, caller, `alert route add ${describeTarget(target, false)}`, JSON.stringify({ kinds, severity, selector, remind }), () => addRoute(db, { ...route, by: caller.name, addedAtMs: clock.now() }));
  alerts.changed();
  return { route: formatRoute(office, caller, row) };
}

/** Removes a route; answers it as it was. Errors: ALERT_ROUTE_UNKNOWN. */
export function removeAlertRoute(office: Office, caller: OperatorCaller, id: number): { route: AlertRouteInput } {
  const { db } = office;
  const row = findRoute(db, parseRouteId(id));
  const route = formatRoute(office, caller, row);
  audited(office, caller, `alert route remove ${String(row.id)}`, JSON.stringify({ target: describeTarget(row.target, false) }), () => removeRoute(db, row.id));
  return { route };
}

/** All routes. */
export function listAlertRoutes(office: Office, caller: OperatorCaller): { routes: AlertRouteInput[] } {
  return { routes: listRoutes(office.db).map((row) => formatRoute(office, caller, row)) };
}

/** Sends test messages, and waits for what the other sides say. Errors: ALERT_ROUTE_UNKNOWN, FIELD_*. */
export async function testAlertRoutes(office: Office, caller: OperatorCaller, request: TestAlertRouteRequest): Promise<TestAlertRouteResponseInput> {
  const { db, alerts } = office;
  const rows = request.person === '' ? [findRoute(db, parseRouteId(request.id))] : routesOf(office, parsePersonName(request.person));
  audited(office, caller, `alert test ${rows.map(({ id }) => String(id)).join(' ')}`, '', () => undefined);
  const results = await Promise.all(
    rows.map(async (row) => {
      const sent = await alerts.test(row);
      return { route: formatRoute(office, caller, row), ok: sent.ok, answer: sent.ok ? sent.answer : sent.problem };
    }),
  );
  return { results };
}

function routesOf({ db }: Office, person: string): RouteRow[] {
  findPerson(db, person);
  const rows = listRoutes(db).filter(({ target }) => target.way === 'mail' && target.person === person);
  if (rows.length === 0) throw reeveError('ALERT_ROUTE_UNKNOWN', { value: person });
  return rows;
}

function parseRouteId(id: number): number {
  if (id === 0) throw fieldMissing('route', 'its id, or the name of a person');
  return parseInteger('route', id, { min: 1, max: Number.MAX_SAFE_INTEGER });
}

function parseTarget({ db, notify }: Office, { person, webhook, hook }: AddAlertRouteRequest): AlertTarget {
  const given = [person, webhook, hook].filter((text) => text !== '');
  if (given.length !== 1) throw given.length === 0 ? fieldMissing('target', 'a person, a webhook or a hook') : fieldInvalid('target', String(given.length), 'one of a person, a webhook and a hook');
  if (webhook !== '') return { way: 'webhook', url: parseWebhook(webhook) };
  if (hook !== '') {
    const name = parseHookName(hook);
    const problem = hookProblem(notify.hookDir, name);
    if (problem !== undefined) throw reeveError('ALERT_UNCONFIGURED', { value: name, rule: problem, remedy: `Root of the coordinator puts the program into ${notify.hookDir}, mode 0755.` });
    return { way: 'hook', hook: name };
  }
  const row = findPerson(db, parsePersonName(person));
  if (!row.active) throw reeveError('PERSON_INACTIVE', { value: row.name });
  if (row.mail === '') throw reeveError('ALERT_UNCONFIGURED', { value: row.name, rule: 'they have no mail address', remedy: `To set it: reeve person set ${row.name} --mail ADDRESS` });
  if (notify.smtp === undefined) throw reeveError('ALERT_UNCONFIGURED', { value: row.name, rule: 'the coordinator has no mail server', remedy: 'Set smtp and smtp-from in /etc/reeve/reeved.conf, see reeved(8), and restart reeved.' });
  return { way: 'mail', person: row.name };
}

function describeTarget(target: AlertTarget, whole: boolean): string {
  switch (target.way) {
    case 'mail':
      return target.person;
    case 'webhook':
      return whole ? target.url : webhookOrigin(target.url);
    case 'hook':
      return target.hook;
  }
}

function formatRoute({ db }: Office, caller: OperatorCaller, row: RouteRow): AlertRouteInput {
  const { sentAtMs, problem, owed } = routeState(db, row.id);
  return {
    id: row.id,
    way: row.target.way,
    target: describeTarget(row.target, caller.role === 'admin'),
    kinds: [...row.kinds],
    severity: row.severity,
    selector: row.selector,
    remind: row.remind,
    by: row.by,
    addedAt: toTimestamp(row.addedAtMs),
    sentAt: sentAtMs === undefined ? null : toTimestamp(sentAtMs),
    problem,
    owed,
  };
}
