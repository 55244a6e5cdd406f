/** What ends a side of a copy whose rsync, or whose other side, is lost. Root only. */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../test/support/until.js';
import { isRoot, makeStore, type Store } from './testing/store.js';

const receive = [['fleet', '01890000-0000-7000-8000-00000000000f'], ['snapshot', '2026-01-02T000000Z'], ['seconds', '600']] as const;

/** The rsync that a process has started. */
async function rsyncOf(child: ChildProcess): Promise<number> {
  const pid = String(child.pid ?? 0);
  return until(() => {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    const found = children.find((of) => of !== '' && readFileSync(`/proc/${of}/comm`, 'utf8').trim() === 'rsync');
    // Its remote shell is there: the two have met.
    return found !== undefined && readFileSync(`/proc/${found}/task/${found}/children`, 'utf8').trim() !== '' ? Number(found) : undefined;
  }, { timeoutMs: 20_000, what: 'rsync to be started' });
}

/** An END of the other side's bytes. */
const end = Buffer.from([0, 0, 0, 1, 2]);

describe.skipIf(!isRoot)('a receiving side', () => {
  let s: Store;
  beforeAll(() => {
    s = makeStore();
    s.own();
  }, 120_000);
  afterAll(() => { s.close(); });

  test.each([
    ['whose rsync is killed', async (_connection: Duplex, child: ChildProcess) => void process.kill(await rsyncOf(child), 'SIGKILL'), { ok: '0', exit: '137', reason: 'rsync was ended by a signal', published: '0' }],
    ['whose rsync is killed, and whose other side ends', async (connection: Duplex, child: ChildProcess) => {
      process.kill(await rsyncOf(child), 'SIGKILL');
      connection.write(end);
    }, { ok: '0', exit: '137' }],
    ['whose other side ends without a word', async (connection: Duplex, child: ChildProcess) => {
      await rsyncOf(child);
      connection.write(end);
    }, { ok: '0', exit: '12', reason: 'the connection to the other side ended', published: '0' }],
  ])('%s says so and ends', async (_name, hit, result) => {
    const hits: Promise<void>[] = [];
    const said = await s.work('receive', receive, { begun: (connection, child) => void hits.push(hit(connection, child)) });
    await Promise.all(hits);
    expect(said.result).toMatchObject(result);
  }, 60_000);
});
