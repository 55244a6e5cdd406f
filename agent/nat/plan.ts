import type { ErrorItem } from '../../shared/errors/error.js';
import type { Change, FieldChange } from '../../shared/model/change.js';
import { toBase64 } from '../../shared/model/bytes.js';
import { formatNatLines, formatNatPort, formatNatTarget, natLineName, type NatForward, type NatMasquerade, type NatRules } from '../../shared/model/nat.js';
import type { Plan, Step } from '../engine/step.js';
import { connectedNetwork, type HostNetwork } from './foreign/network.js';
import type { ObservedNat } from './observe.js';

/** A rule of somebody else that a forward takes the place of. */
export interface TakenOver {
  /** FAMILY TABLE CHAIN HANDLE. */
  readonly handle: string;
  readonly sha256: string;
}

/** What a plan is made of. */
export interface NatPlanInput {
  readonly wanted: NatRules;
  /** Only what removes a rule. */
  readonly removalsOnly: boolean;
  readonly observed: ObservedNat;
  readonly network: HostNetwork;
  /** Rules of others that go when the change is confirmed. */
  readonly taken: readonly TakenOver[];
  /** Everything that stands in the way. */
  readonly problems: readonly ErrorItem[];
  /** How long the change may wait to be confirmed, s. */
  readonly confirmS: number;
  /** Root of the host takes operations back: nobody else is there to confirm it. */
  readonly undo: boolean;
}

/** The lines of what is wanted, as the helper takes them. */
export function linesOf(rules: NatRules, network: HostNetwork): readonly string[] {
  return formatNatLines(rules, ({ to }) => connectedNetwork(network, to)).split('\n').filter((line) => line !== '');
}

/** From what is to what is wanted: one step for everything, which the host itself takes back unless it is confirmed. */
export function planNat(input: NatPlanInput): Plan {
  const { wanted, observed, removalsOnly, network, taken, confirmS } = input;
  const full = linesOf(wanted, network);
  const names = new Set(full.map(natLineName));
  const lines = removalsOnly ? observed.lines.filter((line) => names.has(natLineName(line))) : full;
  const changes = changesBetween(observed, lines, { ...input, removalsOnly });
  if (!removalsOnly && input.problems.length > 0) return { steps: [], changes, problems: input.problems };
  if (changes.length === 0) return { steps: [], changes, problems: [] };
  const text = lines.map((line) => `${line}\n`).join('');
  const adopt = removalsOnly || taken.length === 0 ? {} : { adopt: encode(taken.map(({ handle, sha256 }) => `${handle} ${sha256}\n`).join('')) };
  const only = lines.every((line) => observed.lines.includes(line));
  const final = { undo: undefined, final: true, removesAccess: only } as const;
  const apply: Step = { verb: 'nat.apply', request: { rules: encode(text), confirmS, ...adopt }, ...final };
  const confirm: Step = { verb: 'pending.confirm', request: { noun: 'nat' }, ...final };
  return { steps: input.undo ? [apply, confirm] : [apply], changes, problems: [] };
}

/** Lets go of everything: the rules stay, as a file that is loaded when the host starts. */
export function planNatRelease(observed: ObservedNat, problems: readonly ErrorItem[]): Plan {
  if (observed.state === 'absent') return { steps: [], changes: [], problems: [] };
  const released = (subject: string): Change => ({ kind: 'update', noun: 'nat', subject, fields: [{ field: 'presence', from: 'present', to: 'released' }] });
  return {
    steps: [{ verb: 'nat.release', request: {}, undo: undefined, final: true, removesAccess: false }],
    changes: [...observed.rules.forwards.map(subjectOf), ...observed.rules.masquerades.map(masqueradeSubject)].map(released),
    problems,
  };
}

/** `tcp/8080 -> 198.19.200.2:80`. */
export function subjectOf(forward: NatForward): string {
  return `${formatNatPort(forward)} -> ${formatNatTarget(forward.to, forward.toPorts)}`;
}

function masqueradeSubject({ source }: NatMasquerade): string {
  return `masquerade ${source}`;
}

interface Row {
  readonly subject: string;
  readonly line: string;
  readonly fields: ReadonlyMap<string, string>;
}

function rowsOf(rules: NatRules, lines: readonly string[]): ReadonlyMap<string, Row> {
  const found = new Map(lines.map((line) => [natLineName(line), line]));
  const rows = new Map<string, Row>();
  const add = (name: string, subject: string, fields: readonly (readonly [string, string])[]): void => {
    const line = found.get(name);
    if (line !== undefined) rows.set(name, { subject, line, fields: new Map(fields) });
  };
  for (const row of rules.forwards) {
    add(`forward ${String(row.id)}`, subjectOf(row), [['port', formatNatPort(row)], ['to', formatNatTarget(row.to, row.toPorts)], ['sources', row.sources.join(' ')], ['hairpin', row.hairpin ? 'yes' : '']]);
  }
  for (const row of rules.masquerades) {
    add(`masquerade ${String(row.id)}`, masqueradeSubject(row), [['source', row.source], ['interface', row.outInterface ?? ''], ['address', row.toAddress ?? '']]);
  }
  return rows;
}

function changesBetween(observed: ObservedNat, lines: readonly string[], { wanted, removalsOnly, taken }: NatPlanInput): readonly Change[] {
  const before = rowsOf(observed.rules, observed.lines);
  const after = removalsOnly ? rowsOf(observed.rules, lines) : rowsOf(wanted, lines);
  const changes: Change[] = [];
  const fieldsOf = (from: Row | undefined, to: Row | undefined): FieldChange[] =>
    [...new Set([...(from?.fields.keys() ?? []), ...(to?.fields.keys() ?? [])])]
      .map((field) => ({ field, from: from?.fields.get(field) ?? '', to: to?.fields.get(field) ?? '' }))
      .filter((change) => change.from !== change.to);
  for (const [name, row] of before) if (!after.has(name)) changes.push({ kind: 'remove', noun: 'nat', subject: row.subject, fields: fieldsOf(row, undefined) });
  for (const [name, row] of after) {
    const old = before.get(name);
    if (old === undefined) changes.push({ kind: 'create', noun: 'nat', subject: row.subject, fields: fieldsOf(undefined, row) });
    // The network of a hairpin is the host's: it may be another although nothing else is.
    else if (old.line !== row.line) changes.push({ kind: 'update', noun: 'nat', subject: row.subject, fields: fieldsOf(old, row) });
  }
  if (!removalsOnly) for (const { handle } of taken) changes.push({ kind: 'remove', noun: 'nat', subject: `rule of another: ${handle}`, fields: [] });
  if (observed.state === 'altered' && (!removalsOnly || changes.length > 0)) changes.push({ kind: 'update', noun: 'nat', subject: 'table inet reeve', fields: [{ field: 'state', from: 'altered', to: 'as wanted' }] });
  return changes;
}

function encode(text: string): string {
  return toBase64(new TextEncoder().encode(text));
}
