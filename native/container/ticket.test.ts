/** Who is answered, and what is no ticket. Root only. */
import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { talk, ticketOf } from '../job/testing/talk.js';
import { binary, isRoot, makeHost, type TestHost } from './testing/host.js';

describe.skipIf(!isRoot)('tickets of reeve-container', () => {
  let host: TestHost;
  beforeEach(() => { host = makeHost(); }, 120_000);
  afterEach(() => { host.close(); });
  const tickets = (): string[] => readdirSync(join(host.state, 'container-job'));

  test('each is good once', async () => {
    expect(await host.work('images')).toMatchObject({ exit: 0, result: { ok: '1' } });
    expect(tickets()).toEqual([]);
  });

  test('a caller of another uid is not answered, and its ticket stays', async () => {
    const said = await talk([binary, '--state', host.state, '--caller-uid', '4711'], join(host.state, 'container-job'), ticketOf([['work', 'images']]), {});
    expect(said).toMatchObject({ exit: 2, result: {} });
    expect(tickets()).toHaveLength(1);
  });

  test.each([['no ticket of that name', randomBytes(16).toString('hex')], ['another folder', `../container-job/${'A'.repeat(15)}`], ['upper case', 'A'.repeat(32)]])('%s: nothing is done', async (_, says) => {
    writeFileSync(join(host.state, 'container-job', 'A'.repeat(32)), 'work=images\0');
    expect(await host.work('images', [], { says })).toMatchObject({ exit: 2, result: {} });
    expect(tickets()).toHaveLength(2);
  });

  test('a ticket of somebody else, an old one, and one without a known work are none', async () => {
    const folder = join(host.state, 'container-job');
    for (const change of [`chown 4711 '${folder}'/*`, `touch -d '2 minutes ago' '${folder}'/*`]) {
      expect(await host.work('images', [], { wrap: `${change}; exec "$@"` })).toMatchObject({ exit: 2, result: {} });
    }
    expect(await host.work('format')).toMatchObject({ exit: 2, result: {} });
  });

  test.each(['../web', 'web/../..', '-web', 'host', '', 'WEB', 'web\n', '100'])('name %j is none of a container', async (name) => {
    for (const work of ['build', 'start', 'stop', 'remove', 'limit', 'snapshots', 'adopt']) {
      const said = await host.work(work, [['name', name], ['snapshot', 'first'], ['volumes', '1']]);
      expect([work, said.exit, said.result['ok']]).toEqual([work, 1, '0']);
    }
  });

  test('a record that is not as the helper writes it is not acted upon', async () => {
    host.record('web', Buffer.from('container 1\nengine=podman\nstate=running\nimage=-v\n'));
    expect(await host.work('build', [['name', 'web']])).toMatchObject({ exit: 1, result: { ok: '0', reason: 'the record of container "web" is not as Reeve writes it' } });
  });
});
