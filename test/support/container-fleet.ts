import type { BootOptions, LabHost } from '../lab/lab.js';
import { startFleet, type TestFleet } from './fleet.js';

/** What a host needs for containers of podman and of lxc; curl and busybox are for tests. */
export const containerPackages = ['podman', 'crun', 'netavark', 'aardvark-dns', 'iptables', 'lxc', 'busybox-static', 'curl'] as const;

/** Both engines' files lie on the machine's own file system: podman's overlay over the lab's overlay is refused by the kernel. */
export const containerHost: Omit<BootOptions, 'layer'> = { plainFolders: ['/var/lib/containers', '/var/lib/lxc'] };

/** The bridge of the tests, its address, and the CIDR that DHCP and containers use. */
export const bridge = { name: 'lxcbr0', address: '10.0.3.1', cidr: '10.0.3.1/24' } as const;

/** What podman cannot unmount below /sys/kernel, where that is a mount itself, as nspawn makes it. */
const BELOW_KERNEL = ['sys-kernel-debug.mount', 'sys-kernel-tracing.mount'] as const;

/** Debian's podman looks for newer images at each boot; where a container goes away meanwhile, it fails, and the host is degraded. */
const AUTO_UPDATE = ['podman-auto-update.service', 'podman-auto-update.timer'] as const;

/**
 * Gives a running host what containers need in the lab and what belongs to no product: a bridge with DHCP from systemd-networkd (in the place of Debian's lxc-net, which
 * starts dnsmasq and filters), and what crun may not do on a machine without CAP_SYS_RESOURCE: it raises RLIMIT_MEMLOCK for a control group of its own.
 */
export async function prepareContainers(host: LabHost): Promise<void> {
  await host.run(['systemctl', '--quiet', 'mask', '--now', 'lxc-net.service']);
  await host.run(['systemctl', '--quiet', 'mask', '--now', ...BELOW_KERNEL]);
  await host.run(['systemctl', '--quiet', 'disable', '--now', ...AUTO_UPDATE]);
  await host.write('/etc/containers/containers.conf', '[containers]\ncgroups = "disabled"\n');
  await host.write('/etc/systemd/network/30-lxcbr0.netdev', `[NetDev]\nName=${bridge.name}\nKind=bridge\n`);
  await host.write('/etc/systemd/network/30-lxcbr0.network', `[Match]\nName=${bridge.name}\n[Network]\nAddress=${bridge.cidr}\nConfigureWithoutCarrier=yes\nDHCPServer=yes\n[DHCPServer]\nPoolOffset=200\nPoolSize=50\nEmitDNS=no\n`);
  await host.run(['networkctl', 'reload']);
  await host.run(['/usr/lib/systemd/systemd-networkd-wait-online', `--interface=${bridge.name}:no-carrier`, '--timeout=20']);
}

/** A fleet whose managed hosts have podman, lxc and a bridge; options as of startFleet. */
export async function startContainerFleet(options: Omit<Parameters<typeof startFleet>[0], 'debian' | 'hostOptions'> & { readonly debian?: readonly string[] }): Promise<TestFleet> {
  const fleet = await startFleet({ ...options, debian: [...containerPackages, ...(options.debian ?? [])], hostOptions: containerHost });
  try {
    await Promise.all(options.hosts.map((name) => prepareContainers(fleet.host(name))));
  } catch (error) {
    fleet.close();
    throw error;
  }
  return fleet;
}
