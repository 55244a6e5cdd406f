import { migrations } from '../../coordinator/inventory/migration.js';

/** What later versions might do to the inventory: a new table, a new column with a value for old rows, a table that is rebuilt. */
const later: readonly (readonly string[])[] = [
  ['CREATE TABLE site (id TEXT PRIMARY KEY, name TEXT NOT NULL) STRICT', `INSERT INTO site VALUES ('s1', 'ams')`, 'CREATE UNIQUE INDEX site_name ON site (name)'],
  ['ALTER TABLE site ADD COLUMN rank INTEGER NOT NULL DEFAULT 0', 'UPDATE site SET rank = 7'],
  [
    'CREATE TABLE site_new (id TEXT PRIMARY KEY, name TEXT NOT NULL, rank INTEGER NOT NULL CHECK (rank >= 0)) STRICT',
    'INSERT INTO site_new SELECT id, name, rank FROM site',
    'DROP TABLE site',
    'ALTER TABLE site_new RENAME TO site',
    'CREATE UNIQUE INDEX site_name ON site (name)',
  ],
];

/** All steps there are, and three more of several statements. */
export const steps: readonly string[] = [...migrations, ...later.map((statements) => statements.join(';\n'))];

/** Statement by statement, of a step as SQL text: triggers hold semicolons of their own. */
function statementsOf(step: string): string[] {
  const statements: string[] = [];
  let open = '';
  for (const part of step.split(';')) {
    open = open === '' ? part : `${open};${part}`;
    if (/\bBEGIN\b/.test(open) && !/\bEND\s*$/.test(open)) continue;
    if (open.trim() !== '') statements.push(open);
    open = '';
  }
  return statements;
}

/** The steps with a call of reeve_chaos() before each statement and after the last one. */
export function withMarks(): string[] {
  const mark = 'SELECT reeve_chaos()';
  return steps.map((step) => [mark, ...statementsOf(step).flatMap((statement) => [statement, mark])].join(';\n'));
}

/** How many calls of reeve_chaos() there are. */
export function markCount(): number {
  return steps.reduce((sum, step) => sum + statementsOf(step).length + 1, 0);
}
