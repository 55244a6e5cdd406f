import { catalogue, type ErrorRow } from '../shared/errors/catalogue.js';

/** docs/errors.md: every error of the catalogue, by number. */
export function renderErrorPage(): string {
  const rows = Object.entries<ErrorRow>(catalogue).sort(([, a], [, b]) => a.number - b.number);
  return [
    '# Errors',
    '',
    'Every error that a person or a program can meet. Programs branch on the code, never on the text. Words in braces are values of the case at hand;',
    '`--json` also gives them by name in `fields`. The number is what the helper of a host replies, the status is that of gRPC, and the exit code is',
    'that of the command line: 1 a host said no, 2 a mistake in the command, 3 not reachable, 70 a mistake in Reeve.',
    '',
    'This page is generated from `shared/errors/catalogue.ts` by `docs/generate.ts`.',
    '',
    ...rows.flatMap(([code, row]) => [
      `## ${code}`,
      '',
      `Number ${String(row.number)}, status ${row.status}, exit code ${String(row.exit)}.`,
      '',
      `> ${row.message}`,
      '',
      ...(row.remedy === '' ? [] : [`What to do: ${row.remedy}`, '']),
    ]),
  ].join('\n');
}
