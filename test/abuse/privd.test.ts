import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { encodeRequest } from '../../agent/host/privd.js';
import { forbiddenRequests, hostileFrames, randomFrom } from '../../native/reeve-privd/hostile.js';
import { startLab, type Lab, type LabHost } from '../lab/lab.js';
import { bootAgentHost, mainPid, onlyOkNames, peakMemory, setPolicy } from '../support/abuse-host.js';
import { flood } from '../support/abuse-flood.js';
import { installProgram } from '../support/abuse-program.js';
import { auditLines, differences, helperReach, stateOf } from '../support/abuse-state.js';
import { hosts } from '../support/fleet.js';

/**
 * How many hostile messages there are at most and at least, and for how long they are sent, s. The helper forks once for each: between 300 and 4,800 a second
 * on two cores, as the machine is. native/reeve-privd/hostile.test.ts has what decides in it decide a million whatever the machine.
 */
const MOST = Number(process.env['REEVE_HOSTILE_FRAMES'] ?? 1_000_000);
const LEAST = Math.min(20_000, MOST);
const SECONDS = Number(process.env['REEVE_HOSTILE_SECONDS'] ?? 120);
const BATCH = 10_000;
/** Between two looks at the helper's memory; its high-water mark misses nothing of the process that stays. */
const SAMPLE_MS = 500;
const RSS_MAX_KIB = 16 * 1024;
const UNIT = 'reeve-privd.service';
/** At most 10 refusals are recorded at once and one a second after that (audit.c). */
const AUDIT_BURST = 10;

const operation = (n: number): string => `00000000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
const status = (n: number): Buffer => encodeRequest('status.get', operation(n), {});
const addOk = (name: string): Buffer => encodeRequest('user.add', operation(1), { name, shell: '/bin/sh', kind: 'home' });

describe.skipIf(!hosts.ok)('a taken-over agent', () => {
  let lab: Lab;
  let host: LabHost;
  let program: string;
  const send = (messages: readonly Buffer[], as = 'reeve-agent') => flood(host, { program, as, messages });

  beforeAll(async () => {
    lab = await startLab({ name: 'helper' });
    host = await bootAgentHost(lab, 'host');
    program = await installProgram(host, 'flood');
    await host.run(['useradd', '--create-home', '--groups', 'reeve-agent', 'mate']);
    await host.run(['useradd', '--create-home', 'zz-a']);
    await setPolicy(host, onlyOkNames);
    await send([status(0)]); // its first start makes the folders of its state
  });
  afterAll(() => lab.close());
  beforeEach(async () => {
    await host.run(['systemctl', 'stop', UNIT]);
  });

  test('is seen to change the host when the policy allows it, so that the next tests can fail', async () => {
    const before = await stateOf(host, helperReach);
    expect((await send([status(1)])).statuses).toEqual(new Map([[0, 1]]));
    expect(differences(before, await stateOf(host, helperReach))).toEqual([]);
    expect((await send([addOk('ok-ada')])).statuses).toEqual(new Map([[0, 1]]));
    expect(differences(before, await stateOf(host, helperReach)).join('\n')).toContain('+ /home/ok-ada ');
    expect(await host.run(['id', '-un', 'ok-ada'])).toBe('ok-ada\n');
    expect(await peakMemory(host, 'reeve-privd')).toBeGreaterThan(100);
  });

  test(`changes nothing with random and mutated messages, ${String(MOST)} or as many as ${String(SECONDS)} s hold, and the helper stays small and alive`, async () => {
    await send([status(2)]);
    const pid = await mainPid(host, UNIT);
    const before = await stateOf(host, helperReach);
    const audited = (await auditLines(host)).length;
    const next = hostileFrames(7);
    const started = performance.now();
    let [sent, empty, closed, answered, largest] = [0, 0, 0, 0, 0];
    const seen = new Set<number>();
    while (sent < MOST && (sent < LEAST || performance.now() - started < SECONDS * 1000)) {
      const messages = Array.from({ length: Math.min(BATCH, MOST - sent) }, () => next().bytes);
      const done = send(messages);
      for (let running = true; running;) {
        largest = Math.max(largest, await peakMemory(host, 'reeve-privd'));
        // A look reads all of /proc: many of them would take the cores from those that they watch.
        running = await Promise.race([done.then(() => false), sleep(SAMPLE_MS, true)]);
      }
      const result = await done;
      expect(result.unconnected).toBe(0);
      sent += messages.length;
      empty += messages.filter((bytes) => bytes.length === 0).length;
      closed += result.closed;
      answered += result.answered;
      for (const code of result.statuses.keys()) seen.add(code);
    }
    const seconds = (performance.now() - started) / 1000;
    console.info(`${String(sent)} messages, ${String(Math.round(sent / seconds))}/s, largest helper ${String(largest)} KiB, statuses ${[...seen].sort((a, b) => a - b).join(' ')}`);
    // Only a connection without a single byte gets no answer.
    expect({ closed, answered }).toEqual({ closed: empty, answered: sent - empty });
    expect(differences(before, await stateOf(host, helperReach))).toEqual([]);
    expect(await mainPid(host, UNIT)).toBe(pid);
    expect((await send([status(3)])).statuses).toEqual(new Map([[0, 1]]));
    expect(largest).toBeGreaterThan(0);
    expect(largest).toBeLessThan(RSS_MAX_KIB);
    expect((await auditLines(host)).length - audited).toBeLessThanOrEqual(AUDIT_BURST + seconds + 1);
    expect(await host.run(['/usr/lib/reeve-agent/reeve-privd', '--verify-audit'])).toBeTruthy();
  }, 900_000);

  test.each(['observe', 'standard', 'full'])('changes nothing with any verb and values that the preset "%s" does not allow', async (preset) => {
    await setPolicy(host, preset);
    const random = randomFrom(11);
    const foreign = ['mate', 'zz-a', 'root', 'sshd'];
    const messages = [
      ...forbiddenRequests.map((make) => make(random)),
      ...foreign.flatMap((name) => [
        encodeRequest('user.set', operation(4), { name, shell: '/bin/sh', comment: 'taken' }),
        encodeRequest('user.remove', operation(5), { name }),
        encodeRequest('group.member', operation(6), { name, group: 'sudo', action: 'add' }),
        encodeRequest('group.member', operation(7), { name, group: 'users', action: 'add' }),
        encodeRequest('user.add', operation(8), { name, shell: '/bin/sh', kind: 'home' }),
      ]),
    ];
    const before = await stateOf(host, helperReach);
    const result = await send(messages);
    expect(result).toMatchObject({ answered: messages.length, closed: 0, unconnected: 0 });
    expect(differences(before, await stateOf(host, helperReach))).toEqual([]);
    expect((await send([status(9)])).statuses).toEqual(new Map([[0, 1]]));
    await setPolicy(host, onlyOkNames);
  });

  test('is the only caller that gets an answer: root, a user of its group and nobody get none, with one audit line a second', async () => {
    const messages = Array.from({ length: 200 }, (_value, n) => status(n));
    const audited = (await auditLines(host)).length;
    const started = performance.now();
    expect(await send(messages)).toMatchObject({ answered: 200, closed: 0, unconnected: 0 });
    expect(await send(messages, 'root')).toMatchObject({ answered: 0, closed: 200, unconnected: 0 });
    expect(await send(messages, 'mate')).toMatchObject({ answered: 0, closed: 200, unconnected: 0 });
    expect(await send(messages, 'nobody')).toMatchObject({ answered: 0, closed: 0, unconnected: 200 });
    const seconds = (performance.now() - started) / 1000;
    const lines = (await auditLines(host)).slice(audited);
    const strangers = lines.filter((line) => line.includes('"verb":"connect"'));
    expect(strangers.length).toBeGreaterThanOrEqual(1);
    expect(strangers.length).toBeLessThanOrEqual(seconds + 1);
    expect(lines).toEqual(strangers);
  });
});
