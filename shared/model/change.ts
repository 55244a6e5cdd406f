/** One difference between what is and what is wanted; the unit a plan lists. */
export interface Change {
  readonly kind: 'create' | 'update' | 'remove';
  readonly noun: string;
  /** Name of the object. */
  readonly subject: string;
  /** The fields that differ, in a fixed order. */
  readonly fields: readonly FieldChange[];
  /** A file that changes, as a unified diff. */
  readonly diff?: string;
}

/** One field of a change. */
export interface FieldChange {
  readonly field: string;
  /** Value now; empty: none. */
  readonly from: string;
  /** Value wanted; empty: taken away. */
  readonly to: string;
}

/**
 * What is left of `wanted` when `made` is made first: both are changes from the same state, and `made` goes only part of the way. In the order of `wanted`;
 * a field that `made` alters on its way begins where that leaves it.
 */
export function changesLeft(wanted: readonly Change[], made: readonly Change[]): readonly Change[] {
  const bySubject = new Map(made.map((change) => [change.subject, change]));
  return wanted.flatMap((change) => {
    const part = bySubject.get(change.subject);
    if (part === undefined) return [change];
    const fields = change.fields.flatMap((field) => {
      const from = part.fields.find((other) => other.field === field.field)?.to ?? field.from;
      return from === field.to ? [] : [{ ...field, from }];
    });
    return fields.length === 0 ? [] : [{ ...change, fields }];
  });
}

/** Changes as they are stored: diffs are for those who look at a plan or an answer. */
export function withoutDiffs(changes: readonly Change[]): readonly Change[] {
  return changes.map(({ diff: _diff, ...change }) => change);
}

/** The wire's words for kinds of change. */
export type WireChangeKind = 'CHANGE_KIND_UNSPECIFIED' | 'CHANGE_KIND_CREATE' | 'CHANGE_KIND_UPDATE' | 'CHANGE_KIND_REMOVE';

const kinds: Readonly<Record<Change['kind'], WireChangeKind>> = { create: 'CHANGE_KIND_CREATE', update: 'CHANGE_KIND_UPDATE', remove: 'CHANGE_KIND_REMOVE' };

/** A change as the wire has it. */
export function formatChange(change: Change): { kind: WireChangeKind; noun: string; subject: string; fields: { field: string; from: string; to: string }[]; diff: string } {
  return { kind: kinds[change.kind], noun: change.noun, subject: change.subject, fields: change.fields.map((field) => ({ ...field })), diff: change.diff ?? '' };
}

/** Longest text kept of what a host says in a change, characters. */
const textLimit = 1024;
/** Longest diff, characters. */
const diffLimit = 65_536;

/** A change as a host reported it: texts are cut to 1 KiB, a diff to 64 KiB, at most 64 fields. They stay hostile: escape them where they are shown. */
export function parseChange(wire: { kind: string; noun: string; subject: string; fields: readonly { field: string; from: string; to: string }[]; diff?: string }): Change {
  const cut = (text: string): string => text.slice(0, textLimit);
  const kind = wire.kind === 'CHANGE_KIND_CREATE' ? 'create' : wire.kind === 'CHANGE_KIND_REMOVE' ? 'remove' : 'update';
  return {
    kind,
    noun: cut(wire.noun),
    subject: cut(wire.subject),
    fields: wire.fields.slice(0, 64).map(({ field, from, to }) => ({ field: cut(field), from: cut(from), to: cut(to) })),
    ...(wire.diff === undefined || wire.diff === '' ? {} : { diff: wire.diff.slice(0, diffLimit) }),
  };
}
