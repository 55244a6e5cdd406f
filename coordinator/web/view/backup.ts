import type { BackupRow } from '../../../shared/gen/proto/reeve/coordinator/v1/BackupRow.js';
import { html, type Html } from '../html.js';
import type { Page } from '../page.js';
import { hostLink } from './link.js';
import { services } from './service.js';
import { table } from './table.js';
import { badge, bytes, cut, queryOf, time, timeMs, type Tone } from './text.js';

const dayMs = 86_400_000;
const proofs = ['day', 'week', 'month', 'older', 'unproven', 'bad'] as const;
type ProofWord = (typeof proofs)[number];

const titles: Readonly<Record<ProofWord, string>> = {
  day: 'proven within 24 h', week: 'proven within 7 days', month: 'proven within 30 days', older: 'proven longer ago', unproven: 'not proven', bad: 'late, failed or frozen',
};

/** Backup jobs, by the age of their proof. */
export const backupPage: Page = {
  path: '/backup',
  async load(api, { base, now, query }) {
    const word = proofs.find((known) => known === query.get('proof'));
    const { rows } = await api.unary(services.backup, 'ListBackups', {});
    return { kind: 'html', title: 'Backups', main: renderBackups({ base, now, rows, word }) };
  },
};

/** The whole page. */
export function renderBackups(view: { readonly base: string; readonly now: number; readonly rows: readonly BackupRow[]; readonly word: ProofWord | undefined }): Html {
  const { base, now, word } = view;
  const rows = word === undefined ? view.rows : view.rows.filter((row) => fits(row, word, now));
  const links = proofs.map((known) => html`<li><a href="${base}/backup${queryOf({ proof: known })}"${known === word && html` aria-current="true"`}>${titles[known]}</a></li>`);
  return html`<h1>Backups</h1>
<nav aria-label="Which backups"><ul class="jump"><li><a href="${base}/backup"${word === undefined && html` aria-current="true"`}>all</a></li>${links}</ul></nav>
${backupTable(rows, { base, now, caption: word === undefined ? 'Backup jobs' : `Backup jobs: ${titles[word]}` })}
`;
}

function fits({ health, proof }: BackupRow, word: ProofWord, now: number): boolean {
  if (word === 'bad') return health === 'late' || health === 'failed' || health === 'frozen';
  const atMs = timeMs(proof?.at);
  if (proof?.ok !== true || atMs === undefined) return word === 'unproven';
  const age = now - atMs;
  return word === (age <= dayMs ? 'day' : age <= 7 * dayMs ? 'week' : age <= 30 * dayMs ? 'month' : 'older');
}

const tones: Readonly<Record<string, Tone>> = { good: 'good', unproven: 'warn', late: 'bad', failed: 'bad', frozen: 'bad' };

/** Jobs, one a line. */
export function backupTable(rows: readonly BackupRow[], view: { readonly base: string; readonly now: number; readonly caption: string }): Html {
  const { base, now } = view;
  return table({
    caption: view.caption,
    columns: [{ title: 'Job' }, { title: 'From' }, { title: 'To' }, { title: 'State' }, { title: 'Last proof' }, { title: 'Last good run' }, { title: 'Size', figure: true }, { title: 'Next run' }],
    rows: rows.map((row) => ({
      key: row.id,
      cells: [
        cut(row.backup?.name ?? '', 64),
        html`${hostLink(base, row.backup?.source ?? '')} <span class="mono">${cut(row.backup?.folders.join(' ') ?? '', 120)}</span>`,
        html`${hostLink(base, row.backup?.destination ?? '')} <span class="mono">${cut(row.backup?.folder ?? '', 120)}</span>`,
        html`${badge(row.health === '' ? 'not known' : row.health, tones[row.health] ?? 'plain')} ${cut(row.reason, 300)}${running(row)}`,
        row.proof === null ? 'never' : html`${time(row.proof.at, now)} ${row.proof.ok ? '' : badge('not as it should be', 'bad')}`,
        time(row.lastGood?.startedAt, now, 'never'),
        row.lastGood === null ? '–' : bytes(row.lastGood.bytes),
        time(row.nextAt, now, 'by command'),
      ],
    })),
    empty: 'There are no such backup jobs.',
  });
}

function running({ last }: BackupRow): Html | string {
  return last?.state === 'running' ? html` ${badge('running', 'busy')} ${cut(last.kind, 20)}` : '';
}
