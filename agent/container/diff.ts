import type { FieldChange } from '../../shared/model/change.js';
import type { ContainerSpec } from '../../shared/model/container.js';
import { formatContainerText } from '../../shared/model/container-text.js';
import { specFields, type Effect } from './render.js';

/** A field that differs. */
export interface SpecDifference extends FieldChange {
  readonly effect: Effect;
}

/** What is wanted as it is compared and kept: first keys were used when the container was made, and how its image is called is nothing of the host. */
export function settledSpec(wanted: ContainerSpec, now: ContainerSpec | undefined): ContainerSpec {
  return { ...wanted, tag: '', sshKeys: now?.sshKeys ?? wanted.sshKeys };
}

/** Whether two specs are made from the same text. */
export function isSameSpec(one: ContainerSpec, other: ContainerSpec): boolean {
  return formatContainerText(one) === formatContainerText(other);
}

/** The fields that differ, without the state. `now` undefined: all that is given. */
export function specDifferences(now: ContainerSpec | undefined, wanted: ContainerSpec): readonly SpecDifference[] {
  const before = new Map(now === undefined ? [] : specFields(now).map((field) => [field.field, field]));
  const after = new Map(specFields(wanted).map((field) => [field.field, field]));
  const names = [...new Set([...after.keys(), ...before.keys()])];
  return names.flatMap((field) => {
    const [from, to] = [before.get(field), after.get(field)];
    const difference = { field, from: from?.text ?? '', to: to?.text ?? '' };
    if (difference.from === difference.to) return [];
    return [{ ...difference, effect: strongest(from?.effect, to?.effect) }];
  });
}

const strength: readonly Effect[] = ['quiet', 'limit', 'restart', 'fixed'];

function strongest(one: Effect = 'quiet', other: Effect = 'quiet'): Effect {
  return strength.indexOf(one) >= strength.indexOf(other) ? one : other;
}
