import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { memoryFile } from '../../test/support/memory-file.js';
import { createSimulatedHost, type SimulatedHost } from '../../test/support/simulated-host.js';
import { revertNat } from '../../test/support/simulated-nat.js';
import type { ApplyNatRequest, ApplyNatRequestInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyNatRequest.js';
import { newId } from '../../shared/kit/id.js';
import { formatNatRules, type NatForward } from '../../shared/model/nat.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { createEngine } from '../engine/engine.js';
import type { AppendFile } from '../host/append.js';
import { openJournal, type Journal } from '../journal/journal.js';
import { createLocalUndo, type LocalUndo } from '../undo/undo.js';
import { natWork } from './apply.js';

const log = pino({ level: 'silent' });
const codec = messageCodec<ApplyNatRequestInput, ApplyNatRequest>('reeve.agent.v1.ApplyNatRequest');
const forever = new AbortController().signal;

interface Run {
  readonly journal: Journal;
  readonly undo: LocalUndo;
  apply(forwards: readonly NatForward[], generation: number): Promise<string>;
  back(to?: number): Promise<void>;
}

async function start(host: SimulatedHost, file: AppendFile = memoryFile()): Promise<Run> {
  const journal = await openJournal({ file, clock: host.clock, log, hostName: 'front' });
  const engine = createEngine({ host, journal, hostName: 'front', log, onChanged: () => undefined, admit: () => undefined });
  const work = natWork(host, 'front', () => undefined);
  const undo = createLocalUndo({ engine, journal, works: [work], signal: forever });
  await engine.recover([work], forever);
  return {
    journal, undo,
    async apply(forwards, generation) {
      const operationId = newId(Date.now());
      await engine.run(work, codec.decode(codec.encode({ intent: { mode: 'MODE_APPLY', operationId, generation, epoch: 1 }, ...formatNatRules({ forwards, masquerades: [] }) })), forever);
      return operationId;
    },
    async back(to) {
      const { targets, digest } = await undo.plan('nat', to);
      await undo.apply('nat', { targets: targets.map(({ id }) => id), operationId: newId(Date.now()), digest });
    },
  };
}

const forward = (id: number, to = '10.0.0.2'): NatForward => ({
  id, protocol: 'tcp', listen: { kind: 'any' }, ports: { first: 8000 + id, last: 8000 + id }, to, toPorts: { first: 80, last: 80 }, sources: [], hairpin: true, adopt: false,
});

async function confirm(host: SimulatedHost): Promise<void> {
  const { pending } = host.nat;
  if (pending !== undefined) await host.helper.call('pending.confirm', newId(Date.now()), { noun: 'nat', operation: Buffer.from(pending.operation, 'hex') });
}

describe('reeve-agent undo nat', () => {
  it('leads back through every state, each kept without anybody to confirm it', async () => {
    const states = fc.array(fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom('10.0.0.2', '10.0.0.3', '10.9.9.9')), { selector: ([id]) => id }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(states, async (rows) => {
        const host = createSimulatedHost();
        const file = memoryFile();
        let run = await start(host, file);
        const before: string[] = [];
        for (const [index, row] of rows.entries()) {
          const was = host.nat.lines;
          await run.apply(row.map(([id, to]) => forward(id, to)), index + 1);
          await confirm(host);
          if (host.nat.lines !== was) before.push(was);
        }
        for (const was of before.reverse()) {
          run = await start(host, file);
          await run.back();
          expect(host.nat.lines).toBe(was);
          expect(host.nat).toMatchObject({ pending: undefined, confirmed: { lines: was } });
        }
        await expect(run.undo.plan('nat', undefined)).rejects.toMatchObject({ code: 'UNDO_NOTHING' });
      }),
      { numRuns: 60 },
    );
  });

  it('goes back to a generation at once, and waits for a change that waits', async () => {
    const host = createSimulatedHost();
    const run = await start(host);
    for (const generation of [1, 2, 3]) {
      await run.apply([forward(generation)], generation);
      await confirm(host);
    }
    await run.back(1);
    expect(host.nat.lines).toContain('forward 1 tcp');
    await run.apply([], 4);
    await expect(run.back()).rejects.toMatchObject({ code: 'CONFIRM_PENDING' });
  });
});

describe('an operation that a crash interrupted', () => {
  /** The journal and the host of an apply after which the agent was killed before it wrote down the end. */
  async function interrupted(): Promise<{ host: SimulatedHost; file: AppendFile; id: string }> {
    const host = createSimulatedHost();
    const file = memoryFile();
    const run = await start(host, file);
    const id = await run.apply([forward(1)], 1);
    const { content } = file;
    const end = content.lastIndexOf('\n', content.length - 2) + 1;
    expect(content.subarray(end).toString()).toContain('"t":"ok"');
    return { host, file: memoryFile(Buffer.from(content.subarray(0, end))), id };
  }

  it('is found done, and waits for its confirmation', async () => {
    const { host, file, id } = await interrupted();
    const { journal } = await start(host, file);
    expect(journal.findOperation(id)).toMatchObject({ state: 'ok' });
    expect(host.nat.pending?.operation).toBe(id.replaceAll('-', ''));
    expect(host.calls.filter((call) => call === 'nat.apply')).toHaveLength(1);
  });

  it('is made when the helper had not begun it', async () => {
    const { host, file, id } = await interrupted();
    Object.assign(host.nat, { pending: undefined, lines: '' });
    const { journal } = await start(host, file);
    expect(journal.findOperation(id)).toMatchObject({ state: 'ok' });
    expect(host.nat.pending?.operation).toBe(id.replaceAll('-', ''));
  });

  it('is not made again when the host has taken it back meanwhile', async () => {
    const { host, file, id } = await interrupted();
    revertNat(host.nat);
    const { journal } = await start(host, file);
    const entry = journal.findOperation(id);
    expect(entry).toMatchObject({ state: 'failed' });
    expect(entry === undefined ? undefined : await journal.ending(entry)).toMatchObject({ errors: [{ code: 'CONFIRM_REVERTED', fields: { noun: 'nat', host: 'front' } }] });
    expect(host.nat).toMatchObject({ lines: '', pending: undefined });
  });
});
