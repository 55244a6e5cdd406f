import type { Host } from '../../../shared/gen/proto/reeve/coordinator/v1/Host.js';
import type { ListHostRequestInput } from '../../../shared/gen/proto/reeve/coordinator/v1/ListHostRequest.js';
import { html, type Html } from '../html.js';
import type { Page, PageApi } from '../page.js';
import { exportHosts } from './host-export.js';
import { hostState, hostStates, openWork } from './host-state.js';
import { hostTree, loadContainers, type ContainersOf } from './host-tree.js';
import { hostLink, labelLinks } from './link.js';
import { offsetOf, pager, perPage } from './pager.js';
import { services } from './service.js';
import { table, type Column } from './table.js';
import { cut, queryOf, severity, time, typed } from './text.js';

/** What is asked for in the address of the list. */
export interface HostQuery {
  readonly search: string;
  readonly labels: readonly string[];
  readonly state: string;
  readonly health: string;
  readonly flag: string;
  readonly sort: string;
  readonly descending: boolean;
  readonly tree: boolean;
  readonly offset: number;
}

/** The hosts of the fleet: searched, filtered, sorted, by page, as a tree, or as a file. */
export const hostListPage: Page = {
  path: '/host',
  async load(api, { base, now, query }) {
    const wanted = parseHostQuery(query);
    const format = query.get('format');
    if (format === 'csv' || format === 'json') return exportHosts(await allHosts(api, wanted), format);
    const { hosts, total } = await api.unary(services.host, 'ListHost', { ...requestOf(wanted), offset: wanted.offset, limit: perPage });
    const containers = wanted.tree ? await loadContainers(api, hosts) : new Map<string, never>();
    return { kind: 'html', title: 'Hosts', main: renderHostList({ base, now, query: wanted, hosts, total, containers }) };
  },
};

/** All hosts of a query, in answers that are not too large. */
async function allHosts(api: PageApi, query: HostQuery): Promise<Host[]> {
  const all: Host[] = [];
  for (;;) {
    const { hosts, total } = await api.unary(services.host, 'ListHost', { ...requestOf(query), offset: all.length, limit: 1_000 });
    all.push(...hosts);
    if (hosts.length === 0 || all.length >= total) return all;
  }
}

/** One word of several; empty: it is none of them. */
function oneOf(text: string | null, words: readonly string[]): string {
  return text !== null && words.includes(text) ? text : '';
}

const sorts = ['name', 'state', 'health', 'parent', 'os', 'version', 'seen', 'certificate'] as const;
const flags = ['pending', 'drifted', 'held'] as const;
const healths = ['ok', 'warning', 'error'] as const;

/** The query of the list; what is no word of it is left out. */
export function parseHostQuery(query: URLSearchParams): HostQuery {
  const labels = typed(query, 'label').split(/[\s,]+/).filter((label) => label !== '').slice(0, 20);
  return {
    search: typed(query, 'search'),
    labels,
    state: oneOf(query.get('state'), Object.keys(hostStates)),
    health: oneOf(query.get('health'), healths),
    flag: oneOf(query.get('flag'), flags),
    sort: oneOf(query.get('sort'), sorts),
    descending: query.get('order') === 'descending',
    tree: query.get('tree') === '1',
    offset: offsetOf(query),
  };
}

function requestOf(query: HostQuery): ListHostRequestInput {
  const { search, labels, health, flag, sort, descending, tree } = query;
  const states = Object.entries(hostStates).flatMap(([word, state]) => (word === query.state ? [state] : []));
  return { search, labels: [...labels], states, health, flag, sort, descending, tree };
}

/** The address of a list like this one, but for what is named. */
function linkTo(base: string, query: HostQuery, other: Partial<HostQuery>, format = ''): string {
  const next = { ...query, offset: 0, ...other };
  const { search, state, health, flag, sort } = next;
  const order = next.descending ? 'descending' : '';
  return `${base}/host${queryOf({ search, label: next.labels.join(' '), state, health, flag, sort, order, tree: next.tree ? '1' : '', offset: next.offset === 0 ? '' : String(next.offset), format })}`;
}

/** What the list shows. */
export interface HostListView {
  readonly base: string;
  readonly now: number;
  readonly query: HostQuery;
  readonly hosts: readonly Host[];
  readonly total: number;
  readonly containers: ContainersOf;
}

/** The whole page. */
export function renderHostList(view: HostListView): Html {
  const { base, query, hosts, total } = view;
  const pages = pager({ what: 'hosts', offset: query.offset, shown: hosts.length, total, link: (offset) => linkTo(base, query, { offset }) });
  const other = query.tree ? html`<a href="${linkTo(base, query, { tree: false })}">As a table</a>` : html`<a href="${linkTo(base, query, { tree: true })}">As a tree</a>`;
  return html`<h1>Hosts</h1>
${filterForm(base, query)}
<p class="pager">${other} <a href="${linkTo(base, query, { tree: false }, 'csv')}">As CSV</a> <a href="${linkTo(base, query, { tree: false }, 'json')}">As JSON</a></p>
${query.tree ? hostTree(view) : hostTable(view)}
${pages}
`;
}

function select(name: string, title: string, value: string, words: readonly string[]): Html {
  const options = words.map((word) => html`<option${word === value && html` selected`}>${word}</option>`);
  return html`<label>${title}<select name="${name}"><option value="">any</option>${options}</select></label>`;
}

function filterForm(base: string, query: HostQuery): Html {
  const filtered = query.search !== '' || query.labels.length > 0 || query.state !== '' || query.health !== '' || query.flag !== '';
  return html`<form class="filter" role="search" aria-label="Hosts" method="get" action="${base}/host">
<label>Search<input type="search" name="search" value="${query.search}" maxlength="200" placeholder="name, address, label, system"></label>
<label>Labels<input type="text" name="label" value="${query.labels.join(' ')}" placeholder="key=value"></label>
${select('state', 'State', query.state, Object.keys(hostStates))}
${select('health', 'Health', query.health, healths)}
${select('flag', 'With', query.flag, flags)}
${query.sort !== '' && html`<input type="hidden" name="sort" value="${query.sort}">`}
${query.descending && html`<input type="hidden" name="order" value="descending">`}
${query.tree && html`<input type="hidden" name="tree" value="1">`}
<button type="submit">Filter</button>
${filtered && html`<a href="${base}/host${query.tree && '?tree=1'}">All hosts</a>`}
</form>`;
}

function hostTable(view: HostListView): Html {
  const { base, now, query } = view;
  const sortable = (title: string, sort: (typeof sorts)[number]): Column => {
    const is = (query.sort === '' ? 'name' : query.sort) === sort;
    const link = linkTo(base, query, { sort, descending: is && !query.descending });
    return { title: html`<a href="${link}">${title}</a>`, sorted: is ? (query.descending ? 'descending' : 'ascending') : undefined };
  };
  return table({
    caption: 'Hosts',
    quiet: true,
    columns: [
      sortable('Name', 'name'),
      sortable('State', 'state'),
      sortable('Health', 'health'),
      { title: 'Open' },
      { title: 'Address' },
      sortable('Parent', 'parent'),
      sortable('System', 'os'),
      sortable('Agent', 'version'),
      { title: 'Labels' },
      sortable('Seen', 'seen'),
    ],
    rows: view.hosts.map((host) => ({
      key: host.id,
      cells: [
        hostLink(base, host.name),
        html`${hostState(host.state)}`,
        host.health === '' ? '' : severity(host.health),
        openWork(host),
        cut(host.address, 60),
        host.parent === '' ? '' : hostLink(base, host.parent),
        cut(host.os, 60),
        cut(host.agentVersion, 30),
        labelLinks(base, host.labels),
        time(host.lastSeenAt, now, 'never'),
      ],
    })),
    empty: 'There are no such hosts.',
  });
}
