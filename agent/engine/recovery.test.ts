import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { memoryFile } from '../../test/support/memory-file.js';
import { createSimulatedHost, type SimulatedHost } from '../../test/support/simulated-host.js';
import type { ApplyUserRequest, ApplyUserRequestInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyUserRequest.js';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { newId } from '../../shared/kit/id.js';
import type { ObservedUser } from '../../shared/model/user.js';
import { messageCodec } from '../../shared/rpc/load.js';
import type { AppendFile } from '../host/append.js';
import { openAppendFile } from '../host/append.js';
import { openJournal, type Journal } from '../journal/journal.js';
import { parseJournal } from '../journal/line.js';
import { userWork } from '../user/apply.js';
import { createEngine, type Engine } from './engine.js';

const log = pino({ level: 'silent' });
const method = 'reeve.agent.v1.UserService/ApplyUser';
const codec = messageCodec<ApplyUserRequestInput, ApplyUserRequest>('reeve.agent.v1.ApplyUserRequest');
const forever = new AbortController().signal;

async function start(host: SimulatedHost, file: AppendFile): Promise<{ journal: Journal; engine: Engine; apply: (request: ApplyUserRequestInput) => Promise<unknown> }> {
  const journal = await openJournal({ file, clock: host.clock, log, hostName: 'web1' });
  const engine = createEngine({ host, journal, hostName: 'web1', log, onChanged: () => undefined, admit: () => undefined });
  const work = userWork(host, 'web1');
  await engine.recover([work], forever);
  return { journal, engine, apply: (request) => engine.run(work, codec.decode(codec.encode(request)), forever) };
}

const bob: ObservedUser = { name: 'bob', uid: 20002, gid: 20002, shell: '/bin/sh', comment: '', home: '/home/bob', groups: ['games'], locked: false, marker: 'home', present: true };
const request = (operationId: string): ApplyUserRequestInput => ({
  intent: { mode: 'MODE_APPLY', operationId, generation: 3, epoch: 2 },
  users: [
    { name: 'ada', presence: 'USER_PRESENCE_PRESENT', kind: 'USER_KIND_HOME', uid: 20001, shell: '/bin/bash', comment: '', groups: ['audio'] },
    { name: 'bob', presence: 'USER_PRESENCE_PRESENT', kind: 'USER_KIND_HOME', shell: '/bin/bash', comment: '', groups: [] },
  ],
});
const statesOf = (host: SimulatedHost): string => JSON.stringify([...host.users.values()].sort((a, b) => (a.name < b.name ? -1 : 1)));

/** Runs the operation once, and keeps the journal and the state of the host after each step. */
async function record(): Promise<{ id: string; journal: Buffer; states: string[]; wanted: string }> {
  const host = createSimulatedHost({ users: [bob] });
  const states = [statesOf(host)];
  const call = host.helper.call.bind(host.helper);
  const recording: SimulatedHost = { ...host, helper: { call: async (verb, operationId, asked) => {
    const reply = await call(verb, operationId, asked);
    if (states.at(-1) !== statesOf(host)) states.push(statesOf(host));
    return reply;
  } } };
  const file = memoryFile();
  const { apply } = await start(recording, file);
  const id = newId(Date.now());
  await apply(request(id));
  return { id, journal: file.content, states, wanted: statesOf(host) };
}

describe('after a crash', () => {
  it('every prefix of the journal gives a truthful outcome, whatever the host was left as', async () => {
    const { id, journal, states, wanted } = await record();
    expect(states.length).toBe(5);
    const startedAt = journal.indexOf('"t":"started"');
    const started = journal.indexOf('\n', startedAt);
    for (let length = 0; length <= journal.length; length += 1) {
      // Before "started" is on the disk nothing was done; after it anything may have been.
      for (const state of length <= started ? states.slice(0, 1) : states) {
        const host = createSimulatedHost({ users: JSON.parse(state) as ObservedUser[] });
        const run = await start(host, memoryFile(Buffer.from(journal.subarray(0, length))));
        const entry = run.journal.findOperation(id);
        expect(run.journal.open()).toEqual([]);
        if (entry === undefined) expect(statesOf(host)).toBe(states[0]);
        else if (entry.state === 'failed') {
          expect(statesOf(host)).toBe(states[0]);
          expect(await run.journal.ending(entry)).toMatchObject({ kind: 'failed', errors: [{ code: 'INTERRUPTED' }] });
        } else if (journal.subarray(0, length).includes('"t":"ok"') && length === journal.length) {
          expect(entry.state).toBe('ok');
        } else {
          expect(entry.state).toBe('ok');
          expect(statesOf(host)).toBe(wanted);
          expect(run.journal.generation('user')).toBe(3);
        }
      }
    }
  }, 120_000);

  it('what was finished by recovery is answered to a repeat, without doing it again', async () => {
    const { id, journal, states, wanted } = await record();
    const host = createSimulatedHost({ users: JSON.parse(states[1] ?? '[]') as ObservedUser[] });
    const run = await start(host, memoryFile(Buffer.from(journal.subarray(0, journal.indexOf('{"t":"ok"')))));
    host.calls.length = 0;
    await run.apply(request(id));
    expect(host.calls).toEqual([]);
    expect(statesOf(host)).toBe(wanted);
  });

  it('what cannot be finished is taken back, and recorded as failed', async () => {
    const { id, journal, states } = await record();
    const host = createSimulatedHost({ users: JSON.parse(states[1] ?? '[]') as ObservedUser[] });
    host.fail('group.member', reeveError('TOOL_FAILED', { value: 'gpasswd', rule: 'exit 3' }));
    const run = await start(host, memoryFile(Buffer.from(journal.subarray(0, journal.indexOf('{"t":"ok"')))));
    const entry = run.journal.findOperation(id);
    if (entry === undefined) throw new Error('the operation is forgotten');
    expect(await run.journal.ending(entry)).toMatchObject({ kind: 'failed', errors: [{ code: 'TOOL_FAILED' }, { code: 'IO_FAILED' }, { code: 'IO_FAILED' }] });
    expect(host.users.has('ada')).toBe(false);
    host.fail('group.member', undefined);
    await expect(run.apply(request(id))).rejects.toMatchObject({ code: 'TOOL_FAILED' });
  });

  it('what never began may be sent again', async () => {
    const { id, journal, wanted } = await record();
    const host = createSimulatedHost({ users: [bob] });
    const run = await start(host, memoryFile(Buffer.from(journal.subarray(0, journal.indexOf('{"t":"undo"')))));
    expect(run.journal.findOperation(id)).toMatchObject({ state: 'failed', started: false });
    await run.apply(request(id));
    expect(statesOf(host)).toBe(wanted);
    expect(run.journal.findOperation(id)).toMatchObject({ state: 'ok' });
  });

  it('recovery waits for a helper that does not answer yet', async () => {
    const { id, journal, states, wanted } = await record();
    const host = createSimulatedHost({ users: JSON.parse(states[2] ?? '[]') as ObservedUser[] });
    host.fail('observe.user', reeveError('HELPER_UNREACHABLE', { reason: 'ECONNREFUSED' }));
    setTimeout(() => host.fail('observe.user', undefined), 300);
    const run = await start(host, memoryFile(Buffer.from(journal.subarray(0, journal.indexOf('{"t":"ok"')))));
    expect(run.journal.findOperation(id)).toMatchObject({ state: 'ok' });
    expect(statesOf(host)).toBe(wanted);
  });
});

describe('the journal', () => {
  it('forgets requests of what has ended, remembers generations and epoch, and drops what is older than a week', async () => {
    const { journal } = await record();
    const file = memoryFile(journal);
    const late = { now: () => Date.now() + 9 * 86_400_000, monotonic: () => 0 };
    const kept = await openJournal({ file, clock: { now: () => Date.now(), monotonic: () => 0 }, log, hostName: 'web1' });
    expect(kept.epoch).toBe(2);
    expect(file.content.toString()).not.toContain('"t":"undo"');
    expect(parseJournal(file.content).lines.map(({ line }) => line.t)).toEqual(['epoch', 'generation', 'before', 'received', 'ok']);
    const later = await openJournal({ file, clock: late, log, hostName: 'web1' });
    expect(parseJournal(file.content).lines.map(({ line }) => line.t)).toEqual(['forgotten', 'epoch', 'generation', 'before']);
    expect(later).toMatchObject({ epoch: 2 });
    expect(later.generation('user')).toBe(3);
  });

  it('on a real file survives a torn last line, and later lines do not stick to it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'reeve-journal-'));
    const path = join(folder, 'operations');
    const file = await openAppendFile(path);
    const first = await start(createSimulatedHost({ users: [bob] }), file);
    await first.apply(request(newId(Date.now())));
    await file.close();
    truncateSync(path, file.sizeBytes - 5);
    const again = await openAppendFile(path);
    const host = createSimulatedHost({ users: [bob] });
    const second = await start(host, again);
    const id = newId(Date.now());
    await second.apply({ ...request(id), intent: { ...request(id).intent, generation: 4 } });
    await again.close();
    const third = await openAppendFile(path);
    const journal = await openJournal({ file: third, clock: host.clock, log, hostName: 'web1' });
    expect(journal.findOperation(id)).toMatchObject({ state: 'ok' });
    expect(journal.generation('user')).toBe(4);
    await third.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('refuses changes when it cannot be written, and changes nothing', async () => {
    const host = createSimulatedHost({ users: [bob] });
    const file = memoryFile();
    const run = await start(host, file);
    file.append = () => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
    await expect(run.apply(request(newId(Date.now())))).rejects.toMatchObject({ code: 'AUDIT_UNWRITABLE', fields: { reason: 'ENOSPC' } });
    expect([...host.users.keys()]).toEqual(['bob']);
  });

  it('that fails at the end still answers what was done', async () => {
    const host = createSimulatedHost({ users: [bob] });
    const file = memoryFile();
    const run = await start(host, file);
    const append = file.append;
    file.append = (text: string) => (text.includes('"t":"ok"') ? Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' })) : append(text, true));
    const id = newId(Date.now());
    const response = await run.apply(request(id));
    expect(await run.apply(request(id))).toMatchObject({ digest: (response as { digest: Buffer }).digest });
    expect(run.journal.open()).toEqual([]);
  });

  it('never throws on bytes that nobody wrote', () => {
    for (const text of ['', '\n', '{}\n', '[]\n', 'null\n', '{"t":"ok"}\n', '{"t":"__proto__"}\n', '{"t":"failed","id":"a","method":"b","at":1,"errors":[{"code":"NO","fields":{}}],"started":true}\n', '\u0000\uffff\n']) {
      expect(parseJournal(Buffer.from(text)).lines).toEqual([]);
    }
  });

  it('is keyed by method too: another method with the same id is another operation', async () => {
    const { id, journal } = await record();
    const run = await start(createSimulatedHost(), memoryFile(journal));
    expect(run.journal.find(id, method)).toBeDefined();
    expect(run.journal.find(id, 'reeve.agent.v1.KeyService/ApplyKey')).toBeUndefined();
  });
});

describe('the helper', () => {
  it('is asked again for a moment when it gives no answer', async () => {
    const host = createSimulatedHost({ users: [bob] });
    const run = await start(host, memoryFile());
    host.fail('user.add', reeveError('HELPER_UNREACHABLE', { reason: 'ECONNREFUSED' }));
    setTimeout(() => host.fail('user.add', undefined), 100);
    await run.apply(request(newId(Date.now())));
    expect(host.users.get('ada')).toMatchObject({ uid: 20001 });
  });

  it('that refuses a removal leaves what was done before it', async () => {
    const host = createSimulatedHost({ users: [bob] });
    const run = await start(host, memoryFile());
    host.fail('user.remove', reeveError('USER_PROCESSES_REMAIN', { value: 'bob' }));
    const wanted = request(newId(Date.now()));
    const both = { ...wanted, users: [...(wanted.users ?? []).slice(0, 1), { name: 'bob', presence: 'USER_PRESENCE_ABSENT' as const }] };
    const failed = run.apply(both);
    await expect(failed).rejects.toBeInstanceOf(ReeveError);
    await expect(failed).rejects.toMatchObject({ code: 'USER_PROCESSES_REMAIN', fields: { host: 'web1' } });
    expect(host.users.has('ada')).toBe(true);
  });
});

describe('an operation that was forgotten', () => {
  const day = 86_400_000;

  it('because the clock was ahead is not run again when the clock is right again', async () => {
    let aheadMs = 0;
    const host = createSimulatedHost({ users: [bob], clock: { now: () => Date.now() + aheadMs, monotonic: () => performance.now() } });
    const file = memoryFile();
    const id = newId(Date.now());
    const first = await start(host, file);
    await first.apply(request(id));
    const made = statesOf(host);
    host.users.delete('ada');
    host.homes.delete('ada');
    aheadMs = 9 * day;
    const ahead = await start(host, file);
    expect(ahead.journal.findOperation(id)).toBeUndefined();
    aheadMs = 0;
    for (let restarts = 0; restarts < 2; restarts += 1) {
      const again = await start(host, file);
      await expect(again.apply(request(id))).rejects.toMatchObject({ code: 'OPERATION_FORGOTTEN', fields: { value: id, host: 'web1' } });
      expect(host.users.has('ada')).toBe(false);
    }
    await (await start(host, file)).apply(request(newId(Date.now() + 1)));
    expect(statesOf(host)).toBe(made);
  });
});
