import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createEventQueue } from '../../shared/kit/event-queue.js';
import type { Job, JobEvent } from '../host/job.js';
import type { DataPort } from './data-port.js';
import type { Granted } from './grant.js';
import { runSession } from './session.js';
import type { WorkPlace } from '../engine/ticket.js';

const nothing = (): never => {
  throw new Error('nobody asks for that');
};
const port: DataPort = { await: nothing, dial: nothing, over: nothing, settings: nothing, close: nothing };
const granted = { side: 'sender', grant: { run: 'r', what: { kind: 'backup' } }, peer: { host: 'h', key: 'k' } } as Granted;
const place = { hostName: 'web', host: { clock: { now: () => 0, monotonic: () => 0 } } } as WorkPlace;

/** A job that says nothing by itself. */
function silentJob(): Job & { readonly said: ReturnType<typeof createEventQueue<JobEvent>>; closed: boolean } {
  const said = createEventQueue<JobEvent>();
  return {
    said, events: said, data: new PassThrough(), closed: false, input: nothing,
    close() {
      this.closed = true;
      said.end();
    },
  };
}

/** A caller that says nothing, either. */
async function* silence(until: Promise<void>): AsyncGenerator<never> {
  await until;
}

describe('a side of a copy', () => {
  it('ends with its caller although neither its job nor the caller says anything', async () => {
    const job = silentJob();
    const caller = new AbortController();
    const session = runSession({ place, port, granted, job, rest: silence(new Promise(() => undefined)), signal: caller.signal });
    const next = session.next();
    caller.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(job.closed).toBe(true);
  });

  it('does not begin when its caller has gone already', async () => {
    const job = silentJob();
    expect(await runSession({ place, port, granted, job, rest: silence(new Promise(() => undefined)), signal: AbortSignal.abort() }).next()).toEqual({ done: true, value: undefined });
    expect(job.closed).toBe(true);
  });

  it('tells what its job says, to the result, also after its caller has said all', async () => {
    const job = silentJob();
    const session = runSession({ place, port, granted, job, rest: silence(Promise.resolve()), signal: new AbortController().signal });
    job.said.push({ kind: 'ready', fields: new Map([['sandbox', [Buffer.from('full')]]]) });
    job.said.push({ kind: 'result', fields: new Map([['exit', [Buffer.from('12')]], ['reason', [Buffer.from('lost')]]]) });
    expect(await session.next()).toMatchObject({ value: { ready: { sandbox: 'full' } } });
    expect(await session.next()).toMatchObject({ value: { result: { exitCode: 12, reason: 'lost', published: false } } });
    expect(await session.next()).toEqual({ done: true, value: undefined });
    expect(job.closed).toBe(true);
  });
});
