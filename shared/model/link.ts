import { fieldInvalid } from './field.js';

/** How the coordinator reaches a host: straight, through the agent of its parent host, or through a connection that its own agent keeps. */
export type LinkKind = 'direct' | 'parent' | 'dial-out';

/** All links. */
export const linkKinds = ['direct', 'parent', 'dial-out'] as const satisfies readonly LinkKind[];

const wire = { direct: 'HOST_LINK_DIRECT', parent: 'HOST_LINK_PARENT', 'dial-out': 'HOST_LINK_DIAL_OUT' } as const satisfies Record<LinkKind, string>;

/** The wire's words for links. */
export type WireLink = (typeof wire)[LinkKind];

/** A link as the wire has it. */
export function formatLink(link: LinkKind): WireLink {
  return wire[link];
}

/** A link from the wire; undefined: nothing was said. Errors: FIELD_INVALID. */
export function parseLink(text: string | number): LinkKind | undefined {
  if (text === 'HOST_LINK_UNSPECIFIED' || text === '') return undefined;
  const found = linkKinds.find((kind) => wire[kind] === text);
  if (found === undefined) throw fieldInvalid('link', String(text), `one of ${linkKinds.join(', ')}`);
  return found;
}
