import { alertKindRows } from '../../shared/model/alert.js';
import { keyOfCause, type AlertRow, type Cause, type CauseKey } from './alert.js';

/** What is remembered of causes between two looks, by key; lost when the coordinator ends, so that a hold-off that is not in the cause begins anew. */
export interface Watched {
  /** When a cause was seen first that has no alert yet, unix ms. */
  readonly seen: ReadonlyMap<string, number>;
  /** Since when the cause of an open alert is not there any more, unix ms. */
  readonly calm: ReadonlyMap<string, number>;
}

/** Nothing is remembered. */
export const nothingWatched: Watched = { seen: new Map(), calm: new Map() };

/** What becomes of alerts by one look. */
export interface AlertStep {
  readonly open: readonly (Cause & { readonly sinceMs: number })[];
  readonly update: readonly { readonly id: number; readonly cause: Cause }[];
  readonly end: readonly number[];
  readonly watched: Watched;
}

/** What a step is made from. */
export interface StepInput {
  readonly now: number;
  readonly open: readonly AlertRow[];
  readonly causes: readonly Cause[];
  /** Whether nobody can tell now if the cause of an alert still stands. */
  readonly undecided: (alert: CauseKey) => boolean;
  readonly watched: Watched;
}

/**
 * Opens an alert when its cause has stood for the hold-off of its kind, and ends it when the cause has not been there for its calm: one that comes and goes stays one alert. What
 * cannot be told now stays as it is.
 */
export function stepAlerts({ now, open, causes, undecided, watched }: StepInput): AlertStep {
  const known = new Map(open.map((alert) => [keyOfCause(alert), alert]));
  const seen = new Map<string, number>();
  const calm = new Map<string, number>();
  const opened: AlertStep['open'][number][] = [];
  const update: AlertStep['update'][number][] = [];
  const present = new Set<string>();
  for (const cause of causes) {
    const key = keyOfCause(cause);
    present.add(key);
    const alert = known.get(key);
    if (alert !== undefined) {
      if (differs(alert, cause)) update.push({ id: alert.id, cause });
      continue;
    }
    // A clock that was set back must not hold an alert off for ever.
    const sinceMs = Math.min(now, cause.sinceMs ?? watched.seen.get(key) ?? now);
    if (now - sinceMs >= alertKindRows[cause.kind].holdOffMs) opened.push({ ...cause, sinceMs });
    else if (cause.sinceMs === undefined) seen.set(key, sinceMs);
  }
  const end: number[] = [];
  for (const [key, alert] of known) {
    if (present.has(key) || undecided(alert)) continue;
    const sinceMs = Math.min(now, watched.calm.get(key) ?? now);
    if (now - sinceMs >= alertKindRows[alert.kind].calmMs) end.push(alert.id);
    else calm.set(key, sinceMs);
  }
  return { open: opened, update, end, watched: { seen, calm } };
}

/** Whether there is something to store; figures in a text move all the time and are not worth a write each look. */
function differs(alert: AlertRow, cause: Cause): boolean {
  const figures = (text: string): string => text.replace(/[0-9.]+/g, '0');
  return alert.severity !== cause.severity || alert.title !== cause.title || figures(alert.text) !== figures(cause.text) || alert.folded.join(' ') !== cause.folded.join(' ');
}
