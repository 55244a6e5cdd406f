import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startLab, type Lab, type LabHost } from '../lab/lab.js';
import { callHelper, type HelperCaller } from '../support/abuse-helper.js';
import { bootAgentHost, setPolicy } from '../support/abuse-host.js';
import { hosts } from '../support/fleet.js';
import { bytesOf, replyOf } from '../support/sshd-host.js';

const STATE = '/var/lib/reeve-privd';
const HOSTS = 3;
/** How often a confirmation is aimed at the deadline. */
const RACES = Number(process.env['REEVE_NAT_RACES'] ?? 102);

/** Ports that are forwarded, as the kernel has them, a line each. */
const PORTS = `nft list table inet reeve 2>/dev/null | grep -o 'dport [0-9]*' | sort -u || true`;

/** Brings the deadline of the change that waits forward; prints when it is, by the wall clock, and the ports. */
const HURRY = `set -e
cd ${STATE}/pending
${PORTS}
up=$(awk '{ print int($1 * 1000) }' /proc/uptime)
now=$(date +%s%3N)
sed -i "s/^deadline_boot_ms=.*/deadline_boot_ms=$((up + $1))/; s/^deadline_ms=.*/deadline_ms=$((now + $1))/" nat
echo $((now + $1))`;

/** Waits until nothing is pending; prints which way it went, and the ports. */
const DECIDED = `for try in $(seq 1000); do [ -z "$(ls -A ${STATE}/pending)" ] && break; sleep 0.02; done
grep -qs "operation=$1" ${STATE}/owned/nat && echo confirmed || echo reverted
ls -A ${STATE}/pending
${PORTS}`;

/** One set of rules for each round, told from all others by its port. */
const rules = (round: number): Uint8Array => Uint8Array.from(Buffer.from(`forward 1 tcp - - ${String(10_000 + round)} 10.0.0.2 80 - -\nmasquerade 1 10.0.0.0/24 - -\n`));

describe.skipIf(!hosts.ok)('forwards that are confirmed at the deadline', () => {
  let lab: Lab;
  let machines: readonly { readonly host: LabHost; readonly helper: HelperCaller }[];

  beforeAll(async () => {
    lab = await startLab({ name: 'natrace' });
    machines = await Promise.all(Array.from({ length: HOSTS }, async (_none, index) => {
      const host = await bootAgentHost(lab, `host${String(index)}`);
      await setPolicy(host, 'standard');
      return { host, helper: await callHelper(host) };
    }));
  });
  afterAll(() => {
    for (const { helper } of machines) helper.close();
    lab.close();
  });

  const lines = async (host: LabHost, script: string, word: string): Promise<string[]> => (await host.run(['/bin/sh', '-c', script, 'sh', word])).trimEnd().split('\n');

  test(`${String(RACES)} times, are never both confirmed and taken back, and never in part`, async () => {
    const outcomes = { confirmed: 0, reverted: 0 };
    await Promise.all(machines.map(async ({ host, helper }) => {
      let before: string[] = [];
      // Sent a little earlier after a revert and a little later after a confirmation, so that it stays where the two meet.
      let leadMs = 60;
      for (let round = 0; round < RACES / HOSTS; round++) {
        const operation = randomUUID();
        const hex = operation.replaceAll('-', '');
        replyOf('nat.apply', await helper.call('nat.apply', { rules: rules(round), confirmS: 60 }, operation));
        const wanted = [`dport ${String(10_000 + round)}`];
        const made = await lines(host, HURRY, '400');
        expect(made.slice(0, -1)).toEqual(wanted);
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, Number(made.at(-1)) - leadMs - Date.now())));
        const answer = await helper.call('pending.confirm', { noun: 'nat', operation: bytesOf(operation) });
        const [way, ...ports] = await lines(host, DECIDED, hex);
        const isConfirmed = way === 'confirmed';
        const told = replyOf('pending.get', await helper.call('pending.get', {})).reverted.find(({ noun }) => noun === 'nat');
        const reason = told !== undefined && Buffer.from(told.operation).toString('hex') === hex ? told.reason : undefined;
        const { state } = replyOf('observe.nat', await helper.call('observe.nat', { scope: 'managed' }));
        expect([reason, ports, answer.code, state], `race ${String(round)} on ${host.name}`).toEqual(
          isConfirmed ? [undefined, wanted, 'OK', 'confirmed'] : ['it was not confirmed in time', before, 'CONFIRM_UNKNOWN', before.length === 0 ? 'absent' : 'confirmed'],
        );
        if (isConfirmed) before = wanted;
        outcomes[isConfirmed ? 'confirmed' : 'reverted'] += 1;
        leadMs += isConfirmed ? -7 : 7;
      }
    }));
    process.stdout.write(`confirmations at the deadline: ${JSON.stringify(outcomes)}\n`);
    expect(outcomes.confirmed, JSON.stringify(outcomes)).toBeGreaterThan(0);
    expect(outcomes.reverted, JSON.stringify(outcomes)).toBeGreaterThan(0);
  }, 600_000);
});
