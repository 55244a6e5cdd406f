import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { memoryFile } from '../../test/support/memory-file.js';
import { createSimulatedHost, type SimulatedHost } from '../../test/support/simulated-host.js';
import { makeTestAuthority, type TestPair } from '../../test/support/test-cert.js';
import type { WriteCertsRequest, WriteCertsRequestInput } from '../../shared/gen/proto/reeve/agent/v1/WriteCertsRequest.js';
import { readChain } from '../../shared/kit/cert-chain.js';
import { newId } from '../../shared/kit/id.js';
import { formatCert, type Cert } from '../../shared/model/cert.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { createEngine } from '../engine/engine.js';
import type { AppendFile } from '../host/append.js';
import { openJournal } from '../journal/journal.js';
import { createLocalUndo, type LocalUndo } from '../undo/undo.js';
import { certWork } from './apply.js';

const log = pino({ level: 'silent' });
const codec = messageCodec<WriteCertsRequestInput, WriteCertsRequest>('reeve.agent.v1.WriteCertsRequest');
const forever = new AbortController().signal;
const authority = makeTestAuthority();

interface Run {
  readonly undo: LocalUndo;
  apply(certs: readonly Cert[], generation: number): Promise<void>;
  back(to?: number): Promise<readonly string[]>;
}

async function start(host: SimulatedHost, file: AppendFile = memoryFile()): Promise<Run> {
  const journal = await openJournal({ file, clock: host.clock, log, hostName: 'web1' });
  const engine = createEngine({ host, journal, hostName: 'web1', log, onChanged: () => undefined, admit: () => undefined });
  const work = certWork(host, 'web1');
  const undo = createLocalUndo({ engine, journal, works: [work], signal: forever });
  await engine.recover([work], forever);
  return {
    undo,
    async apply(certs, generation) {
      await engine.run(work, codec.decode(codec.encode({ intent: { mode: 'MODE_APPLY', operationId: newId(Date.now()), generation, epoch: 1 }, certs: certs.map(formatCert) })), forever);
    },
    async back(to) {
      const { targets, digest, notes } = await undo.plan('cert', to);
      await undo.apply('cert', { targets: targets.map(({ id }) => id), operationId: newId(Date.now()), digest });
      return notes;
    },
  };
}

const keep = (host: SimulatedHost, { cert, key }: TestPair): void => void host.certs.kept.set(readChain(cert).facts?.spki ?? '', key);
const supplied = (name: string, chainPem: string): Cert => ({ name, source: { kind: 'supplied', chainPem }, group: undefined, units: [], overwrite: false });
const own = (name: string, host: string): Cert => ({ name, source: { kind: 'self-signed', names: [host], days: 90 }, group: undefined, units: ['postfix.service'], overwrite: false });
const shown = (host: SimulatedHost): unknown[] => [...host.certs.certs].map(([name, cert]) => [name, cert.note, readChain(cert.pem ?? '').facts?.names, cert.units]).sort();

describe('reeve-agent undo cert', () => {
  it('leads back through every state, with the keys that the helper has kept', async () => {
    const host = createSimulatedHost();
    const file = memoryFile();
    const [first, second] = [authority.issue(['a.example']), authority.issue(['b.example'])];
    keep(host, first);
    keep(host, second);
    const states: readonly (readonly Cert[])[] = [
      [supplied('site', first.cert)], [own('mail', 'm.example'), supplied('site', first.cert)], [own('mail', 'n.example'), supplied('site', second.cert)], [own('site', 's.example')], [],
    ];
    const before: unknown[] = [];
    for (const [index, certs] of states.entries()) {
      before.push(shown(host));
      await (await start(host, file)).apply(certs, index + 1);
      host.certs.kept.clear();
      // What a step needed is in place by now; what it replaced is kept.
      keep(host, first);
      keep(host, second);
    }
    for (const was of before.reverse()) {
      await (await start(host, file)).back();
      expect(shown(host)).toEqual(was);
    }
    await expect((await start(host, file)).back()).rejects.toMatchObject({ code: 'UNDO_NOTHING' });
  });

  it('says which keys are gone, and puts back all else', async () => {
    const host = createSimulatedHost();
    const run = await start(host);
    const pair = authority.issue(['a.example']);
    keep(host, pair);
    await run.apply([own('mail', 'm.example'), supplied('site', pair.cert)], 1);
    await run.apply([], 2);
    host.certs.kept.clear();
    expect(await run.back()).toEqual(['the key of certificate "site" is gone from the host; it is not put back']);
    expect(shown(host).map((row) => (row as unknown[])[0])).toEqual(['mail']);
  });
});
