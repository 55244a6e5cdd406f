import type { LabHost } from '../lab/lab.js';
import { installDebian } from './debian.js';

/** What Docker's daemon makes for one container with a published port (docker 24 with iptables-nft, without its policy of FORWARD), as iptables-save text. */
const docker = `*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8182 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
`;

/** What lxc-net of Debian 12 makes (/usr/libexec/lxc/lxc-net). */
const lxc = `
add table inet lxc
add chain inet lxc input { type filter hook input priority 0; }
add rule inet lxc input iifname lxcbr0 udp dport { 53, 67 } accept
add rule inet lxc input iifname lxcbr0 tcp dport { 53, 67 } accept
add chain inet lxc forward { type filter hook forward priority 0; }
add rule inet lxc forward iifname lxcbr0 accept
add rule inet lxc forward oifname lxcbr0 accept
add table ip lxc
add chain ip lxc postrouting { type nat hook postrouting priority 100; }
add rule ip lxc postrouting ip saddr 10.0.3.0/24 ip daddr != 10.0.3.0/24 counter masquerade
`;

/** The port at which the container of podman answers "hello". */
export const podmanPort = 8181;

/** Installs podman and starts a container with a published port, and makes what Docker and lxc-net make. */
export async function makeForeign(host: LabHost): Promise<void> {
  await installDebian(host, ['podman', 'netavark', 'iptables', 'busybox-static']);
  // No overlay on the overlay that a lab's host lies on, and no control groups below those of the lab.
  await host.write('/etc/containers/storage.conf', '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n');
  await host.write('/etc/containers/containers.conf', '[containers]\ncgroups = "disabled"\n[network]\nnetwork_backend = "netavark"\n');
  await host.run(['sh', '-c', 'mkdir -p /root/image/bin /root/image/www && cp /bin/busybox /root/image/bin/ && echo hello >/root/image/www/index.html && tar -C /root/image -c . | podman import - base']);
  await host.run(['podman', 'run', '--detach', '--name', 'site', '--publish', `${String(podmanPort)}:80`, 'base', '/bin/busybox', 'httpd', '-f', '-p', '80', '-h', '/www']);
  await host.run(['iptables-restore', '--noflush'], { input: docker });
  await host.run(['nft', '-f', '-'], { input: lxc });
}

/** What the container of podman answers a machine outside. */
export async function askContainer(desk: LabHost, host: LabHost): Promise<string> {
  const script = `exec 3<>/dev/tcp/${host.address}/${String(podmanPort)}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3`;
  return (await desk.exec(['timeout', '5', 'bash', '-c', script])).stdout.trim();
}
