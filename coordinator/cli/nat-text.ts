import type { ManagedNat } from '../../shared/gen/proto/reeve/coordinator/v1/ManagedNat.js';
import type { ObserveNatResponse } from '../../shared/gen/proto/reeve/coordinator/v1/ObserveNatResponse.js';
import type { TraceNatResponse } from '../../shared/gen/proto/reeve/coordinator/v1/TraceNatResponse.js';
import type { NatCounter } from '../../shared/gen/proto/reeve/type/v1/NatCounter.js';
import type { NatForward } from '../../shared/gen/proto/reeve/type/v1/NatForward.js';
import type { NatMasquerade } from '../../shared/gen/proto/reeve/type/v1/NatMasquerade.js';
import { vis } from '../../shared/model/vis.js';
import { renderForeign } from './nat-foreign-text.js';
import { portText, protocolText, targetText } from './nat-rule-text.js';
import { renderFields, renderRows, renderTable, type Cell } from './table.js';
import type { Terminal } from './terminal.js';

/** What a masquerade gives to what goes out: `eth0`, `eth0 as 192.0.2.1`. */
function outText({ outInterface, toAddress }: NatMasquerade): string {
  return `${outInterface === '' ? 'any interface' : outInterface}${toAddress === '' ? '' : ` as ${toAddress}`}`;
}

/** The four cells that say what a forward or masquerade is: number, port, destination, sources. */
function ruleCells({ forward, masquerade }: Pick<ManagedNat, 'forward' | 'masquerade'>, toHost: string): Cell[] {
  if (forward !== null) return [String(forward.id), portText(forward), targetText(forward, toHost), forward.sources.join(',')];
  if (masquerade !== null) return [String(masquerade.id), 'masquerade', outText(masquerade), masquerade.source];
  return ['', '', '', ''];
}

function connectionsText(counter: NatCounter | null | undefined): string {
  return counter === null || counter === undefined ? '' : String(counter.connections);
}

function openCell({ enabled, pending, pendingReason }: ManagedNat): Cell {
  const parts = [...(enabled ? [] : ['disabled']), ...(pending ? [`pending${pendingReason === '' ? '' : `: ${pendingReason}`}`] : [])];
  return parts.length === 0 ? '' : { text: parts.join(', '), tone: pending ? 'yellow' : 'dim' };
}

/** Forwards and masquerades of the inventory as a table. */
export function renderManagedNat(terminal: Pick<Terminal, 'color'>, rows: readonly ManagedNat[], none: string): string {
  const cells = rows.map((row): Cell[] => [row.hostName, ...ruleCells(row, row.toHost), row.comment, connectionsText(row.counter), openCell(row)]);
  return renderTable(terminal, ['host', 'id', 'port', 'to', 'from', 'comment', 'connections', 'state'], cells, none);
}

/** What the states of a host's table mean. */
const states: Readonly<Record<string, Cell>> = {
  confirmed: { text: 'confirmed', tone: 'green' },
  absent: 'absent: Reeve has made nothing here',
  pending: { text: 'pending: the last change is not confirmed yet', tone: 'yellow' },
  altered: { text: 'altered: table inet reeve is not as Reeve loaded it', tone: 'red' },
};

/** What a host has, Reeve's own and what others made. */
export function renderObservedNat(terminal: Pick<Terminal, 'color'>, found: ObserveNatResponse): string {
  const counterOf = (id: number, masquerade: boolean): NatCounter | undefined => found.counters.find((counter) => counter.id === id && counter.masquerade === masquerade);
  const bytes = (counter: NatCounter | undefined): string => (counter === undefined ? '' : String(counter.bytes));
  const rows = [
    ...found.forwards.map((forward) => ({ cells: ruleCells({ forward, masquerade: null }, ''), hairpin: forward.hairpin ? 'yes' : 'no', counter: counterOf(forward.id, false) })),
    ...found.masquerades.map((masquerade) => ({ cells: ruleCells({ forward: null, masquerade }, ''), hairpin: '', counter: counterOf(masquerade.id, true) })),
  ].map(({ cells, hairpin, counter }): Cell[] => [...cells, hairpin, connectionsText(counter), bytes(counter)]);
  return [
    renderFields(terminal, [['state', (Object.hasOwn(states, found.state) ? states[found.state] : undefined) ?? found.state]]),
    '\n',
    renderTable(terminal, ['id', 'port', 'to', 'from', 'hairpin', 'connections', 'bytes'], rows, 'No forwards and masquerades of Reeve.'),
    '\n',
    renderForeign(terminal, found),
  ].join('');
}

/** What a packet was that is traced. */
export interface Traced {
  readonly host: string;
  readonly protocol: NatForward['protocol'];
  readonly port: number;
  readonly from: string;
}

/** The way of a packet as numbered steps, and how it ends. */
export function renderTrace(terminal: Pick<Terminal, 'color'>, asked: Traced, found: TraceNatResponse): string {
  const steps = found.steps.map((step, index): Cell[] => [
    `${String(index + 1)}.`,
    step.ours ? { text: step.rule, tone: 'bold' } : step.rule,
    step.verdict,
    { text: [...(step.ours ? ['of Reeve'] : []), ...(step.maybe ? ['may match'] : [])].join(', '), tone: step.maybe ? 'yellow' : 'dim' },
  ]);
  return `${renderRows(terminal, steps)}${steps.length === 0 ? '' : '\n'}${verdictText(asked, found)}\n`;
}

function verdictText({ host, protocol, port, from }: Traced, found: TraceNatResponse): string {
  const comes = `${protocolText(protocol)}/${String(port)} of host "${vis(host)}" from ${vis(from)}${found.interface === '' ? '' : `, in by ${vis(found.interface)},`}`;
  const last = found.steps.at(-1);
  const by = last === undefined ? '' : ` by ${vis(last.rule)}${last.ours ? ', which is of Reeve' : ''}`;
  const doubt = found.steps.some((step) => step.maybe) ? ' A step that may match could decide otherwise.' : '';
  switch (found.verdict) {
    case 'accept':
      return `${comes} arrives at ${vis(found.arrives)}.${doubt}`;
    case 'drop':
      return `${comes} is dropped${by}.${doubt}`;
    case 'reject':
      return `${comes} is rejected${by}.${doubt}`;
    default:
      return `What becomes of ${comes} is not known: it meets a rule that Reeve does not understand.`;
  }
}
