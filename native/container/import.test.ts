/** Archives come in whole or not at all, and are listed and taken away. Root only. */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dataOf } from '../job/testing/talk.js';
import { lxc } from '../reeve-privd/testing/container.js';
import { isRoot, makeHost, type TestHost } from './testing/host.js';

const archive = randomBytes(200_000);
const sum = createHash('sha256').update(archive).digest('hex');

describe.skipIf(!isRoot)('archives on a host', () => {
  let host: TestHost;
  beforeEach(() => { host = makeHost(); }, 120_000);
  afterEach(() => { host.close(); });
  const kept = (): string[] => readdirSync(join(host.state, 'archive'));

  test('one is kept under its digest, for root alone; again is no error', async () => {
    for (let i = 0; i < 2; i++) {
      expect(await host.work('import', [['kind', 'archive']], { data: archive })).toMatchObject({ exit: 0, result: { ok: '1', digest: sum, bytes: '200000' } });
      expect(kept()).toEqual([sum]);
    }
    expect(readFileSync(join(host.state, 'archive', sum)).equals(archive)).toBe(true);
    expect(statSync(join(host.state, 'archive', sum)).mode & 0o777).toBe(0o600);
  });

  test('one that is cut leaves nothing', async () => {
    const said = await host.work('import', [['kind', 'archive']], { begun: (connection) => { connection.end(dataOf(archive, false)); } });
    expect([said.exit, kept()]).toEqual([1, []]);
  });

  test.each([
    ['another frame', Buffer.from([0, 0, 0, 1, 9]), 'the agent sent something else than data'],
    ['a frame that is too large', Buffer.from([0, 1, 0, 2, 1]), 'the agent sent something else than data'],
    ['nothing', Buffer.from([0, 0, 0, 1, 2]), 'nothing came'],
  ])('%s is refused', async (_, bytes, reason) => {
    const said = await host.work('import', [['kind', 'archive']], { begun: (connection) => { connection.write(bytes); } });
    expect([said.exit, said.result['reason'], kept()]).toEqual([1, reason, []]);
  });

  test.each([[[]], [[['kind', 'oci']]], [[['kind', 'rootfs']]], [[['kind', 'rootfs'], ['image', 'docker.io/library/nginx:1']]], [[['kind', 'rootfs'], ['image', '--help']]]] as (readonly (readonly [string, string])[])[][])('ticket %j does not say what is imported', async (ticket) => {
    expect(await host.work('import', ticket, { data: archive })).toMatchObject({ exit: 1, result: { ok: '0', reason: 'the ticket does not say what is imported' } });
  });

  test('one that a record needs is told with it, and stays; the others go, after they were shown', async () => {
    const other = randomBytes(10);
    for (const data of [archive, other]) await host.work('import', [['kind', 'archive']], { data });
    host.record('sys', lxc({ archive: sum }));
    const gone = createHash('sha256').update(other).digest('hex');
    expect((await host.work('images')).rows.map(({ kind, digest, bytes, used }) => [kind, digest, bytes, used]).sort()).toEqual([['lxc', gone, '10', ''], ['lxc', sum, '200000', 'sys']].sort());
    const plan = await host.work('prune', [['plan', '1']]);
    expect([plan.rows.map(({ digest }) => digest), kept().length]).toEqual([[gone], 2]);
    expect(await host.work('prune', [['plan', '0']])).toMatchObject({ exit: 0, rows: [{ digest: gone }], result: { bytes: '10' } });
    expect(kept()).toEqual([sum]);
  });
});
