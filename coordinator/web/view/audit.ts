import type { AuditRecord } from '../../../shared/gen/proto/reeve/coordinator/v1/AuditRecord.js';
import { html, type Html } from '../html.js';
import type { Page } from '../page.js';
import { services } from './service.js';
import { table } from './table.js';
import { badge, cut, part, queryOf, shown, time, typed, type Tone } from './text.js';

/** Records on one page. */
const mostRecords = 50;

/** Every decision of the coordinator, newest first. */
export const auditPage: Page = {
  path: '/audit',
  async load(api, { base, now, query }) {
    const principal = typed(query, 'principal');
    const action = typed(query, 'action');
    const text = query.get('before') ?? '';
    const before = /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : 0;
    const { records } = await api.unary(services.audit, 'ListAudit', { principal, action, before, limit: mostRecords });
    return { kind: 'html', title: 'Audit', main: renderAudit({ base, now, records, principal, action, before }) };
  },
};

const tones: Readonly<Record<string, Tone>> = { ok: 'good', refused: 'warn', failed: 'bad' };

/** The whole page. */
export function renderAudit(view: { readonly base: string; readonly now: number; readonly records: readonly AuditRecord[]; readonly principal: string; readonly action: string; readonly before: number }): Html {
  const { base, now, records, principal, action } = view;
  const older = records.length === mostRecords ? records.at(-1)?.seq : undefined;
  return html`<h1>Audit</h1>
<form class="filter" role="search" aria-label="Audit" method="get" action="${base}/audit">
<label>By<input type="text" name="principal" value="${principal}" maxlength="200" placeholder="uid:ada"></label>
<label>Action begins with<input type="text" name="action" value="${action}" maxlength="200" placeholder="nat add"></label>
<button type="submit">Filter</button>${(principal !== '' || action !== '') && html` <a href="${base}/audit">All records</a>`}
</form>
${table({
  caption: 'Records, newest first',
  columns: [{ title: 'Number', figure: true }, { title: 'When' }, { title: 'By' }, { title: 'Action' }, { title: 'Phase' }, { title: 'With' }, { title: 'Operation' }],
  rows: records.map((record) => ({
    key: String(record.seq),
    cells: [
      String(record.seq),
      time(record.time, now),
      html`<a href="${base}/audit${queryOf({ principal: record.principal })}">${cut(record.principal, 100)}</a>`,
      cut(record.action, 200),
      html`${badge(record.phase, tones[record.phase] ?? 'plain')} ${shown(record.code)}`,
      html`<span class="mono prose">${cut(record.arguments, 400)}</span>`,
      record.operationId === '' ? '–' : html`<a href="${base}/operation/${part(record.operationId)}">${cut(record.operationId, 36)}</a>`,
    ],
  })),
  empty: 'There are no such records.',
})}
<nav class="pager" aria-label="Pages of this list">${view.before > 0 && html`<a href="${base}/audit${queryOf({ principal, action })}">Newest</a>`} ${older !== undefined && html`<a href="${base}/audit${queryOf({ principal, action, before: String(older) })}">Older</a>`}</nav>
`;
}
