import type { Alert } from '../../shared/gen/proto/reeve/coordinator/v1/Alert.js';
import type { AlertMute } from '../../shared/gen/proto/reeve/coordinator/v1/AlertMute.js';
import type { AlertRoute } from '../../shared/gen/proto/reeve/coordinator/v1/AlertRoute.js';
import type { AlertTest } from '../../shared/gen/proto/reeve/coordinator/v1/AlertTest.js';
import type { ListAlertResponse } from '../../shared/gen/proto/reeve/coordinator/v1/ListAlertResponse.js';
import { vis } from '../../shared/model/vis.js';
import { paint, renderFields, renderTable, type Tone } from './table.js';
import type { Terminal } from './terminal.js';
import { formatSince, formatTime } from './time.js';

type Screen = Pick<Terminal, 'color'>;

const tones: Readonly<Record<string, Tone>> = { error: 'red', warning: 'yellow' };

/** Alerts for people: as `reeve status` shows health, with what becomes of each. */
export function renderAlerts(terminal: Screen, { alerts, more }: ListAlertResponse, now: number): string {
  if (alerts.length === 0) return 'No alerts.\n';
  return `${alerts.map((alert) => renderAlert(terminal, alert, now)).join('')}${more ? 'There are more; see --limit.\n' : ''}`;
}

function renderAlert(terminal: Screen, alert: Alert, now: number): string {
  const over = alert.endedAt !== null;
  const about = alert.hostName === '' ? 'coordinator' : vis(alert.hostName);
  const when = over ? `from ${formatTime(alert.since)} to ${formatTime(alert.endedAt)}` : `for ${formatSince(alert.since, now)}`;
  const told = alert.muted === '' ? (alert.told === 0 ? 'told to nobody' : `told by ${String(alert.told)} ${alert.told === 1 ? 'route' : 'routes'}`) : `muted ${vis(alert.muted)}`;
  const lines = [
    `${over ? paint(terminal, 'over', 'dim') : paint(terminal, vis(alert.severity), tones[alert.severity])} ${about}: ${vis(alert.title)} (${when})`,
    ...(alert.text === '' || over ? [] : [`  ${vis(alert.text)}`]),
    `  ${vis(alert.kind)}, alert ${String(alert.id)}, ${told}`,
  ];
  return lines.map((line) => `${line}\n`).join('');
}

const kindsText = (kinds: readonly string[], none: string): string => (kinds.length === 0 ? none : kinds.join(', '));

/** A new mute. */
export function renderMute(terminal: Screen, mute: AlertMute | null, open: number): string {
  if (mute === null) return '';
  const fields = renderFields(terminal, [
    ['mute', String(mute.id)],
    ['hosts', mute.selector],
    ['kinds', kindsText(mute.kinds, 'all')],
    ['until', formatTime(mute.until)],
    ['reason', mute.reason],
    ['by', mute.by],
  ]);
  return `${fields}${open === 0 ? 'No open alert is muted by it now.' : `It mutes ${String(open)} open ${open === 1 ? 'alert' : 'alerts'}.`}\n`;
}

/** Mutes as a table. */
export function renderMutes(terminal: Screen, mutes: readonly AlertMute[]): string {
  const rows = mutes.map((mute) => [String(mute.id), mute.selector, kindsText(mute.kinds, 'all'), formatTime(mute.until), mute.by, mute.reason]);
  return renderTable(terminal, ['mute', 'hosts', 'kinds', 'until', 'by', 'reason'], rows, 'Nothing is muted.');
}

/** A new route. */
export function renderRoute(terminal: Screen, route: AlertRoute | null): string {
  if (route === null) return '';
  const fields = renderFields(terminal, [
    ['route', String(route.id)],
    [route.way, route.target],
    ['kinds', kindsText(route.kinds, 'all but those that have to be named')],
    ['severity', `${route.severity} and worse`],
    ['hosts', route.selector === '' ? 'all, and the coordinator' : route.selector],
    ['reminders', route.remind ? 'each day' : 'none'],
  ]);
  return `${fields}To see that it works: reeve alert test ${String(route.id)}\n`;
}

/** Routes as a table. */
export function renderRoutes(terminal: Screen, routes: readonly AlertRoute[]): string {
  const rows = routes.map((route) => [
    String(route.id), route.way, route.target, kindsText(route.kinds, 'usual'), route.severity, route.selector === '' ? 'all' : route.selector, formatTime(route.sentAt), route.owed === 0 ? '' : String(route.owed),
    { text: route.problem, tone: 'red' as const },
  ]);
  return renderTable(terminal, ['route', 'way', 'target', 'kinds', 'severity', 'hosts', 'last sent', 'owed', 'problem'], rows, 'Nobody is told of alerts. To have somebody told: reeve alert route add PERSON');
}

/** What came of test messages. */
export function renderTests(terminal: Screen, results: readonly AlertTest[]): string {
  return results
    .map(({ route, ok, answer }) => {
      const way = route === null ? '' : `route ${String(route.id)}, ${vis(route.way)} to ${vis(route.target)}`;
      return `${paint(terminal, ok ? 'sent' : 'failed', ok ? 'green' : 'red')}  ${way}${answer === '' ? '' : `: ${vis(answer)}`}\n`;
    })
    .join('');
}
