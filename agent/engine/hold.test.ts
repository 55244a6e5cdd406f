import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { memoryFile } from '../../test/support/memory-file.js';
import { createSimulatedHost, openPolicy, type SimulatedHost } from '../../test/support/simulated-host.js';
import type { ApplyUserRequest, ApplyUserRequestInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyUserRequest.js';
import type { ApplyUserResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyUserResponse.js';
import { newId } from '../../shared/kit/id.js';
import type { ObservedUser } from '../../shared/model/user.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { formatStoredHolds, type StoredHold } from '../hold/stored.js';
import type { AppendFile } from '../host/append.js';
import { openJournal, type Journal } from '../journal/journal.js';
import { userWork } from '../user/apply.js';
import { createEngine } from './engine.js';

const log = pino({ level: 'silent' });
const codec = messageCodec<ApplyUserRequestInput, ApplyUserRequest>('reeve.agent.v1.ApplyUserRequest');
const forever = new AbortController().signal;

interface Run {
  readonly host: SimulatedHost;
  readonly journal: Journal;
  apply(request: ApplyUserRequestInput): Promise<ApplyUserResponseInput>;
}

async function start(host: SimulatedHost, file: AppendFile = memoryFile()): Promise<Run> {
  const journal = await openJournal({ file, clock: host.clock, log, hostName: 'web1' });
  const engine = createEngine({ host, journal, hostName: 'web1', log, onChanged: () => undefined, admit: () => undefined });
  const work = userWork(host, 'web1');
  await engine.recover([work], forever);
  return { host, journal, apply: (request) => engine.run(work, codec.decode(codec.encode(request)), forever) };
}

const bob: ObservedUser = { name: 'bob', uid: 20002, gid: 20002, shell: '/bin/sh', comment: '', home: '/home/bob', groups: ['games'], locked: false, marker: 'home', present: true };
const hold = (host: SimulatedHost, more: Partial<StoredHold> = {}): string =>
  formatStoredHolds([{ noun: '', by: 'root', reason: 'disk swap', lengthMs: 3_600_000, setAtMs: host.clock.now(), bootId: host.bootMark(), setBootMs: host.monotonicMs(), ...more }]);

/** Ada is to be made, bob to be locked and to get another shell. */
const request = (mode: 'MODE_PLAN' | 'MODE_APPLY' = 'MODE_APPLY', more: object = {}): ApplyUserRequestInput => ({
  intent: { mode, operationId: newId(Date.now()), generation: 3, epoch: 1, ...more },
  users: [
    { name: 'ada', presence: 'USER_PRESENCE_PRESENT', kind: 'USER_KIND_HOME', shell: '/bin/bash', comment: '', groups: [] },
    { name: 'bob', presence: 'USER_PRESENCE_LOCKED', kind: 'USER_KIND_HOME', shell: '/bin/bash', comment: '', groups: [] },
  ],
});
const subjects = (changes: readonly { subject?: string | undefined; fields?: readonly { field?: string | undefined }[] | undefined }[] | undefined): string[] =>
  (changes ?? []).map((change) => `${change.subject ?? ''}: ${(change.fields ?? []).map((field) => field.field).join(' ')}`);

const made = ['bob: presence groups'];
const heldBack = ['bob: shell', 'ada: presence kind shell'];

describe('under a hold', () => {
  it.each<[string, (host: SimulatedHost) => void, object]>([
    ['of the host itself', (host) => host.setHolds(hold(host)), {}],
    ['of the noun', (host) => host.setHolds(hold(host, { noun: 'user' })), {}],
    ['of the coordinator', () => undefined, { removalOnly: true }],
    ['that cannot be read', (host) => host.setHolds('{"version":1,"holds":[{'), {}],
  ])('%s only removal of access is made, the rest is named, and the generation does not count', async (_what, begin, more) => {
    const run = await start(createSimulatedHost({ users: [bob] }));
    begin(run.host);
    const asked = request('MODE_APPLY', more);
    const answer = await run.apply(asked);
    expect(subjects(answer.changes)).toEqual(made);
    expect(subjects(answer.held?.changes ?? [])).toEqual(expect.arrayContaining(heldBack));
    expect(answer.held?.changes).toHaveLength(heldBack.length);
    expect(run.host.users.get('bob')).toMatchObject({ locked: true, shell: '/bin/sh', groups: [] });
    expect(run.host.users.has('ada')).toBe(false);
    expect(run.journal.generation('user')).toBe(0);
    // A repeat is answered as the first time, also when the hold has ended.
    run.host.setHolds(undefined);
    expect(subjects((await run.apply(asked)).held?.changes ?? [])).toHaveLength(heldBack.length);
    const after = await run.apply(request());
    expect(after.held ?? null).toBeNull();
    expect(subjects(after.changes)).toEqual(expect.arrayContaining(heldBack));
    expect(run.host.users.get('bob')).toMatchObject({ locked: true, shell: '/bin/bash' });
    expect(run.journal.generation('user')).toBe(3);
  });

  it.each<[string, Partial<StoredHold>]>([['of another noun', { noun: 'nat' }], ['that has ended', { setBootMs: -3_600_000, setAtMs: 0, bootId: 'another boot' }]])('%s all is made', async (_what, more) => {
    const run = await start(createSimulatedHost({ users: [bob] }));
    run.host.setHolds(hold(run.host, { ...more, setBootMs: 0 }));
    expect((await run.apply(request())).held ?? null).toBeNull();
    expect(run.journal.generation('user')).toBe(3);
  });

  it('with nothing to hold back the generation counts', async () => {
    const run = await start(createSimulatedHost({ users: [bob] }));
    run.host.setHolds(hold(run.host));
    const { intent } = request();
    const answer = await run.apply({ ...(intent === undefined ? {} : { intent }), users: [{ name: 'bob', presence: 'USER_PRESENCE_ABSENT' }] });
    expect(answer.held ?? null).toBeNull();
    expect(run.host.users.size).toBe(0);
    expect(run.journal.generation('user')).toBe(3);
  });

  it('a plan shows both parts and the hold, and changes nothing', async () => {
    const run = await start(createSimulatedHost({ users: [bob] }));
    run.host.setHolds(hold(run.host));
    const plan = await run.apply(request('MODE_PLAN'));
    expect(subjects(plan.changes)).toEqual(made);
    expect(plan.held?.holds).toMatchObject([{ noun: '', by: 'root', reason: 'disk swap', local: true }]);
    expect(run.host.users.get('bob')?.locked).toBe(false);
    expect(run.host.users.size).toBe(1);
  });

  it('what stands in the way of what is held back does not stand in the way of a lock; a plan tells it', async () => {
    const run = await start(createSimulatedHost({ users: [bob], policy: openPolicy.replace(/^allow user.add.*$/m, '') }));
    run.host.setHolds(hold(run.host));
    await expect(run.apply(request('MODE_PLAN'))).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    await run.apply(request());
    expect(run.host.users.get('bob')?.locked).toBe(true);
    run.host.setHolds(undefined);
    await expect(run.apply(request())).rejects.toMatchObject({ code: 'POLICY_DENIED' });
  });

  it('an operation that a crash cut off goes on as it began, whatever hold was set or ended since', async () => {
    const steps: Buffer[] = [];
    const file = memoryFile();
    const first = await start(createSimulatedHost({ users: [bob] }), file);
    const asked = request();
    for (const held of [true, false]) {
      first.host.setHolds(held ? hold(first.host) : undefined);
      const began = file.content.length;
      const { intent } = asked;
      await first.apply({ ...asked, intent: { ...intent, operationId: newId(Date.now()) } });
      const text = file.content.subarray(began).toString();
      steps.push(Buffer.from(text.slice(0, text.indexOf('{"t":"ok"'))));
    }
    const [underHold, free] = steps;
    const resumedHeld = await start(createSimulatedHost({ users: [bob] }), memoryFile(underHold));
    expect(resumedHeld.host.users.get('bob')).toMatchObject({ locked: true, shell: '/bin/sh' });
    expect(resumedHeld.host.users.has('ada')).toBe(false);
    expect(resumedHeld.journal.generation('user')).toBe(0);
    const host = createSimulatedHost({ users: [bob] });
    host.setHolds(hold(host));
    const resumedFree = await start(host, memoryFile(free));
    expect(resumedFree.host.users.has('ada')).toBe(true);
    expect(resumedFree.journal.generation('user')).toBe(3);
  });
});
