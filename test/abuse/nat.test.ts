import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startLab, type Lab, type LabHost } from '../lab/lab.js';
import { callHelper, type HelperAnswer, type HelperCaller } from '../support/abuse-helper.js';
import { bootAgentHost, setPolicy } from '../support/abuse-host.js';
import { hosts } from '../support/fleet.js';
import { foreignRules, reeveTable } from '../support/nat-fleet.js';
import { bytesOf, replyOf } from '../support/sshd-host.js';

const STATE = '/var/lib/reeve-privd';
/** A firewall that somebody needs, a forward of theirs, and a rule of a chain of Docker. */
const firewall = `
table inet fence {
  chain input { type filter hook input priority 0; policy accept;
    tcp dport 5432 drop
  }
}
table ip theirs {
  chain pre { type nat hook prerouting priority -100; policy accept;
    tcp dport 8443 dnat to 10.0.0.9:443
  }
}
`;
const text = (lines: string): Uint8Array => Uint8Array.from(Buffer.from(lines));
const good = 'forward 1 tcp - - 8080 10.0.0.2 80 - -\n';

/** Lines that are not what the helper was promised. */
const hostile: readonly (readonly [name: string, lines: string])[] = [
  ['no line end', 'forward 1 tcp - - 8080 10.0.0.2 80 - -'],
  ['a quote in an interface', 'forward 1 tcp - eth0";flush 8080 10.0.0.2 80 - -\n'],
  ['a brace in a source', 'forward 1 tcp - - 8080 10.0.0.2 80 0.0.0.0/0} - -\n'],
  ['a second statement', 'forward 1 tcp - - 8080 10.0.0.2;drop 80 - -\n'],
  ['a NUL', 'forward 1 tcp - - 8080 10.0.0.2\0 80 - -\n'],
  ['a field too many', 'forward 1 tcp - - 8080 10.0.0.2 80 - - accept\n'],
  ['a field too few', 'forward 1 tcp - - 8080 10.0.0.2 80 -\n'],
  ['two spaces', 'forward 1  tcp - - 8080 10.0.0.2 80 - -\n'],
  ['a port with a sign', 'forward 1 tcp - - +8080 10.0.0.2 80 - -\n'],
  ['a port beyond the last', 'forward 1 tcp - - 65536 10.0.0.2 80 - -\n'],
  ['a number twice', `${good}${good}`],
  ['an address in another spelling', 'forward 1 tcp - - 8080 10.0.0.02 80 - -\n'],
  ['loopback', 'forward 1 tcp - - 8080 127.0.0.1 80 - -\n'],
  ['IPv4 inside IPv6', 'forward 1 tcp - - 8080 ::ffff:10.0.0.2 80 - -\n'],
  ['families that differ', 'forward 1 tcp 2001:db8::1 - 8080 10.0.0.2 80 - -\n'],
  ['a network with bits of a host', 'masquerade 1 10.0.0.7/24 - -\n'],
  ['another word', 'drop 1 10.0.0.0/24 - -\n'],
  ['a good line before it', `${good}include "/etc/shadow"\n`],
];

describe.skipIf(!hosts.ok)('a taken-over agent and forwards, with the helper in its sandbox as it is shipped', () => {
  let lab: Lab;
  let host: LabHost;
  let helper: HelperCaller;
  let before: unknown[];

  const apply = (lines: string, more: { adopt?: Uint8Array; confirmS?: number } = {}, operation = randomUUID()): Promise<HelperAnswer> => helper.call('nat.apply', { rules: text(lines), ...more }, operation);
  const confirm = (operation: string): Promise<HelperAnswer> => helper.call('pending.confirm', { noun: 'nat', operation: bytesOf(operation) });
  async function nothingChanged(answer: HelperAnswer, code: RegExp, what = ''): Promise<void> {
    expect(answer.code, `${what}: ${JSON.stringify(answer)}`).toMatch(code);
    expect([await reeveTable(host), await foreignRules(host), await host.run(['ls', '-A', `${STATE}/pending`])], what).toEqual(['', before, '']);
  }

  beforeAll(async () => {
    lab = await startLab({ name: 'abusenat' });
    host = await bootAgentHost(lab, 'host');
    await setPolicy(host, 'full');
    helper = await callHelper(host);
    await host.run(['nft', '-f', '-'], { input: firewall });
    before = await foreignRules(host);
  }, 600_000);
  afterAll(() => {
    helper.close();
    lab.close();
  });

  test('gets nothing into nft that is not a forward or a masquerade', async () => {
    for (const [name, lines] of hostile) await nothingChanged(await apply(lines), /^(?:FIELD_|NAT_|PRIVD_|BAD_)/, name);
  });

  test('gets no port of sshd and of Reeve, however it asks', async () => {
    for (const ports of ['22', '20-25', '7420', '7424', '7000-8000', '1-65535']) {
      for (const listen of ['- -', `${host.address} -`, '- host0']) await nothingChanged(await apply(`forward 1 tcp ${listen} ${ports} 10.0.0.2 80 - -\n`), /^NAT_PORT_RESERVED$/, `${listen} ${ports}`);
    }
  });

  test('gets no interface that is not there, and no destination, port or protocol that the policy does not name', async () => {
    await nothingChanged(await apply('forward 1 tcp - nosuch0 8080 10.0.0.2 80 - -\n'), /^NAT_INTERFACE$/);
    for (const to of ['8.8.8.8', '172.32.0.1', '2001:db8::9']) await nothingChanged(await apply(`forward 1 tcp - - 8080 ${to} 80 - -\n`), /^POLICY_DENIED$/, to);
    await nothingChanged(await apply('masquerade 1 8.8.8.0/24 - -\n'), /^POLICY_DENIED$/);
    await setPolicy(host, `${await host.read('/usr/share/reeve/policy/minimal')}allow nat.apply\nallow nat.forward to=10.* port=8000-8099 protocol=tcp\n`);
    await nothingChanged(await apply('forward 1 udp - - 8080 10.0.0.2 80 - -\n'), /^POLICY_DENIED$/, 'udp');
    await nothingChanged(await apply('forward 1 tcp - - 8090-8100 10.0.0.2 80 - -\n'), /^POLICY_DENIED$/, 'a range that is partly allowed');
    await nothingChanged(await apply(`${good}masquerade 1 10.0.0.0/24 - -\n`), /^POLICY_DENIED$/, 'one bad of two');
    await setPolicy(host, 'minimal');
    await nothingChanged(await apply(good), /^POLICY_DENIED$/);
    await setPolicy(host, 'full');
  });

  test('deletes no rule of others but a forward or masquerade that it takes over, and none that has changed', async () => {
    const ruleset = JSON.parse(await host.run(['nft', '-j', 'list', 'ruleset'])) as { nftables: { rule?: { family: string; table: string; chain: string; handle: number } }[] };
    const raw = await host.run(['nft', '-j', 'list', 'ruleset']);
    const lineOf = (table: string): string => {
      const { family, chain, handle } = ruleset.nftables.find(({ rule }) => rule?.table === table)!.rule!;
      const at = raw.indexOf(`{"family": "${family}", "table": "${table}", "chain": "${chain}", "handle": ${String(handle)}`);
      return `${family} ${table} ${chain} ${String(handle)} ${createHash('sha256').update(objectAt(raw, at)).digest('hex')}\n`;
    };
    const adopt = async (lines: string): Promise<HelperAnswer> => {
      const operation = randomUUID();
      const answer = await apply('forward 1 tcp - - 8443 10.0.0.9 443 - -\n', { adopt: text(lines), confirmS: 10 }, operation);
      return answer.code === 'OK' ? confirm(operation) : answer;
    };
    const gone = async (): Promise<HelperAnswer> => {
      const operation = randomUUID();
      await apply('', {}, operation);
      return confirm(operation);
    };
    // A rule of the firewall, by its true digest.
    await adopt(lineOf('fence'));
    expect(await foreignRules(host), 'the firewall stands').toEqual(before);
    await gone();
    await adopt(lineOf('theirs').replace(/[0-9a-f]{64}/, '0'.repeat(64)));
    expect(await foreignRules(host), 'a rule that is another one stands').toEqual(before);
    await gone();
    for (const line of ['inet fence input 1; 00\n', 'ip theirs pre -1 00\n', 'ip ../.. pre 3 00\n']) await nothingChanged(await adopt(line), /^(?:FIELD_|NAT_|PRIVD_|BAD_)/, line);
    await setPolicy(host, 'standard');
    await nothingChanged(await adopt(lineOf('theirs')), /^POLICY_DENIED$/, 'nat.adopt is in no smaller preset');
    await setPolicy(host, 'full');
    expect((await adopt(lineOf('theirs'))).code).toBe('OK');
    expect(await foreignRules(host)).toEqual(before.filter((item) => !JSON.stringify(item).includes('8443')));
    await gone();
  });

  test('has one change at a time, and what it does not confirm goes back', async () => {
    const operation = randomUUID();
    const first = replyOf('nat.apply', await apply(good, { confirmS: 600 }, operation));
    expect(replyOf('nat.apply', await apply(good, { confirmS: 600 }, operation)), 'the same again is the same').toEqual(first);
    expect(await apply('forward 2 tcp - - 8081 10.0.0.2 80 - -\n')).toMatchObject({ code: 'CONFIRM_PENDING' });
    expect((await helper.call('nat.release', {})).code).not.toBe('OK');
    expect((await confirm(randomUUID())).code).toBe('CONFIRM_UNKNOWN');
    expect(await reeveTable(host)).toMatch(/dport 8080 [\s\S]*dnat ip to 10\.0\.0\.2:80/);
    expect((await confirm(operation)).code).toBe('OK');
    const empty = randomUUID();
    expect((await apply('', {}, empty)).code).toBe('OK');
    expect((await confirm(empty)).code).toBe('OK');
    expect(await foreignRules(host)).toEqual(before.filter((item) => !JSON.stringify(item).includes('8443')));
    expect((await host.exec(['nft', 'list', 'table', 'inet', 'reeve'])).code).toBe(1);
  });
});

/** The bytes of the JSON object that begins there. */
function objectAt(json: string, start: number): string {
  let depth = 0;
  for (let at = start; at < json.length; at++) {
    if (json[at] === '{') depth += 1;
    if (json[at] === '}') depth -= 1;
    if (depth === 0) return json.slice(start, at + 1);
  }
  return '';
}
