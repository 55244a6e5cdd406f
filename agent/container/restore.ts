import type { Container, ContainerSpec } from '../../shared/model/container.js';
import type { ObservedContainer } from '../../shared/model/container-state.js';
import { formatContainerText, parseContainerText } from '../../shared/model/container-text.js';
import type { Restored, Saved } from '../engine/undo.js';

/** What is kept of a container that is managed: its record; of one that is not: that it was there. */
interface Kept {
  readonly text: string;
}

/** The containers of these names as they are, for taking a change back. */
export function keepContainers(names: readonly string[], observed: readonly ObservedContainer[]): readonly Saved[] {
  return names.map((name) => {
    const all = observed.filter((container) => container.name === name);
    const ours = all.find(({ managed }) => managed);
    if (ours === undefined) return { name, object: all.length === 0 ? null : { text: '' } };
    return { name, object: { text: ours.spec === undefined ? '' : formatContainerText(ours.spec) } };
  });
}

/** What has to be wanted so that the kept containers are again as they were, as far as that can be. */
export function restoreContainers(saved: readonly Saved[], observed: readonly ObservedContainer[]): Restored<readonly Container[]> {
  const parts = saved.map(({ name, object }) => restoreContainer(name, object as Kept | null, observed.find((container) => container.name === name && container.managed)));
  return { wanted: parts.flatMap(({ wanted }) => wanted), notes: parts.flatMap(({ notes }) => notes) };
}

function restoreContainer(name: string, before: Kept | null, now: ObservedContainer | undefined): Restored<readonly Container[]> {
  if (before === null) {
    if (now === undefined) return { wanted: [], notes: [] };
    return { wanted: [{ presence: 'absent', name, removeVolumes: false }], notes: [`container "${name}" was not there before: it is removed, and the folders of its volumes stay`] };
  }
  if (before.text === '') {
    if (now === undefined) return { wanted: [], notes: [] };
    return { wanted: [{ presence: 'released', name }], notes: [`container "${name}" was not managed before: it is let go, and stays as it is now`] };
  }
  const spec = parseContainerText(before.text);
  return { wanted: [{ presence: 'present', name, spec, overwrite: true, adopt: true }], notes: notesOf(name, spec, now) };
}

function notesOf(name: string, spec: ContainerSpec, now: ObservedContainer | undefined): readonly string[] {
  const secrets = spec.secrets.length === 0 ? [] : [`container "${name}": values of secrets that it had before are kept no longer than it has them; if one is missing, give it again: reeve container set`];
  if (now !== undefined) return secrets;
  const files = spec.engine === 'podman' ? 'the folders of its volumes are as they are now' : 'its files are new';
  return [`container "${name}" was removed and is made again; ${files}`, ...secrets];
}
