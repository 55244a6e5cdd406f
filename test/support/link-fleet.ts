import { startFleet, type TestFleet } from './fleet.js';
import { until } from './until.js';

/** The parent's address on the guests' own bridge. */
export const inside = '198.19.200.1';

/** A parent with two guests that nobody but it reaches, and that reach nobody but it. */
export async function startGuests(name: string): Promise<TestFleet> {
  const fleet = await startFleet({ name, hosts: ['vm1'] });
  await fleet.lab.addBridge('br1');
  const vm1 = fleet.host('vm1');
  await vm1.plug('br1', 'guests', `${inside}/24`);
  await vm1.run(['sh', '-c', `echo 'relay-listen ${inside}' >> /etc/reeve/agent.conf; echo 'allow relay address=198.19.200.*' >> /etc/reeve/policy; systemctl restart reeve-agent`]);
  await until(async () => (await fleet.json<{ host: { relay: string } }>(['host', 'show', 'vm1'])).host.relay === inside, { timeoutMs: 30_000, what: 'the parent to say where its guests reach the coordinator' });
  await Promise.all([['web1', '198.19.200.2'], ['web2', '198.19.200.3']].map(([guest = '', address = '']) => fleet.addHost(guest, { address, bridge: 'br1' })));
  for (const guest of ['web1', 'web2']) {
    await fleet.join(guest, { labels: ['guest=yes'], invite: ['--link', 'parent', '--parent', 'vm1', '--address', fleet.host(guest).address] });
  }
  return fleet;
}

/** Lets nothing in that did not begin here, but connections to `ports`, also after a reboot. */
function firewall(ports: readonly number[]): string {
  const open = ports.map((port) => `    tcp dport ${String(port)} accept\n`).join('');
  return `table inet lab {\n  chain input {\n    type filter hook input priority 0; policy accept;\n${open}    iifname "host0" ct state new drop\n  }\n}\n`;
}

/** Two hosts that let nobody in, but for `ports`. */
export async function startOutward(name: string, ports: readonly number[] = []): Promise<TestFleet> {
  const fleet = await startFleet({ name, hosts: ['web1', 'web2'], join: false });
  for (const web of ['web1', 'web2']) {
    await fleet.host(web).write('/etc/nftables.conf', firewall(ports));
    await fleet.host(web).run(['systemctl', 'enable', '--now', 'nftables']);
    await fleet.join(web, { invite: ['--link', 'dial-out'] });
  }
  return fleet;
}
