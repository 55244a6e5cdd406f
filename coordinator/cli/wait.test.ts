import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { reeveError } from '../../shared/errors/error.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { HostResult } from '../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import type { Context } from './context.js';
import { createProgress } from './progress.js';
import { forwarded, reverted, waiting } from './testing/answer.js';
import { startCoordinator, type CannedCoordinator } from './testing/coordinator.js';
import { runCaptured, type RunOptions } from './testing/terminal.js';
import { createWaits } from './wait.js';

const line = ['nat', 'add', 'web1', '--proto', 'tcp', '--port', '8080', '--to', 'web2:80', '--yes'];

describe('a countdown', () => {
  let now = 0;
  let err = '';
  beforeEach(() => {
    vi.useFakeTimers();
    now = 0;
    err = '';
  });
  afterEach(() => vi.useRealTimers());

  function waitsOn(terminal: { progress: boolean; columns?: number; json?: boolean }) {
    const clock = { now: () => now, monotonic: () => now };
    const context = { clock, json: terminal.json ?? false, terminal: { err: (text: string) => void (err += text), progress: terminal.progress, columns: terminal.columns ?? 120 } } as unknown as Context;
    const progress = createProgress(context);
    return { waits: createWaits(clock, progress), progress };
  }
  const event = (more: object = {}) => ({ ...waiting, manual: false, ...more });
  const pass = (seconds: number): void => {
    for (let second = 0; second < seconds; second += 1) {
      now += 1000;
      vi.advanceTimersByTime(1000);
    }
  };
  /** The lines that were drawn one over the other. */
  const drawn = (): string[] => err.split('\r\u001b[K').slice(1);

  it('goes on by the clock of this machine when nothing is heard, and ends with what became of it', () => {
    const { waits, progress } = waitsOn({ progress: true });
    waits.waiting(event());
    pass(2);
    waits.waiting(event({ leftMs: 40_500, missing: [] }));
    waits.confirmed({ hostName: 'web1', noun: 'nat' });
    pass(5);
    waits.close();
    progress.close();
    expect(drawn()).toEqual([
      'web1: waiting to be confirmed, reverts in 43 s: agent web3 unreachable',
      'web1: waiting to be confirmed, reverts in 42 s: agent web3 unreachable',
      'web1: waiting to be confirmed, reverts in 41 s: agent web3 unreachable',
      'web1: waiting to be confirmed, reverts in 41 s',
      'web1: confirmed\n',
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('says when the time is over, and then that it was reverted and why', () => {
    const { waits } = waitsOn({ progress: true });
    waits.waiting(event({ leftMs: 1500 }));
    pass(2);
    waits.settled(reverted as HostResult);
    expect(drawn()).toEqual([
      'web1: waiting to be confirmed, reverts in 2 s: agent web3 unreachable',
      'web1: waiting to be confirmed, reverts in 1 s: agent web3 unreachable',
      'web1: not confirmed in time, waiting to hear from the host: agent web3 unreachable',
      'web1: reverted: agent web3 unreachable\n',
    ]);
    expect(waits.all()).toEqual([{ hostName: 'web1', noun: 'nat', manual: false, state: 'reverted', missing: ['agent web3 unreachable'] }]);
  });

  it('names the command where a person has to confirm, before all that a narrow terminal cuts off', () => {
    const { waits } = waitsOn({ progress: true, columns: 60 });
    waits.waiting(event({ manual: true }));
    expect(drawn()).toEqual(['web1: waiting for "reeve nat confirm web1", reverts in 43 …']);
    waits.close();
  });

  it('shows the one of several that ends first', () => {
    const { waits } = waitsOn({ progress: true });
    waits.waiting(event());
    waits.waiting(event({ hostName: 'web2', leftMs: 10_000, missing: [] }));
    waits.settled({ ...forwarded, hostName: 'web2', errors: [] } as unknown as HostResult);
    expect(drawn().slice(1)).toEqual(['web2: waiting to be confirmed, reverts in 10 s (1 more wait)', 'web2: confirmed\n', 'web1: waiting to be confirmed, reverts in 43 s: agent web3 unreachable']);
    expect(waits.outlook()).toEqual(['web1 takes its change back in 43 s unless the coordinator confirms it']);
    waits.close();
  });

  it('is a line for each change of what is missing where no line can update itself', () => {
    const { waits } = waitsOn({ progress: false });
    for (const left of [43_000, 42_000, 41_000]) waits.waiting(event({ leftMs: left }));
    waits.waiting(event({ leftMs: 40_000, missing: ['sshd at 198.18.1.1:22 is closed as seen from web2'] }));
    waits.waiting(event({ leftMs: 39_000, missing: [] }));
    pass(3);
    waits.confirmed({ hostName: 'web1', noun: 'nat' });
    expect(err).toBe(
      [
        'web1: waiting to be confirmed, reverts in 43 s: agent web3 unreachable',
        'web1: waiting to be confirmed, reverts in 40 s: sshd at 198.18.1.1:22 is closed as seen from web2',
        'web1: waiting to be confirmed, reverts in 39 s',
        'web1: confirmed',
        '',
      ].join('\n'),
    );
  });

  it('is nothing where a program reads the answer', () => {
    const { waits } = waitsOn({ progress: true, json: true });
    waits.waiting(event());
    waits.settled(reverted as HostResult);
    expect(err).toBe('');
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a change that waits', () => {
  let coordinator: CannedCoordinator;
  beforeAll(async () => {
    coordinator = await startCoordinator();
  });
  afterAll(() => coordinator.close());

  const finished = (outcome: 'OUTCOME_OK' | 'OUTCOME_FAILED'): ChangeEventInput => ({ finished: { operationId: '01930000-0000-7000-8000-000000000099', outcome, stored: true } });
  const run = (events: () => Iterable<ChangeEventInput> | AsyncIterable<ChangeEventInput>, words: readonly string[], options: RunOptions = {}) => {
    coordinator.answers = { 'NatService.AddForward': events };
    return runCaptured(coordinator.socket, words, { monotonic: () => 0, ...options });
  };
  const taken = (): ChangeEventInput[] => [{ planned: { planId: 'x', hosts: [forwarded] } }, { waiting }, { host: reverted }, finished('OUTCOME_FAILED')];

  it('and is reverted exits 1 and says why on both', async () => {
    const ran = await run(taken, line);
    expect(ran.exit).toBe(1);
    expect(ran.err).toBe('web1: waiting to be confirmed, reverts in 43 s: agent web3 unreachable\nweb1: reverted: agent web3 unreachable\n');
    expect(ran.out).toBe(
      'web1   failed: The change of noun nat on host "web1" was reverted: agent web3 unreachable\n         Put right what is named, then: reeve apply --on web1 --noun nat\n1 host: 1 failed.\n',
    );
  });

  it('stands in the document of a program, which has nothing else on standard output', async () => {
    const { out, err, exit } = await run(taken, [...line, '--json'], { progress: true });
    expect([exit, err]).toEqual([1, '']);
    expect(JSON.parse(out)).toMatchObject({ outcome: 'failed', confirmations: [{ hostName: 'web1', noun: 'nat', manual: false, state: 'reverted', missing: ['agent web3 unreachable'] }], hosts: [{ errors: [{ code: 'CONFIRM_REVERTED' }] }] });
    const quiet = await run(() => [{ host: forwarded }, finished('OUTCOME_OK')], [...line, '--json']);
    expect(JSON.parse(quiet.out)).not.toHaveProperty('confirmations');
  });

  it.each([
    [false, 'web1 takes its change back in 43 s unless the coordinator confirms it'],
    [true, 'web1 takes its change back in 43 s unless somebody confirms it: reeve nat confirm web1'],
  ])('says what the host does when it is interrupted (manual: %s)', async (manual, says) => {
    const abort = new AbortController();
    const events = async function* (): AsyncGenerator<ChangeEventInput> {
      yield { waiting: { ...waiting, manual } };
      setTimeout(() => abort.abort(), 50);
      await new Promise(() => undefined);
    };
    const ran = await run(events, line, { signal: abort.signal, progress: true });
    expect(ran.exit).toBe(3);
    expect(ran.err).toContain(`reeve: Cancelled; hosts that had not answered may still finish what they began.\n  ${says}.\n  See: reeve operation show `);
  });

  it('says it as well when the coordinator cannot be heard any more', async () => {
    const events = async function* (): AsyncGenerator<ChangeEventInput> {
      yield { waiting };
      await Promise.resolve();
      throw reeveError('COORDINATOR_UNREACHABLE', { value: 'the socket', reason: 'the connection broke' });
    };
    const { out, exit } = await run(events, [...line, '--json']);
    expect(exit).toBe(3);
    expect(JSON.parse(out)).toMatchObject({ outcome: 'unknown', confirmations: [{ state: 'waiting' }], error: { code: 'COORDINATOR_UNREACHABLE' } });
    expect((await run(events, line)).err).toContain('\n  web1 takes its change back in 43 s unless the coordinator confirms it.\n');
  });
});
