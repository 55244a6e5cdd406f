import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { memoryFile } from '../../test/support/memory-file.js';
import { createSimulatedHost, openPolicy, type SimulatedHost } from '../../test/support/simulated-host.js';
import type { ApplyUserRequest, ApplyUserRequestInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyUserRequest.js';
import { reeveError } from '../../shared/errors/error.js';
import { newId } from '../../shared/kit/id.js';
import { formatUser, type ObservedUser, type User } from '../../shared/model/user.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { createEngine } from '../engine/engine.js';
import type { UndoEntry } from '../engine/undo.js';
import { formatStoredHolds } from '../hold/stored.js';
import type { AppendFile } from '../host/append.js';
import { openJournal, type Journal } from '../journal/journal.js';
import { parseJournal } from '../journal/line.js';
import { userWork } from '../user/apply.js';
import { selectUndos } from './select.js';
import { createLocalUndo, type LocalUndo } from './undo.js';

const log = pino({ level: 'silent' });
const codec = messageCodec<ApplyUserRequestInput, ApplyUserRequest>('reeve.agent.v1.ApplyUserRequest');
const forever = new AbortController().signal;

interface Run {
  readonly host: SimulatedHost;
  readonly journal: Journal;
  readonly undo: LocalUndo;
  apply(users: readonly User[], generation: number): Promise<unknown>;
  /** Plans and does it. */
  back(to?: number): Promise<readonly string[]>;
}

async function start(host: SimulatedHost, file: AppendFile = memoryFile()): Promise<Run> {
  const journal = await openJournal({ file, clock: host.clock, log, hostName: 'web1' });
  const engine = createEngine({ host, journal, hostName: 'web1', log, onChanged: () => undefined, admit: () => undefined });
  const work = userWork(host, 'web1');
  const undo = createLocalUndo({ engine, journal, works: [work], signal: forever });
  await engine.recover([work], forever);
  return {
    host, journal, undo,
    apply: (users, generation) => {
      const intent = { mode: 'MODE_APPLY', operationId: newId(Date.now()), generation, epoch: 1 } as const;
      return engine.run(work, codec.decode(codec.encode({ intent, users: users.map(formatUser) })), forever);
    },
    async back(to) {
      const { targets, digest, notes } = await undo.plan('user', to);
      await undo.apply('user', { targets: targets.map((target) => target.id), operationId: newId(Date.now()), digest });
      return notes;
    },
  };
}

const ours = (name: string, more: Partial<ObservedUser> = {}): ObservedUser => ({
  name, uid: 20001, gid: 20001, shell: '/bin/bash', comment: '', home: `/home/${name}`, groups: ['games'], locked: false, marker: 'home', present: true, ...more,
});
const present = (name: string, more: object = {}): User => ({ presence: 'present', name, account: { kind: 'home', uid: undefined, shell: '/bin/bash', comment: '', groups: ['games'], ...more } });
/** What an undo gives back: everything but the gid and the home that a new account gets. */
const stateOf = (host: SimulatedHost): string =>
  JSON.stringify([...host.users.values()].map(({ name, uid, shell, comment, groups, locked, marker }) => ({ name, uid, shell, comment, groups: [...groups].sort(), locked, marker })).sort((a, b) => (a.name < b.name ? -1 : 1)));

describe('undo', () => {
  const names = ['ada', 'bob', 'carol'] as const;
  const wanted = fc.tuple(
    ...names.map((name) =>
      fc.option(
        fc.oneof(
          fc.record({ presence: fc.constantFrom('present' as const, 'locked' as const), shell: fc.constantFrom('/bin/bash', '/bin/sh'), groups: fc.subarray(['audio', 'games']) })
            .map(({ presence, shell, groups }): User => ({ presence, name, account: { kind: 'home', uid: undefined, shell, comment: '', groups } })),
          fc.constant<User>({ presence: 'absent', name, keepHome: false }),
        ),
        { nil: undefined },
      ),
    ),
  ).map((users) => users.filter((user) => user !== undefined));

  it('goes back step by step through up to ten operations, whatever they were', async () => {
    let undone = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(wanted, { minLength: 1, maxLength: 12 }), async (steps) => {
        const file = memoryFile();
        let run = await start(createSimulatedHost({ users: [ours('ada')] }), file);
        const states: string[] = [];
        for (const [index, users] of steps.entries()) {
          const before = stateOf(run.host);
          await run.apply(users, index + 1);
          if (stateOf(run.host) !== before) states.push(before);
        }
        expect(run.journal.undos('user').length).toBe(Math.min(10, states.length));
        const generation = run.journal.generation('user');
        for (const state of states.reverse().slice(0, 10)) {
          // A restart forgets nothing of it.
          run = await start(run.host, file);
          await run.back();
          undone += 1;
          expect(stateOf(run.host)).toBe(state);
        }
        await expect(run.undo.plan('user', undefined)).rejects.toMatchObject({ code: 'UNDO_NOTHING' });
        expect(run.journal.generation('user'), 'the generation is what the coordinator applied last').toBe(generation);
      }),
      { numRuns: 150 },
    );
    expect(undone).toBeGreaterThan(300);
  }, 120_000);

  it('goes back to a generation at once', async () => {
    const run = await start(createSimulatedHost({ users: [ours('ada')] }));
    await run.apply([present('ada', { shell: '/bin/sh' })], 1);
    const atOne = stateOf(run.host);
    await run.apply([present('ada', { groups: [] }), present('bob')], 2);
    await run.apply([{ presence: 'absent', name: 'ada', keepHome: false }], 3);
    expect(await run.back(1)).toEqual(expect.arrayContaining([expect.stringContaining('"ada" was removed and is made again with uid 20001'), expect.stringContaining('"bob" was not there before')]));
    expect(stateOf(run.host)).toBe(atOne);
    await expect(run.undo.plan('user', 7)).rejects.toMatchObject({ code: 'UNDO_GENERATION' });
    await run.back();
    expect(run.host.users.get('ada')?.shell).toBe('/bin/bash');
  });

  it.each<[string, ObservedUser, User, RegExp | undefined]>([
    ['an account that was locked', ours('ada'), { ...present('ada'), presence: 'locked' } as User, /"ada" gets access back/],
    ['an account that was unlocked', ours('ada', { locked: true }), present('ada'), undefined],
    ['a group that was taken away', ours('ada'), present('ada', { groups: [] }), /"ada" gets access back/],
    ['an adoption', ours('ada', { marker: '' }), { presence: 'present', name: 'ada', account: { kind: 'adopted' } }, undefined],
    ['a lock of an adopted account', ours('ada', { marker: 'adopted' }), { presence: 'locked', name: 'ada', account: { kind: 'adopted' } }, /"ada" gets access back/],
    ['the release of an adopted account', ours('ada', { marker: 'adopted' }), { presence: 'released', name: 'ada' }, undefined],
  ])('puts right %s', async (_what, before, user, note) => {
    const run = await start(createSimulatedHost({ users: [before] }));
    const was = stateOf(run.host);
    await run.apply([user], 1);
    expect(stateOf(run.host)).not.toBe(was);
    const notes = await run.back();
    expect(stateOf(run.host)).toBe(was);
    if (note === undefined) expect(notes).toEqual([]);
    else expect(notes.join('\n')).toMatch(note);
  });

  it('locks an account that was made where the policy does not let it be removed, and says so', async () => {
    const run = await start(createSimulatedHost());
    await run.apply([present('bob')], 1);
    run.host.setPolicy(openPolicy.replace(/^allow user.remove$/m, ''));
    expect(await run.back()).toEqual([expect.stringContaining('the policy does not let it be removed, so it is locked')]);
    expect(run.host.users.get('bob')?.locked).toBe(true);
  });

  it('is refused by the policy with the line that would allow it, and changes nothing', async () => {
    const run = await start(createSimulatedHost({ users: [ours('ada')] }));
    await run.apply([{ ...present('ada'), presence: 'locked' } as User], 1);
    run.host.setPolicy(openPolicy.replace(/^allow user.unlock$/m, ''));
    await expect(run.undo.plan('user', undefined)).rejects.toMatchObject({ code: 'POLICY_DENIED', fields: { line: 'allow user.unlock name=ada' } });
    expect(run.host.users.get('ada')?.locked).toBe(true);
    expect(run.journal.undos('user')).toHaveLength(1);
  });

  it('is done also while the host is held, and not when the host moved since it was shown', async () => {
    const run = await start(createSimulatedHost({ users: [ours('ada')] }));
    await run.apply([present('ada', { shell: '/bin/sh' })], 1);
    run.host.setHolds(formatStoredHolds([{ noun: '', by: 'root', reason: 'x', lengthMs: 3_600_000, setAtMs: run.host.clock.now(), bootId: run.host.bootMark(), setBootMs: run.host.monotonicMs() }]));
    const { targets, digest } = await run.undo.plan('user', undefined);
    const how = { targets: targets.map((target) => target.id), operationId: newId(Date.now()), digest };
    run.host.users.set('ada', { ...ours('ada'), shell: '/bin/zsh' });
    await expect(run.undo.apply('user', how)).rejects.toMatchObject({ code: 'STATE_MOVED' });
    expect(run.host.users.get('ada')?.shell).toBe('/bin/zsh');
    await run.back();
    expect(run.host.users.get('ada')?.shell).toBe('/bin/bash');
    await expect(run.undo.apply('user', { ...how, operationId: newId(Date.now()) })).rejects.toMatchObject({ code: 'UNDO_NOTHING' });
  });

  it('that fails leaves what was and can be asked again', async () => {
    const run = await start(createSimulatedHost({ users: [ours('ada')] }));
    await run.apply([present('ada', { shell: '/bin/sh', groups: ['audio'] })], 1);
    const was = stateOf(run.host);
    run.host.fail('group.member', reeveError('TOOL_FAILED', { value: 'gpasswd', rule: 'exit 3' }));
    await expect(run.back()).rejects.toMatchObject({ code: 'TOOL_FAILED' });
    expect(stateOf(run.host)).toBe(was);
    run.host.fail('group.member', undefined);
    await run.back();
    expect(run.host.users.get('ada')).toMatchObject({ shell: '/bin/bash', groups: ['games'] });
  });

  it('passes over what a failed operation had taken back itself', async () => {
    const run = await start(createSimulatedHost({ users: [ours('ada')] }));
    await run.apply([present('ada', { shell: '/bin/sh' })], 1);
    run.host.fail('group.member', reeveError('TOOL_FAILED', { value: 'gpasswd', rule: 'exit 3' }));
    await expect(run.apply([present('ada', { shell: '/bin/zsh', groups: [] })], 2)).rejects.toMatchObject({ code: 'TOOL_FAILED' });
    run.host.fail('group.member', undefined);
    expect(run.journal.undos('user').map((undo) => undo.state)).toEqual(['ok', 'failed']);
    await run.back();
    expect(run.host.users.get('ada')?.shell).toBe('/bin/bash');
  });

  it('that a crash cut off at any byte of the journal is finished or never began, and counts accordingly', async () => {
    const file = memoryFile();
    const run = await start(createSimulatedHost({ users: [ours('ada')] }), file);
    await run.apply([present('ada', { shell: '/bin/sh' }), present('bob')], 1);
    const middle = [...run.host.users.values()];
    const began = file.content.length;
    await run.back();
    const after = stateOf(run.host);
    const text = file.content.toString();
    for (let length = began; length <= file.content.length; length += 7) {
      const host = createSimulatedHost({ users: middle });
      const again = await start(host, memoryFile(Buffer.from(file.content.subarray(0, length))));
      const begun = text.slice(began, length).includes('"t":"started"') && text.slice(0, length).lastIndexOf('\n') >= text.indexOf('\n', text.indexOf('"t":"started"', began));
      const ended = text.slice(began, length).includes('"t":"ok"') && length === file.content.length;
      if (!ended) expect(stateOf(host) === after, String(length)).toBe(begun);
      expect(again.journal.undos('user'), String(length)).toHaveLength(begun ? 0 : 1);
      expect(again.journal.generation('user')).toBe(1);
      expect(again.journal.open()).toEqual([]);
    }
  });

  it('keeps ten operations also through years, and forgets the rest', async () => {
    const file = memoryFile();
    const run = await start(createSimulatedHost({ users: [ours('ada')] }), file);
    for (let n = 1; n <= 13; n += 1) await run.apply([present('ada', { shell: n % 2 === 0 ? '/bin/bash' : '/bin/sh' })], n);
    const late = { now: () => Date.now() + 900 * 86_400_000, monotonic: () => 0 };
    const journal = await openJournal({ file, clock: late, log, hostName: 'web1' });
    expect(journal.undos('user').map((undo) => [undo.was, undo.generation])).toEqual(Array.from({ length: 10 }, (_row, index) => [index + 3, index + 4]));
    expect(parseJournal(file.content).lines.map(({ line }) => line.t).filter((t) => t !== 'before').sort()).toEqual(['epoch', 'forgotten', 'generation'].filter((t) => file.content.includes(`"t":"${t}"`)));
  });
});

describe('which operations are taken back', () => {
  const entry = (was: number, generation: number): UndoEntry => ({ id: `${String(was)}-${String(generation)}`, noun: 'user', was, generation, at: 0, state: 'ok', names: ['x'] });
  const kept = [entry(3, 4), entry(4, 4), entry(4, 6)];
  it.each([[3, ['4-6', '4-4', '3-4']], [4, ['4-6']]])('to come to generation %i', (to, ids) => {
    expect(selectUndos('user', kept, to).map((undo) => undo.id)).toEqual(ids);
  });
  it.each([0, 2, 5, 6, 9])('none, and generation %i is refused', (to) => {
    expect(() => selectUndos('user', kept, to)).toThrow(/cannot be taken back to generation/);
  });
});
