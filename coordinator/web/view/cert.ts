import type { ManagedCert } from '../../../shared/gen/proto/reeve/coordinator/v1/ManagedCert.js';
import { html, type Html } from '../html.js';
import type { Page } from '../page.js';
import { told } from './host-access.js';
import { hostLink } from './link.js';
import { offsetOf, pager, perPage } from './pager.js';
import { services } from './service.js';
import { table, type Column } from './table.js';
import { badge, cut, time } from './text.js';

const dayMs = 86_400_000;

/** Certificates, by their end. */
export const certPage: Page = {
  path: '/cert',
  async load(api, { base, now, query }) {
    const { rows } = await api.unary(services.cert, 'ListCerts', {});
    return { kind: 'html', title: 'Certificates', main: renderCerts({ base, now, rows, offset: offsetOf(query) }) };
  },
};

/** The whole page. */
export function renderCerts(view: { readonly base: string; readonly now: number; readonly rows: readonly ManagedCert[]; readonly offset: number }): Html {
  const { base, now, offset, rows } = view;
  const page = rows.slice(offset, offset + perPage);
  return html`<h1>Certificates</h1>
<p>Those that end first come first.</p>
${certTable(page, { base, now, host: true })}
${pager({ what: 'certificates', offset, shown: page.length, total: rows.length, link: (at) => `${base}/cert${at === 0 ? '' : `?offset=${String(at)}`}` })}
`;
}

/** Certificates, one a line. */
export function certTable(rows: readonly ManagedCert[], view: { readonly base: string; readonly now: number; readonly host: boolean }): Html {
  const { base, now } = view;
  const host: Column[] = view.host ? [{ title: 'Host' }] : [];
  return table({
    caption: 'Certificates for services',
    quiet: true,
    columns: [{ title: 'Name' }, ...host, { title: 'Good for' }, { title: 'Ends' }, { title: 'State' }, { title: 'Issuer' }, { title: 'Sites' }],
    rows: rows.map((row) => ({
      key: `${row.hostName} ${row.cert?.name ?? ''}`,
      cells: [
        cut(row.cert?.name ?? '', 64),
        ...(view.host ? [hostLink(base, row.hostName)] : []),
        cut(row.state?.names.join(', ') ?? row.cert?.names.join(', ') ?? '', 300),
        row.state === null || row.state.notAfter === 0 ? 'not known' : html`${time(row.state.notAfter * 1000, now)} ${endBadge(row.state.notAfter * 1000, now)}`,
        html`${row.state !== null && row.state.state !== 'ok' && badge(row.state.state.slice(0, 40), 'bad')} ${told(row.pending, row.pendingReason)}`,
        cut(row.state?.issuer ?? '', 200),
        cut(row.sites.join(', '), 300),
      ],
    })),
    empty: 'There are no certificates.',
  });
}

function endBadge(endMs: number, now: number): Html | string {
  if (endMs <= now) return badge('ended', 'bad');
  return endMs - now <= 30 * dayMs ? badge('ends soon', 'warn') : '';
}
