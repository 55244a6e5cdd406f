import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostResultInput } from '../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import { reeveError } from '../../shared/errors/error.js';
import { altered, changeEvents, created, heldBack, heldOld, invited, lost, mistaken, refused, removed, same, unreachable } from './testing/answer.js';
import { startCoordinator, type CannedCoordinator } from './testing/coordinator.js';
import { runCaptured, transcript, type RunOptions } from './testing/terminal.js';

const line = ['user', 'add', 'ada', '--on', 'all'];

describe('a change', () => {
  let coordinator: CannedCoordinator;
  beforeAll(async () => {
    coordinator = await startCoordinator();
  });
  afterAll(() => coordinator.close());

  const run = async (results: readonly HostResultInput[], words: readonly string[], options?: RunOptions) => {
    coordinator.requests.length = 0;
    coordinator.answers = { 'UserService.AddUser': changeEvents(results) };
    return runCaptured(coordinator.socket, words, options);
  };
  const modes = () => coordinator.requests.map(({ request }) => (request as { options: { mode: string } }).options.mode.slice('CHANGE_MODE_'.length));

  const cases: readonly (readonly [name: string, results: readonly HostResultInput[], options: readonly string[], run: RunOptions, exit: number, modes: readonly string[]])[] = [
    ['plan', [created, altered, removed, unreachable, same], ['--plan'], {}, 3, ['PLAN']],
    ['plan-refused', [created, refused, mistaken], ['--plan'], {}, 1, ['PLAN']],
    ['plan-nothing', [same], ['--plan'], {}, 0, ['PLAN']],
    ['plan-json', [created, unreachable], ['--plan', '--json'], {}, 3, ['PLAN']],
    ['stage', [created, unreachable], ['--stage'], {}, 0, ['STAGE']],
    ['apply-yes', [created, altered, unreachable, invited, lost, refused, same], ['--yes'], {}, 1, ['APPLY']],
    ['apply-yes-ok', [created, same], ['--yes'], {}, 0, ['APPLY']],
    ['apply-yes-json', [created, refused], ['--yes', '--json'], {}, 1, ['APPLY']],
    ['asked-yes', [created, altered], [], { answer: 'y' }, 0, ['PLAN', 'APPLY']],
    ['asked-no', [created], [], { answer: '' }, 1, ['PLAN']],
    ['asked-nothing', [same, { ...same, hostId: 'other', hostName: 'web6' }], [], { answer: 'y' }, 0, ['PLAN']],
    ['asked-unreachable', [same, unreachable], [], { answer: 'y' }, 3, ['PLAN', 'APPLY']],
    ['asked-refused', [created, refused], [], { answer: 'y' }, 1, ['PLAN']],
    ['plan-held', [created, heldBack], ['--plan'], {}, 3, ['PLAN']],
    ['apply-yes-held', [created, heldBack, heldOld], ['--yes'], {}, 3, ['APPLY']],
    ['apply-yes-held-json', [heldBack], ['--yes', '--json'], {}, 3, ['APPLY']],
    ['nobody', [created], [], {}, 2, []],
    ['nobody-json', [created], ['--json'], { answer: 'y' }, 2, []],
  ];
  it.each(cases)('%s', async (name, results, options, how, exit, expected) => {
    const ran = await run(results, [...line, ...options], how);
    expect(ran.exit).toBe(exit);
    expect(modes()).toEqual(expected);
    const stable = transcript([...line, ...options], ran).replaceAll(/01[0-9a-f]{6}-[0-9a-f]{4}-7[0-9a-f]{3}-(?!8000)[0-9a-f]{4}-[0-9a-f]{12}/g, 'ID');
    await expect(stable).toMatchFileSnapshot(`golden/change/${name}.txt`);
  });

  it.each([[true, 'Stored. To apply it: reeve apply\n'], [false, 'Nothing to store: it is wanted so already.\n']])('that is staged without asking any host (stored: %s) says so', async (stored, out) => {
    coordinator.answers = { 'UserService.AddUser': () => [{ finished: { operationId: 'x', outcome: 'OUTCOME_PENDING', stored } }] };
    expect(await runCaptured(coordinator.socket, [...line, '--stage'])).toMatchObject({ exit: 0, out });
  });

  it('applies the plan that was shown, under an operation id of its own', async () => {
    await run([created], line, { answer: 'y' });
    const [planned, applied] = coordinator.requests.map(({ request }) => (request as { options: { planId: string; operationId: string } }).options);
    expect(planned).toMatchObject({ planId: '', operationId: '' });
    expect(applied?.planId).toBe('01930000-0000-7000-8000-000000000077');
    expect(applied?.operationId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  it('shows what is known and exits 3 when the answers break off', async () => {
    coordinator.answers = {
      'UserService.AddUser': async function* () {
        yield { planned: { planId: 'x', hosts: [created, altered] } };
        yield { host: created };
        await Promise.resolve();
        throw reeveError('COORDINATOR_UNREACHABLE', { value: 'the socket', reason: 'the connection broke' });
      },
    };
    const ran = await runCaptured(coordinator.socket, [...line, '--yes']);
    expect(ran.exit).toBe(3);
    expect(ran.out).toContain('web1   + user ada');
    expect(ran.out).toContain('web2   unknown\n2 hosts: 1 changed, 1 unknown\n');
    expect(ran.err).toMatch(/^reeve: The coordinator does not answer on the socket: the connection broke; hosts that had not answered may still finish what they began\.\n {2}See: reeve operation show /);
  });

  it('ends when it is interrupted, and says what is known', async () => {
    const abort = new AbortController();
    coordinator.answers = {
      'UserService.AddUser': async function* () {
        yield { planned: { planId: 'x', hosts: [created, altered] } };
        yield { host: created };
        setTimeout(() => abort.abort(), 50);
        await new Promise(() => undefined);
      },
    };
    const ran = await runCaptured(coordinator.socket, [...line, '--yes'], { signal: abort.signal });
    expect(ran).toMatchObject({ exit: 3 });
    expect(ran.out).toContain('2 hosts: 1 changed, 1 unknown\n');
    expect(ran.err).toMatch(/^reeve: Cancelled; hosts that had not answered/);
  });

  it('changes nothing when it is interrupted at the question', async () => {
    const abort = new AbortController();
    const ran = await run([created], line, { answer: 'y', signal: abort.signal, onAsk: () => abort.abort() });
    expect(ran.exit).toBe(1);
    expect(ran.err).toBe('reeve: The command was cancelled; nothing was changed\n');
    expect(modes()).toEqual(['PLAN']);
  });

  it('throws what the coordinator says to the request itself', async () => {
    coordinator.answers = {
      'UserService.AddUser': () => {
        throw reeveError('SELECTOR_EMPTY', { value: 'all' });
      },
    };
    expect(await runCaptured(coordinator.socket, [...line, '--yes'])).toMatchObject({ exit: 2, err: 'reeve: Selector "all" matches no host\n  See: reeve host list\n' });
  });

  it('shows progress on a terminal only, and takes it away', async () => {
    expect((await run([created, altered], [...line, '--yes'], { progress: true })).err).toBe('\r\u001b[K1 answered\r\u001b[K2 answered\r\u001b[K');
    expect((await run([created, altered], [...line, '--yes', '--json'], { progress: true })).err).toBe('');
    expect((await run([created, altered], [...line, '--yes'])).err).toBe('');
  });
});
