import { fieldInvalid, parseInteger } from './field.js';
import { isIpv4, isIpv6, parseHostName } from './host.js';
import { parseId } from './id.js';

/** A host that lives behind another one, whose agent passes bytes to it. */
export interface RelayChild {
  readonly hostId: string;
  /** Name in the inventory; for people. */
  readonly name: string;
  /** Canonical IPv4 or IPv6 address. */
  readonly address: string;
  readonly port: number;
}

/** Most children of one host. */
export const mostRelayChildren = 1000;

/** One child from the wire or from a file. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseRelayChild(wire: { hostId: string; name: string; address: string; port: number }): RelayChild {
  if (!isIpv4(wire.address) && !isIpv6(wire.address)) throw fieldInvalid('address of a child', wire.address, 'an IPv4 or IPv6 address in its shortest form');
  return {
    hostId: parseId('host id of a child', wire.hostId),
    name: parseHostName(wire.name, 'name of a child'),
    address: wire.address,
    port: parseInteger('port of a child', wire.port, { min: 1, max: 65535 }),
  };
}

/** A list of children, sorted by id. Errors: FIELD_INVALID for a child that is not allowed, an id that comes twice, and too many. */
export function parseRelayChildren(wire: readonly { hostId: string; name: string; address: string; port: number }[]): readonly RelayChild[] {
  if (wire.length > mostRelayChildren) throw fieldInvalid('children', String(wire.length), `at most ${String(mostRelayChildren)}`);
  const children = wire.map(parseRelayChild).sort((a, b) => (a.hostId < b.hostId ? -1 : 1));
  const twice = children.find((child, index) => children[index + 1]?.hostId === child.hostId);
  if (twice !== undefined) throw fieldInvalid('host id of a child', twice.hostId, 'each child once');
  return children;
}

/** What the digest of noun relay is made of. */
export function relayDigestModel(children: readonly RelayChild[]): { id: string; name: string; address: string; port: number }[] {
  return children.map(({ hostId, name, address, port }) => ({ id: hostId, name, address, port }));
}
