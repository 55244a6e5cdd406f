import { formatMessage, formatRemedy, type ErrorItem } from '../../shared/errors/error.js';
import type { HostResult } from '../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import type { Change } from '../../shared/gen/proto/reeve/type/v1/Change.js';
import type { FieldChange } from '../../shared/gen/proto/reeve/type/v1/FieldChange.js';
import { vis } from '../../shared/model/vis.js';
import { itemOf } from './detail.js';
import { paint, widthOf, type Tone } from './table.js';
import type { Terminal } from './terminal.js';

/** What the results are of: a plan, a change that was only stored, or one that was applied. */
export type Stage = 'planned' | 'stored' | 'applied';

/**
 * What hosts would do or did, a line per change; hosts with nothing to do are only counted (see renderSummary). Remedies stand once below the lines they
 * belong to.
 */
export function renderResults(terminal: Pick<Terminal, 'color'>, results: readonly HostResult[], stage: Stage): string {
  const shown = results.filter((result) => result.outcome !== 'OUTCOME_OK' || result.changes.length > 0 || result.notes.length > 0);
  const changesOf = (result: HostResult): readonly Change[] => [...result.changes, ...result.held];
  const hostWidth = Math.max(0, ...shown.map((result) => widthOf(vis(result.hostName))));
  const titleWidth = Math.max(0, ...shown.flatMap((result) => changesOf(result).map((change) => widthOf(titleOf(change)))));
  return shown
    .flatMap((result) => {
      const host = vis(result.hostName);
      const lead = `${host}${' '.repeat(hostWidth - widthOf(host))}   `;
      const indent = ' '.repeat(hostWidth + 5);
      const changes = result.changes.flatMap((change) => [lead + changeLine(terminal, change, titleWidth), ...diffLines(terminal, change.diff, indent)]);
      const held = result.held.map((change) => `${lead}  ${changeLine(terminal, change, titleWidth)}`);
      const notes = result.notes.map((note) => lead + paint(terminal, 'note', 'yellow') + `: ${vis(note)}`);
      return [...changes, ...(result.outcome === 'OUTCOME_OK' ? [] : troubleLines(terminal, result, stage, { lead, indent })), ...held, ...notes];
    })
    .map((line) => `${line}\n`)
    .join('');
}

/** What changes in the inventory itself, a line per change. */
export function renderInventory(terminal: Pick<Terminal, 'color'>, changes: readonly Change[]): string {
  return renderChanges(terminal, changes, 'inventory   ');
}

/** Changes, a line each, behind a text that says where. */
export function renderChanges(terminal: Pick<Terminal, 'color'>, changes: readonly Change[], lead: string): string {
  const width = Math.max(0, ...changes.map((change) => widthOf(titleOf(change))));
  return changes.map((change) => `${lead}${changeLine(terminal, change, width)}\n`).join('');
}

const signs: Readonly<Record<Change['kind'], { readonly sign: string; readonly tone: Tone }>> = {
  CHANGE_KIND_CREATE: { sign: '+', tone: 'green' },
  CHANGE_KIND_UPDATE: { sign: '~', tone: 'yellow' },
  CHANGE_KIND_REMOVE: { sign: '-', tone: 'red' },
  CHANGE_KIND_UNSPECIFIED: { sign: '?', tone: 'red' },
};

function titleOf(change: Change): string {
  return `${signs[change.kind].sign} ${vis(change.noun)} ${vis(change.subject)}`;
}

function changeLine(terminal: Pick<Terminal, 'color'>, change: Change, width: number): string {
  const title = titleOf(change);
  const details = change.fields.map((field) => fieldText(change, field)).filter((text) => text !== '').join(', ');
  const gap = details === '' ? '' : ' '.repeat(width - widthOf(title) + 6);
  return `${paint(terminal, title, signs[change.kind].tone)}${gap}${details}`;
}

/** A unified diff below the change it belongs to, every line escaped by itself. */
function diffLines(terminal: Pick<Terminal, 'color'>, diff: string, indent: string): string[] {
  if (diff === '') return [];
  return diff.replace(/\n$/, '').split('\n').map((line) => indent + paint(terminal, vis(line), diffTone(line)));
}

function diffTone(line: string): Tone | undefined {
  if (line.startsWith('+++') || line.startsWith('---')) return 'bold';
  if (line.startsWith('@@')) return 'dim';
  return line.startsWith('+') ? 'green' : line.startsWith('-') ? 'red' : undefined;
}

function fieldText(change: Change, field: FieldChange): string {
  const name = vis(field.field);
  if (change.kind === 'CHANGE_KIND_CREATE') return field.to === '' ? '' : `${name} ${vis(field.to)}`;
  return `${name} ${valueText(field.from)} -> ${valueText(field.to)}`;
}

function valueText(value: string): string {
  return value === '' ? 'none' : vis(value);
}

function troubleLines(terminal: Pick<Terminal, 'color'>, result: HostResult, stage: Stage, margin: { lead: string; indent: string }): string[] {
  const items = result.errors.map(itemOf);
  switch (result.outcome) {
    case 'OUTCOME_PENDING': {
      const [first] = items;
      const when = first?.code === 'HOST_HELD' ? 'when the hold ends' : `when it ${first?.code === 'HOST_NOT_JOINED' ? 'joins' : 'returns'}`;
      const note = stage === 'planned' ? `would be applied ${when}` : `stored; applied ${when}`;
      return [`${margin.lead}${paint(terminal, pendingText(first, stage), 'yellow')} (${note})`, ...items.slice(1).map((item) => margin.indent + vis(formatMessage(item)))];
    }
    case 'OUTCOME_UNKNOWN':
      return errorLines(terminal, margin, { word: 'unknown', tone: 'yellow', items });
    case 'OUTCOME_RUNNING':
      return [`${margin.lead}${paint(terminal, 'running', 'yellow')}`];
    default:
      return errorLines(terminal, margin, { word: stage === 'planned' ? 'refused' : 'failed', tone: 'red', items });
  }
}

function pendingText(item: ErrorItem | undefined, stage: Stage): string {
  if (item === undefined) return stage === 'stored' ? 'not told' : 'pending';
  switch (item.code) {
    case 'HOST_UNREACHABLE':
      return `unreachable: ${vis(item.fields['reason'] ?? '?')}`;
    case 'HOST_NOT_JOINED':
      return 'not joined yet';
    case 'HOST_HELD':
      return vis(item.fields['text'] ?? '?');
    default:
      return `pending: ${vis(formatMessage(item))}`;
  }
}

function errorLines(
  terminal: Pick<Terminal, 'color'>,
  margin: { lead: string; indent: string },
  trouble: { readonly word: string; readonly tone: Tone; readonly items: readonly ErrorItem[] },
): string[] {
  const word = paint(terminal, trouble.word, trouble.tone);
  if (trouble.items.length === 0) return [margin.lead + word];
  return trouble.items.flatMap((item) => {
    const remedy = vis(formatRemedy(item));
    return [`${margin.lead}${word}: ${vis(formatMessage(item))}`, ...(remedy === '' ? [] : [margin.indent + remedy])];
  });
}

/** One line that counts the hosts, e.g. `3 hosts: 1 to change, 1 as wanted, 1 pending`. */
export function renderSummary(results: readonly HostResult[], stage: Stage): string {
  const hosts = new Map<string, 'changed' | 'same' | 'pending' | 'unknown' | 'failed'>();
  const rank = ['same', 'changed', 'pending', 'unknown', 'failed'] as const;
  for (const result of results) {
    const found = verdictOf(result);
    const before = hosts.get(result.hostId) ?? 'same';
    hosts.set(result.hostId, rank.indexOf(found) > rank.indexOf(before) ? found : before);
  }
  const words = { changed: { planned: 'to change', stored: 'to change', applied: 'changed' }[stage], same: 'as wanted', pending: 'pending', unknown: 'unknown', failed: stage === 'planned' ? 'refused' : 'failed' };
  const verdicts = [...hosts.values()];
  const parts = (['changed', 'same', 'pending', 'unknown', 'failed'] as const).flatMap((name) => {
    const count = verdicts.filter((verdict) => verdict === name).length;
    return count === 0 ? [] : [`${String(count)} ${words[name]}`];
  });
  return `${String(hosts.size)} ${hosts.size === 1 ? 'host' : 'hosts'}: ${parts.join(', ')}`;
}

function verdictOf(result: HostResult): 'changed' | 'same' | 'pending' | 'unknown' | 'failed' {
  switch (result.outcome) {
    case 'OUTCOME_OK':
      return result.changes.length > 0 ? 'changed' : 'same';
    case 'OUTCOME_PENDING':
      return 'pending';
    case 'OUTCOME_UNKNOWN':
    case 'OUTCOME_RUNNING':
      return 'unknown';
    default:
      return 'failed';
  }
}
