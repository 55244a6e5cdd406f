import type { Container as WireContainer } from '../../shared/gen/proto/reeve/type/v1/Container.js';
import { parseContainer, type Container } from '../../shared/model/container.js';
import { mostContainer } from '../../shared/model/container-field.js';
import { fieldInvalid } from '../../shared/model/field.js';

/** The containers of a request, by name, each once. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseContainers(wire: readonly WireContainer[]): readonly Container[] {
  if (wire.length > mostContainer.perHost) throw fieldInvalid('containers', String(wire.length), `at most ${String(mostContainer.perHost)}`);
  const rows = wire.map(parseContainer).sort((a, b) => (a.name < b.name ? -1 : 1));
  const twice = rows.find(({ name }, index) => rows[index - 1]?.name === name);
  if (twice !== undefined) throw fieldInvalid('containers', twice.name, 'each only once');
  return rows;
}
