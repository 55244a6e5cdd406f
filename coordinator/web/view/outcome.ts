import type { Operation } from '../../../shared/gen/proto/reeve/coordinator/v1/Operation.js';
import { html, type Html } from '../html.js';
import { table } from './table.js';
import { badge, cut, part, shown, span, time, timeMs, type Tone } from './text.js';

const words: Readonly<Record<string, { readonly word: string; readonly tone: Tone }>> = {
  OUTCOME_RUNNING: { word: 'running', tone: 'busy' },
  OUTCOME_OK: { word: 'ok', tone: 'good' },
  OUTCOME_FAILED: { word: 'failed', tone: 'bad' },
  OUTCOME_UNKNOWN: { word: 'unknown', tone: 'warn' },
  OUTCOME_PENDING: { word: 'pending', tone: 'warn' },
};

/** How an operation ended, or that it has not. */
export function outcome(value: string): Html {
  const { word, tone } = words[value] ?? { word: 'not known', tone: 'plain' };
  return badge(word, tone);
}

/** How far an operation is. */
export function progress(operation: Operation): Html {
  const { parts, partsEnded } = operation;
  if (parts === 0) return html`<span class="none">–</span>`;
  const text = `${String(partsEnded)} of ${String(parts)}`;
  if (operation.outcome !== 'OUTCOME_RUNNING') return html`${text}`;
  return html`<progress max="${parts}" value="${partsEnded}" aria-label="Parts that have ended">${text}</progress> ${text}`;
}

/** How long it took, or has taken until now. */
export function took(operation: Operation, now: number): string {
  const from = timeMs(operation.startedAt);
  if (from === undefined) return '–';
  const ms = Math.max((timeMs(operation.endedAt) ?? now) - from, 0);
  return ms < 1000 ? '< 1 s' : span(ms);
}

/** Operations, one a line. */
export function operationTable(operations: readonly Operation[], view: { readonly base: string; readonly now: number; readonly caption: string; readonly empty: string; readonly quiet?: boolean }): Html {
  return table({
    caption: view.caption,
    quiet: view.quiet ?? false,
    columns: [{ title: 'What' }, { title: 'Outcome' }, { title: 'Parts done' }, { title: 'By' }, { title: 'Began' }, { title: 'Took', figure: true }],
    rows: operations.map((operation) => ({
      key: operation.id,
      cells: [
        html`<a href="${view.base}/operation/${part(operation.id)}">${operation.summary === '' ? 'no summary' : cut(operation.summary, 120)}</a>`,
        outcome(operation.outcome),
        progress(operation),
        shown(operation.operator),
        time(operation.startedAt, view.now),
        took(operation, view.now),
      ],
    })),
    empty: view.empty,
  });
}
