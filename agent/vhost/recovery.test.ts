import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryFile } from '../../test/support/memory-file.js';
import { createSimulatedHost, type SimulatedHost } from '../../test/support/simulated-host.js';
import { statusRoute, testSite } from '../../test/support/test-site.js';
import type { WriteVhostsRequest, WriteVhostsRequestInput } from '../../shared/gen/proto/reeve/agent/v1/WriteVhostsRequest.js';
import { reeveError } from '../../shared/errors/error.js';
import { newId } from '../../shared/kit/id.js';
import { formatVhost, type Vhost } from '../../shared/model/vhost.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { createEngine } from '../engine/engine.js';
import type { AppendFile } from '../host/append.js';
import { openJournal, type Journal } from '../journal/journal.js';
import { createLocalUndo, type LocalUndo } from '../undo/undo.js';
import { vhostWork } from './apply.js';
import type { FrontOptions } from './look.js';
import { nginx } from './nginx/engine.js';
import { openVhostStore, type VhostStore } from './store.js';

const log = pino({ level: 'silent' });
const codec = messageCodec<WriteVhostsRequestInput, WriteVhostsRequest>('reeve.agent.v1.WriteVhostsRequest');
const forever = new AbortController().signal;
const limits = { settleMs: 100, beforeMs: 100, afterMs: 100, allBeforeMs: 1000 };

let stateDir: string;
beforeEach(() => void (stateDir = mkdtempSync(join(tmpdir(), 'reeve-vhost-'))));
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

interface Run {
  readonly journal: Journal;
  readonly undo: LocalUndo;
  readonly store: VhostStore;
  apply(sites: readonly Vhost[], generation: number, takeOver?: string): Promise<string>;
  back(to?: number): Promise<readonly string[]>;
}

async function start(host: SimulatedHost, file: AppendFile, folder = stateDir): Promise<Run> {
  const journal = await openJournal({ file, clock: host.clock, log, hostName: 'web1' });
  const engine = createEngine({ host, journal, hostName: 'web1', log, onChanged: () => undefined, admit: () => undefined });
  const store = openVhostStore(folder, log);
  const front: FrontOptions = { host, hostName: 'web1', web: nginx(true), store, limits, ends: new Map() };
  const work = vhostWork(front, () => undefined);
  const undo = createLocalUndo({ engine, journal, works: [work], signal: forever });
  await engine.recover([work], forever);
  return {
    journal, undo, store,
    async apply(sites, generation, takeOver = '') {
      const operationId = newId(Date.now());
      await engine.run(work, codec.decode(codec.encode({ intent: { mode: 'MODE_APPLY', operationId, generation, epoch: 1 }, vhosts: sites.map((site) => formatVhost(site)), about: sites.map(({ name }) => name), takeOver })), forever);
      return operationId;
    },
    async back(to) {
      const { targets, digest, notes } = await undo.plan('vhost', to);
      await undo.apply('vhost', { targets: targets.map(({ id }) => id), operationId: newId(Date.now()), digest });
      return notes;
    },
  };
}

const filesOf = (host: SimulatedHost): ReadonlyMap<string, string | undefined> => new Map([...(host.vhosts.placed ?? [])].map(([name, { content }]) => [name, content]));
const [a, b] = [testSite('a.example.org'), testSite('b.example.org')];
const text = (site: Vhost, said: string): Vhost => ({ ...site, routes: [statusRoute('/', said)] });

describe('an agent that dies while sites are changed', () => {
  /** Applies, and gives the host, the journal and the state as they were when a verb was called for the n-th time, before it was made or right after. */
  async function diedAt(verb: string, when: 'before' | 'after', of: { readonly count?: number; readonly takeOver?: string } = {}): Promise<{ host: SimulatedHost; file: AppendFile; folder: string; id: string }> {
    const host = createSimulatedHost();
    const file = memoryFile();
    const run = await start(host, file);
    await run.apply([a, b], 1);
    const { call } = host.helper;
    const folder = `${stateDir}.died`;
    let left = of.count ?? 1;
    if (of.takeOver !== undefined) host.vhosts.foreign = [{ file: of.takeOver, line: 1, name: ['c.example.org'], listen: ['80'] }];
    let died: { content: Buffer; vhosts: SimulatedHost['vhosts'] } | undefined;
    const remember = async (): Promise<void> => {
      const { answer, ...vhosts } = host.vhosts;
      died = { content: await file.readAll(), vhosts: { ...structuredClone(vhosts), answer } };
      cpSync(stateDir, folder, { recursive: true });
    };
    host.helper.call = async (asked, ...rest) => {
      const now = asked === verb && (left -= 1) === 0;
      if (now && when === 'before') await remember();
      const reply = await call(asked, ...rest);
      if (now && when === 'after') await remember();
      return reply;
    };
    const id = await run.apply([text(a, 'new'), b, testSite('c.example.org')], 2, of.takeOver);
    if (died === undefined) throw new Error(`${verb} was not called`);
    const later = createSimulatedHost();
    Object.assign(later.vhosts, died.vhosts);
    return { host: later, file: memoryFile(Buffer.from(died.content)), folder, id };
  }
  afterEach(() => rmSync(`${stateDir}.died`, { recursive: true, force: true }));

  it.each([
    ['vhost.check', 'after', 1], ['vhost.apply', 'before', 1], ['vhost.apply', 'after', 1], ['vhost.settle', 'before', 1], ['vhost.settle', 'after', 1],
  ] as const)('at %s, %s it was made: finishes what it began, or knows that it never did', async (verb, when, count) => {
    const { host, file, folder, id } = await diedAt(verb, when, { count });
    const run = await start(host, file, folder);
    const began = verb !== 'vhost.check';
    expect(run.journal.findOperation(id)).toMatchObject({ state: began ? 'ok' : 'failed', started: began });
    expect(host.vhosts.unsettled).toBeUndefined();
    if (!began) await run.apply([text(a, 'new'), b, testSite('c.example.org')], 2);
    expect([...filesOf(host).keys()]).toEqual(['a.example.org.conf', 'b.example.org.conf', 'c.example.org.conf']);
    expect(filesOf(host).get('a.example.org.conf')).toContain('new');
    expect(run.store.trial).toBeUndefined();
    // What was there before is known, whenever it died.
    expect(await run.back()).toEqual([]);
    expect([...filesOf(host).keys()]).toEqual(['a.example.org.conf', 'b.example.org.conf']);
    expect(filesOf(host).get('a.example.org.conf')).not.toContain('new');
  });

  it.each([1, 2])('never leaves a site where it was only to be compared; apply %i of two', async (count) => {
    const takeOver = '/etc/nginx/sites-enabled/own';
    const { host, file, folder, id } = await diedAt('vhost.apply', 'after', { count, takeOver });
    const conf = (): string => filesOf(host).get('c.example.org.conf') ?? '';
    expect(conf()).toContain(count === 1 ? 'listen "127.0.0.1:4000' : 'listen 80;');
    const run = await start(host, file, folder);
    expect(run.journal.findOperation(id)).toMatchObject({ state: 'ok' });
    expect(conf()).toContain('listen 80;');
    expect(host.vhosts).toMatchObject({ foreign: [], unsettled: undefined });
    expect(run.store.trial).toBeUndefined();
  });

  it('looks again at what was put in place, and undoes it when what worked does not any more', async () => {
    const { host, file, folder, id } = await diedAt('vhost.settle', 'before');
    host.vhosts.answer = (_site, path, conf) => (path === '/' && conf.includes('new') ? 502 : 200);
    const run = await start(host, file, folder);
    expect(run.journal.findOperation(id)).toMatchObject({ state: 'failed' });
    expect([...filesOf(host).keys()]).toEqual(['a.example.org.conf', 'b.example.org.conf']);
    expect(host.vhosts.unsettled).toBeUndefined();
  });

  it('asks a helper again that gave no answer, and still knows what worked before', async () => {
    const host = createSimulatedHost();
    const run = await start(host, memoryFile());
    await run.apply([a, b], 1);
    const { call } = host.helper;
    let lost = 1;
    host.helper.call = async (verb, ...rest) => {
      const reply = await call(verb, ...rest);
      if (verb === 'vhost.apply' && (lost -= 1) === 0) {
        // It is in place, and does not work: a second look at what worked would find nothing.
        host.vhosts.answer = (_site, path, conf) => (path === '/' && conf.includes('new') ? 502 : 200);
        throw reeveError('HELPER_UNREACHABLE', { reason: 'EPIPE' });
      }
      return reply;
    };
    await expect(run.apply([text(a, 'new'), b], 2)).rejects.toMatchObject({ code: 'VHOST_PROBE' });
    expect(filesOf(host).get('a.example.org.conf')).not.toContain('new');
  });
});

describe('reeve-agent undo vhost', () => {
  it('leads back through every state', async () => {
    const states = fc.array(fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom('one', 'two', 'three')), { selector: ([n]) => n }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(states, async (rows) => {
        const folder = mkdtempSync(join(tmpdir(), 'reeve-vhost-'));
        const host = createSimulatedHost();
        const file = memoryFile();
        let run = await start(host, file, folder);
        const before: ReadonlyMap<string, string | undefined>[] = [];
        for (const [index, row] of rows.entries()) {
          const was = filesOf(host);
          await run.apply(row.map(([n, said]) => text(testSite(`s${String(n)}.example.org`), said)), index + 1);
          if (JSON.stringify([...filesOf(host)]) !== JSON.stringify([...was])) before.push(was);
        }
        for (const was of before.reverse()) {
          run = await start(host, file, folder);
          await run.back();
          expect(filesOf(host)).toEqual(was);
        }
        await expect(run.undo.plan('vhost', undefined)).rejects.toMatchObject({ code: 'UNDO_NOTHING' });
        rmSync(folder, { recursive: true, force: true });
      }),
      { numRuns: 25 },
    );
  });

  it('says which sites are served again, and that it cannot where the models are lost', async () => {
    const host = createSimulatedHost();
    const file = memoryFile();
    const run = await start(host, file);
    await run.apply([a, b], 1);
    await run.apply([a], 2);
    expect(await run.back()).toEqual(['site "b.example.org" is served again']);
    expect([...filesOf(host).keys()]).toEqual(['a.example.org.conf', 'b.example.org.conf']);
    await run.apply([a], 3);
    rmSync(join(stateDir, 'vhost'), { recursive: true, force: true });
    await expect(run.undo.plan('vhost', undefined)).rejects.toMatchObject({ code: 'UNDO_NOTHING', fields: { rule: expect.stringContaining('"a.example.org"') as string } });
    await run.apply([text(a, 'new')], 4);
    await run.apply([text(a, 'newer')], 5);
    await run.back();
    expect(filesOf(host).get('a.example.org.conf')).toContain('"new"');
  });
});
