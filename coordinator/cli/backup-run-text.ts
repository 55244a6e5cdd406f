import type { BackupProof } from '../../shared/gen/proto/reeve/coordinator/v1/BackupProof.js';
import type { BackupRun } from '../../shared/gen/proto/reeve/coordinator/v1/BackupRun.js';
import type { ShowBackupRunResponse } from '../../shared/gen/proto/reeve/coordinator/v1/ShowBackupRunResponse.js';
import { formatAge } from '../../shared/model/duration.js';
import { vis } from '../../shared/model/vis.js';
import { fromTimestamp } from '../../shared/rpc/time.js';
import { sourcePathText } from './path-text.js';
import { formatBytes } from './size.js';
import { renderFields, renderTable, type Cell, type Tone } from './table.js';
import type { Terminal } from './terminal.js';
import { formatSince, formatTime } from './time.js';

const stateTones: Readonly<Record<string, Tone>> = { done: 'green', running: 'yellow', failed: 'red', cancelled: 'yellow', unknown: 'yellow' };

/** What runs are called where a line begins with it. */
const kindWords: Readonly<Record<string, string>> = { backup: 'Backup', restore: 'Restore', verify: 'Verification', prune: 'Pruning', adopt: 'Adoption' };

/** A number and its word: `1 file`, `2 files`. */
export function counted(count: number, word: string): string {
  return `${String(count)} ${word}${count === 1 ? '' : 's'}`;
}

function filesText(files: number, bytes: number): string {
  return files === 0 && bytes === 0 ? '' : `${counted(files, 'file')}, ${formatBytes(bytes)}`;
}

/** The state of a run in one word. */
function stateCell({ state }: BackupRun): Cell {
  const tone = Object.hasOwn(stateTones, state) ? stateTones[state] : undefined;
  return tone === undefined ? state : { text: state, tone };
}

/** How long a run took, or has taken until now. */
function tookText({ startedAt, endedAt }: BackupRun, now: number): string {
  const start = fromTimestamp(startedAt);
  return start === undefined ? '' : formatAge((fromTimestamp(endedAt) ?? now) - start);
}

/** A run in a few words: `done 3h ago: 20 files, 1.0 MiB`. */
export function runCell(run: BackupRun | null, now: number): Cell {
  if (run === null) return '';
  const when = run.endedAt === null ? `since ${formatTime(run.startedAt)}` : `${formatSince(run.endedAt, now)} ago`;
  const what = run.reason === '' ? filesText(run.files, run.bytes) : run.reason;
  const text = `${run.kind} ${run.state} ${when}${what === '' ? '' : `: ${what}`}`;
  const tone = Object.hasOwn(stateTones, run.state) ? stateTones[run.state] : undefined;
  return tone === undefined ? text : { text, tone };
}

/** Runs as a table; `full`: with what else is known of them. */
export function renderRuns(terminal: Pick<Terminal, 'color'>, runs: readonly BackupRun[], { now, full }: { readonly now: number; readonly full: boolean }): string {
  const rows = runs.map((run): Cell[] => [
    ...(full ? [run.id] : []),
    formatTime(run.startedAt), run.kind, stateCell(run), tookText(run, now), run.files === 0 ? '' : String(run.files), run.bytes === 0 ? '' : formatBytes(run.bytes), run.sentBytes === 0 ? '' : formatBytes(run.sentBytes),
    run.problems === 0 ? '' : { text: String(run.problems), tone: 'yellow' },
    ...(full ? [run.by, run.snapshot] : []),
    run.reason,
  ]);
  return renderTable(terminal, [...(full ? ['id'] : []), 'started', 'what', 'state', 'took', 'files', 'size', 'sent', 'problems', ...(full ? ['by', 'snapshot'] : []), 'why'], rows, 'No runs.');
}

/** One run with its problems, its proof and its output, every line of it escaped by itself. */
export function renderRun(terminal: Pick<Terminal, 'color'>, { run, problems, output, proof }: ShowBackupRunResponse, now: number): string {
  if (run === null) return '';
  const fields = renderFields(terminal, [
    ['id', run.id],
    ['job', run.job],
    ['what', run.kind],
    ['state', stateCell(run)],
    ['why', run.reason],
    ['by', run.by],
    ['started', formatTime(run.startedAt)],
    ['ended', formatTime(run.endedAt)],
    ['took', tookText(run, now)],
    ['snapshot', run.snapshot],
    ['files', filesText(run.files, run.bytes)],
    ['sent', filesText(run.sentFiles, run.sentBytes)],
    ['way', run.way],
    ['problems', run.problems === 0 ? '' : { text: String(run.problems), tone: 'yellow' }],
  ]);
  const rows = problems.map((problem): Cell[] => [problem.kind === 'failed' ? { text: problem.kind, tone: 'red' } : problem.kind, sourcePathText(problem.path), problem.text]);
  const lines = output === '' ? '' : `\nOutput\n${output.replace(/\n$/, '').split('\n').map((line) => `  ${vis(line)}\n`).join('')}`;
  return `${fields}${proof === null ? '' : `\n${renderProof(terminal, proof, now)}`}${rows.length === 0 ? '' : `\n${renderTable(terminal, ['problem', 'path', 'text'], rows, '')}`}${lines}`;
}

/** A proof in a few words: `good, 3d old`. */
export function proofCell(proof: BackupProof | null, now: number): Cell {
  if (proof === null) return '';
  return proof.ok ? { text: `${proof.kind}, ${formatSince(proof.at, now)} old`, tone: 'green' } : { text: `${proof.kind} failed ${formatSince(proof.at, now)} ago`, tone: 'red' };
}

/** What a proof says, and of what. */
export function renderProof(terminal: Pick<Terminal, 'color'>, proof: BackupProof, now: number): string {
  return renderFields(terminal, [
    ['proof', proof.ok ? { text: 'all that was compared is as it is on the source', tone: 'green' } : { text: 'the snapshot is not as the source is', tone: 'red' }],
    ['kind', proof.kind],
    ['of snapshot', proof.snapshot],
    ['made', proof.at === null ? '' : `${formatTime(proof.at)} (${formatSince(proof.at, now)} ago)`],
    ['compared', `${counted(proof.files, 'file')}, ${formatBytes(proof.bytes)}`],
    ['skipped', proof.skipped === 0 ? '' : `${counted(proof.skipped, 'file')} that changed on the source since`],
    ...proof.different.map((path) => ['different', { text: sourcePathText(path), tone: 'red' as const }] as const),
    ...proof.dumps.map((line) => ['database', line] as const),
    ['evidence', proof.evidence.length === 0 ? '' : proof.evidence.toString('hex')],
  ]);
}

/** How a run ended, in a line or two. */
export function renderEnd(run: BackupRun, now: number): string {
  const took = tookText(run, now);
  const kind = (Object.hasOwn(kindWords, run.kind) ? kindWords[run.kind] : undefined) ?? run.kind;
  const why = run.reason === '' ? '' : `: ${run.reason}`;
  const what = [run.snapshot === '' ? '' : `snapshot ${run.snapshot}`, filesText(run.files, run.bytes), run.sentFiles === 0 ? '' : `sent ${filesText(run.sentFiles, run.sentBytes)}`].filter((text) => text !== '');
  const log = `reeve backup log ${vis(run.job)}`;
  switch (run.state) {
    case 'done': {
      const problems = run.problems === 0 ? '' : `${counted(run.problems, 'file')} had problems. See: ${log}\n`;
      return `${vis(`${kind} done in ${took}${what.length === 0 ? '' : `: ${what.join(', ')}`}`)}\n${problems}`;
    }
    case 'failed':
      return `${vis(`${kind} failed after ${took}${why}`)}\n  See: ${log}\n`;
    case 'cancelled':
      return `${vis(`${kind} was cancelled after ${took}${why}`)}\n`;
    default:
      return `${vis(`${kind}: how it ended is not known (${run.state})${why}`)}\n  See: ${log}\n`;
  }
}
