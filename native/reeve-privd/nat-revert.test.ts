/** Changes of noun nat that revert by themselves: confirming, the dead-man service and the loader, taking over rules of others, letting go, and kill -9 at every step. */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bytesOf, foreignLine, forward, natPolicy, rules, startNatHost, type NatHost } from './testing/nat.js';
import { failsWith, isRoot, sources, state } from './testing/namespace.js';

const sysctl = '/etc/sysctl.d/60-reeve-nat.conf';
const left = '/etc/nftables.d/reeve-nat.nft';
const hexOf = (operation: string): string => operation.replaceAll('-', '');
/** What a sysctl drop-in of ours holds. */
const wants = (...lines: string[]): string => ['# Managed by Reeve: changes made here are undone. See reeve-agent(8).', ...lines, ''].join('\n');

describe.skipIf(!isRoot)('a change of forwards', () => {
  let host: NatHost;
  beforeAll(async () => { host = await startNatHost(); }, 120_000);
  afterAll(() => host.privd.close(), 60_000);
  beforeEach(() => {
    host.clear();
    host.privd.writePolicy(natPolicy);
  });
  const pendingFile = (): string => `${host.privd.root}${state}/pending/nat`;
  /** As if the time to confirm were over. */
  const expire = (): void => { writeFileSync(pendingFile(), readFileSync(pendingFile(), 'utf8').replace(/deadline_boot_ms=\d+/, 'deadline_boot_ms=1')); };
  const forwarding = async (): Promise<string> => (await host.observe()).forwarding;

  test('waits, is confirmed once and for all, and a repeat of either call changes nothing', async () => {
    const operation = await host.apply(rules(forward(1, 8080)), { confirmS: 20 });
    const { change } = await host.privd.call('pending.get', {});
    expect(change).toMatchObject([{ noun: 'nat', operation: Uint8Array.from(bytesOf(operation)), state: 'pending' }]);
    const again = await host.privd.call('nat.apply', { rules: rules(forward(1, 8080)), confirmS: 20 }, operation);
    expect(again.deadlineMs).toBe(change[0]?.deadlineMs);
    await failsWith(host.apply(rules(forward(1, 8081))), 'CONFIRM_PENDING', { noun: 'nat' });
    await failsWith(host.apply(rules(forward(1, 8081)), { operation }), 'CONFIRM_PENDING');
    await failsWith(host.privd.call('nat.release', {}), 'CONFIRM_PENDING');
    await failsWith(host.confirm(randomUUID()), 'CONFIRM_UNKNOWN');
    await failsWith(host.privd.call('pending.confirm', { noun: 'key', operation: bytesOf(operation) }), 'CONFIRM_UNKNOWN');
    expect(host.read(sysctl)).toBe('');
    for (let i = 0; i < 2; i++) {
      await host.confirm(operation);
      expect([host.read(sysctl), host.files('pending'), host.files().filter((name) => name.length > 30)]).toEqual([wants('net.ipv4.ip_forward = 1'), [], [`${hexOf(operation)}.nft`, `${hexOf(operation)}.rules`]]);
    }
    const before = host.table();
    expect(await host.privd.call('nat.apply', { rules: rules(forward(1, 8080)) }, operation)).toEqual({ deadlineMs: 0 });
    expect([host.table(), host.files('pending')]).toEqual([before, []]);
    const next = await host.keep('forward 9 tcp - - 90 fd09::2 90 - -');
    expect([host.read(sysctl), host.files().filter((name) => name.length > 30), await forwarding()]).toEqual([wants('net.ipv6.conf.all.forwarding = 1'), [`${hexOf(next)}.nft`, `${hexOf(next)}.rules`], '6']);
    await failsWith(host.confirm(operation), 'CONFIRM_UNKNOWN');
  });

  test('is taken back by the dead-man service: to nothing, or to what was confirmed last, with forwarding as it was', async () => {
    await host.apply(rules(forward(1, 8080)));
    expect(await forwarding()).toBe('4');
    expire();
    host.deadman();
    expect([host.table(), await forwarding(), host.files('pending')]).toEqual(['', '', []]);
    const kept = await host.keep(forward(1, 8080), 'masquerade 2 10.0.0.0/24 - -');
    const before = host.table();
    const operation = await host.apply(rules('forward 3 tcp - - 443 fd09::2 443 - -'));
    expect(await forwarding()).toBe('46');
    expire();
    host.deadman();
    expect([host.table(), await forwarding(), (await host.observe()).state, (await host.observe()).operation]).toEqual([before, '4', 'confirmed', Uint8Array.from(bytesOf(kept))]);
    const { reverted, change } = await host.privd.call('pending.get', {});
    expect([change, reverted]).toMatchObject([[], [{ noun: 'nat', operation: Uint8Array.from(bytesOf(operation)), reason: 'it was not confirmed in time' }]]);
    expect(host.files().filter((name) => name.startsWith(hexOf(operation)))).toEqual([]);
    await failsWith(host.confirm(operation), 'CONFIRM_UNKNOWN');
    await host.keep();
    expect((await host.privd.call('pending.get', {})).reverted, 'a later change that was confirmed ends that').toEqual([]);
  });

  test('is taken back until that succeeds, and never both confirmed and taken back', { timeout: 60_000 }, async () => {
    const operation = await host.apply(rules(forward(1, 8080)));
    expire();
    writeFileSync(`${host.privd.root}/run/no-loader`, '');
    expect(() => { host.deadman(); }).toThrow();
    expect(host.files('pending')).toEqual(['nat.reverting']);
    await failsWith(host.confirm(operation), 'CONFIRM_UNKNOWN');
    await failsWith(host.apply(rules(forward(1, 8081))), 'CONFIRM_PENDING');
    expect((await host.observe()).state).toBe('pending');
    host.privd.inside('rm', '/run/no-loader');
    host.deadman();
    expect([host.table(), host.files('pending')]).toEqual(['', []]);
    for (let round = 0; round < 10; round++) {
      const id = await host.apply(rules(forward(1, 8080 + round)));
      expire();
      const confirmed = host.confirm(id).then(() => true, () => false);
      await new Promise((done) => { setTimeout(done, round); });
      host.deadman();
      const kept = await confirmed;
      const { reverted } = await host.privd.call('pending.get', {});
      expect([kept, reverted.length, host.table().includes(`dport ${String(8080 + round)} `)]).toEqual([kept, kept ? 0 : 1, kept]);
      await host.keep();
    }
  });

  test('of a boot before this one is not loaded, and of this one it is: what nftables.service flushed comes back', async () => {
    await host.keep(forward(1, 8080));
    const confirmed = host.table();
    await host.apply(rules(forward(2, 8082)));
    const pending = host.table();
    host.nft('flush ruleset\n');
    host.loader();
    expect([host.table(), (await host.observe()).state]).toEqual([pending, 'pending']);
    host.privd.inside('rm', '/run/reeve/boot-mark');
    host.nft('flush ruleset\n');
    host.privd.inside('sh', '-c', 'echo 0 >/proc/sys/net/ipv4/ip_forward');
    host.deadman('--boot');
    expect([host.table(), host.files('pending')]).toEqual(['', []]);
    host.loader();
    expect([host.table(), await forwarding(), (await host.observe()).state]).toEqual([confirmed, '4', 'confirmed']);
    expect((await host.privd.call('pending.get', {})).reverted).toMatchObject([{ reason: 'the host was started again before it was confirmed' }]);
    host.nft('delete table inet reeve\n');
    await host.apply(rules(forward(3, 8083)));
    host.deadman('--now');
    expect(host.table()).toBe(confirmed);
  });

  test('forwarding that was on before Reeve stays on', async () => {
    host.privd.inside('sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward');
    await host.keep(forward(1, 8080), 'forward 2 tcp - - 80 fd09::2 80 - -');
    expect(await forwarding()).toBe('46');
    await host.keep();
    expect([await forwarding(), host.isThere(sysctl)]).toEqual(['4', false]);
    writeFileSync(`${host.privd.root}${sysctl}`, '# somebody else\n');
    await host.keep();
    expect(host.read(sysctl)).toBe('# somebody else\n');
  });

  test('takes over exactly the rules it names, once it is confirmed, and only as they were', async () => {
    host.nft(`add table ip nat
add chain ip nat PREROUTING { type nat hook prerouting priority -100; }
add rule ip nat PREROUTING tcp dport 8080 counter dnat to 10.9.0.7:80
add rule ip nat PREROUTING tcp dport 8081 counter dnat to 10.9.0.8:80
add rule ip nat PREROUTING tcp dport 8082 counter dnat to 10.9.0.9:80
`);
    const before = host.others();
    const { ruleset } = await host.observe('foreign');
    const [first, second] = [foreignLine(ruleset, '"10.9.0.7"'), foreignLine(ruleset, '"10.9.0.8"')];
    const adopting = (...lines: string[]): { adopt: Buffer } => ({ adopt: Buffer.from(lines.map((line) => `${line}\n`).join('')) });
    for (const bad of [first.slice(0, -1), first.replace('ip nat', 'inet reeve'), first.replace('ip ', 'arp '), first.replace('PREROUTING', 'x;flush'), first.replace('PREROUTING', '-x'), `${first} x`, first.replace(' nat', '  nat')]) {
      await failsWith(host.apply(rules(forward(1, 8080)), adopting(bad)), 'FIELD_INVALID', { field: 'adopt' });
    }
    await failsWith(host.apply(rules(forward(1, 8080)), adopting(first.replace(/[0-9a-f]{64}/, '0'.repeat(64)))), 'NAT_ADOPT', { rule: 'it is not there, or not as it was' });
    await failsWith(host.apply(rules(forward(1, 8080)), adopting(first.replace(/ (\d+) /, ' 999 '))), 'NAT_ADOPT');
    expect([host.table(), host.others()]).toEqual(['', before]);
    // A packet that the rule counts does not make it another rule.
    const operation = await host.apply(rules(forward(1, 8080), forward(2, 8081)), adopting(first, second));
    expect(host.others()).toBe(before);
    // Somebody replaces the second one meanwhile: it is theirs.
    host.nft(`replace rule ip nat PREROUTING handle ${second.split(' ')[3] ?? ''} tcp dport 8081 counter dnat to 10.9.0.99:80\n`);
    const changed = host.others();
    await host.confirm(operation);
    const now = host.others();
    expect([now.includes('"10.9.0.7"'), now.includes('"10.9.0.99"'), now.includes('"10.9.0.9"')]).toEqual([false, true, true]);
    const count = (text: string): number => (JSON.parse(text) as unknown[]).length;
    expect(count(now)).toBe(count(changed) - 1);
    expect(host.files().filter((name) => name.endsWith('.adopt'))).toEqual([]);
    const reverting = await host.apply(rules(), adopting(foreignLine((await host.observe('foreign')).ruleset, '"10.9.0.9"')));
    expire();
    host.deadman();
    expect([host.others(), host.files().some((name) => name.startsWith(hexOf(reverting)))]).toEqual([now, false]);
  });

  test('what is let go stays, as a plain file that is loaded at every start, until Reeve is back', async () => {
    await host.keep(forward(1, 8080), 'forward 2 tcp - - 443 fd09::2 443 - -');
    const before = host.table();
    for (let i = 0; i < 2; i++) {
      await host.privd.call('nat.release', {});
      expect([host.table(), host.files('owned').includes('nat'), host.files(), await forwarding()]).toEqual([before, false, ['lock'], '46']);
      expect([host.read(sysctl), host.read(left)]).toEqual([
        '# Left by Reeve: plain configuration, yours to edit.\nnet.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\n', expect.stringMatching(/^# Left by Reeve: plain configuration, yours to edit\./)]);
      expect(await host.observe()).toMatchObject({ state: 'absent', rules: new Uint8Array() });
    }
    host.nft('flush ruleset\n');
    host.privd.inside('nft', '-f', left);
    expect(host.table(), 'by itself').toBe(before);
    host.nft('flush ruleset\n');
    host.loader();
    expect(host.table(), 'by the loader').toBe(before);
    await host.apply(rules(forward(3, 8083)));
    expire();
    host.deadman();
    expect([host.table(), host.isThere(left)], 'a change that nobody confirmed goes back to it').toEqual([before, true]);
    await host.keep(forward(1, 8080));
    expect([host.isThere(left), host.read(sysctl), (await host.observe()).state]).toEqual([false, wants('net.ipv4.ip_forward = 1'), 'confirmed']);
    await host.keep();
    await host.privd.call('nat.release', {});
    expect([host.isThere(left), host.isThere(sysctl), host.table()]).toEqual([false, false, '']);
  });

  test('kill -9 at every failpoint: a repeat finishes, or the dead-man service takes it back', { timeout: 120_000 }, async () => {
    const texts = readdirSync(sources).filter((name) => name.endsWith('.c')).map((name) => readFileSync(join(sources, name), 'utf8'));
    const named = new Set(texts.flatMap((source) => [...source.matchAll(/FAILPOINT\("(nat\.[^"]+)"\)/g)].map((match) => match[1] ?? '')));
    const exercised = new Set<string>();
    const kill = async (point: string, attempt: () => Promise<unknown>): Promise<void> => {
      const armed = host.privd.armFailpoint(point);
      await failsWith(attempt(), 'HELPER_UNREACHABLE');
      expect(existsSync(armed), point).toBe(false);
      exercised.add(point);
    };
    const [one, two] = [rules(forward(1, 8080)), rules(forward(1, 8080), 'forward 2 tcp - - 443 fd09::2 443 - -')];
    for (const point of ['nat.written', 'nat.promised', 'nat.loaded', 'nat.armed']) {
      for (const finish of ['repeat', 'other', 'deadman'] as const) {
        host.clear();
        await host.keep(...one.toString().trim().split('\n'));
        const before = host.table();
        const operation = randomUUID();
        await kill(point, () => host.apply(two, { operation }));
        if (finish === 'repeat') {
          await host.apply(two, { operation });
          await host.confirm(operation);
          expect([host.table().includes('f2'), (await host.observe()).state, await forwarding()], point).toEqual([true, 'confirmed', '46']);
        } else if (finish === 'other' && point !== 'nat.armed') {
          await host.keep('forward 7 tcp - - 70 10.9.0.7 70 - -');
          expect([host.table().includes('"f7"'), host.table().includes('f2'), await forwarding()], point).toEqual([true, false, '4']);
        } else {
          if (existsSync(pendingFile())) expire();
          host.deadman();
          expect([host.table(), (await host.observe()).state, await forwarding()], point).toEqual([before, 'confirmed', '4']);
        }
        expect(host.files('pending'), point).toEqual([]);
        host.loader();
        expect(host.files().filter((name) => name.length > 30).length, point).toBe(2);
      }
    }
    for (const point of ['nat.confirmed', 'nat.cleaned']) {
      for (const finish of [() => host.loader(), () => host.keep(forward(1, 8081)), (operation: string) => host.confirm(operation)]) {
        host.clear();
        host.nft('add table ip nat\nadd chain ip nat PREROUTING { type nat hook prerouting priority -100; }\nadd rule ip nat PREROUTING tcp dport 8080 dnat to 10.9.0.7:80\n');
        const line = foreignLine((await host.observe('foreign')).ruleset, '"10.9.0.7"');
        const operation = await host.apply(two, { adopt: Buffer.from(`${line}\n`) });
        await kill(point, () => host.confirm(operation));
        expect((await host.observe()).state, point).toBe('confirmed');
        await finish(operation);
        expect([host.others().includes('10.9.0.7'), host.isThere(sysctl), host.files().some((name) => name.endsWith('.adopt'))], point).toEqual([false, true, false]);
      }
    }
    for (const point of ['nat.left', 'nat.released']) {
      host.clear();
      await host.keep(...one.toString().trim().split('\n'));
      const before = host.table();
      await kill(point, () => host.privd.call('nat.release', {}));
      await host.privd.call('nat.release', {});
      expect([host.table(), host.isThere(left), host.files()], point).toEqual([before, true, ['lock']]);
    }
    expect([...exercised].sort()).toEqual([...named].sort());
  });
});
