import { parseContainerName } from '../../shared/model/container-field.js';
import { parseHostName } from '../../shared/model/host.js';

/** The positional that names a container of the host before it. */
export const containerPositional = { text: 'Name of the container', names: 'containers' } as const;

/** The container that a command line names. Errors: FIELD_INVALID. */
export function parseNamed(args: { readonly host: string; readonly name: string }): { host: string; name: string } {
  return { host: parseHostName(args.host), name: parseContainerName(args.name, 'name') };
}
