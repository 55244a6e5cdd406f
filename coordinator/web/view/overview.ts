import type { GetOverviewResponse } from '../../../shared/gen/proto/reeve/coordinator/v1/GetOverviewResponse.js';
import type { Health } from '../../../shared/gen/proto/reeve/coordinator/v1/Health.js';
import type { ListAlertResponse } from '../../../shared/gen/proto/reeve/coordinator/v1/ListAlertResponse.js';
import type { Operation } from '../../../shared/gen/proto/reeve/coordinator/v1/Operation.js';
import { html, type Html } from '../html.js';
import type { Page } from '../page.js';
import { alertTable } from './alert.js';
import { optional, unasked, type Asked } from './ask.js';
import { operationTable } from './outcome.js';
import { services } from './service.js';
import { section, table } from './table.js';
import { cut, part, severity, shown, time, type Tone } from './text.js';

/** Lines of health on the overview; the rest is one link away. */
const mostHealth = 50;

/** Alerts on the overview. */
const mostAlerts = 20;

/** What the overview shows. */
export interface OverviewView {
  readonly base: string;
  readonly now: number;
  readonly overview: GetOverviewResponse;
  readonly alerts: Asked<ListAlertResponse>;
  readonly running: readonly Operation[];
  readonly last: readonly Operation[];
}

/** The fleet at a glance. */
export const overviewPage: Page = {
  path: '/',
  async load(api, { base, now }) {
    const [overview, alerts, running, last] = await Promise.all([
      api.unary(services.fleet, 'GetOverview', { limit: mostHealth }),
      optional(api.unary(services.alert, 'ListAlert', { limit: mostAlerts })),
      api.unary(services.operation, 'ListOperation', { outcomes: ['OUTCOME_RUNNING'], limit: 20 }),
      api.unary(services.operation, 'ListOperation', { limit: 10 }),
    ]);
    return { kind: 'html', title: 'Overview', main: renderOverview({ base, now, overview, alerts, running: running.operations, last: last.operations }) };
  },
};

/** The whole page. */
export function renderOverview(view: OverviewView): Html {
  const { base, now, overview } = view;
  return html`<h1>Overview</h1>
${figures(base, overview, now)}
${view.running.length > 0 && section('running', 'Running now', operationTable(view.running, { base, now, caption: 'Operations that run now', empty: '', quiet: true }))}
${section('alerts', 'Open alerts', alertSection(view))}
${section('health', 'What is wrong', healthTable(overview, view))}
${section('last', 'Last operations', html`${operationTable(view.last, { base, now, caption: 'Last operations', empty: 'Nothing was asked of the fleet yet.', quiet: true })}<p><a href="${base}/operation">All operations</a></p>`)}
<p class="foot">Coordinator ${shown(overview.version)}, running since ${time(overview.startedAt, now)}. Fleet ${shown(overview.fleetId)}.</p>
`;
}

function alertSection({ base, now, alerts }: OverviewView): Html {
  if (alerts.value === undefined) return unasked(alerts.problem);
  return html`${alertTable(alerts.value.alerts, { base, now, caption: 'Open alerts' })}${alerts.value.more && html`<p><a href="${base}/alert">All alerts</a></p>`}`;
}

interface Figure {
  readonly title: string;
  readonly value: number;
  readonly link: string;
  /** What it is when it is not 0. */
  readonly tone: Tone;
  readonly more?: Html | undefined;
}

function figures(base: string, overview: GetOverviewResponse, now: number): Html {
  const { hosts, byHealth, certs, backups } = overview;
  const byState: Figure[] = [
    { title: 'All', value: hosts?.total ?? 0, link: '/host', tone: 'plain' },
    { title: 'Connected', value: hosts?.connected ?? 0, link: '/host?state=connected', tone: 'good' },
    { title: 'Lost', value: hosts?.lost ?? 0, link: '/host?state=lost', tone: 'bad' },
    { title: 'Invited', value: hosts?.invited ?? 0, link: '/host?state=invited', tone: 'plain' },
    { title: 'Quarantined', value: hosts?.quarantined ?? 0, link: '/host?state=quarantined', tone: 'bad' },
    { title: 'Revoked', value: hosts?.revoked ?? 0, link: '/host?state=revoked', tone: 'plain' },
  ];
  const health: Figure[] = [
    { title: 'Fine', value: byHealth?.ok ?? 0, link: '/host?health=ok', tone: 'good' },
    { title: 'With warnings', value: byHealth?.warning ?? 0, link: '/host?health=warning', tone: 'warn' },
    { title: 'With errors', value: byHealth?.error ?? 0, link: '/host?health=error', tone: 'bad' },
  ];
  const owed: Figure[] = [
    { title: 'Pending', value: overview.pending, link: '/host?flag=pending', tone: 'warn' },
    { title: 'Drifted', value: overview.drifted, link: '/host?flag=drifted', tone: 'warn' },
    { title: 'Held', value: overview.held, link: '/host?flag=held', tone: 'warn' },
    { title: 'Running operations', value: overview.running, link: '/operation?outcome=running', tone: 'busy' },
  ];
  const ends: Figure[] = [
    { title: 'All', value: certs?.total ?? 0, link: '/cert', tone: 'plain' },
    { title: 'End within 30 days', value: certs?.ending ?? 0, link: '/cert', tone: 'warn' },
    { title: 'Have ended', value: certs?.ended ?? 0, link: '/cert', tone: 'bad' },
  ];
  const proofs: Figure[] = [
    { title: 'All', value: backups?.total ?? 0, link: '/backup', tone: 'plain' },
    { title: 'Proven within 24 h', value: backups?.day ?? 0, link: '/backup?proof=day', tone: 'good' },
    { title: '7 days', value: backups?.week ?? 0, link: '/backup?proof=week', tone: 'good' },
    { title: '30 days', value: backups?.month ?? 0, link: '/backup?proof=month', tone: 'plain' },
    { title: 'Longer ago', value: backups?.older ?? 0, link: '/backup?proof=older', tone: 'warn' },
    { title: 'Not proven', value: backups?.unproven ?? 0, link: '/backup?proof=unproven', tone: 'bad' },
    { title: 'Late, failed or frozen', value: backups?.bad ?? 0, link: '/backup?proof=bad', tone: 'bad' },
  ];
  const next = certs?.nextAt;
  return html`<div class="figures">
${figureGroup(base, 'hosts', 'Hosts', byState)}
${figureGroup(base, 'by-health', 'Hosts by health', health)}
${figureGroup(base, 'owed', 'Hosts with work left', owed)}
${(certs?.total ?? 0) > 0 && figureGroup(base, 'certs', 'Certificates', ends, next !== null && next !== undefined && html`<p>The next one ends ${time(next, now)}.</p>`)}
${(backups?.total ?? 0) > 0 && figureGroup(base, 'backups', 'Backups by their last proof', proofs)}
</div>`;
}

function figureGroup(base: string, id: string, title: string, list: readonly Figure[], more: Html | false = false): Html {
  const one = (figure: Figure): Html =>
    html`<li class="${figure.value > 0 ? figure.tone : 'plain'}"><a href="${base}${figure.link}"><b>${figure.value.toLocaleString('en')}</b> ${figure.title}</a></li>`;
  return html`<section class="card" aria-labelledby="${id}"><h2 id="${id}">${title}</h2><ul>${list.map(one)}</ul>${more}</section>`;
}

function healthTable(overview: GetOverviewResponse, { base, now }: OverviewView): Html {
  const left = overview.healthTotal - overview.health.length;
  return html`${table({
    caption: 'What is wrong now, the worst first',
    quiet: true,
    columns: [{ title: 'Where' }, { title: 'How bad' }, { title: 'What' }, { title: 'What it means, and what to do' }, { title: 'Since' }],
    rows: overview.health.map((item) => ({ key: `${item.hostName} ${item.code} ${item.title}`, cells: healthCells(item, base, now) })),
    empty: 'Nothing is wrong.',
  })}${left > 0 && html`<p>And ${left.toLocaleString('en')} more: <a href="${base}/host?health=error">hosts with errors</a>, <a href="${base}/host?health=warning">hosts with warnings</a>.</p>`}`;
}

function healthCells(item: Health, base: string, now: number): (Html | string)[] {
  return [
    item.hostName === '' ? 'coordinator' : html`<a href="${base}/host/${part(item.hostName)}">${shown(item.hostName)}</a>`,
    severity(item.severity),
    shown(item.title),
    html`<span class="prose">${cut(item.text, 400)}</span>`,
    time(item.since, now),
  ];
}
