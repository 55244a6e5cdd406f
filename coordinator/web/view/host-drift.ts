import type { HostResult } from '../../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import { html, type Html } from '../html.js';
import type { Page } from '../page.js';
import { changeList, errorList } from './change.js';
import { services } from './service.js';
import { outcome } from './outcome.js';
import { part, shown, time } from './text.js';

/** What an apply would change on a host, asked of it now. */
export const hostDriftPage: Page = {
  path: '/host/:name/drift',
  async load(api, { base, now, params }) {
    const name = params['name'] ?? '';
    const { results } = await api.unary(services.plan, 'PlanHost', { host: name });
    return { kind: 'html', title: `Drift of ${name}`, main: renderDrift({ base, now, name, results }) };
  },
};

/** The whole page. It stays as it is: what it shows was asked of the host. */
export function renderDrift(view: { readonly base: string; readonly now: number; readonly name: string; readonly results: readonly HostResult[] }): Html {
  const { base, now, name, results } = view;
  const total = results.reduce((sum, { changes, held }) => sum + changes.length + held.length, 0);
  const refused = results.some(({ outcome: word }) => word !== 'OUTCOME_OK');
  return html`<div data-still><h1>What an apply would change on ${shown(name)}</h1>
<p><a href="${base}/host/${part(name)}">Back to ${shown(name)}</a>. Asked ${time(now, now)}; this page does not follow the host.</p>
${results.length === 0 && html`<p class="empty">Nothing is managed on this host.</p>`}
${results.length > 0 && total === 0 && !refused && html`<p>All is as it should be.</p>`}
${results.map(nounSection)}
</div>`;
}

function nounSection(result: HostResult): Html {
  const { noun, changes, held, notes } = result;
  const id = `noun-${shown(noun)}`;
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${shown(noun)} ${result.outcome !== 'OUTCOME_OK' && outcome(result.outcome)}</h2>
${errorList(result)}
${changes.length > 0 ? changeList(changes) : result.outcome === 'OUTCOME_OK' && html`<p class="soft">No change.</p>`}
${held.length > 0 && html`<h3>Held back by a hold</h3>${changeList(held)}`}
${notes.length > 0 && html`<ul class="plainlist">${notes.map((note) => html`<li>${shown(note)}</li>`)}</ul>`}
</section>
`;
}
