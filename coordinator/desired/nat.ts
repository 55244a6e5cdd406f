import { formatNatPort, formatNatTarget, formatPorts, type NatForward, type NatMasquerade, type NatRules } from '../../shared/model/nat.js';

/** Where a forward leads to. */
export type NatTarget =
  | { readonly kind: 'address'; readonly address: string }
  /** A host that lives on the one that forwards; without an address nothing can be forwarded to it. */
  | { readonly kind: 'host'; readonly hostId: string; readonly name: string; readonly address: string | undefined };

/** What forwards and masquerades of the inventory have in common. */
export interface NatEntry {
  readonly hostId: string;
  /** One that is not enabled keeps its place, and no host makes it. */
  readonly enabled: boolean;
  readonly comment: string;
  /** The operator who added it. */
  readonly by: string;
  readonly addedAtMs: number;
  /** The generation of noun nat at which this row was last altered. */
  readonly generation: number;
}

/** A forward of the inventory. */
export type ForwardRow = NatEntry & Omit<NatForward, 'to'> & { readonly to: NatTarget };

/** A masquerade of the inventory. */
export type MasqueradeRow = NatEntry & NatMasquerade;

/** All that the inventory has of a host, or of several. */
export interface NatRows {
  readonly forwards: readonly ForwardRow[];
  readonly masquerades: readonly MasqueradeRow[];
}

/** What the agent of a host is asked to make so: all that is enabled and leads somewhere, by id. */
export function desiredNat(rows: NatRows): NatRules {
  return {
    forwards: rows.forwards.flatMap((row) => resolveForward(row) ?? []).sort(byId),
    masquerades: rows.masquerades
      .filter(({ enabled }) => enabled)
      .map(({ id, source, outInterface, toAddress, adopt }) => ({ id, source, outInterface, toAddress, adopt }))
      .sort(byId),
  };
}

function resolveForward(row: ForwardRow): NatForward | undefined {
  const { id, protocol, listen, ports, toPorts, sources, hairpin, adopt } = row;
  const to = row.to.address;
  return row.enabled && to !== undefined ? { id, protocol, listen, ports, to, toPorts, sources, hairpin, adopt } : undefined;
}

function byId(a: { readonly id: number }, b: { readonly id: number }): number {
  return a.id - b.id;
}

/** A forward in a few words: `tcp/8080 -> web1 (198.19.200.2:80)`. */
export function describeForward(row: Pick<ForwardRow, 'protocol' | 'ports' | 'listen' | 'to' | 'toPorts'>): string {
  const { to, toPorts } = row;
  const target = to.address === undefined ? `port ${formatPorts(toPorts)}` : formatNatTarget(to.address, toPorts);
  return `${formatNatPort(row)} -> ${to.kind === 'host' ? `${to.name} (${target})` : target}`;
}

/** A masquerade in a few words: `198.19.200.0/24 out of eth0 as 203.0.113.5`. */
export function describeMasquerade({ source, outInterface, toAddress }: Pick<NatMasquerade, 'source' | 'outInterface' | 'toAddress'>): string {
  return `${source}${outInterface === undefined ? '' : ` out of ${outInterface}`}${toAddress === undefined ? '' : ` as ${toAddress}`}`;
}
