import { familyOf, formatPorts, type NatForward } from '../../../shared/model/nat.js';
import type { Ending } from './frame.js';
import { isIptables, ownerOf, programOf } from './owner.js';
import type { Chain, Rule, Table } from './ruleset.js';

/** Whose it is that a packet is dropped, e.g. docker for the policy that dockerd sets. */
export function culpritOf({ table, chain, rule }: Ending): string {
  const owner = ownerOf(table, chain, rule);
  return owner === 'iptables' || owner === 'nft' ? programOf(table) : owner;
}

/** What lets a forward's packets through, as a command for the host. `toPorts`: where they arrive. */
export function remedyForDrop(ending: Ending, forward: NatForward): string {
  const { table, base } = ending;
  const owner = culpritOf(ending);
  if (owner === 'ufw') return `On the host: ${ufwRule(forward)}`;
  if (owner === 'firewalld') return `On the host: ${firewalldPolicy(forward)}`;
  const before = base.base?.hook === 'prerouting' && base.base.priority < -100;
  if (!isIptables(table)) return `On the host, and in the file that makes the rules: nft insert rule ${table.family} ${table.name} ${base.name} ${nftMatch(forward, before)} accept`;
  const program = familyOf(forward.to) === 4 ? 'iptables' : 'ip6tables';
  const chain = base.name === 'FORWARD' && table.name === 'filter' && table.chains.has('DOCKER-USER') ? 'DOCKER-USER' : base.name;
  const inTable = table.name === 'filter' ? '' : `-t ${table.name} `;
  return `On the host, and at each of its boots: ${program} ${inTable}-I ${chain} ${iptablesMatch(forward, before)} -j ACCEPT`;
}

/** Both directions: what a connection was for at first stays with it. Before NAT only its packets to the host come by. */
function iptablesMatch({ protocol, ports }: NatForward, before: boolean): string {
  const row = formatPorts(ports).replace('-', ':');
  return before ? `-p ${protocol} --dport ${row}` : `-p ${protocol} -m conntrack --ctstate DNAT --ctorigdstport ${row}`;
}

function nftMatch({ protocol, ports }: NatForward, before: boolean): string {
  return before ? `${protocol} dport ${formatPorts(ports)}` : `meta l4proto ${protocol} ct status dnat ct original proto-dst ${formatPorts(ports)}`;
}

function ufwRule({ protocol, to, toPorts, sources }: NatForward): string {
  return `ufw route allow proto ${protocol} from ${sources.length === 1 ? sources[0] ?? 'any' : 'any'} to ${to} port ${formatPorts(toPorts).replace('-', ':')}`;
}

function firewalldPolicy({ protocol, to, toPorts }: NatForward): string {
  const rule = `rule family="ipv${String(familyOf(to))}" destination address="${to}" port port="${formatPorts(toPorts)}" protocol="${protocol}" accept`;
  return [
    'firewall-cmd --permanent --new-policy=forwards', 'firewall-cmd --permanent --policy=forwards --add-ingress-zone=ANY', 'firewall-cmd --permanent --policy=forwards --add-egress-zone=ANY',
    `firewall-cmd --permanent --policy=forwards --add-rich-rule='${rule}'`, 'firewall-cmd --reload',
  ].join(' && ');
}

/** What frees a port that a rule claims. `same`: the rule does just what is wanted. */
export function remedyForClaim({ table, chain, rule }: { readonly table: Table; readonly chain: Chain; readonly rule: Rule }, forward: NatForward, same: boolean): string {
  const port = String(forward.ports.first);
  if (same) return `It does the same: take it over with "reeve nat adopt HOST ${forward.protocol}/${formatPorts(forward.ports)}", or give the forward "adopt".`;
  const owner = ownerOf(table, chain, rule);
  switch (owner) {
    case 'docker': return `Forward another port, or publish the container elsewhere. On the host: docker ps --filter publish=${port}`;
    case 'podman': return `Forward another port, or publish the container elsewhere. On the host: podman ps --format "{{.Names}} {{.Ports}}"`;
    case 'firewalld': return 'Forward another port, or take it out of firewalld. On the host: firewall-cmd --list-all-zones';
    case 'nft': case 'iptables': case 'ufw':
      return `Forward another port, or delete the rule (and what makes it at boot). On the host: nft delete rule ${table.family} ${table.name} ${chain.name} handle ${String(rule.handle)}`;
    default:
      return `Forward another port, or change what ${owner} does with this one.`;
  }
}
