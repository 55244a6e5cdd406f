import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryFile } from '../../test/support/memory-file.js';
import { createSimulatedHost, type SimulatedHost } from '../../test/support/simulated-host.js';
import { testSite } from '../../test/support/test-site.js';
import type { WriteVhostsRequest, WriteVhostsRequestInput } from '../../shared/gen/proto/reeve/agent/v1/WriteVhostsRequest.js';
import { newId } from '../../shared/kit/id.js';
import { formatVhost, type Vhost } from '../../shared/model/vhost.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { createEngine, type Engine } from '../engine/engine.js';
import { openJournal, type Journal } from '../journal/journal.js';
import { createStatusHub, type StatusHub } from '../status/hub.js';
import { vhostWork } from './apply.js';
import type { FrontOptions } from './look.js';
import { nginx } from './nginx/engine.js';
import { openVhostStore } from './store.js';
import { vhostWatch } from './watch.js';

const log = pino({ level: 'silent' });
const codec = messageCodec<WriteVhostsRequestInput, WriteVhostsRequest>('reeve.agent.v1.WriteVhostsRequest');
const [minutes, days] = [60_000, 86_400_000];

let folder: string;
let host: SimulatedHost;
let journal: Journal;
let engine: Engine;
let hub: StatusHub;
let work: ReturnType<typeof vhostWork>;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  folder = mkdtempSync(join(tmpdir(), 'reeve-vhost-'));
  host = createSimulatedHost({ clock: { now: () => Date.now(), monotonic: () => performance.now() } });
  journal = await openJournal({ file: memoryFile(), clock: host.clock, log, hostName: 'web1' });
  engine = createEngine({ host, journal, hostName: 'web1', log, onChanged: (noun, seen) => hub.operated(noun, seen), admit: () => undefined });
  const store = openVhostStore(folder, log);
  const front: FrontOptions = { host, hostName: 'web1', web: nginx(true), store, limits: { settleMs: 100, beforeMs: 100, afterMs: 100, allBeforeMs: 100 }, ends: new Map() };
  const watch = vhostWatch(front, () => journal.generation('vhost') > 0 || store.present);
  work = vhostWork(front, watch.seen);
  hub = createStatusHub({
    host, journal, log, nouns: [{ ...watch.noun, observe: (id) => engine.read('vhost', async () => watch.observe(id)) }], relay: () => null, certificateNotAfter: Date.now() + 1e9,
    trust: { denied: () => ({ version: 0, keys: new Set() }), movedVersion: 0 }, upgrade: '', instanceId: 'x',
  });
  await vi.advanceTimersByTimeAsync(1000);
});

afterEach(() => {
  hub.close();
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

async function apply(generation: number, sites: readonly Vhost[], about: readonly string[] = []): Promise<void> {
  await engine.run(work, codec.decode(codec.encode({ intent: { mode: 'MODE_APPLY', operationId: newId(Date.now()), generation, epoch: 1 }, vhosts: sites.map((site) => formatVhost(site)), about: [...about] })), new AbortController().signal);
}

const digest = (): string | undefined => {
  const found = hub.snapshot().digests.value.find(({ noun }) => noun === 'vhost')?.digest;
  return found instanceof Uint8Array ? Buffer.from(found).toString('hex') : undefined;
};
const asked = (): number => host.calls.splice(0).filter((call) => call === 'observe.vhost').length;
const plain = testSite('a.example.org');
const secure = testSite('b.example.org', { listens: [{ address: undefined, port: 443, tls: true }] });

describe('the watch over sites', () => {
  it('leaves the helper of a host asleep that has none', async () => {
    asked();
    await vi.advanceTimersByTimeAsync(30 * minutes);
    expect([asked(), digest()]).toEqual([0, undefined]);
  });

  it('looks when a file is touched, and tells an edit as another digest', async () => {
    await apply(1, [plain, secure]);
    const made = digest();
    await vi.advanceTimersByTimeAsync(1 * minutes);
    asked();
    await vi.advanceTimersByTimeAsync(30 * minutes);
    expect(asked()).toBe(0);
    const row = host.vhosts.placed?.get('a.example.org.conf');
    if (row !== undefined) row.content = 'server {}\n';
    host.touch('vhost');
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked()).toBe(1);
    expect(digest()).not.toBe(made);
    await apply(2, [{ ...plain, overwrite: true }, secure]);
    expect(digest()).toBe(made);
  });

  it('tells once that a self-signed certificate ends soon, and what was made anew', async () => {
    await apply(1, [plain, secure]);
    const made = digest();
    await vi.advanceTimersByTimeAsync(minutes);
    vi.setSystemTime(Date.now() + 336 * days);
    await vi.advanceTimersByTimeAsync(10 * minutes);
    expect(digest()).not.toBe(made);
    asked();
    await vi.advanceTimersByTimeAsync(30 * minutes);
    expect(asked()).toBe(0);
    await apply(2, [plain, secure]);
    expect(digest()).toBe(made);
  });

  it('tells of sites also where the first change was made only in part', async () => {
    host.vhosts.broken.set('"b.example.org"', 'no');
    await expect(apply(1, [plain, secure], ['b.example.org'])).rejects.toMatchObject({ code: 'VHOST_PARKED' });
    expect(journal.generation('vhost')).toBe(0);
    await vi.advanceTimersByTimeAsync(1000);
    expect(digest()).toBeDefined();
  });
});
