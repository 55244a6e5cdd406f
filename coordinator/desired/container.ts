import { formatContainer, type Container, type ContainerSpec } from '../../shared/model/container.js';
import { mostContainer } from '../../shared/model/container-field.js';
import { fieldMissing } from '../../shared/model/field.js';

/** A container of the inventory. */
export interface ContainerRow {
  readonly hostId: string;
  /** `overwrite` and `adopt` until its host has done it. */
  readonly container: Container;
  /** The operator who added it. */
  readonly by: string;
  readonly addedAtMs: number;
  /** The generation of noun container at which it was last altered. */
  readonly generation: number;
}

/** A row of one that is to be there. */
export type PresentContainer = Extract<Container, { readonly presence: 'present' }>;

/** What the agent of a host is asked to make so, by name; `wanted`: the newest generation, for whose sake it is asked. One that was altered before keeps no other one waiting. */
export function desiredContainers(rows: readonly ContainerRow[], wanted: number): ReturnType<typeof formatContainer>[] {
  const asked = rows.map(({ container, generation }) => (container.presence === 'present' && generation < wanted ? { ...container, aside: true as const } : container));
  return asked.map(formatContainer).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Runs from now on, also after a start of the host; one that runs already stays as it is. */
export function startedSpec(spec: ContainerSpec): ContainerSpec {
  return spec.running ? spec : { ...spec, running: true, boot: true };
}

/** Is stopped from now on. */
export function stoppedSpec(spec: ContainerSpec): ContainerSpec {
  return { ...spec, running: false, boot: false };
}

/** A secret as it was asked for: `fresh` came with a value. */
interface AskedSecret {
  readonly name: string;
}

/**
 * The secrets of a spec with their versions: a new one for each that came with a value, the one from before for the others. Errors: FIELD_MISSING for one that has
 * neither.
 */
export function versionedSecrets(asked: readonly AskedSecret[], fresh: ReadonlyMap<string, string>, before: ContainerSpec | undefined): ContainerSpec['secrets'] {
  const known = new Map((before?.secrets ?? []).map(({ name, version }) => [name, version]));
  return asked.map(({ name }) => {
    const version = fresh.get(name) ?? known.get(name);
    if (version === undefined) throw fieldMissing(`value of secret "${name}"`, `1 to ${String(mostContainer.secretBytes)} bytes: nothing but the host keeps it`);
    return { name, version };
  });
}
