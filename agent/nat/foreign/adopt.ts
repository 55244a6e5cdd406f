import type { NatForward, NatMasquerade } from '../../../shared/model/nat.js';
import { bootSourcesOf, type BootFile } from './boot.js';
import { readForward, readMasquerade, type Read } from './claim.js';
import { isProgram, ownerOf } from './owner.js';
import { ruleName, type Chain, type Rule, type Rules, type Table } from './ruleset.js';

export { bootFilePaths, bootSourcesOf, type BootFile } from './boot.js';

/** A forward or masquerade that somebody else made. */
export interface Adoptable {
  /** `ip nat PREROUTING handle 5`. */
  readonly rule: string;
  /** FAMILY TABLE CHAIN HANDLE. */
  readonly handle: string;
  readonly sha256: string;
  /** What it does, with id 0 and adopt true. */
  readonly forward?: NatForward;
  readonly masquerade?: NatMasquerade;
  /** docker, podman, kubernetes, libvirt, lxc, incus, lxd, firewalld, tailscale, ufw, iptables or nft. */
  readonly owner: string;
  /** What stands in the way of adopting it; "": nothing. */
  readonly problem: string;
  /** PATH:LINE each, or `PATH (cannot be read)`. */
  readonly bootSources: readonly string[];
}

/** Most that are told of one host. */
const most = 5000;

/** Every forward and masquerade that Reeve did not make, in the order of tables, chains and rules. */
export function findForeign(rules: Rules, boot: readonly BootFile[]): readonly Adoptable[] {
  const all = rules.foreign.flatMap((table) => [...table.chains.values()].flatMap((chain) => chain.rules.flatMap((rule) => adoptable(table, chain, rule, boot))));
  return all.slice(0, most);
}

/** FAMILY TABLE CHAIN HANDLE. */
export function handleOf(table: Table, chain: Chain, rule: Rule): string {
  return `${table.family} ${table.name} ${chain.name} ${String(rule.handle)}`;
}

function adoptable(table: Table, chain: Chain, rule: Rule, boot: readonly BootFile[]): readonly Adoptable[] {
  const forward = readForward(rule);
  const masquerade = forward === undefined ? readMasquerade(rule) : undefined;
  const read: Read<NatForward | NatMasquerade> | undefined = forward ?? masquerade;
  if (read === undefined) return [];
  const owner = ownerOf(table, chain, rule);
  return [{
    rule: ruleName(table, chain, rule),
    handle: handleOf(table, chain, rule),
    sha256: rule.sha256,
    ...(forward?.row === undefined ? {} : { forward: forward.row }),
    ...(masquerade?.row === undefined ? {} : { masquerade: masquerade.row }),
    owner,
    problem: problemOf(chain, rule, owner, forward !== undefined) ?? read.problem,
    bootSources: read.row === undefined ? [] : bootSourcesOf(boot, read.row),
  }];
}

function problemOf(chain: Chain, rule: Rule, owner: string, isForward: boolean): string | undefined {
  if (isProgram(owner)) return `it belongs to ${owner}, which makes it again`;
  if (chain.base === undefined) return `it stands in the chain ${chain.name}, which other rules lead to`;
  const hook = isForward ? 'prerouting' : 'postrouting';
  if (chain.base.hook !== hook) return `it stands in the hook ${chain.base.hook}, not in ${hook}`;
  return rule.handle === 0 || rule.sha256 === '' ? 'nft tells no handle of it' : undefined;
}
