/** Forwards and masquerades for real, with nft in a network of their own: what is made of rules, what is refused, what is told. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bytesOf, forward, natPolicy, rules, startNatHost, type NatHost } from './testing/nat.js';
import { ends, failsWith, isRoot } from './testing/namespace.js';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
/** Rules of others; they must never change. */
const foreign = `add table ip nat
add chain ip nat PREROUTING { type nat hook prerouting priority -100; }
add rule ip nat PREROUTING tcp dport 9090 counter dnat to 10.9.0.7
add table inet filter
add set inet filter bad { type ipv4_addr; elements = { 192.0.2.1 } }
add chain inet filter input { type filter hook input priority 0; policy accept; }
add rule inet filter input ip saddr @bad counter drop
`;

describe.skipIf(!isRoot)('forwards and masquerades', () => {
  let host: NatHost;
  beforeAll(async () => { host = await startNatHost(); }, 120_000);
  afterAll(() => host.privd.close(), 60_000);
  beforeEach(() => {
    host.clear();
    host.privd.writePolicy(natPolicy);
  });
  /** The rules of a chain, without what is the same in all of them. */
  const chain = (name: string): string[] => {
    const body = new RegExp(`chain ${name} \\{\\n\\t\\ttype [^\\n]*\\n([^}]*(?:\\{[^}]*\\}[^}]*)*)\\n\\t\\}`).exec(host.table())?.[1] ?? '';
    return body.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  };
  const any4 = 'fib daddr type local ip daddr != 127.0.0.0/8';
  const any6 = 'fib daddr type local ip6 daddr != ::1';

  test('each kind of rule becomes exactly what nft shows, in the table of Reeve and beside all others', async () => {
    host.nft(foreign);
    const before = host.others();
    await host.apply(rules(
      'forward 1 tcp - - 8080 10.9.0.2 80 - -',
      'forward 2 udp 10.9.0.1 - 5000-5003 10.9.0.2 5000-5003 10.0.0.0/8,10.1.0.0/16,192.168.1.1 -',
      'forward 3 tcp - eth0 7000-7003 10.9.0.3 70 - 10.9.0.0/24',
      'forward 4 tcp - - 6000-6002 10.9.0.4 80-82 - -',
      'forward 5 tcp - - 443 fd09::2 8443 fd00::/16 fd09::/64',
      'forward 6 udp fd09::1 - 100-101 fd09::3 200-201 - -',
      'forward 7 tcp - - 900-901 fd09::4 900-901 - -',
      'masquerade 1 10.9.0.0/24 - -',
      'masquerade 8 fd09::/64 eth0 fd09::1',
    ));
    expect(chain('prerouting')).toEqual([
      `${any4} tcp dport 8080 counter name "f1" dnat ip to 10.9.0.2:80 comment "f1"`,
      'ip daddr 10.9.0.1 ip saddr { 10.0.0.0/8, 192.168.1.1 } udp dport 5000-5003 counter name "f2" dnat ip to 10.9.0.2 comment "f2"',
      `iifname "eth0" ${any4} tcp dport 7000-7003 counter name "f3" dnat ip to 10.9.0.3:70 comment "f3"`,
      `ip saddr 10.9.0.0/24 ${any4} tcp dport 7000-7003 counter name "f3" dnat ip to 10.9.0.3:70 comment "f3"`,
      `${any4} tcp dport 6000-6002 counter name "f4" dnat ip to tcp dport map { 6000 : 10.9.0.4 . 80, 6001 : 10.9.0.4 . 81, 6002 : 10.9.0.4 . 82 } comment "f4"`,
      `${any6} ip6 saddr fd00::/16 tcp dport 443 counter name "f5" dnat ip6 to [fd09::2]:8443 comment "f5"`,
      'ip6 daddr fd09::1 udp dport 100-101 counter name "f6" dnat ip6 to udp dport map { 100 : fd09::3 . 200, 101 : fd09::3 . 201 } comment "f6"',
      `${any6} tcp dport 900-901 counter name "f7" dnat ip6 to fd09::4 comment "f7"`,
    ]);
    expect(chain('output').map((line) => /comment "(\w+)"/.exec(line)?.[1])).toEqual(['f1', 'f2', 'f4', 'f5', 'f6', 'f7']);
    expect(chain('postrouting')).toEqual([
      'ip saddr 10.9.0.0/24 ip daddr 10.9.0.3 tcp dport 70 ct status dnat masquerade comment "f3"',
      'ip6 saddr fd09::/64 ip6 daddr fd09::2 tcp dport 8443 ct status dnat masquerade comment "f5"',
      'ip saddr 10.9.0.0/24 ip daddr != 10.9.0.0/24 counter name "m1" masquerade comment "m1"',
      'ip6 saddr fd09::/64 ip6 daddr != fd09::/64 oifname "eth0" counter name "m8" snat ip6 to fd09::1 comment "m8"',
    ]);
    expect(chain('forward')).toEqual([
      'ct state established,related accept', 'ct status dnat accept', 'ip saddr 10.9.0.0/24 accept comment "m1"', 'ip6 saddr fd09::/64 oifname "eth0" accept comment "m8"',
    ]);
    expect(host.table()).toMatch(/nat hook prerouting priority dstnat - 1;[^]*nat hook output priority -101;[^]*nat hook postrouting priority srcnat - 1;[^]*filter hook forward priority filter - 1;/);
    expect(host.others()).toBe(before);
    expect((await host.observe()).forwarding).toBe('46');
  });

  test('a rule that is not in canonical form is named by its id, and nothing is changed', async () => {
    await host.keep(forward(1, 8080));
    const before = [host.table(), host.files(), (await host.observe('generation')).generation];
    const bad: readonly [string, string][] = [
      ['forward 2 tcp - - 80 10.0.0.2 80 -', 'line 2'], ['nonsense', 'line 2'], ['forward x tcp - - 80 10.0.0.2 80 - -', 'line 2'], ['forward 0 tcp - - 80 10.0.0.2 80 - -', 'line 2'],
      ['forward 1 tcp - - 80 10.0.0.2 80 - -', '1'],
      ...[
        'sctp - - 80 10.0.0.2 80 - -', 'tcp - - 080 10.0.0.2 80 - -', 'tcp - - 0 10.0.0.2 80 - -', 'tcp - - 80-80 10.0.0.2 80 - -', 'tcp - - 90-80 10.0.0.2 80 - -', 'tcp - - 65536 10.0.0.2 80 - -',
        'tcp - - 80 10.0.0.02 80 - -', 'tcp - - 80 127.0.0.1 80 - -', 'tcp - - 80 0x7f.1 80 - -', 'tcp - - 80 224.0.0.1 80 - -', 'tcp - - 80 ::1 80 - -', 'tcp - - 80 fe80::1 80 - -',
        'tcp - - 80 ::ffff:10.0.0.1 80 - -', 'tcp - - 80 FD00::1 80 - -', 'tcp - - 80 fd00:0::1 80 - -', 'tcp - - 80 web1 80 - -', 'tcp - - 80-90 10.0.0.2 80-85 - -', 'tcp - - 1-1025 10.0.0.2 2-1026 - -',
        'tcp fd00::1 - 80 10.0.0.2 80 - -', 'tcp 10.0.0.1 eth0 80 10.0.0.2 80 - -', 'tcp - lo 80 10.0.0.2 80 - -', 'tcp - eth0" 80 10.0.0.2 80 - -', 'tcp - ../x 80 10.0.0.2 80 - -',
        'tcp - - 80 10.0.0.2 80 10.0.0.1/8 -', 'tcp - - 80 10.0.0.2 80 0.0.0.0/0 -', 'tcp - - 80 10.0.0.2 80 10.0.0.0/33 -', 'tcp - - 80 10.0.0.2 80 10.0.0.1/32 -', 'tcp - - 80 10.0.0.2 80 fd00::/8 -',
        'tcp - - 80 10.0.0.2 80 10.2.0.0/16,10.1.0.0/16 -', 'tcp - - 80 10.0.0.2 80 10.0.0.1, -', 'tcp - - 80 10.0.0.2 80 - 10.1.0.0/16', 'tcp - - 80 10.0.0.2 80 -  -', 'tcp - - 80 10.0.0.2 80 - -;', 'tcp - - 80 10.0.0.2\t80 - -',
        `tcp - - 80 10.0.0.2 80 ${Array.from({ length: 65 }, (_none, at) => `10.0.0.${String(100 + at)}`).join()} -`,
      ].map((line): [string, string] => [`forward 2 ${line}`, '2']),
    ];
    for (const [line, value] of bad) {
      const fails = /\t|  /.test(line) ? 'line 2' : value;
      await failsWith(host.apply(rules(forward(1, 81), line)), 'NAT_RULE', { value: fails });
    }
    for (const line of ['masquerade 3 10.0.0.0/24 -', 'masquerade 3 10.0.0.1/24 - -', 'masquerade 3 10.0.0.0/24 any -', 'masquerade 3 10.0.0.0/24 - fd00::1']) await failsWith(host.apply(rules(line)), 'NAT_RULE');
    await failsWith(host.apply(rules('masquerade 3 10.0.0.0/24 - -', forward(4, 80))), 'NAT_RULE', { value: '4' });
    await failsWith(host.apply(Buffer.from(forward(1, 80))), 'NAT_RULE', { value: 'line 1', rule: 'its end is missing' });
    await failsWith(host.apply(Buffer.from(`${forward(1, 80)}\0\n`)), 'NAT_RULE');
    await failsWith(host.apply(rules(...Array.from({ length: 2001 }, (_none, at) => forward(at + 1, at + 10_000)))), 'NAT_RULE', { value: 'line 2001' });
    await failsWith(host.apply(rules(...Array.from({ length: 17 }, (_none, at) => `forward ${String(at + 1)} tcp - - ${String(10_000 + at * 1024)}-${String(11_023 + at * 1024)} 10.0.0.2 1-1024 - -`))), 'NAT_RULE', { value: '17' });
    for (const confirmS of [0, 9, 601]) await failsWith(host.apply(rules(), { confirmS }), 'FIELD_INVALID', { field: 'confirm_s' });
    expect([host.table(), host.files(), (await host.observe('generation')).generation]).toEqual(before);
  });

  test('what nft refuses is named by its rule in one line, and the table stays byte for byte', { timeout: 60_000 }, async () => {
    await host.keep(forward(1, 8080));
    const before = [host.table(), host.files(), host.privd.inside('cat', '/proc/sys/net/ipv6/conf/all/forwarding')];
    // nft itself, with a rule in front of number 3 that the kernel does not take.
    host.privd.inside('cp', '/usr/sbin/nft', '/usr/sbin/real-nft');
    host.stand('/usr/sbin/nft', `#!/bin/sh\n[ "$1" = -f ] || exec /usr/sbin/real-nft "$@"\nsed '/prerouting.*comment "f3"$/s/counter name f3/counter name nosuch/' | /usr/sbin/real-nft -f -\n`);
    try {
      await failsWith(host.apply(rules(forward(1, 8080), forward(2, 8081), 'forward 3 tcp - - 90 fd00::2 90 - -', forward(4, 8083))), 'NAT_RULE', { value: '3', rule: 'nft: Could not process rule: No such file or directory' });
      host.stand('/usr/sbin/nft', '#!/bin/sh\n[ "$1" = -f ] || exec /usr/sbin/real-nft "$@"\necho "secret of a file\x1b[2J" >&2\nexit 1\n');
      await failsWith(host.apply(rules(forward(2, 8081))), 'TOOL_FAILED', { value: 'nft', rule: 'nft: secret of a file?[2J' });
    } finally {
      host.privd.inside('mv', '/usr/sbin/real-nft', '/usr/sbin/nft');
    }
    expect([host.table(), host.files(), host.privd.inside('cat', '/proc/sys/net/ipv6/conf/all/forwarding')]).toEqual(before);
    expect((await host.observe()).state).toBe('confirmed');
    host.privd.inside('mv', '/usr/sbin/nft', '/usr/sbin/gone');
    await failsWith(host.apply(rules()), 'NAT_ABSENT', { rule: 'there is no /usr/sbin/nft' });
    await failsWith(host.observe(), 'NAT_ABSENT');
    expect((await host.observe('generation')).generation).toBeGreaterThan(0);
    host.privd.inside('mv', '/usr/sbin/gone', '/usr/sbin/nft');
  });

  test('ports of Reeve, of sshd and of its sockets are never forwarded, and no interface that is not there', async () => {
    const reserved = (line: string, value: string, rule: string): Promise<void> => failsWith(host.apply(rules(line)), 'NAT_PORT_RESERVED', { value, rule });
    for (const port of [7420, 7424]) await reserved(forward(1, port), String(port), "it is one of Reeve's own");
    await reserved('forward 1 tcp 10.9.0.1 - 7000-8000 10.0.0.2 80 - -', '7420', "it is one of Reeve's own");
    await reserved('forward 1 tcp - eth0 7424 10.0.0.2 80 - -', '7424', "it is one of Reeve's own");
    host.stand('/usr/sbin/sshd', '#!/bin/sh\n[ "$1" = -T ] || exit 1\nprintf "port 2200\\nport 22\\nlistenaddress 0.0.0.0:22\\n"\n');
    try {
      await reserved(forward(1, 2200), '2200', 'sshd listens on it');
      await reserved('forward 1 tcp - - 20-30 fd00::2 20-30 - -', '22', 'sshd listens on it');
      expect((await host.observe()).sshPort).toEqual([2200, 22]);
      await host.confirm(await host.apply(rules('forward 1 udp - - 5000-8000 10.0.0.2 53 - -')));
      host.stand('/usr/sbin/sshd', '#!/bin/sh\necho "bad configuration" >&2\nexit 255\n');
      await failsWith(host.apply(rules(forward(1, 80))), 'SSHD_CHECK');
      await host.confirm(await host.apply(rules()));
    } finally {
      host.stand('/usr/sbin/sshd', undefined);
    }
    host.privd.inside('useradd', '--system', '--no-create-home', '--uid', '960', 'reeve-agent');
    const listener = spawn('nsenter', ['-t', String(host.privd.firstPid), '-n', 'setpriv', '--reuid', '960', '--clear-groups', process.execPath, '-e', 'require("net").createServer().listen(6001, "::", () => console.log("up"))'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(listener.stdout, 'data');
    await reserved(forward(1, 6001), '6001', 'Reeve listens on it');
    listener.kill();
    await ends(listener);
    host.privd.inside('userdel', 'reeve-agent');
    for (const name of ['eth1', 'all', 'default']) await failsWith(host.apply(rules(`forward 1 tcp - ${name} 80 10.0.0.2 80 - -`)), 'NAT_INTERFACE', { value: name });
    expect(host.table()).toBe('');
  });

  test('the policy is asked for each rule, every port of a range, and for taking over', async () => {
    const denied = (lines: Buffer, line: string): Promise<void> => failsWith(host.apply(lines), 'POLICY_DENIED', { line });
    await denied(rules(forward(1, 80), 'forward 2 udp - - 80 203.0.113.1 80 - -'), 'allow nat.forward to=203.0.113.1 port=80 protocol=udp');
    await denied(rules('forward 2 tcp - - 4000-5000 10.0.0.2 80 - -'), 'allow nat.forward to=10.0.0.2 port=4444 protocol=tcp # and remove line 10, which denies it');
    await denied(rules('masquerade 2 192.168.0.0/24 - -'), 'allow nat.masquerade source=192.168.0.0/24');
    host.privd.writePolicy(natPolicy.replace('allow nat.adopt\n', ''));
    await failsWith(host.apply(rules(), { adopt: Buffer.from(`ip nat PREROUTING 4 ${'0'.repeat(64)}\n`) }), 'POLICY_DENIED', { op: 'nat.adopt', line: 'allow nat.adopt' });
    host.privd.writePolicy(natPolicy.replace('allow nat.apply\n', ''));
    await failsWith(host.apply(rules()), 'POLICY_DENIED', { op: 'nat.apply' });
    host.privd.writePolicy(natPolicy.replace('allow nat.forward ', 'allow nat.forward port=1-100,200 '));
    await denied(rules('forward 2 tcp - - 50-200 10.0.0.2 80 - -'), 'allow nat.forward to=10.0.0.2 port=101 protocol=tcp');
    await host.apply(rules('forward 2 tcp - - 50-100 10.0.0.2 80 - -'));
    expect(host.privd.audit().at(-1)).toMatchObject({ verb: 'nat.apply', phase: 'result' });
  });

  test('what is there is told: lines, counters, forwarding, generation, and whether somebody altered the table', async () => {
    expect(await host.observe()).toMatchObject({ state: 'absent', operation: new Uint8Array(), counter: [], forwarding: '', truncated: false });
    const lines = rules(forward(1, 8080), 'masquerade 2 10.0.0.0/24 - -');
    const operation = await host.apply(lines);
    const pending = await host.observe();
    expect(pending).toMatchObject({ state: 'pending', operation: Uint8Array.from(bytesOf(operation)), forwarding: '4', counter: [{ name: 'f1', packets: 0, bytes: 0 }, { name: 'm2', packets: 0, bytes: 0 }] });
    expect([text(pending.rules), Math.abs(pending.deadlineMs - Date.now() - 60_000) < 5000]).toEqual([lines.toString(), true]);
    await host.confirm(operation);
    const first = await host.observe();
    expect([first.state, first.deadlineMs, text(first.rules)]).toEqual(['confirmed', 0, lines.toString()]);
    host.nft('add rule inet reeve forward drop\n');
    const { generation } = await host.observe('generation');
    expect(generation).not.toBe(first.generation);
    expect((await host.observe()).state).toBe('altered');
    await host.keep(forward(1, 8080), 'masquerade 2 10.0.0.0/24 - -');
    expect([(await host.observe()).state, host.table().includes('drop')]).toEqual(['confirmed', false]);
    host.nft('delete table inet reeve\n');
    expect([(await host.observe()).state, (await host.observe()).counter]).toEqual(['altered', []]);
    await host.keep();
    expect([(await host.observe()).state, host.table(), (await host.observe()).forwarding]).toEqual(['absent', '', '']);
    host.nft('add table inet reeve\n');
    expect((await host.observe()).state).toBe('altered');
    await failsWith(host.privd.call('observe.nat', { scope: 'others' as 'managed' }), 'FIELD_INVALID');
  });

  test('counters go on when other rules come and go, also where somebody altered the table', { timeout: 60_000 }, async () => {
    await host.keep(forward(1, 8080, '10.9.0.2 80'), forward(2, 8081, '10.9.0.2 80'));
    const knock = (port: number): void => { host.privd.inside('timeout', '0.3', 'bash', '-c', `true >/dev/tcp/10.9.0.1/${String(port)} || true`); };
    const counted = async (): Promise<Record<string, number>> => Object.fromEntries((await host.observe()).counter.map(({ name, packets }) => [name, packets]));
    for (const port of [8080, 8080, 8081]) { try { knock(port); } catch { /* nobody is there */ } }
    const before = await counted();
    expect([before['f1'], before['f2']]).toEqual([2, 1]);
    await host.keep(forward(2, 8081, '10.9.0.3 81'), forward(3, 8082));
    expect(await counted()).toEqual({ f2: 1, f3: 0 });
    host.nft('add rule inet reeve forward accept\nadd chain inet reeve mine { type filter hook input priority 0; policy accept; }\n');
    await host.keep(forward(2, 8081), forward(3, 8082), forward(4, 8083));
    expect([await counted(), host.table().includes('chain mine')]).toEqual([{ f2: 1, f3: 0, f4: 0 }, false]);
  });

  test('the tables of others are told without ours, or with it where it is asked for and is not too much', { timeout: 120_000 }, async () => {
    await host.keep(forward(1, 8080));
    expect(text((await host.observe('foreign')).ruleset), 'nobody else is there').toBe('');
    host.nft(foreign);
    host.stand('/usr/sbin/iptables-nft-save', '#!/bin/sh\nprintf "*nat\\nCOMMIT\\n"\necho "a warning" >&2\n');
    try {
      const seen = await host.observe('foreign');
      for (const part of [seen, await host.observe('all')]) {
        expect(JSON.parse(text(part.ruleset))).toHaveProperty('nftables');
        expect(text(part.ruleset)).toContain('{"counter": null}, {"dnat": {"addr": "10.9.0.7"}}');
        expect(text(part.ruleset).includes('"table": "reeve"')).toBe(part !== seen);
        expect(part.counter.length).toBe(part === seen ? 0 : 1);
      }
      expect([text(seen.iptables4), text(seen.iptables6), seen.truncated]).toEqual(['*nat\nCOMMIT\n', '', false]);
    } finally {
      host.stand('/usr/sbin/iptables-nft-save', undefined);
    }
    const before = host.others();
    const many = Array.from({ length: 2000 }, (_none, at) => `forward ${String(at + 1)} udp - - ${String(10_000 + at)} 10.0.0.2 ${String(20_000 + at)} - 10.0.0.0/24`);
    const begun = Date.now();
    await host.keep(...many);
    process.stdout.write(`nat: 2,000 forwards applied and confirmed in ${String(Date.now() - begun)} ms\n`);
    const seen = await host.observe('all');
    expect([seen.counter.length, seen.truncated, text(seen.ruleset).includes('"table": "reeve"')]).toEqual([2000, false, false]);
    expect((JSON.parse(text(seen.ruleset)) as { nftables: unknown[] }).nftables.length).toBe((JSON.parse(before) as unknown[]).length);
    expect(host.others()).toBe(before);
    await host.keep();
    expect([host.table(), host.others()]).toEqual(['', before]);
  });

  test('IPv6 is not forwarded where the default route came by itself, until the host is told to keep it', { timeout: 60_000 }, async () => {
    const set = (name: string, value: number): void => { host.privd.inside('sh', '-c', `echo ${String(value)} >/proc/sys/net/ipv6/conf/eth0/${name}`); };
    const isRouted = (): boolean => host.privd.inside('ip', '-6', 'route', 'show', 'default').includes('proto ra');
    // The other end of eth0 is this host too.
    set('accept_ra_from_local', 1);
    set('accept_ra', 1);
    // A router advertisement, RFC 4861 4.2: type 134, hop limit 64, router for 600 s; the kernel fills in the checksum.
    const advertise = `import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.sendto(bytes([134, 0, 0, 0, 64, 0, 2, 88]) + bytes(8), ("ff02::1", 0, 0, socket.if_nametoindex("eth0-peer")))`;
    // It has no address to send from before the kernel has seen that nobody else has it.
    for (let i = 0; i < 50 && !isRouted(); i++) {
      try { host.privd.inside('python3', '-c', advertise); } catch { /* later */ }
      await new Promise((done) => { setTimeout(done, 100); });
    }
    expect(isRouted(), host.privd.inside('cat', '/proc/net/ipv6_route')).toBe(true);
    const lines = rules('forward 1 tcp - - 80 fd09::2 80 - -');
    await failsWith(host.apply(lines), 'NAT_FORWARDING', { value: 'eth0' });
    expect([host.table(), isRouted(), (await host.observe()).forwarding]).toEqual(['', true, '']);
    await host.confirm(await host.apply(rules(forward(1, 8080))));
    set('accept_ra', 2);
    await host.apply(lines);
    expect([(await host.observe()).forwarding, isRouted()]).toEqual(['46', true]);
  });
});
