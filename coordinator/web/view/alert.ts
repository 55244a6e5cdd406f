import type { Alert } from '../../../shared/gen/proto/reeve/coordinator/v1/Alert.js';
import { html, type Html } from '../html.js';
import type { Page } from '../page.js';
import { hostLink } from './link.js';
import { services } from './service.js';
import { table } from './table.js';
import { badge, cut, severity, shown, time } from './text.js';

/** Alerts on one page. */
const mostAlerts = 200;

/** What somebody has to know of. */
export const alertPage: Page = {
  path: '/alert',
  async load(api, { base, now, query }) {
    const ended = query.get('ended') === '1';
    const { alerts, more } = await api.unary(services.alert, 'ListAlert', { ended, limit: mostAlerts });
    return { kind: 'html', title: 'Alerts', main: renderAlerts({ base, now, alerts, more, ended }) };
  },
};

/** The whole page. */
export function renderAlerts(view: { readonly base: string; readonly now: number; readonly alerts: readonly Alert[]; readonly more: boolean; readonly ended: boolean }): Html {
  const { base, ended } = view;
  return html`<h1>Alerts</h1>
<nav aria-label="Which alerts"><ul class="jump"><li><a href="${base}/alert"${!ended && html` aria-current="true"`}>open</a></li><li><a href="${base}/alert?ended=1"${ended && html` aria-current="true"`}>also those that are over</a></li></ul></nav>
${alertTable(view.alerts, { ...view, caption: ended ? 'Alerts of the last 30 days' : 'Open alerts' })}
${view.more && html`<p>There are more: <code>reeve alert list</code>.</p>`}
`;
}

/** Alerts, one a line. */
export function alertTable(alerts: readonly Alert[], view: { readonly base: string; readonly now: number; readonly caption: string }): Html {
  const { base, now } = view;
  return table({
    caption: view.caption,
    quiet: true,
    columns: [{ title: 'What' }, { title: 'How bad' }, { title: 'Where' }, { title: 'What it means, and what to do' }, { title: 'Since' }, { title: 'State' }],
    rows: alerts.map((alert) => ({
      key: String(alert.id),
      cells: [
        html`${cut(alert.title, 300)}${alert.subject !== '' && !alert.title.includes(alert.subject) && html` <span class="mono">${cut(alert.subject, 200)}</span>`}`,
        severity(alert.severity),
        alert.hostName === '' ? 'coordinator' : html`${hostLink(base, alert.hostName)}${alert.foldedHosts.length > 0 && html` and ${alert.foldedHosts.length} behind it: ${cut(alert.foldedHosts.join(', '), 300)}`}`,
        html`<span class="prose">${cut(alert.text, 400)}</span>`,
        time(alert.since, now),
        state(alert, now),
      ],
    })),
    empty: 'There are no alerts.',
  });
}

function state({ endedAt, muted }: Alert, now: number): Html {
  if (endedAt !== null) return html`over since ${time(endedAt, now)}`;
  return muted === '' ? badge('open', 'warn') : html`${badge('muted', 'plain')} ${shown(muted)}`;
}
