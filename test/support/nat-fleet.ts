import type { LabHost } from '../lab/lab.js';
import { startFleet, type TestFleet } from './fleet.js';
import { installProbe, serve } from './nat-probe.js';
import type { PackageKind } from './packages.js';
import { until } from './until.js';

/** Numbers of the network behind a front: documentation addresses outside for IPv6, the lab's own and unique local ones inside. */
export interface Inside {
  readonly network: string;
  readonly front: string;
  readonly network6: string;
  readonly front6: string;
  guest(number: number): { readonly address: string; readonly address6: string };
}

/** The network behind the n-th front. */
export function insideOf(front: number): Inside {
  const four = `198.19.${String(200 + front)}`;
  const six = `fd00:19:${String(200 + front)}:`;
  return {
    network: `${four}.0/24`, front: `${four}.1`, network6: `${six}:/64`, front6: `${six}:1`,
    guest: (number) => ({ address: `${four}.${String(1 + number)}`, address6: `${six}:${String(1 + number)}` }),
  };
}

/** What the policy of a front has besides its preset: the lab's addresses are not those of a private network. */
export const frontPolicy = ['allow relay address=198.19.*', 'allow nat.forward to=198.19.*,fd00:*', 'allow nat.masquerade source=198.19.*,fd00:*', ''].join('\n');

/** The ports on which guests answer. */
const answers = ['80', '7421', '8000-8009', '9000-9004'];

/** A front with a side to the lab and a bridge of its own, its guests, who have no other way out, and machines outside. */
export interface NatFleet extends TestFleet {
  readonly front: LabHost;
  readonly desk: LabHost;
  readonly inside: Inside;
  /** Addresses of the front and of the desk outside. */
  readonly front6: string;
  readonly desk6: string;
}

/**
 * Boots a front and a desk, which are managed, and the guests web1 and web2, which are not yet; nothing is forwarded. `lets` are lines for the policy of the
 * front.
 */
export async function startNatFleet(options: { name: string; packages?: PackageKind; lets?: string }): Promise<NatFleet> {
  const fleet = await startFleet({ name: options.name, hosts: [], ...(options.packages === undefined ? {} : { packages: options.packages, resident: options.packages === 'test' }) });
  try {
    const [front6, desk6] = ['2001:db8:18::1', '2001:db8:18::2'];
    const inside = insideOf(0);
    await fleet.lab.addBridge(bridgeOf(0));
    const [front, desk] = await Promise.all([addFront(fleet, 'front', 0, front6), fleet.addHost('desk', { network: { address6: `${desk6}/64` } }), addGuest(fleet, 'web1', 0, 1), addGuest(fleet, 'web2', 0, 2)]);
    for (const host of [desk, fleet.hub, front, fleet.host('web1'), fleet.host('web2')]) await installProbe(host);
    for (const name of ['front', 'desk']) await fleet.join(name);
    await front.run(['sh', '-c', 'cat >>/etc/reeve/policy'], { input: `${frontPolicy}${options.lets ?? ''}` });
    return { ...fleet, front, desk, inside, front6, desk6 };
  } catch (error) {
    fleet.close();
    throw error;
  }
}

/** The bridge of the network behind the n-th front, which `lab.addBridge` makes. */
export function bridgeOf(front: number): string {
  return `in${String(front)}`;
}

/** Boots a front of a network; it has not joined. */
export async function addFront(fleet: TestFleet, name: string, number: number, address6?: string): Promise<LabHost> {
  const inside = insideOf(number);
  return fleet.addHost(name, {
    ports: [{ bridge: bridgeOf(number), name: 'guests', address: `${inside.front}/24`, address6: `${inside.front6}/64` }],
    ...(address6 === undefined ? {} : { network: { address6: `${address6}/64` } }),
  });
}

/** Boots a machine behind a front that answers on its ports; it has not joined. */
export async function addGuest(fleet: TestFleet, name: string, front: number, number: number): Promise<LabHost> {
  const inside = insideOf(front);
  const { address, address6 } = inside.guest(number);
  const network = { prefix: 24, gateway: inside.front, address6: `${address6}/64`, gateway6: inside.front6 };
  const host = await fleet.addHost(name, { address, bridge: bridgeOf(front), network });
  await serve(host, answers);
  return host;
}

/** Rules of all tables but Reeve's, as nft tells them, with handles and without what packets and Reeve's own tables change: equal when nobody touched them. */
export async function foreignRules(host: LabHost): Promise<unknown[]> {
  const { nftables } = JSON.parse(await host.run(['nft', '-j', 'list', 'ruleset'])) as { nftables: Record<string, Record<string, unknown>>[] };
  return nftables.filter((item) => item['metainfo'] === undefined && !Object.values(item).some((value) => value['table'] === 'reeve' || value['name'] === 'reeve')).map(withoutCounts);
}

/** The table `inet reeve` as nft prints it, without what was counted and with counters by name: they are in the order in which they were first made. Empty: there is none. */
export async function reeveTable(host: LabHost): Promise<string> {
  const text = (await host.exec(['nft', '-s', 'list', 'table', 'inet', 'reeve'])).stdout;
  const counters = [...text.matchAll(/\tcounter (\w+) \{\s*\}\n\n?/g)].map(([, name = '']) => name).sort();
  return text === '' ? '' : `${counters.join(' ')}\n${text.replace(/\tcounter \w+ \{\s*\}\n\n?/g, '')}`;
}

/** Waits until the front has no change that waits. */
export async function waitNothingPends(host: LabHost, timeoutMs = 30_000): Promise<void> {
  let waits = '';
  await until(async () => (waits = await host.run(['ls', '-A', '/var/lib/reeve-privd/pending'])) === '', { timeoutMs, everyMs: 100, what: `nothing to wait on ${host.name}` }).catch((error: unknown) => {
    throw new Error(`${host.name} still has: ${waits}`, { cause: error });
  });
}

function withoutCounts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutCounts);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== 'packets' && name !== 'bytes').map(([name, item]) => [name, withoutCounts(item)]));
}
