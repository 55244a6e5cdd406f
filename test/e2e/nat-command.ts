import { expect, test } from 'vitest';
import type { CommandAnswer } from '../support/chaos.js';
import type { NatFleet } from '../support/nat-fleet.js';
import { reeveTable, waitNothingPends } from '../support/nat-fleet.js';
import { ask } from '../support/nat-probe.js';
import { errorsOf, natCommands } from '../support/nat-setting.js';
import { until } from '../support/until.js';

const refusals: readonly (readonly [name: string, args: readonly string[], says: RegExp])[] = [
  ['a port beyond the last', ['add', 'front', '--proto', 'tcp', '--port', '65536', '--to', 'web1:80'], /port.*65536/],
  ['a range that runs backwards', ['add', 'front', '--proto', 'tcp', '--port', '90-80', '--to', 'web1:80'], /90-80/],
  ['ranges of two lengths', ['add', 'front', '--proto', 'tcp', '--port', '8000-8004', '--to', 'web1:9000-9002'], /9000-9002/],
  ['another protocol', ['add', 'front', '--proto', 'icmp', '--port', '80', '--to', 'web1:80'], /icmp/],
  ['an address that is none', ['add', 'front', '--proto', 'tcp', '--port', '80', '--to', '198.19.200.256:80'], /198\.19\.200\.256/],
  ['loopback', ['add', 'front', '--proto', 'tcp', '--port', '80', '--to', '127.0.0.1:80'], /127\.0\.0\.1/],
  ['IPv4 inside IPv6', ['add', 'front', '--proto', 'tcp', '--port', '80', '--to', '[::ffff:198.19.200.2]:80'], /ffff/],
  ['nft of somebody’s own', ['add', 'front', '--proto', 'tcp', '--port', '80', '--to', 'web1:80', '--interface', 'eth0" drop; #'], /interface/],
  ['a source of the other family', ['add', 'front', '--proto', 'tcp', '--port', '80', '--to', 'web1:80', '--source', 'fd00::/8'], /fd00::\/8/],
  ['a source that is no network', ['add', 'front', '--proto', 'tcp', '--port', '80', '--to', 'web1:80', '--source', '198.18.1.1/15'], /198\.18\.1\.1\/15/],
  ['a guest of somebody else', ['add', 'front', '--proto', 'tcp', '--port', '80', '--to', 'desk:80'], /desk/],
  ['a host that nobody knows', ['add', 'nowhere', '--proto', 'tcp', '--port', '80', '--to', 'web1:80'], /nowhere/],
  ['a listen address and an interface', ['add', 'front', '--proto', 'tcp', '--port', '80', '--to', 'web1:80', '--listen', '198.18.1.2', '--interface', 'host0'], /interface/],
  ['a masquerade of everything', ['masquerade', 'front', '--source', '0.0.0.0/0'], /0\.0\.0\.0/],
  ['too little time', ['add', 'front', '--proto', 'tcp', '--port', '80', '--to', 'web1:80', '--confirm-timeout', '5s'], /10 ?s/],
  ['a port that is taken', ['add', 'front', '--proto', 'tcp', '--port', '8070-8090', '--to', 'web1:8070-8090'], /8080/],
  ['the same, for one address', ['add', 'front', '--proto', 'tcp', '--port', '8080', '--to', 'web1:80', '--listen', '198.19.200.1'], /8080/],
  ['what is not there', ['remove', 'front', 'tcp/4711'], /4711/],
  ['a number that is not there', ['disable', 'front', '99999'], /99999/],
];

/** What people see and do at the command line. */
export function testCommands(fleetOf: () => NatFleet): void {
  const { change, refused, remove, rowOf, rows } = natCommands(fleetOf);
  const asked = async (port: number): Promise<string | undefined> => (await ask(fleetOf().desk, 'tcp', fleetOf().front.address, [port]))[0];

  test.each(refusals)('bad input is refused with its value and changes nothing: %s', async (_name, args, says) => {
    const errors = await refused(args, 2);
    expect(errors.map(({ message }) => message).join('\n')).toMatch(says);
    expect(errors.map(({ message }) => message).join('\n')).not.toMatch(/\bat .*\.(?:js|ts):\d/);
  });

  test('ports of sshd and of Reeve are never forwarded, nor a range that holds one', async () => {
    for (const port of ['22', '7420', '7424', '20-25', '7400-7421']) {
      const errors = errorsOf((await fleetOf().reeve(['nat', 'add', 'front', '--proto', 'tcp', '--port', port, '--to', `198.19.200.3:80`, '--yes', '--json'])).stdout);
      expect(errors.map(({ code }) => code), port).toEqual(['NAT_PORT_RESERVED']);
    }
    expect((await rows()).filter(({ forward }) => forward !== null && [22, 7420, 7424, 20, 7400].includes(forward.ports?.first ?? 0))).toEqual([]);
    expect(await reeveTable(fleetOf().front)).not.toMatch(/dport (?:22|74)/);
  });

  test('what the policy of the host does not allow is refused by the host, with the line that would', async () => {
    const errors = await refused(['add', 'front', '--proto', 'tcp', '--port', '8090', '--to', '203.0.113.9:80'], 1);
    expect(errors).toMatchObject([{ code: 'POLICY_DENIED' }]);
    expect(JSON.stringify(errors)).toMatch(/allow nat\.forward to=203\.0\.113\.9/);
  });

  test('list and show tell what is there and how much it was used, why who put it there, trace the way of a packet', async () => {
    const { desk, inside, reeve } = fleetOf();
    const used = async (): Promise<number> => Number((await rowOf(8080)).counter?.connections ?? 0);
    const before = await used();
    for (let n = 0; n < 3; n++) await asked(8080);
    expect(await used()).toBe(before + 3);
    expect(await rowOf(8080)).toMatchObject({ hostName: 'front', toHost: 'web1', enabled: true, pending: false, addedBy: 'root' });
    const list = await reeve(['nat', 'list', 'front']);
    expect(list.stdout).toMatch(/front .*tcp\/8080 .*web1/);
    expect(list.stdout).toContain('the site');
    const show = await reeve(['nat', 'show', 'front']);
    expect(show.stdout).toMatch(/confirmed/);
    expect(show.stdout).toMatch(/tcp\/8080 .*198\.19\.200\.2:80/);
    const why = await reeve(['why', 'nat', 'front:tcp/8080']);
    expect(why.code, why.stderr).toBe(0);
    expect(why.stdout).toMatch(/root/);
    expect(why.stdout).toMatch(/web1/);
    const trace = await reeve(['nat', 'trace', 'front', 'tcp/8080', '--from', desk.address]);
    expect(trace.code, trace.stderr).toBe(0);
    expect(trace.stdout).toMatch(/inet reeve prerouting/);
    expect(trace.stdout).toContain(`${inside.guest(1).address}:80`);
    expect((await reeve(['nat', 'trace', 'front', 'tcp/8081', '--from', desk.address])).stdout).toMatch(/in by host0, arrives at this host:8081/);
  });

  test('counters are kept when other forwards change', async () => {
    const before = Number((await rowOf(8080)).counter?.connections);
    expect(before).toBeGreaterThan(0);
    await change(['add', 'front', '--proto', 'tcp', '--port', '8091', '--to', 'web1:80']);
    await remove('tcp/8091');
    expect(Number((await rowOf(8080)).counter?.connections)).toBe(before);
  });

  test('a disabled forward keeps its place and forwards nothing; enabled it does again', async () => {
    const { id } = (await rowOf(8080)).forward!;
    await change(['disable', 'front', String(id)]);
    expect([await asked(8080), (await rowOf(8080)).enabled]).toEqual(['refused', false]);
    expect((await refused(['add', 'front', '--proto', 'tcp', '--port', '8080', '--to', '198.19.200.3:80'], 2)).map(({ code }) => code)).toEqual(['NAT_EXISTS']);
    await change(['enable', 'front', String(id)]);
    expect([await asked(8080), (await rowOf(8080)).enabled]).toEqual([`web1 saw ${fleetOf().desk.address} at 80`, true]);
  });

  test('one bad rule among many: nothing changes, every bad one is named, and without them the rest is made', async () => {
    const { front, inside, reeve } = fleetOf();
    const web2 = inside.guest(2).address;
    const stage = (args: readonly string[]) => fleetOf().json(['nat', 'add', 'front', '--proto', 'tcp', ...args, '--stage']);
    const before = await reeveTable(front);
    for (let port = 8101; port <= 8104; port++) await stage(['--port', String(port), '--to', `${web2}:80`]);
    for (const [port, name] of [['8105', 'nosuch1'], ['8106', 'nosuch2']] as const) await stage(['--port', port, '--to', `${web2}:80`, '--interface', name]);
    const failed = await reeve(['apply', '--on', 'front', '--noun', 'nat', '--yes', '--json']);
    expect(failed.code, failed.stdout).toBe(1);
    const messages = errorsOf(failed.stdout).map(({ message }) => message).join('\n');
    expect(messages).toMatch(/nosuch1/);
    expect(messages).toMatch(/nosuch2/);
    expect(await reeveTable(front)).toBe(before);
    expect(await asked(8101)).toBe('refused');
    for (const port of ['tcp/8105', 'tcp/8106']) await fleetOf().json(['nat', 'remove', 'front', port, '--stage']);
    await fleetOf().json(['apply', '--on', 'front', '--noun', 'nat', '--yes']);
    expect(await ask(fleetOf().desk, 'tcp', front.address, [8101, 8102, 8103, 8104, 8105])).toEqual([...Array<string>(4).fill(`web2 saw ${fleetOf().desk.address} at 80`), 'refused']);
    await remove('tcp/8101', 'tcp/8102', 'tcp/8103', 'tcp/8104');
  });

  test('of two people who want one port at once, one gets it and the other is told what stands there', async () => {
    const both = await Promise.all([8001, 8002].map(async (port) => ({ port, ...(await fleetOf().reeve(['nat', 'add', 'front', '--proto', 'tcp', '--port', '8110', '--to', `web1:${String(port)}`, '--yes', '--json'])) })));
    const [won, lost] = both.toSorted((a, b) => a.code - b.code);
    expect(won!.code, won!.stdout).toBe(0);
    expect(errorsOf(lost!.stdout)).toMatchObject([{ code: 'NAT_EXISTS', message: expect.stringMatching(/8110[\s\S]*(?:198\.19\.200\.2|web1):800[12]/) as string }]);
    expect(await asked(8110)).toBe(`web1 saw ${fleetOf().desk.address} at ${String(won!.port)}`);
    await remove('tcp/8110');
  });

  test('who answers a plan after somebody else has changed the host is told what moved, and changes nothing', async () => {
    const { hub } = fleetOf();
    const person = hub.spawn(['script', '--quiet', '--return', '--command', 'reeve nat add front --proto tcp --port 8111 --to web1:80', '/dev/null']);
    let screen = '';
    person.stdout?.on('data', (chunk: Buffer) => (screen += chunk.toString()));
    await until(() => /Apply\?/.test(screen), { timeoutMs: 20_000, what: 'the question' });
    await change(['add', 'front', '--proto', 'tcp', '--port', '8112', '--to', 'web1:80']);
    const ended = new Promise<number | null>((resolve) => person.once('close', resolve));
    person.stdin?.write('yes\n');
    expect(await ended, screen).not.toBe(0);
    expect(screen).toMatch(/moved since the plan was made: nat .*forward \d+/);
    expect([await asked(8111), await asked(8112)]).toEqual(['refused', `web1 saw ${fleetOf().desk.address} at 80`]);
    await remove('tcp/8112');
  });

  test('--confirm manual waits for a person, who confirms, or does not', async () => {
    const { front, reeve, json } = fleetOf();
    const add = (port: string, timeout: string) => reeve(['nat', 'add', 'front', '--proto', 'tcp', '--port', port, '--to', 'web1:80', '--confirm', 'manual', '--confirm-timeout', timeout, '--yes', '--json']);
    const waiting = add('8120', '60s');
    await until(async () => /saw/.test((await asked(8120)) ?? ''), { timeoutMs: 20_000, what: 'the change to be made' });
    await until(async () => (await reeve(['nat', 'confirm', 'front'])).code === 0, { timeoutMs: 20_000, what: 'it to be confirmed' });
    expect((await waiting).code).toBe(0);
    await waitNothingPends(front);
    const left = await add('8121', '10s');
    expect(left.code, left.stdout).toBe(1);
    expect(errorsOf(left.stdout)).toMatchObject([{ code: 'CONFIRM_REVERTED' }]);
    expect([await asked(8120), await asked(8121)]).toEqual([`web1 saw ${fleetOf().desk.address} at 80`, 'refused']);
    expect((await reeve(['nat', 'confirm', 'front'])).code, 'there is nothing to confirm').toBe(1);
    expect(await rowOf(8121)).toMatchObject({ pending: true, pendingReason: expect.stringMatching(/reverted/) as string });
    await remove('tcp/8121', 'tcp/8120');
    expect((await json<{ pending: unknown[] }>(['pending'])).pending).toEqual([]);
  });

  test('a table that somebody altered by hand is told, and made as it should be', async () => {
    const { front, reeve, json } = fleetOf();
    await front.run(['nft', 'flush', 'chain', 'inet', 'reeve', 'prerouting']);
    expect(await asked(8080)).toBe('refused');
    expect((await json<{ state: string }>(['nat', 'show', 'front'])).state).toBe('altered');
    expect((await reeve(['plan', '--on', 'front', '--noun', 'nat'])).stdout).toMatch(/altered/);
    const put = await json<CommandAnswer>(['apply', '--on', 'front', '--noun', 'nat', '--yes']);
    expect(put.hosts.flatMap((row) => row.changes)).not.toEqual([]);
    expect(await asked(8080)).toMatch(/^web1 saw/);
    expect((await json<{ state: string }>(['nat', 'show', 'front'])).state).toBe('confirmed');
  });
}
