import type { GetPersonResponse } from '../../../shared/gen/proto/reeve/coordinator/v1/GetPersonResponse.js';
import type { Key } from '../../../shared/gen/proto/reeve/coordinator/v1/Key.js';
import type { ListAccessResponse } from '../../../shared/gen/proto/reeve/coordinator/v1/ListAccessResponse.js';
import type { ListKeyResponse } from '../../../shared/gen/proto/reeve/coordinator/v1/ListKeyResponse.js';
import type { Person } from '../../../shared/gen/proto/reeve/coordinator/v1/Person.js';
import { html, type Html } from '../html.js';
import type { Page } from '../page.js';
import { optional, unasked, type Asked } from './ask.js';
import { accessTable } from './host-access.js';
import { hostLink, personLink } from './link.js';
import { offsetOf, pager, perPage } from './pager.js';
import { services } from './service.js';
import { facts, section, table } from './table.js';
import { badge, cut, queryOf, shown, time, timeMs, typed } from './text.js';

/** The humans behind keys. */
export const personListPage: Page = {
  path: '/person',
  async load(api, { base, now, query }) {
    const { persons } = await api.unary(services.person, 'ListPerson', {});
    const search = typed(query, 'search');
    return { kind: 'html', title: 'Persons', main: renderPersons({ base, now, persons, search, offset: offsetOf(query) }) };
  },
};

/** One of them, and where they get in. */
export const personPage: Page = {
  path: '/person/:name',
  async load(api, { base, now, params }) {
    const name = params['name'] ?? '';
    const known = await api.unary(services.person, 'GetPerson', { name });
    const [keys, access] = await Promise.all([optional(api.unary(services.key, 'ListKey', { person: name })), optional(api.unary(services.access, 'ListAccess', { person: name }))]);
    return { kind: 'html', title: known.person?.name ?? name, main: renderPerson({ base, now, known, keys, access }) };
  },
};

/** The list. */
export function renderPersons(view: { readonly base: string; readonly now: number; readonly persons: readonly Person[]; readonly search: string; readonly offset: number }): Html {
  const { base, now, search, offset } = view;
  const text = search.toLowerCase();
  const found = view.persons.filter(({ name, displayName, mail }) => [name, displayName, mail].some((value) => value.toLowerCase().includes(text)));
  const page = found.slice(offset, offset + perPage);
  return html`<h1>Persons</h1>
<form class="filter" role="search" aria-label="Persons" method="get" action="${base}/person">
<label>Search<input type="search" name="search" value="${search}" maxlength="200" placeholder="name, mail"></label><button type="submit">Filter</button>
</form>
${table({
  caption: 'Persons',
  quiet: true,
  columns: [{ title: 'Name' }, { title: 'Called' }, { title: 'Mail' }, { title: 'Keys', figure: true }, { title: 'State' }, { title: 'Until' }, { title: 'Added' }],
  rows: page.map((person) => ({
    key: person.name,
    cells: [personLink(base, person.name), cut(person.displayName, 200), cut(person.mail, 254), String(person.keys), stateOf(person, now), time(person.expiresAt, now, 'no end'), time(person.addedAt, now)],
  })),
  empty: 'There are no such persons.',
})}
${pager({ what: 'persons', offset, shown: page.length, total: found.length, link: (at) => `${base}/person${queryOf({ search, offset: at === 0 ? '' : String(at) })}` })}
`;
}

function stateOf({ active, expiresAt }: Person, now: number): Html {
  if (!active) return badge('not active', 'bad');
  const endMs = timeMs(expiresAt);
  return endMs !== undefined && endMs <= now ? badge('ended', 'bad') : badge('active', 'good');
}

/** The page of one. */
export function renderPerson(view: { readonly base: string; readonly now: number; readonly known: GetPersonResponse; readonly keys: Asked<ListKeyResponse>; readonly access: Asked<ListAccessResponse> }): Html {
  const { base, now, known, keys, access } = view;
  const { person } = known;
  if (person === null) return html`<h1>No such person</h1>`;
  return html`<h1>${shown(person.name)}</h1>
<p>${stateOf(person, now)}</p>
${facts([
  ['Called', cut(person.displayName, 200)],
  ['Mail', cut(person.mail, 254)],
  ['Gets in until', time(person.expiresAt, now, 'no end')],
  ['Groups', cut(known.groups.join(', '), 2000)],
  ['Grants by name', known.grants.join(', ')],
  ['Owns', known.owned.length === 0 ? '' : html`${known.owned.map((name, at) => html`${at > 0 && ', '}${hostLink(base, name)}`)}`],
  ['Added', time(person.addedAt, now)],
])}
${section('keys', 'Keys', keys.value === undefined ? unasked(keys.problem) : keyTable(keys.value.keys, now))}
${section('access', 'Where they get in, and why', access.value === undefined ? unasked(access.problem) : accessTable(access.value.access, { base, now, by: 'person' }))}
`;
}

function keyTable(keys: readonly Key[], now: number): Html {
  return table({
    caption: 'Their keys',
    quiet: true,
    columns: [{ title: 'Fingerprint' }, { title: 'Type' }, { title: 'Comment' }, { title: 'Only from' }, { title: 'Until' }, { title: 'Added' }],
    rows: keys.map((key) => ({
      key: key.fingerprint,
      cells: [
        html`<span class="mono">${cut(key.fingerprint, 100)}</span>`,
        cut(key.key?.type ?? '', 60),
        cut(key.comment, 128),
        key.options === null || key.options.from.length === 0 ? 'anywhere' : cut(key.options.from.join(', '), 400),
        time(key.options?.expiresAt, now, 'no end'),
        time(key.addedAt, now),
      ],
    })),
    empty: 'They have no keys.',
  });
}
