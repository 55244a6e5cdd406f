import type { NatForward, NatMasquerade } from '../../../shared/model/nat.js';
import type { Rules } from './ruleset.js';

/** A file that may make rules at boot. */
export interface BootFile {
  readonly path: string;
  /** undefined: the agent may not read it. */
  readonly text: string | undefined;
}

/** A forward or masquerade that somebody else made. */
export interface Adoptable {
  /** `ip nat PREROUTING handle 5`. */
  readonly rule: string;
  /** FAMILY TABLE CHAIN HANDLE. */
  readonly handle: string;
  readonly sha256: string;
  /** What it does, with id 0. */
  readonly forward?: NatForward;
  readonly masquerade?: NatMasquerade;
  /** docker, podman, libvirt, lxc, firewalld, ufw, iptables or nft. */
  readonly owner: string;
  /** What stands in the way of adopting it; "": nothing. */
  readonly problem: string;
  /** PATH:LINE each, or `PATH (cannot be read)`. */
  readonly bootSources: readonly string[];
}

/** Files and folders (those end in "/") that may make rules at boot. */
export const bootFilePaths: readonly string[] = [
  '/etc/network/interfaces', '/etc/network/interfaces.d/', '/etc/network/if-pre-up.d/', '/etc/network/if-up.d/', '/etc/network/if-down.d/', '/etc/network/if-post-down.d/',
  '/etc/rc.local', '/etc/init.d/', '/etc/nftables.conf', '/etc/nftables.d/', '/etc/iptables/rules.v4', '/etc/iptables/rules.v6', '/etc/ufw/', '/etc/systemd/system/',
];

/** Every forward and masquerade that Reeve did not make. */
export function findForeign(_rules: Rules, _boot: readonly BootFile[]): readonly Adoptable[] {
  return [];
}

/** Lines of boot files that make a rule like this one. */
export function bootSourcesOf(boot: readonly BootFile[], _rule: NatForward | NatMasquerade): readonly string[] {
  return boot.filter(({ text }) => text === undefined).map(({ path }) => `${path} (cannot be read)`);
}
