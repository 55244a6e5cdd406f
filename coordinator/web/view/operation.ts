import type { GetOperationResponse } from '../../../shared/gen/proto/reeve/coordinator/v1/GetOperationResponse.js';
import type { HostResult } from '../../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import type { Operation } from '../../../shared/gen/proto/reeve/coordinator/v1/Operation.js';
import { parseId } from '../../../shared/model/id.js';
import { html, type Html } from '../html.js';
import type { Page } from '../page.js';
import { changeList, errorList } from './change.js';
import { hostLink } from './link.js';
import { operationTable, outcome, progress, took } from './outcome.js';
import { services } from './service.js';
import { facts, section, table } from './table.js';
import { cut, queryOf, shown, time, typed } from './text.js';

/** Operations on one page. */
const mostOperations = 50;

/** Results of hosts on one page; the command line has them all. */
const mostResults = 1_000;

const outcomes = { running: 'OUTCOME_RUNNING', failed: 'OUTCOME_FAILED', pending: 'OUTCOME_PENDING', unknown: 'OUTCOME_UNKNOWN', ok: 'OUTCOME_OK' } as const;
type OutcomeWord = keyof typeof outcomes;

/** What was asked of the fleet. */
export const operationListPage: Page = {
  path: '/operation',
  async load(api, { base, now, query }) {
    const word = (Object.keys(outcomes) as OutcomeWord[]).find((known) => known === query.get('outcome'));
    const host = typed(query, 'host');
    const before = query.get('before') ?? '';
    const { operations } = await api.unary(services.operation, 'ListOperation', { outcomes: word === undefined ? [] : [outcomes[word]], host, before: before === '' ? '' : parseId('before', before), limit: mostOperations });
    return { kind: 'html', title: 'Operations', main: renderOperations({ base, now, operations, word, host, before }) };
  },
};

/** One of them. */
export const operationPage: Page = {
  path: '/operation/:id',
  async load(api, { base, now, params }) {
    const known = await api.unary(services.operation, 'GetOperation', { id: params['id'] ?? '' });
    return { kind: 'html', title: known.operation?.summary ?? 'Operation', main: renderOperation({ base, now, known }) };
  },
};

/** The list. */
export function renderOperations(view: { readonly base: string; readonly now: number; readonly operations: readonly Operation[]; readonly word: OutcomeWord | undefined; readonly host: string; readonly before: string }): Html {
  const { base, now, operations, word, host, before } = view;
  const link = (other: { outcome?: string; before?: string }): string => `${base}/operation${queryOf({ outcome: word, host, ...other })}`;
  const filters = Object.keys(outcomes).map((known) => html`<li><a href="${link({ outcome: known })}"${known === word && html` aria-current="true"`}>${known}</a></li>`);
  const older = operations.length === mostOperations ? operations.at(-1)?.id : undefined;
  return html`<h1>Operations${host !== '' && html` on ${shown(host)}`}</h1>
<nav aria-label="Which operations"><ul class="jump"><li><a href="${link({ outcome: '' })}"${word === undefined && html` aria-current="true"`}>all</a></li>${filters}</ul></nav>
${operationTable(operations, { base, now, caption: word === undefined ? 'Operations, newest first' : `Operations: ${word}, newest first`, empty: 'There are no such operations.' })}
<nav class="pager" aria-label="Pages of this list">${before !== '' && html`<a href="${link({})}">Newest</a>`} ${older !== undefined && html`<a href="${link({ before: older })}">Older</a>`}</nav>
`;
}

/** The page of one. */
export function renderOperation({ base, now, known }: { readonly base: string; readonly now: number; readonly known: GetOperationResponse }): Html {
  const { operation, hosts } = known;
  if (operation === null) return html`<h1>No such operation</h1>`;
  const rank = (result: HostResult): number => ['OUTCOME_FAILED', 'OUTCOME_UNKNOWN', 'OUTCOME_RUNNING', 'OUTCOME_PENDING', 'OUTCOME_OK'].indexOf(result.outcome);
  const sorted = [...hosts].sort((a, b) => rank(a) - rank(b) || (a.hostName < b.hostName ? -1 : 1));
  return html`<h1>${operation.summary === '' ? 'Operation' : cut(operation.summary, 500)}</h1>
<p>${outcome(operation.outcome)} ${progress(operation)}</p>
${facts([
  ['By', shown(operation.operator)],
  ['Began', time(operation.startedAt, now)],
  ['Ended', time(operation.endedAt, now, 'not yet')],
  ['Took', took(operation, now)],
  ['Id', html`<span class="mono">${shown(operation.id)}</span>`],
])}
${section('hosts', 'What each host said', html`${resultTable(sorted.slice(0, mostResults), base)}${sorted.length > mostResults && html`<p>And ${(sorted.length - mostResults).toLocaleString('en')} more.</p>`}`)}
`;
}

function resultTable(results: readonly HostResult[], base: string): Html {
  return table({
    caption: 'Results by host and noun, what went wrong first',
    quiet: true,
    columns: [{ title: 'Host' }, { title: 'Noun' }, { title: 'Outcome' }, { title: 'Took', figure: true }, { title: 'What' }],
    rows: results.map((result) => ({
      key: `${result.hostId} ${result.noun}`,
      cells: [
        hostLink(base, result.hostName),
        shown(result.noun),
        outcome(result.outcome),
        result.outcome === 'OUTCOME_RUNNING' ? '–' : `${String(result.durationMs)} ms`,
        html`${errorList(result)}${result.changes.length > 0 && changeList(result.changes)}${result.changes.length === 0 && result.outcome === 'OUTCOME_OK' && html`<span class="soft">no change</span>`}`,
      ],
    })),
    empty: 'No host had to be told.',
  });
}
