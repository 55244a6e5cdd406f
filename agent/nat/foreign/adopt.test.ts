import { describe, expect, it } from 'vitest';
import { formatNatPort, formatNatTarget } from '../../../shared/model/nat.js';
import { bootSourcesOf, findForeign, type Adoptable } from './adopt.js';
import { loadRules, readFixture, sha256 } from './fixture/load.js';

function told({ forward, masquerade, owner, problem, rule }: Adoptable): string {
  const place = rule.replace(/ handle [0-9]+$/, '');
  const what = forward !== undefined ? `${formatNatPort(forward)} -> ${formatNatTarget(forward.to, forward.toPorts)} from ${forward.sources.join(',') || 'anywhere'}`
    : masquerade !== undefined ? `${masquerade.source} out ${masquerade.outInterface ?? 'anywhere'} as ${masquerade.toAddress ?? 'itself'}` : '?';
  return `${place}: ${what} [${owner}] ${problem}`;
}

describe('forwards and masquerades of others', () => {
  it.each(['plain', 'iptables', 'docker', 'podman', 'lxc', 'firewalld', 'ufw', 'maps'])('are found in the ruleset of %s', (name) => {
    expect(findForeign(loadRules(name), []).map(told)).toMatchSnapshot();
  });

  it('have the digest of the bytes that nft printed, and the handle', () => {
    const [first] = findForeign(loadRules('plain'), []);
    const text = readFixture('plain.json');
    const start = text.indexOf('{"rule": ') + '{"rule": '.length;
    const end = text.indexOf('}, {"rule": ', start);
    const object = text.slice(start, end);
    expect(JSON.parse(object)).toMatchObject({ family: 'ip', table: 'nat', chain: 'prerouting' });
    expect(first?.sha256).toBe(sha256(object));
    expect(first?.handle).toBe(`ip nat prerouting ${String((JSON.parse(object) as { handle: number }).handle)}`);
  });
});

describe('where a rule comes from at boot', () => {
  const [forward] = findForeign(loadRules('iptables'), []).flatMap((one) => one.forward ?? []);
  const [masquerade] = findForeign(loadRules('iptables'), []).flatMap((one) => one.masquerade ?? []);
  const boot = [
    { path: '/etc/network/interfaces', text: 'iface eth0 inet dhcp\n  # post-up iptables --dport 8080 -j DNAT\n  post-up iptables -t nat -A PREROUTING -p tcp --dport 8080 \\\n    -j DNAT --to-destination 10.0.3.2:80\n' },
    { path: '/etc/rc.local', text: 'iptables --dport 18080 -j DNAT\niptables --dport 80801 -j DNAT\nMASQ=1 iptables -s 10.0.3.0/24 -j MASQUERADE\n' },
    { path: '/etc/nftables.conf', text: 'tcp dport 8080-8090 dnat to 10.0.3.2\nip saddr 110.0.3.0/24 masquerade\n' },
    { path: '/etc/ufw/before.rules', text: undefined },
  ];

  it('is a line that names the port', () => {
    expect(forward && bootSourcesOf(boot, forward)).toEqual(['/etc/network/interfaces:3', '/etc/nftables.conf:1', '/etc/ufw/before.rules (cannot be read)']);
  });

  it('is a line that names the source', () => {
    expect(masquerade && bootSourcesOf(boot, masquerade)).toEqual(['/etc/rc.local:3', '/etc/ufw/before.rules (cannot be read)']);
  });
});
