import type { Chain, Rule, Table } from './ruleset.js';

/** Programs that make rules while they run and make them again, told by the names of their tables and chains. */
const programs: readonly { readonly owner: string; readonly table?: RegExp; readonly chain?: RegExp; readonly comment?: RegExp }[] = [
  { owner: 'docker', table: /^docker/, chain: /^DOCKER(?:$|-)/ },
  { owner: 'podman', table: /^netavark/, chain: /^(?:NETAVARK|CNI)[-_]/, comment: /^netavark |^CNI portfwd|^name: "/ },
  { owner: 'kubernetes', table: /^kube-/, chain: /^(?:KUBE|FLANNEL|cali|CILIUM)[-_]/ },
  { owner: 'libvirt', table: /^libvirt/, chain: /^LIBVIRT_/ },
  { owner: 'lxc', table: /^lxc$/ },
  { owner: 'incus', table: /^incus$/, chain: /^(?:fwd|pstrt|in|out)\.incusbr/, comment: /generated for Incus/ },
  { owner: 'lxd', table: /^lxd$/, comment: /generated for LXD/ },
  { owner: 'firewalld', table: /^firewalld$/, chain: /^(?:(?:PREROUTING|POSTROUTING|INPUT|OUTPUT|FORWARD(?:_IN|_OUT)?)_(?:ZONES|direct|POLICIES_pre|POLICIES_post)|(?:PRE|POST|FWDI|FWDO|FWD|IN)_)/ },
  { owner: 'tailscale', chain: /^ts-/ },
  { owner: 'ufw', chain: /^ufw6?-/ },
];

/** Owners whose rules are loaded once from a file and then left alone. */
const still: ReadonlySet<string> = new Set(['ufw', 'iptables', 'nft']);

/** Whose a rule is: a program's name, or `iptables` or `nft` for a person's. */
export function ownerOf(table: Table, chain: Chain, rule: Rule | undefined): string {
  const found = programs.find((program) => program.table?.test(table.name) === true || program.chain?.test(chain.name) === true || (rule !== undefined && program.comment?.test(rule.comment) === true));
  if (found !== undefined) return found.owner;
  if (rule !== undefined && isDockerMasquerade(table, rule)) return 'docker';
  return isIptables(table) ? 'iptables' : 'nft';
}

/** Whether a program keeps the rules of this owner, so that one that is deleted comes back. */
export function isProgram(owner: string): boolean {
  return !still.has(owner);
}

/** The program whose chains hang in this table, for the policy of a chain that it set. */
export function programOf(table: Table): string {
  const names = [...table.chains.values()];
  const first = names.map((chain) => ownerOf(table, chain, undefined)).find((owner) => owner !== 'iptables' && owner !== 'nft');
  return first ?? (isIptables(table) ? 'iptables' : 'nft');
}

/** Whether iptables made a table. */
export function isIptables(table: Table): boolean {
  const bases = [...table.chains.values()].filter(({ base }) => base !== undefined);
  return table.family !== 'inet' && ['nat', 'filter', 'mangle', 'raw', 'security'].includes(table.name) && bases.length > 0 && bases.every(({ name }) => /^(?:PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/.test(name));
}

/** dockerd puts two kinds of rules into POSTROUTING itself: one for each network (`! -o docker0`), and one for each published port (from a container to itself). */
function isDockerMasquerade(table: Table, rule: Rule): boolean {
  if (!table.chains.has('DOCKER') || !rule.items.some(({ kind }) => kind === 'masquerade')) return false;
  const matches = rule.items.flatMap((item) => (item.kind === 'match' ? [item] : []));
  const bridge = matches.some((match) => match.negated && match.keys[0]?.field === 'oif' && match.tuples.some(([value]) => value?.kind === 'name' && /^(?:docker|br-)/.test(value.text)));
  const [source, target] = ['saddr', 'daddr'].map((field) => matches.find(({ keys, negated }) => !negated && keys[0]?.field.startsWith(field))?.tuples);
  return bridge || (source !== undefined && target !== undefined && same(source, target));
}

function same(a: readonly (readonly unknown[])[], b: readonly (readonly unknown[])[]): boolean {
  const text = (value: unknown): string => JSON.stringify(value, (_key, one: unknown) => (typeof one === 'bigint' ? String(one) : one));
  return text(a) === text(b);
}
