import type { GetPersonResponse } from '../../shared/gen/proto/reeve/coordinator/v1/GetPersonResponse.js';
import type { Person } from '../../shared/gen/proto/reeve/coordinator/v1/Person.js';
import { renderFields, renderTable, type Cell } from './table.js';
import type { Terminal } from './terminal.js';
import { formatTime } from './time.js';

/** Persons as a table. */
export function renderPersons(terminal: Pick<Terminal, 'color'>, persons: readonly Person[]): string {
  const rows = persons.map((person): Cell[] => [person.name, person.displayName, person.mail, stateOf(person), String(person.keys), formatTime(person.expiresAt)]);
  return renderTable(terminal, ['person', 'name', 'mail', 'state', 'keys', 'until'], rows, 'No persons. To add one: reeve person add NAME');
}

function stateOf(person: Person): Cell {
  return person.active ? 'active' : { text: 'revoked', tone: 'yellow' };
}

/** One person with all that is known of them. */
export function renderPerson(terminal: Pick<Terminal, 'color'>, { person, ...of }: GetPersonResponse): string {
  if (person === null) return '';
  return renderFields(terminal, [
    ['person', person.name],
    ['name', person.displayName],
    ['mail', person.mail],
    ['state', stateOf(person)],
    ['added', formatTime(person.addedAt)],
    ['until', formatTime(person.expiresAt)],
    ...of.keys.map((key) => ['key', key] as const),
    ['groups', of.groups.join(', ')],
    ['grants', of.grants.map(String).join(', ')],
    ['owns', of.owned.join(', ')],
  ]);
}
