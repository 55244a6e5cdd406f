import { formatUtc } from '../../shared/model/time.js';
import { vis } from '../../shared/model/vis.js';
import type { AlertKind, AlertSeverity } from '../../shared/model/alert.js';
import type { ItemKind } from '../desired/alert.js';

/** An alert as it is told. All texts may be the words of hosts. */
export interface ToldAlert {
  readonly id: number;
  readonly kind: AlertKind;
  readonly severity: AlertSeverity;
  /** Undefined: the coordinator. */
  readonly hostName: string | undefined;
  readonly subject: string;
  readonly title: string;
  readonly text: string;
  /** Unix ms. */
  readonly sinceMs: number;
  readonly openedAtMs: number;
  readonly endedAtMs: number | undefined;
  /** Names of hosts that are part of it. */
  readonly folded: readonly string[];
}

/** One thing that a message tells. */
export interface Entry {
  readonly what: ItemKind;
  readonly alert: ToldAlert;
  /** Id of the message that told the opening; undefined: none did. */
  readonly openedIn: string | undefined;
}

/** A message, whatever way it goes. Without entries it is a test. */
export interface Message {
  /** UUIDv7; the same at each try, so that a receiver can tell. */
  readonly id: string;
  readonly fleetId: string;
  readonly routeId: number;
  /** When it was made, unix ms. */
  readonly madeAtMs: number;
  readonly entries: readonly Entry[];
  /** The status page; undefined: none was named. */
  readonly link: string | undefined;
}

/** How sending ended: what the other side said; or why not, and whether another try is of no use. */
export type Sent = { readonly ok: true; readonly answer: string } | { readonly ok: false; readonly problem: string; readonly permanent: boolean };

const heads = { open: '', remind: 'still: ', end: 'over: ' } as const;

/** Most alerts that a message spells out: when a whole site is cut off, the number says more than all names. */
const mostShown = 200;

/** Most characters of a subject. */
const mostSubject = 200;

/** `12:03 UTC`, with the day when that is not the day of `now`. */
function clockTime(ms: number, now: number): string {
  const [day = '', time = ''] = formatUtc(ms).split('T');
  return `${day === formatUtc(now).split('T')[0] ? '' : `${day} `}${time.slice(0, 5)} UTC`;
}

const nameOf = (alert: ToldAlert): string => alert.hostName ?? 'coordinator';

/** One line: `web1: cannot be reached (since 12:03 UTC)`. Control characters are escaped: it goes into a header. */
export function renderSubject({ entries, madeAtMs }: Pick<Message, 'entries' | 'madeAtMs'>): string {
  const [first] = entries;
  if (first === undefined) return '[reeve] test: alerts of this route arrive here';
  if (entries.length > 1) {
    const counts = ([['open', 'new'], ['remind', 'still there'], ['end', 'over']] as const).flatMap(([what, word]) => {
      const count = entries.filter((entry) => entry.what === what).length;
      return count === 0 ? [] : [`${String(count)} ${word}`];
    });
    return `[reeve] ${String(entries.length)} alerts: ${counts.join(', ')}`;
  }
  const { alert, what } = first;
  const times = what === 'end' ? `${clockTime(alert.sinceMs, madeAtMs)} to ${clockTime(alert.endedAtMs ?? madeAtMs, madeAtMs)}` : `since ${clockTime(alert.sinceMs, madeAtMs)}`;
  const line = vis(`[reeve] ${nameOf(alert)}: ${heads[what]}${alert.title}`);
  return `${line.length <= mostSubject ? line : `${line.slice(0, mostSubject)}…`} (${times})`;
}

/** The text for people. Control characters are escaped. */
export function renderText(message: Message): string {
  const { entries, madeAtMs, link } = message;
  const foot = [...(link === undefined ? [] : [vis(link)]), 'To see all: reeve alert list', `Message ${message.id} of fleet ${message.fleetId}, route ${String(message.routeId)}`];
  if (entries.length === 0) return `This is a test: alerts of this route arrive here.\n\n${foot.join('\n')}\n`;
  const blocks = entries.slice(0, mostShown).map(({ what, alert }) => {
    const end = alert.endedAtMs === undefined ? '' : `, over ${clockTime(alert.endedAtMs, madeAtMs)}`;
    const lines = [
      `${what === 'end' ? 'over' : alert.severity}: ${nameOf(alert)}: ${alert.title}`,
      `  ${what === 'remind' ? 'still there, ' : ''}since ${clockTime(alert.sinceMs, madeAtMs)}${end} (${alert.kind}, alert ${String(alert.id)})`,
      ...(alert.text === '' || what === 'end' ? [] : [`  ${alert.text}`]),
      ...(what === 'open' ? [`  to mute it: reeve alert mute ${alert.hostName ?? 'all'} --kind ${alert.kind} --for 2h --reason TEXT`] : []),
    ];
    return lines.map((line) => `${vis(line)}\n`).join('');
  });
  if (entries.length > mostShown) blocks.push(`and ${String(entries.length - mostShown)} more\n`);
  return `${blocks.join('\n')}\n-- \n${foot.join('\n')}\n`;
}

/** The same for programs: what webhooks and hooks get. `test` is true where nothing is told. */
export function renderJson({ id, fleetId, routeId, madeAtMs, entries, link }: Message): string {
  const time = (ms: number): string => formatUtc(ms);
  return JSON.stringify({
    version: 1,
    id,
    fleet: fleetId,
    route: routeId,
    at: time(madeAtMs),
    test: entries.length === 0,
    ...(link === undefined ? {} : { link }),
    // Those that are not spelt out here.
    more: Math.max(0, entries.length - mostShown),
    alerts: entries.slice(0, mostShown).map(({ what, alert }) => ({
      event: what === 'open' ? 'opened' : what === 'remind' ? 'reminded' : 'ended',
      id: alert.id,
      kind: alert.kind,
      severity: alert.severity,
      host: alert.hostName ?? '',
      subject: alert.subject,
      title: alert.title,
      text: alert.text,
      since: time(alert.sinceMs),
      openedAt: time(alert.openedAtMs),
      ...(alert.endedAtMs === undefined ? {} : { endedAt: time(alert.endedAtMs) }),
      foldedHosts: alert.folded,
    })),
  });
}

/** A text of the other side as one line of at most 300 characters. */
export function clean(text: string): string {
  return vis(text.replace(/\s+/g, ' ').trim()).slice(0, 300);
}
