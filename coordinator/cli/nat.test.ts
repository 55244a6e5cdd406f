import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { reeveError } from '../../shared/errors/error.js';
import type { ErrorCode } from '../../shared/errors/catalogue.js';
import { answers } from './testing/answer.js';
import { startCoordinator, type CannedCoordinator } from './testing/coordinator.js';
import { runCaptured } from './testing/terminal.js';

const add = ['nat', 'add', 'vm1', '--proto', 'tcp'];

describe('reeve nat', () => {
  let coordinator: CannedCoordinator;
  beforeAll(async () => {
    coordinator = await startCoordinator();
  });
  afterAll(() => coordinator.close());
  beforeEach(() => {
    coordinator.answers = answers;
    coordinator.requests.length = 0;
  });
  const run = (line: readonly string[], options = {}) => runCaptured(coordinator.socket, line, options);
  const asked = () => coordinator.requests.map(({ request }) => request);

  const forward = { id: 0, protocol: 'NAT_PROTOCOL_TCP', listenAddress: '', listenInterface: '', ports: { first: 8080, last: 8080 }, toAddress: '', toPorts: { first: 80, last: 80 }, sources: [], hairpin: true, adopt: false };
  const adds: readonly (readonly [args: readonly string[], request: object])[] = [
    [['--port', '8080', '--to', 'web1:80'], { forward, toHost: 'web1', comment: '', disabled: false, confirm: null }],
    [['--port', '8080', '--to', '198.19.200.2:80', '--no-hairpin', '--disabled'], { forward: { ...forward, toAddress: '198.19.200.2', hairpin: false }, toHost: '', disabled: true }],
    [['--port', '8000-8090', '--to', '[2001:db8::7]:80', '--listen', '2001:db8::1'], { forward: { ...forward, ports: { first: 8000, last: 8090 }, toAddress: '2001:db8::7', listenAddress: '2001:db8::1' } }],
    [['--port', '8000-8002', '--to', 'web1.example.org:90-92', '--interface', 'eth0.5'], { forward: { ...forward, ports: { first: 8000, last: 8002 }, toPorts: { first: 90, last: 92 }, listenInterface: 'eth0.5' }, toHost: 'web1.example.org' }],
    [['--port', '8080', '--to', 'web1:80', '--source', '203.0.113.0/24', '--source', '192.0.2.9', '--source', '192.0.2.9/32'], { forward: { ...forward, sources: ['192.0.2.9', '203.0.113.0/24'] } }],
    [['--port', '8080', '--to', 'web1:80', '--source', '2001:db8::/32'], { forward: { ...forward, sources: ['2001:db8::/32'] }, toHost: 'web1' }],
    [['--port', '8080', '--to', 'web1:80', '--confirm', 'manual', '--confirm-timeout', '5m'], { confirm: { manual: true, timeout: { seconds: 300, nanos: 0 } } }],
    [['--port', '8080', '--to', 'web1:80', '--confirm', 'auto', '--comment', 'Ada’s site, v2'], { confirm: { manual: false, timeout: null }, comment: 'Ada’s site, v2' }],
  ];
  it.each(adds)('add %j sends what was typed', async (args, request) => {
    expect(await run([...add, ...args, '--yes'])).toMatchObject({ exit: 0 });
    expect(asked()).toMatchObject([{ host: 'vm1', options: { mode: 'CHANGE_MODE_APPLY' }, ...request }]);
  });

  it('of the other verbs send what was typed', async () => {
    await run(['nat', 'masquerade', 'vm1', '--source', '198.19.200.0/24', '--interface', 'eth0', '--address', '192.0.2.1', '--comment', 'guests', '--confirm-timeout', '10s', '--plan']);
    await run(['nat', 'remove', 'vm1', '12', '--stage']);
    await run(['nat', 'enable', 'vm1', 'udp/53', '--yes']);
    await run(['nat', 'disable', 'vm1', 'udp/53', '--confirm', 'manual', '--yes']);
    await run(['nat', 'list', '--on', 'role=web']);
    await run(['nat', 'list', 'vm1']);
    await run(['nat', 'trace', 'vm1', 'udp/53', '--from', '2001:db8::9', '--to-address', '2001:db8::1']);
    await run(['nat', 'confirm', 'vm1']);
    await run(['why', 'nat', 'vm1:udp/53']);
    expect(coordinator.requests).toMatchObject([
      { method: 'NatService.AddMasquerade', request: { host: 'vm1', masquerade: { id: 0, source: '198.19.200.0/24', outInterface: 'eth0', toAddress: '192.0.2.1' }, comment: 'guests', confirm: { manual: false, timeout: { seconds: 10 } } } },
      { method: 'NatService.RemoveNat', request: { host: 'vm1', which: '12', confirm: null, options: { mode: 'CHANGE_MODE_STAGE' } } },
      { method: 'NatService.SetNat', request: { which: 'udp/53', enabled: true, confirm: null } },
      { method: 'NatService.SetNat', request: { which: 'udp/53', enabled: false, confirm: { manual: true } } },
      { method: 'NatService.ListNat', request: { selector: 'role=web', counters: true } },
      { method: 'NatService.ListNat', request: { selector: 'vm1' } },
      { method: 'NatService.TraceNat', request: { host: 'vm1', protocol: 'NAT_PROTOCOL_UDP', port: 53, from: '2001:db8::9', to: '2001:db8::1' } },
      { method: 'NatService.ConfirmNat', request: { host: 'vm1' } },
      { method: 'NatService.ExplainNat', request: { host: 'vm1', protocol: 'NAT_PROTOCOL_UDP', port: 53 } },
    ]);
  });

  const port = 'a port from 1 to 65535, or two with "-" between, the lower one first';
  const machine = 'an IPv4 or IPv6 address of a machine';
  const mistakes: readonly (readonly [line: readonly string[], says: string])[] = [
    [[...add, '--port', '0', '--to', 'web1:80'], `--port "0" is not allowed: ${port}`],
    [[...add, '--port', '65536', '--to', 'web1:80'], `--port "65536" is not allowed: ${port}`],
    [[...add, '--port', '90-80', '--to', 'web1:80'], `--port "90-80" is not allowed: ${port}`],
    [[...add, '--port', '80,81', '--to', 'web1:80'], `--port "80,81" is not allowed: ${port}`],
    [[...add, '--port', '80', '--to', 'web1'], '--to "web1" is not allowed: NAME:PORT, ADDRESS:PORT or [IPV6]:PORT'],
    [[...add, '--port', '80', '--to', '2001:db8::7:80'], '--to "2001:db8::7:80" is not allowed: NAME:PORT, ADDRESS:PORT or [IPV6]:PORT'],
    [[...add, '--port', '80', '--to', '[192.0.2.7]:80'], '--to "[192.0.2.7]:80" is not allowed: brackets around an IPv6 address only'],
    [[...add, '--port', '80', '--to', '[::ffff:192.0.2.7]:80'], `--to "::ffff:192.0.2.7" is not allowed: ${machine}`],
    [[...add, '--port', '80', '--to', '[fe80::1]:80'], `--to "fe80::1" is not allowed: ${machine}`],
    [[...add, '--port', '80', '--to', '127.0.0.1:80'], `--to "127.0.0.1" is not allowed: ${machine}`],
    [[...add, '--port', '80', '--to', '192.0.2.256:80'], `--to "192.0.2.256" is not allowed: ${machine}`],
    [[...add, '--port', '80', '--to', 'web1:'], '--to "web1:" is not allowed'],
    [[...add, '--port', '80', '--to', 'web1:http'], `port of --to "http" is not allowed: ${port}`],
    [[...add, '--port', '80', '--to', 'Web1:80'], '--to "Web1" is not allowed: lower-case letters'],
    [[...add, '--port', '80', '--to', '"; flush ruleset #:80'], '--to ""; flush ruleset #" is not allowed: lower-case letters'],
    [[...add, '--port', '8000-8004', '--to', 'web1:9000-9002'], 'destination port "9000-9002" is not allowed: one port, or as many as are forwarded (5)'],
    [[...add, '--port', '1-2000', '--to', 'web1:3001-5000'], 'port "1-2000" is not allowed: at most 1024 ports where their numbers change'],
    [[...add, '--port', '80', '--to', 'web1:80', '--listen', '0.0.0.0'], `--listen "0.0.0.0" is not allowed: ${machine}`],
    [[...add, '--port', '80', '--to', '192.0.2.7:80', '--listen', '2001:db8::1'], 'listen address "2001:db8::1" is not allowed: an address of the family of the destination'],
    [[...add, '--port', '80', '--to', 'web1:80', '--interface', 'eth0" drop; #'], '--interface "eth0" drop; #" is not allowed: the name of a network interface'],
    [[...add, '--port', '80', '--to', 'web1:80', '--interface', 'lo'], '--interface "lo" is not allowed: the name of a network interface'],
    [[...add, '--port', '80', '--to', 'web1:80', '--source', '198.18.1.1/15'], '--source "198.18.1.1/15" is not allowed: an address or ADDRESS/PREFIX'],
    [[...add, '--port', '80', '--to', '192.0.2.7:80', '--source', 'fd00::/8'], 'source "fd00::/8" is not allowed: a network of the family of the destination'],
    [[...add, '--port', '80', '--to', 'web1:80', '--source', 'fd00::/8', '--source', '192.0.2.1'], 'source "192.0.2.1" is not allowed: a network of the family of the destination'],
    [[...add, '--port', '80', '--to', 'web1:80', ...Array.from({ length: 65 }, (_each, index) => ['--source', `192.0.2.${String(index)}`]).flat()], 'source "65" is not allowed: at most 64 networks'],
    [[...add, '--port', '80', '--to', 'web1:80', '--comment', 'two\nlines'], '--comment "two\\u{a}lines" is not allowed: letters, marks, numbers, punctuation and spaces, at most 200 characters'],
    [[...add, '--port', '80', '--to', 'web1:80', '--comment', 'x'.repeat(201)], 'at most 200 characters'],
    [[...add, '--port', '80', '--to', 'web1:80', '--confirm-timeout', '5s'], '--confirm-timeout "5s" is not allowed: 10s to 10m'],
    [[...add, '--port', '80', '--to', 'web1:80', '--confirm-timeout', '11m'], '--confirm-timeout "11m" is not allowed: 10s to 10m'],
    [[...add, '--port', '80', '--to', 'web1:80', '--confirm-timeout', '60'], '--confirm-timeout "60" is not allowed: a whole number with its unit'],
    [['nat', 'add', 'VM1', '--proto', 'tcp', '--port', '80', '--to', 'web1:80'], 'host name "VM1" is not allowed'],
    [['nat', 'masquerade', 'vm1', '--source', '0.0.0.0/0'], '--source "0.0.0.0/0" is not allowed'],
    [['nat', 'masquerade', 'vm1', '--source', '198.19.0.0/16', '--address', '2001:db8::1'], 'address "2001:db8::1" is not allowed: an address of the family of the source'],
    [['nat', 'masquerade', 'vm1', '--source', '198.19.0.0/16', '--interface', 'ETH0'], '--interface "ETH0" is not allowed'],
    [['nat', 'remove', 'vm1', '0'], 'number of the forward or masquerade "0" is not allowed: a whole number from 1 to 2147483647'],
    [['nat', 'remove', 'vm1', '8080/tcp'], 'forward or masquerade "8080/tcp" is not allowed: tcp/PORT or udp/PORT, e.g. tcp/8080'],
    [['nat', 'enable', 'vm1', 'tcp/80-90'], 'forward or masquerade "tcp/80-90" is not allowed: tcp/PORT or udp/PORT'],
    [['nat', 'adopt', 'vm1', 'masquerade:198.19.200.1/24'], 'network of a masquerade "198.19.200.1/24" is not allowed'],
    [['nat', 'adopt', 'vm1', '12'], 'what is taken over "12" is not allowed: tcp/PORT or udp/PORT'],
    [['nat', 'adopt', 'vm1', 'tcp/80', '--all'], '--all "given" is not allowed: it cannot stand with single ones'],
    [['nat', 'list', 'vm1', '--on', 'all'], '--on "all" is not allowed: it cannot stand with the name of a host'],
    [['nat', 'trace', 'vm1', 'tcp/80', '--from', '::1'], `--from "::1" is not allowed: ${machine}`],
    [['nat', 'trace', 'vm1', 'icmp/8', '--from', '192.0.2.1'], 'port "icmp/8" is not allowed: tcp/PORT or udp/PORT'],
    [['nat', 'trace', 'vm1', 'tcp/80', '--from', '192.0.2.1', '--to-address', '2001:db8::1'], '--to-address "2001:db8::1" is not allowed: an address of the family of --from'],
    [['why', 'nat', 'vm1'], 'where "vm1" is not allowed: HOST:tcp/PORT or HOST:udp/PORT'],
    [['why', 'nat', 'vm1:tcp/99999'], 'port "tcp/99999" is not allowed: tcp/PORT or udp/PORT'],
  ];
  it.each(mistakes)('refuses %j before it asks anybody', async (line, says) => {
    const ran = await run([...line, ...(['add', 'masquerade', 'remove', 'enable', 'adopt'].includes(line[1] ?? '') ? ['--yes'] : [])]);
    expect(ran.err).toContain(says);
    expect(ran.err.split('\n')).toHaveLength(2);
    expect(ran).toMatchObject({ exit: 2, out: '' });
    expect(coordinator.requests).toEqual([]);
  });

  it.each([
    ['NAT_NO_WITNESS', 2], ['NAT_EXISTS', 2], ['NAT_DESTINATION', 2], ['NAT_UNKNOWN', 2], ['NAT_ADOPT', 1], ['HOST_UNREACHABLE', 3], ['HOST_UNKNOWN', 2],
  ] as const satisfies readonly (readonly [ErrorCode, number])[])('that the coordinator refuses with %s exits %i', async (code, exit) => {
    coordinator.answers = {
      'NatService.AddForward': () => {
        throw reeveError(code, { host: 'vm1', value: 'tcp/8080', rule: 'no', reason: 'away' });
      },
    };
    expect(await run([...add, '--port', '80', '--to', 'web1:80', '--yes'])).toMatchObject({ exit, out: '' });
  });

  it('confirm says that nothing waits', async () => {
    coordinator.answers = {
      'NatService.ConfirmNat': () => {
        throw reeveError('CONFIRM_UNKNOWN', { host: 'vm1', value: 'of noun nat that waits for a person' });
      },
    };
    expect(await run(['nat', 'confirm', 'vm1'])).toMatchObject({ exit: 1, err: 'reeve: Host "vm1" has no pending change of noun nat that waits for a person\n' });
  });

  it('adopt shows what stays and which lines have to be taken out before it asks, and only of those that were named', async () => {
    const all = await run(['nat', 'adopt', 'web1'], { answer: 'n' });
    expect(all).toMatchObject({ exit: 1, asked: ['Apply? [y/N] '] });
    expect(all.out).toContain('ip nat DOCKER handle 9       tcp/8082 -> 198.19.200.2:80 from 192.0.2.0/24  docker  no: docker makes it, and makes it again\n');
    expect(all.out).toContain('  /etc/network/interfaces:12  tcp/8081 -> 198.19.200.3:80\n  /etc/rc.local:3             tcp/8081 -> 198.19.200.3:80\n');
    expect(all.out).not.toContain('/etc/docker');
    coordinator.requests.length = 0;
    const some = await run(['nat', 'adopt', 'web1', 'tcp/8081', 'masquerade:198.19.201.0/24', '--plan']);
    expect(some.out).not.toContain('DOCKER');
    expect(some.out).toContain('/etc/rc.local:3');
    expect(asked()).toMatchObject([{ host: 'web1', foreign: true }, { host: 'web1', which: ['tcp/8081', 'masquerade:198.19.201.0/24'], options: { mode: 'CHANGE_MODE_PLAN' } }]);
    coordinator.requests.length = 0;
    expect(await run(['nat', 'adopt', 'web1'])).toMatchObject({ exit: 2 });
    expect(coordinator.requests).toEqual([]);
  });

  const packet = ['nat', 'trace', 'vm1', 'tcp/8080', '--from', '203.0.113.9'];
  const step = { rule: 'inet reeve forward handle 3', verdict: 'accept', ours: true };
  it.each([
    [{ steps: [step], verdict: 'accept', arrives: '198.19.200.2:80', interface: 'eth0' }, 'tcp/8080 of host "vm1" from 203.0.113.9, in by eth0, arrives at 198.19.200.2:80.'],
    [{ steps: [], verdict: 'accept', arrives: 'this host:8080', interface: '' }, 'tcp/8080 of host "vm1" from 203.0.113.9 arrives at this host:8080.'],
    [{ steps: [{ ...step, ours: false, rule: 'ip filter FORWARD policy' }], verdict: 'reject', interface: 'eth0' }, 'tcp/8080 of host "vm1" from 203.0.113.9, in by eth0, is rejected by ip filter FORWARD policy.'],
    [{ steps: [{ ...step, maybe: true }, step], verdict: 'accept', arrives: 'x:1' }, 'arrives at x:1. A step that may match could decide otherwise.'],
    [{ steps: [step], verdict: 'unknown' }, 'What becomes of tcp/8080 of host "vm1" from 203.0.113.9 is not known: it meets a rule that Reeve does not understand.'],
  ])('trace ends with a sentence: %j', async (found, sentence) => {
    coordinator.answers = { 'NatService.TraceNat': () => found };
    expect((await run(packet)).out.endsWith(`${sentence}\n`)).toBe(true);
  });

  const row = { hostName: 'vm1', forward, enabled: true };
  it.each([
    [{ state: 'confirmed' }, 'tcp/8080 of host "vm1" is not forwarded by Reeve: the inventory has no forward of it.'],
    [{ rows: [{ ...row, enabled: false }], state: 'confirmed' }, 'its forward is disabled. To enable it: reeve nat enable vm1 tcp/8080'],
    [{ rows: [{ ...row, pending: true }], state: 'absent' }, 'the host still has to be told. See: reeve pending --on vm1'],
    [{ rows: [row], state: 'confirmed' }, 'tcp/8080 of host "vm1" is forwarded by Reeve.'],
    [{ rows: [row], state: 'pending' }, 'the change is not confirmed yet; the host takes it back unless it is.'],
    [{ rows: [row], state: 'altered' }, 'somebody altered table inet reeve of the host. To put it right: reeve apply --on vm1 --noun nat'],
    [{ rows: [row], state: 'absent' }, 'the host has no table inet reeve. To put it right: reeve apply --on vm1 --noun nat'],
    [{ rows: [row], state: 'unknown' }, 'whether it is, is not known: the host did not answer.'],
    [{ rows: [row], state: 'of a newer\u001b one' }, 'the host says of its table: of a newer\\u{1b} one.'],
  ])('why begins with a sentence: %j', async (found, sentence) => {
    coordinator.answers = { 'NatService.ExplainNat': () => found };
    const [first] = (await run(['why', 'nat', 'vm1:tcp/8080'])).out.split('\n');
    expect(first).toContain(sentence);
  });

  it('says so when there is nothing', async () => {
    coordinator.answers = { 'NatService.ListNat': () => ({}), 'NatService.ObserveNat': () => ({ state: 'absent' }) };
    expect((await run(['nat', 'list'])).out).toBe('No forwards. To add one: reeve nat add HOST --proto tcp --port PORT --to NAME:PORT\n');
    expect((await run(['nat', 'show', 'vm1'])).out).toBe('state  absent: Reeve has made nothing here\n\nNo forwards and masquerades of Reeve.\n\nNo forwards and masquerades of others.\n');
  });
});

describe('reeve completion', () => {
  let coordinator: CannedCoordinator;
  beforeAll(async () => {
    coordinator = await startCoordinator();
  });
  afterAll(() => coordinator.close());

  it('names hosts and forwards, and nothing that a shell would expand', async () => {
    coordinator.answers = { ...answers, 'HostService.ListHost': () => ({ hosts: [{ name: 'web1' }, { name: 'web2.example.org' }, { name: '$(reboot)' }, { name: '`reboot`' }, { name: '-x' }, { name: '' }] }) };
    expect(await runCaptured(coordinator.socket, ['completion', 'hosts'])).toMatchObject({ exit: 0, out: 'web1\nweb2.example.org\n' });
    expect(await runCaptured(coordinator.socket, ['completion', 'forwards', 'web1'])).toMatchObject({ exit: 0, out: 'tcp/8080\nudp/5000\n' });
    expect(await runCaptured(coordinator.socket, ['completion', 'forwards'])).toMatchObject({ exit: 2, out: '' });
  });
});
