import { expect, test } from 'vitest';
import type { NatFleet } from '../support/nat-fleet.js';
import { reeveTable } from '../support/nat-fleet.js';
import { ask } from '../support/nat-probe.js';
import { natCommands } from '../support/nat-setting.js';

/** What packets do once a front forwards and masquerades. */
export function testPackets(fleetOf: () => NatFleet): void {
  const { change, refused, remove, rowOf } = natCommands(fleetOf);
  const sysctl = async (name: string): Promise<string> => (await fleetOf().front.run(['sysctl', '-n', name])).trim();

  test('a plan shows what would be and changes nothing', async () => {
    const { front, inside, reeve, host } = fleetOf();
    expect(await ask(host('web2'), 'tcp', fleetOf().desk.address, [5000])).toEqual(['silent']);
    const plan = await reeve(['nat', 'masquerade', 'front', '--source', inside.network, '--plan']);
    expect(plan.code, plan.stderr).toBe(0);
    expect(plan.stdout).toMatch(/\+ nat .*198\.19\.200\.0\/24/);
    expect(await reeveTable(front)).toBe('');
    expect(await sysctl('net.ipv4.ip_forward')).toBe('0');
  });

  test('guests reach out with the address of their host, TCP and UDP, and one of them joins that way', async () => {
    const { desk, front, inside, join, host } = fleetOf();
    await change(['masquerade', 'front', '--source', inside.network]);
    expect(await sysctl('net.ipv4.ip_forward')).toBe('1');
    for (const protocol of ['tcp', 'udp'] as const) expect(await ask(host('web2'), protocol, desk.address, [5000]), protocol).toEqual([`desk saw ${front.address} at 5000`]);
    await join('web1', { invite: ['--link', 'parent', '--parent', 'front', '--address', inside.guest(1).address] });
  });

  test('a port of the host leads to its guest: from outside, from the host itself, and from the guests’ own network', async () => {
    const { desk, front, inside, host, hub } = fleetOf();
    await change(['add', 'front', '--proto', 'tcp', '--port', '8080', '--to', 'web1:80', '--comment', 'the site']);
    for (const from of [desk, hub]) expect(await ask(from, 'tcp', front.address, [8080, 8081])).toEqual([`web1 saw ${from.address} at 80`, 'refused']);
    expect(await ask(front, 'tcp', front.address, [8080])).toEqual([`web1 saw ${front.address} at 80`]);
    expect(await ask(front, 'tcp', '127.0.0.1', [8080]), 'loopback is nobody’s').toEqual(['refused']);
    for (const from of ['web1', 'web2']) {
      for (const address of [front.address, inside.front]) expect(await ask(host(from), 'tcp', address, [8080]), `${from} to ${address}`).toEqual([`web1 saw ${inside.front} at 80`]);
    }
    expect(await ask(desk, 'udp', front.address, [8080]), 'TCP only').toEqual(['refused']);
  });

  test('the same again reports no change, and nothing waits to be confirmed', async () => {
    const { front, json } = fleetOf();
    const again = await json<{ outcome: string; hosts: { changes: unknown[] }[] }>(['apply', '--on', 'front', '--noun', 'nat', '--yes']);
    expect([again.outcome, again.hosts.flatMap((row) => row.changes)]).toEqual(['ok', []]);
    expect(await front.run(['ls', '-A', '/var/lib/reeve-privd/pending'])).toBe('');
  });

  test('without hairpin the guests’ own network is not served', async () => {
    const { front, host, desk } = fleetOf();
    await change(['add', 'front', '--proto', 'tcp', '--port', '8088', '--to', 'web1:9000', '--no-hairpin']);
    expect(await ask(desk, 'tcp', front.address, [8088])).toEqual([`web1 saw ${desk.address} at 9000`]);
    expect((await ask(host('web2'), 'tcp', front.address, [8088]))[0]).not.toMatch(/saw/);
    await remove('tcp/8088');
    expect(await ask(desk, 'tcp', front.address, [8088])).toEqual(['refused']);
  });

  test('UDP, ranges to the same ports, to others and to one, and destinations that are no host of the fleet', async () => {
    const { desk, front, inside } = fleetOf();
    const web2 = inside.guest(2).address;
    await change(['add', 'front', '--proto', 'udp', '--port', '8053', '--to', 'web1:80']);
    await change(['add', 'front', '--proto', 'tcp', '--port', '8000-8004', '--to', 'web1:8000-8004']);
    await change(['add', 'front', '--proto', 'tcp', '--port', '18000-18004', '--to', `${web2}:8005-8009`]);
    await change(['add', 'front', '--proto', 'udp', '--port', '18000-18004', '--to', `${web2}:9000-9004`]);
    await change(['add', 'front', '--proto', 'tcp', '--port', '9100-9102', '--to', `${web2}:80`]);
    const saw = (name: string, ...ports: number[]): string[] => ports.map((port) => `${name} saw ${desk.address} at ${String(port)}`);
    expect(await ask(desk, 'udp', front.address, [8053])).toEqual(saw('web1', 80));
    expect(await ask(desk, 'tcp', front.address, [8000, 8002, 8004, 8005])).toEqual([...saw('web1', 8000, 8002, 8004), 'refused']);
    expect(await ask(desk, 'tcp', front.address, [17999, 18000, 18003, 18004])).toEqual(['refused', ...saw('web2', 8005, 8008, 8009)]);
    expect(await ask(desk, 'udp', front.address, [18000, 18002, 18004])).toEqual(saw('web2', 9000, 9002, 9004));
    expect(await ask(desk, 'tcp', front.address, [9100, 9101, 9102])).toEqual(saw('web2', 80, 80, 80));
    expect(await ask(front, 'tcp', front.address, [18004, 9101])).toEqual([`web2 saw ${front.address} at 8009`, `web2 saw ${front.address} at 80`]);
    await remove('udp/8053', 'tcp/8000', 'tcp/18001', 'udp/18004', 'tcp/9102');
  });

  test('only the sources that are named are let in', async () => {
    const { desk, front, hub } = fleetOf();
    await change(['add', 'front', '--proto', 'tcp', '--port', '8081', '--to', 'web1:80', '--source', `${desk.address}/32`, '--source', '198.51.100.0/24']);
    expect([await ask(desk, 'tcp', front.address, [8081]), await ask(hub, 'tcp', front.address, [8081])]).toEqual([[`web1 saw ${desk.address} at 80`], ['refused']]);
    await remove('tcp/8081');
  });

  test('one address or one interface of the host, and none that it has not', async () => {
    const { desk, front, inside, host } = fleetOf();
    await change(['add', 'front', '--proto', 'tcp', '--port', '8082', '--to', 'web1:80', '--listen', inside.front]);
    await change(['add', 'front', '--proto', 'tcp', '--port', '8083', '--to', 'web1:80', '--interface', 'host0']);
    expect(await ask(desk, 'tcp', front.address, [8082, 8083])).toEqual(['refused', `web1 saw ${desk.address} at 80`]);
    expect(await ask(host('web2'), 'tcp', inside.front, [8082])).toEqual([`web1 saw ${inside.front} at 80`]);
    expect(await ask(host('web2'), 'tcp', front.address, [8083]), 'hairpin').toEqual([`web1 saw ${inside.front} at 80`]);
    for (const where of [['--listen', '198.18.200.200'], ['--interface', 'nosuch0']]) {
      expect(await refused(['add', 'front', '--proto', 'tcp', '--port', '8084', '--to', 'web1:80', ...where], 1)).toMatchObject([{ code: 'NAT_INTERFACE', message: expect.stringContaining(where[1]!) as string }]);
    }
    // Two listens of one port that mean other addresses.
    await change(['add', 'front', '--proto', 'tcp', '--port', '8082', '--to', 'web1:8000', '--listen', front.address]);
    expect(await ask(desk, 'tcp', front.address, [8082])).toEqual([`web1 saw ${desk.address} at 8000`]);
    const ids = [(await rowOf(8083)).forward!.id, ...(await natCommands(fleetOf).rows()).flatMap((row) => (row.forward?.ports?.first === 8082 ? [row.forward.id] : []))];
    await remove(...ids.map(String));
  });

  test('IPv6: refused where the host would lose its route, else as IPv4', async () => {
    const { desk, front, front6, desk6, inside, host } = fleetOf();
    const target = `[${inside.guest(1).address6}]:80`;
    const add = ['add', 'front', '--proto', 'tcp', '--port', '8080', '--to', target];
    // A router that tells everybody of itself, and a host that believes it.
    await front.run(['sysctl', '-q', '-w', 'net.ipv6.conf.host0.accept_ra=1']);
    await desk.run(['perl', '-MSocket=:all', '-e', `
      socket(my $s, AF_INET6, SOCK_RAW, 58) or die; my $i = pack("I", $ARGV[0]);
      setsockopt($s, 41, 17, $i) && setsockopt($s, 41, 18, pack("I", 255)) or die;
      send($s, pack("CCnCCnNN", 134, 0, 0, 64, 0, 1800, 0, 0), 0, pack_sockaddr_in6(0, inet_pton(AF_INET6, "ff02::1"), $ARGV[0])) or die $!`, (await desk.run(['cat', '/sys/class/net/host0/ifindex'])).trim()]);
    expect(await front.run(['sh', '-c', 'for i in 1 2 3 4 5 6 7 8 9 10; do ip -6 route show default | grep "proto ra" && exit; sleep 0.2; done; exit 1'])).toMatch(/dev host0/);
    expect(await refused(add, 1)).toMatchObject([{ code: 'NAT_FORWARDING', message: expect.stringContaining('host0') as string, remedy: expect.stringContaining('net.ipv6.conf.host0.accept_ra=2') as string }]);
    expect(await sysctl('net.ipv6.conf.all.forwarding')).toBe('0');
    await front.run(['sysctl', '-q', '-w', 'net.ipv6.conf.host0.accept_ra=2']);
    await change(add);
    expect(await front.run(['ip', '-6', 'route', 'show', 'default']), 'the route is still there').toMatch(/dev host0 proto ra/);
    await change(['add', 'front', '--proto', 'udp', '--port', '18000-18004', '--to', `[${inside.guest(2).address6}]:9000-9004`]);
    await change(['masquerade', 'front', '--source', inside.network6]);
    expect(await ask(desk, 'tcp', front6, [8080, 8081])).toEqual([`web1 saw ${desk6} at 80`, 'refused']);
    expect(await ask(desk, 'udp', front6, [18000, 18004])).toEqual([`web2 saw ${desk6} at 9000`, `web2 saw ${desk6} at 9004`]);
    expect(await ask(front, 'tcp', front6, [8080])).toEqual([`web1 saw ${front6} at 80`]);
    expect(await ask(front, 'tcp', '::1', [8080])).toEqual(['refused']);
    expect(await ask(host('web2'), 'tcp', front6, [8080]), 'hairpin').toEqual([`web1 saw ${inside.front6} at 80`]);
    expect(await ask(host('web2'), 'tcp', desk6, [5000])).toEqual([`desk saw ${front6} at 5000`]);
    expect(await ask(desk, 'tcp', front.address, [8080]), 'IPv4 is as it was').toEqual([`web1 saw ${desk.address} at 80`]);
  });
}
