import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryFile } from '../../test/support/memory-file.js';
import { createSimulatedHost, type SimulatedHost } from '../../test/support/simulated-host.js';
import type { ApplyNatRequest, ApplyNatRequestInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyNatRequest.js';
import type { Engine } from '../engine/engine.js';
import { createEngine } from '../engine/engine.js';
import { newId } from '../../shared/kit/id.js';
import { formatNatRules, type NatForward } from '../../shared/model/nat.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { openJournal, type Journal } from '../journal/journal.js';
import { createStatusHub, type StatusHub } from '../status/hub.js';
import { natWork } from './apply.js';
import { natWatch } from './watch.js';

const log = pino({ level: 'silent' });
const codec = messageCodec<ApplyNatRequestInput, ApplyNatRequest>('reeve.agent.v1.ApplyNatRequest');
const forward: NatForward = { id: 1, protocol: 'tcp', listen: { kind: 'any' }, ports: { first: 8080, last: 8080 }, to: '10.0.0.2', toPorts: { first: 80, last: 80 }, sources: [], hairpin: true, adopt: false };
const minutes = 60_000;

let host: SimulatedHost;
let journal: Journal;
let engine: Engine;
let hub: StatusHub;
let work: ReturnType<typeof natWork>;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  host = createSimulatedHost({ clock: { now: () => Date.now(), monotonic: () => performance.now() } });
  journal = await openJournal({ file: memoryFile(), clock: host.clock, log, hostName: 'front' });
  engine = createEngine({ host, journal, hostName: 'front', log, onChanged: (noun, seen) => hub.operated(noun, seen), admit: () => undefined });
  const watch = natWatch(host, () => journal.generation('nat') > 0);
  work = natWork(host, 'front', watch.seen);
  hub = createStatusHub({
    host, journal, log, nouns: [{ ...watch.noun, observe: (id) => engine.read('nat', async () => watch.observe(id)) }], relay: () => null, certificateNotAfter: Date.now() + 1e9,
    trust: { denied: () => ({ version: 0, keys: new Set() }), movedVersion: 0 }, upgrade: '', instanceId: 'x',
  });
  await vi.advanceTimersByTimeAsync(1000);
});

afterEach(() => {
  hub.close();
  vi.useRealTimers();
});

async function apply(generation: number, forwards: readonly NatForward[], confirmed = true): Promise<void> {
  const operationId = newId(Date.now());
  await engine.run(work, codec.decode(codec.encode({ intent: { mode: 'MODE_APPLY', operationId, generation, epoch: 1, confirmTimeout: { seconds: 60 } }, ...formatNatRules({ forwards, masquerades: [] }) })), new AbortController().signal);
  if (confirmed) await host.helper.call('pending.confirm', operationId, { noun: 'nat', operation: Buffer.from(operationId.replaceAll('-', ''), 'hex') });
}

const digest = (): string | undefined => {
  const found = hub.snapshot().digests.value.find(({ noun }) => noun === 'nat')?.digest;
  return found instanceof Uint8Array ? Buffer.from(found).toString('hex') : undefined;
};
const asked = (): string[] => host.calls.splice(0).filter((call) => call.includes('nat') || call.includes('pending'));

describe('the watch over the tables of the kernel', () => {
  it('leaves the helper of a host asleep that has no forwards, or none any more', async () => {
    await vi.advanceTimersByTimeAsync(30 * minutes);
    expect(asked()).toEqual([]);
    await apply(1, [forward]);
    await apply(2, []);
    await vi.advanceTimersByTimeAsync(6 * minutes);
    asked();
    await vi.advanceTimersByTimeAsync(30 * minutes);
    expect(host.calls).toEqual([]);
  });

  it('asks for the generation every five minutes, and looks only when it is another', async () => {
    await apply(1, [forward]);
    const before = digest();
    await vi.advanceTimersByTimeAsync(6 * minutes);
    asked();
    await vi.advanceTimersByTimeAsync(30 * minutes);
    const calls = asked();
    expect(calls.length).toBeGreaterThanOrEqual(5);
    expect(calls.length).toBeLessThanOrEqual(7);
    host.nat.altered = true;
    await vi.advanceTimersByTimeAsync(6 * minutes);
    expect(digest(), 'the generation is the same').toBe(before);
    host.nat.generation += 1;
    await vi.advanceTimersByTimeAsync(6 * minutes);
    expect(digest()).not.toBe(before);
  });

  it('tells soon that the host took a change back', async () => {
    await apply(1, [forward]);
    const before = digest();
    await apply(2, [{ ...forward, to: '10.0.0.3' }], false);
    expect(digest()).not.toBe(before);
    await vi.advanceTimersByTimeAsync(70_000);
    expect(digest()).toBe(before);
  });

  it('looks again where the host is late to take a change back', async () => {
    await apply(1, [forward]);
    const before = digest();
    await apply(2, [{ ...forward, to: '10.0.0.3' }], false);
    // The dead-man service still works on it.
    host.nat.late = true;
    await vi.advanceTimersByTimeAsync(80_000);
    expect(digest()).not.toBe(before);
    host.nat.late = false;
    await vi.advanceTimersByTimeAsync(90_000);
    expect(digest()).toBe(before);
  });
});
