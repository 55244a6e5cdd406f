import { familyOf, formatNatPort, formatNatTarget, portsMeet, type NatForward } from '../../../shared/model/nat.js';
import { handleOf } from './adopt.js';
import { readForward } from './claim.js';
import type { Ending } from './frame.js';
import type { Packet } from './match.js';
import type { HostNetwork } from './network.js';
import { isProgram, ownerOf } from './owner.js';
import { culpritOf, remedyForClaim, remedyForDrop } from './remedy.js';
import { ruleName, type Edges, type Rule, type Rules } from './ruleset.js';
import { addressesToTry, outsideOf, portsToTry, sourcesToTry } from './sample.js';
import { walkPacket, type Walk } from './walk.js';

/** A rule of somebody else that stands in the way of a forward. */
export interface Obstacle {
  readonly kind: 'claim' | 'drop';
  /** `ip filter FORWARD handle 12`, or `ip filter FORWARD policy`. */
  readonly rule: string;
  /** What it does, for a person. */
  readonly says: string;
  /** What a person can do, with a command. */
  readonly remedy: string;
  /** A claim that does exactly what the forward does. */
  readonly same?: { /** FAMILY TABLE CHAIN HANDLE */ readonly handle: string; readonly sha256: string };
}

/** Most packets that are tried for one forward. */
const mostWalks = 3000;

/**
 * What certainly stands in the way of a forward: a rule that sends some packet of it elsewhere (or to the same place), and one that ends all packets of one of its
 * ports that come from outside. A rule that Reeve does not understand is no obstacle, nor is what comes behind one that may have let the packet pass.
 */
export function obstaclesOf(rules: Rules, forward: NatForward, network: HostNetwork): readonly Obstacle[] {
  if (rules.foreign.length === 0) return [];
  const edges = rules.edges[familyOf(forward.to)];
  return [...claimsOf(rules, forward, network, edges), ...dropsOf(rules, forward, network, edges)];
}

function claimsOf(rules: Rules, forward: NatForward, network: HostNetwork, edges: Edges): readonly Obstacle[] {
  const claims = new Map<string, Obstacle>();
  if (!rules.foreign.some((table) => [...table.chains.values()].some((chain) => chain.rules.some((rule) => mayClaim(rule, forward))))) return [];
  const interfaces = forward.listen.kind === 'interface' ? [forward.listen.name] : network.interfaces.map(({ name }) => name).filter((name) => name !== 'lo');
  let left = mostWalks;
  for (const port of portsToTry(forward, edges)) {
    for (const iif of interfaces) {
      for (const to of addressesToTry(forward, network, undefined)) {
        for (const from of sourcesToTry(forward, edges, network, undefined)) {
          left -= 1;
          if (left < 0) return [...claims.values()];
          const { dnat } = walkPacket(rules, packetOf(forward, { iif, to, from, port }), network, { ours: false, toRoute: true });
          if (dnat === undefined || dnat.maybe) continue;
          const claim = claimOf(dnat, forward);
          if (!claims.has(claim.rule)) claims.set(claim.rule, claim);
        }
      }
    }
  }
  return [...claims.values()];
}

/** Whether a rule sends packets elsewhere and is not for other ports. */
function mayClaim(rule: Rule, { ports }: NatForward): boolean {
  if (!rule.items.some(({ kind }) => kind === 'dnat' || kind === 'dnat-map' || kind === 'redirect')) return false;
  return rule.items.every((item) => {
    if (item.kind !== 'match' || item.negated || item.keys.length !== 1 || item.keys[0]?.mask !== undefined || item.keys[0]?.field.endsWith('dport') !== true || item.keys[0].field === 'orig-dport') return true;
    return item.tuples.some(([value]) => value?.kind !== 'range' || portsMeet({ first: Number(value.first), last: Number(value.last) }, ports));
  });
}

function claimOf({ table, chain, rule }: NonNullable<Walk['dnat']>, forward: NatForward): Obstacle {
  const read = readForward(rule);
  const owner = ownerOf(table, chain, rule);
  const same = read?.row !== undefined && read.problem === '' && chain.base?.hook === 'prerouting' && rule.handle > 0 && rule.sha256 !== '' && !isProgram(owner) && sameForward(read.row, forward);
  const where = read?.row === undefined ? 'elsewhere' : `to ${formatNatTarget(read.row.to, read.row.toPorts)}`;
  return {
    kind: 'claim',
    rule: ruleName(table, chain, rule),
    says: `sends ${formatNatPort(read?.row ?? forward)} ${where}${isProgram(owner) ? `; it belongs to ${owner}` : ''}`,
    remedy: remedyForClaim({ table, chain, rule }, forward, same),
    ...(same ? { same: { handle: handleOf(table, chain, rule), sha256: rule.sha256 } } : {}),
  };
}

/** Whether two forwards do the same to the same packets from outside. */
function sameForward(a: NatForward, b: NatForward): boolean {
  const text = ({ protocol, ports, listen, to, toPorts, sources }: NatForward): string => [formatNatPort({ protocol, ports, listen }), formatNatTarget(to, toPorts), [...sources].sort().join(',')].join(' ');
  return text(a) === text(b);
}

function dropsOf(rules: Rules, forward: NatForward, network: HostNetwork, edges: Edges): readonly Obstacle[] {
  const drops = new Map<string, Obstacle>();
  // Packets are translated to other ports on their way, so the edges of those count too.
  const shift = BigInt(forward.ports.first - forward.toPorts.first);
  const shifted = forward.toPorts.first === forward.toPorts.last ? [] : edges.ports.map(({ first, last }) => ({ first: first + shift, last: last + shift }));
  for (const port of portsToTry(forward, { ...edges, ports: [...edges.ports, ...shifted] })) {
    for (const { ending, iif } of endingsOf(rules, forward, network, { edges, port })) {
      if (!drops.has(ending.name)) drops.set(ending.name, dropOf(ending, forward, iif));
    }
  }
  return [...drops.values()];
}

/**
 * What ends the packets for one port, if all of them are ended. Where a default route tells which interface leads outside, or the forward itself, those through it count; else
 * it is enough that one interface lets nothing through: the others may be bridges of containers.
 */
function endingsOf(rules: Rules, forward: NatForward, network: HostNetwork, { edges, port }: { readonly edges: Edges; readonly port: number }): readonly { ending: Ending; iif: string | undefined }[] {
  const known = forward.listen.kind !== 'any' || network.routes.some(({ family, prefix }) => prefix === 0 && family === familyOf(forward.to));
  const outside = outsideOf(forward, network).map((iif) => endingsThrough(rules, forward, network, { edges, port, iif }));
  return known && outside.some((endings) => endings.length === 0) ? [] : outside.flat();
}

/** What ends the packets for one port that come in by one interface, if all of them are ended. */
function endingsThrough(
  rules: Rules, forward: NatForward, network: HostNetwork, { edges, port, iif }: { readonly edges: Edges; readonly port: number; readonly iif: string | undefined },
): readonly { ending: Ending; iif: string | undefined }[] {
  const endings: { ending: Ending; iif: string | undefined }[] = [];
  const toPort = forward.toPorts.first === forward.toPorts.last ? forward.toPorts.first : forward.toPorts.first + port - forward.ports.first;
  for (const to of addressesToTry(forward, network, iif)) {
    for (const from of sourcesToTry(forward, edges, network, iif)) {
      const { ending } = walkPacket(rules, packetOf(forward, { iif, to, from, port }), network, { ours: false, forward: { to: forward.to, port: toPort } });
      if (ending === undefined) return [];
      endings.push({ ending, iif });
    }
  }
  return endings;
}

function dropOf(ending: Ending, forward: NatForward, iif: string | undefined): Obstacle {
  const culprit = culpritOf(ending);
  const through = iif === undefined ? '' : ` that come in through ${iif}`;
  return {
    kind: 'drop',
    rule: ending.name,
    says: `${ending.verdict === 'drop' ? 'drops' : 'rejects'} packets to ${formatNatTarget(forward.to, forward.toPorts)}${through}${isProgram(culprit) || culprit === 'ufw' ? `; it belongs to ${culprit}` : ''}`,
    remedy: remedyForDrop(ending, forward),
  };
}

function packetOf({ protocol }: NatForward, { iif, to, from, port }: { readonly iif: string | undefined; readonly to: string; readonly from: string | undefined; readonly port: number }): Packet {
  return { protocol, from, to, port, iif, oif: '', dnat: false, originalTo: to, originalPort: port };
}
