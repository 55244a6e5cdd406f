import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hosts } from '../support/fleet.js';
import { foreignRules, reeveTable, startNatFleet, type NatFleet } from '../support/nat-fleet.js';
import { askContainer, makeForeign, podmanPort } from '../support/nat-foreign.js';
import { ask, watch } from '../support/nat-probe.js';
import { natCommands } from '../support/nat-setting.js';
import { until } from '../support/until.js';

/** What `reeve nat show front --json` tells of what others made. */
interface Shown {
  readonly state: string;
  readonly foreign: readonly {
    readonly rule: string;
    readonly forward: { readonly ports: { readonly first: number } } | null;
    readonly masquerade: { readonly source: string } | null;
    readonly owner: string;
    readonly problem: string;
    readonly bootSources: readonly string[];
  }[];
}

describe.skipIf(!hosts.ok)('forwards beside rules that others made', () => {
  let fleet: NatFleet;
  let before: unknown[];
  const { change, refused, remove, rows } = natCommands(() => fleet);
  const shell = (script: string): Promise<string> => fleet.front.run(['sh', '-c', script]);
  const asked = async (port: number): Promise<string | undefined> => (await ask(fleet.desk, 'tcp', fleet.front.address, [port]))[0];
  const saw = (guest: string, port: number): string => `${guest} saw ${fleet.desk.address} at ${String(port)}`;
  const add = (port: number): string[] => ['add', 'front', '--proto', 'tcp', '--port', String(port), '--to', `${fleet.inside.guest(1).address}:80`];
  const shown = (): Promise<Shown> => fleet.json<Shown>(['nat', 'show', 'front']);

  beforeAll(async () => {
    fleet = await startNatFleet({ name: 'natforeign', lets: 'allow nat.adopt\n' });
    await makeForeign(fleet.front);
    before = await foreignRules(fleet.front);
  });
  afterAll(() => fleet.close());

  test('of podman, Docker and lxc-net stay exactly as they are, over every kind of change, and their containers are served', async () => {
    const { front, desk, inside } = fleet;
    expect(before.length).toBeGreaterThan(50);
    expect(await askContainer(desk, front)).toBe('hello');
    const untouched = async (when: string): Promise<void> => {
      expect(await foreignRules(front), when).toEqual(before);
      expect(await askContainer(desk, front), when).toBe('hello');
    };
    await change(['masquerade', 'front', '--source', inside.network]);
    await untouched('after a masquerade');
    await change(add(8080));
    expect(await asked(8080)).toBe(saw('web1', 80));
    await untouched('after a forward');
    await change(['disable', 'front', 'tcp/8080']);
    await untouched('after it was disabled');
    await change(['enable', 'front', 'tcp/8080']);
    // Taken back by the host itself.
    const left = await fleet.reeve(['nat', ...add(8090), '--confirm', 'manual', '--confirm-timeout', '10s', '--yes']);
    expect(left.code, left.stdout + left.stderr).toBe(1);
    expect([await asked(8080), await asked(8090)]).toEqual([saw('web1', 80), 'refused']);
    await untouched('after a revert');
    await remove('tcp/8090');
    expect((await fleet.json<{ hosts: { changes: unknown[] }[] }>(['apply', '--on', 'front', '--noun', 'nat', '--yes'])).hosts.flatMap((host) => host.changes)).toEqual([]);
    await untouched('after all');
  });

  test('a port that another rule claims is refused, and the rule is named', async () => {
    for (const port of [podmanPort, 8182]) {
      const errors = await refused(add(port), 1);
      expect(errors, String(port)).toMatchObject([{ code: 'NAT_FOREIGN_CLAIM', message: expect.stringMatching(/ip nat \S+.* handle \d+/) as string }]);
      expect(errors[0]?.remedy).not.toBe('');
    }
    expect((await shown()).foreign.filter(({ problem }) => problem === '')).toEqual([]);
    expect((await fleet.reeve(['nat', 'adopt', 'front', `tcp/${String(podmanPort)}`, '--yes', '--json'])).code).not.toBe(0);
    expect(await foreignRules(fleet.front)).toEqual(before);
  });

  test('where another chain would drop what is forwarded, it is refused with the chain and the way out, which works', async () => {
    await shell('iptables -P FORWARD DROP');
    const errors = await refused(add(8083), 1);
    expect(errors).toMatchObject([{ code: 'NAT_FOREIGN_DROP', message: expect.stringMatching(/ip filter FORWARD policy/) as string }]);
    const remedy = errors[0]?.remedy ?? '';
    const command = /((?:iptables|nft) .+?)[".`]*$/m.exec(remedy)?.[1];
    expect(command, remedy).toBeDefined();
    await shell(command ?? 'false');
    await change(add(8083));
    expect(await asked(8083)).toBe(saw('web1', 80));
    const trace = await fleet.reeve(['nat', 'trace', 'front', 'tcp/8083', '--from', fleet.desk.address]);
    expect(trace.stdout).toMatch(/inet reeve prerouting/);
    expect(trace.stdout).toMatch(/ip filter FORWARD/);
    await shell((command ?? '').replace(/ -[IA] /, ' -D ').replace(/ FORWARD \d+ /, ' FORWARD '));
    const blocked = await fleet.reeve(['nat', 'trace', 'front', 'tcp/8083', '--from', fleet.desk.address]);
    expect(blocked.stdout, 'trace names what ends the packet').toMatch(/ip filter FORWARD policy[\s\S]*drop/);
    expect(await asked(8083)).toBe('silent');
    await shell('iptables -P FORWARD ACCEPT');
    await remove('tcp/8083');
    expect(await foreignRules(fleet.front)).toEqual(before);
  });

  test('what stands in base chains is taken over in one change, without a gap, and its lines for the next start are told until they are gone', async () => {
    const { front, desk, inside } = fleet;
    const [web1, web2] = [inside.guest(1).address, inside.guest(2).address];
    await shell(`iptables -t nat -A PREROUTING -d ${front.address} -p tcp --dport 8084 -j DNAT --to-destination ${web1}:80`);
    const own = `table ip own {\n  chain pre {\n    type nat hook prerouting priority -100;\n    tcp dport 8085 dnat to ${web2}:80\n    tcp dport 8086 dnat to ${web2}:8000\n  }\n}\n`;
    await front.write('/etc/nftables.conf', `#!/usr/sbin/nft -f\nflush ruleset\n${own}`);
    await front.run(['nft', '-f', '-'], { input: own });
    await front.write('/etc/network/interfaces', `iface host0 inet manual\n  up iptables -t nat -A PREROUTING -d ${front.address} -p tcp --dport 8084 -j DNAT --to-destination ${web1}:80\n`);
    expect(await Promise.all([8084, 8085, 8086].map(asked))).toEqual([saw('web1', 80), saw('web2', 80), saw('web2', 8000)]);

    const plan = await fleet.reeve(['nat', 'adopt', 'front', '--plan']);
    expect(plan.code, plan.stdout + plan.stderr).toBe(0);
    for (const text of ['tcp/8084', 'tcp/8085', 'tcp/8086']) expect(plan.stdout).toContain(text);
    const found = (await shown()).foreign.filter(({ problem, forward }) => problem === '' && forward !== null);
    const sources = new Map(found.map(({ forward, bootSources }) => [forward?.ports.first, bootSources.join()]));
    expect([...sources.keys()].sort()).toEqual([8084, 8085, 8086]);
    expect(sources.get(8084)).toMatch(/^\/etc\/network\/interfaces/);
    expect(sources.get(8085)).toMatch(/^\/etc\/nftables\.conf/);

    const watches = [8084, 8085].map((port) => watch(desk, front.address, port));
    await until(() => watches.every(({ open }) => open), { timeoutMs: 10_000, what: 'both ports to answer' });
    await change(['adopt', 'front', 'tcp/8084', 'tcp/8085']);
    expect(await shell('iptables-save')).not.toMatch(/8084/);
    expect((await front.run(['nft', 'list', 'table', 'ip', 'own'])).match(/dport \d+/g), 'only what was named').toEqual(['dport 8086']);
    expect(await reeveTable(front)).toMatch(/dport 8084 [\s\S]*dport 8085 /);
    expect(await Promise.all([8084, 8085, 8086].map(asked))).toEqual([saw('web1', 80), saw('web2', 80), saw('web2', 8000)]);
    for (const { changes, close } of watches) {
      close();
      expect(changes.map(({ open }) => open), 'never shut').toEqual([true]);
    }

    // Told by name until somebody has cleared them away.
    const told = async (): Promise<string> => (await fleet.reeve(['nat', 'show', 'front'])).stdout;
    expect(await told()).toMatch(/\/etc\/network\/interfaces/);
    await shell('rm /etc/network/interfaces /etc/nftables.conf');
    await until(async () => !/\/etc\/(?:network\/interfaces|nftables\.conf)/.test(await told()), { timeoutMs: 10_000, everyMs: 250, what: 'the lines not to be told any more' });
    await change(['adopt', 'front', '--all']);
    expect(await asked(8086)).toBe(saw('web2', 8000));
    expect((await rows()).flatMap(({ forward }) => (forward === null ? [] : [forward.ports?.first])).sort()).toEqual([8080, 8084, 8085, 8086]);
    await shell('nft delete table ip own');
    expect(await foreignRules(front)).toEqual(before);
    expect(await askContainer(desk, front)).toBe('hello');
  });
});
