import { describe, expect, it } from 'vitest';
import type { RunRsyncRequestInput } from '../../shared/gen/proto/reeve/agent/v1/RunRsyncRequest.js';
import type { RunRsyncResponse } from '../../shared/gen/proto/reeve/agent/v1/RunRsyncResponse.js';
import { createEventQueue } from '../../shared/kit/event-queue.js';
import type { HostRow } from '../inventory/host.js';
import type { BackupFleet } from './backup-agent.js';
import { openSide, type Side } from './backup-side.js';

/** A message of an agent: what it leaves out is as the wire has it then. */
type Word = Omit<RunRsyncResponse, 'marks'> & { readonly marks?: boolean };

const host = { id: 'h', name: 'web1' } as HostRow;
const result = { exitCode: 0, reason: '', published: true, files: 1, bytes: 2, sentBytes: 3, sentFiles: 4, output: 'o', cpuMs: 0, memoryBytes: 0 };

/** A side whose agent says what it is told to say, and takes a message when it is told to. */
async function side(): Promise<{ side: Side; say: (message: Word) => void; end: () => void; takeOne: () => Promise<RunRsyncRequestInput | undefined>; heard: unknown[] }> {
  const said = createEventQueue<RunRsyncResponse>();
  const heard: unknown[] = [];
  let taken: AsyncIterator<RunRsyncRequestInput> | undefined;
  const channel = {
    duplex: (_service: string, _method: string, messages: AsyncIterable<RunRsyncRequestInput>) => {
      taken = messages[Symbol.asyncIterator]();
      return said;
    },
  };
  const fleet = { lane: () => Promise.resolve({ channel, release: () => heard.push('released') }) } as unknown as BackupFleet;
  const opened = await openSide(fleet, host, { progress: (progress) => heard.push(progress), problem: (problem) => heard.push(problem) }, new AbortController().signal);
  return { side: opened, say: (message) => said.push({ marks: false, ...message }), end: () => said.end(), heard, takeOne: async () => ((await taken?.next())?.value ?? undefined) as RunRsyncRequestInput | undefined };
}

const settled = async (work: Promise<unknown>): Promise<boolean> => Promise.race([work.then(() => true), new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))]);

describe('one side of a copy', () => {
  it('is sent a message when it has taken the one before', async () => {
    const { side: one, takeOne } = await side();
    const first = one.send({ end: true });
    expect(await takeOne()).toEqual({ end: true });
    expect(await settled(first)).toBe(false);
    const second = one.send({ data: Buffer.from('x') });
    expect(await takeOne()).toEqual({ data: Buffer.from('x') });
    expect(await settled(first)).toBe(true);
    expect(await settled(second)).toBe(false);
  });

  it('is heard no faster than the other side takes its bytes', async () => {
    const [from, to] = [await side(), await side()];
    from.side.pump(to.side);
    from.say({ data: Buffer.from('1') });
    from.say({ data: Buffer.from('2') });
    from.say({ result });
    expect(await to.takeOne()).toEqual({ data: Buffer.from('1') });
    expect(await settled(from.side.ended)).toBe(false);
    expect(await to.takeOne()).toEqual({ data: Buffer.from('2') });
    expect(await settled(from.side.ended)).toBe(false);
    void to.takeOne();
    expect(await from.side.ended).toMatchObject({ exitCode: 0, published: true, files: 1 });
    expect(from.heard).toEqual(['released']);
  });

  it.each<[string, Word[], string]>([
    ['bytes that nobody asked for', [{ data: Buffer.from('x') }], 'sends what nobody asked for'],
    ['no result', [{ progress: null }], 'stopped in the middle'],
    ['the same word again and again', Array.from({ length: 20 }, () => ({ connected: true })), 'says too much'],
  ])('breaks over %s', async (_title, messages, rule) => {
    const one = await side();
    for (const message of messages) one.say(message);
    one.end();
    await expect(one.side.ended).rejects.toThrow(rule);
    expect(one.heard).toContain('released');
  });

  it('breaks over more bytes than a message has', async () => {
    const [from, to] = [await side(), await side()];
    from.side.pump(to.side);
    from.say({ data: Buffer.alloc(65_537) });
    await expect(from.side.ended).rejects.toMatchObject({ code: 'BACKUP_FAILED' });
  });

  it('says why it ended to who waits for a word of it, and takes what is sent afterwards', async () => {
    const one = await side();
    const word = one.side.control(5_000);
    one.say({ result: { ...result, exitCode: 11, reason: 'no room' } });
    await expect(word).rejects.toThrow('no room');
    await one.side.send({ end: true });
    const other = await side();
    expect(await other.side.control(1)).toEqual({ kind: 'silent' });
    other.say({ listening: 70_000 });
    expect(await other.side.control(5_000)).toEqual({ kind: 'listening', port: 0, marks: false });
    other.say({ listening: 7424, marks: true });
    expect(await other.side.control(5_000)).toEqual({ kind: 'listening', port: 7424, marks: true });
  });

  it('is ready apart from what it says of the connection, once, and not after it has ended', async () => {
    const one = await side();
    expect(await one.side.ready(1)).toBeUndefined();
    const ready = one.side.ready(5_000);
    one.say({ listening: 7424 });
    one.say({ ready: { sandbox: 'no Landlock' } });
    one.say({ ready: { sandbox: 'full' } });
    expect(await ready).toBe('no Landlock');
    expect(await one.side.ready(1)).toBe('no Landlock');
    expect(await one.side.control(5_000)).toMatchObject({ kind: 'listening' });
    const other = await side();
    const never = other.side.ready(5_000);
    other.say({ result: { ...result, exitCode: 11, reason: 'no room' } });
    await expect(never).rejects.toThrow('no room');
  });
});
