/** Hostile messages against what decides in the helper, in a process of its own with sanitizers: a million of them, which no socket and no fork slows down. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeRequest } from '../../agent/host/privd.js';
import { privdVerbs } from '../../shared/gen/privd.js';
import { onlyOkNames } from '../../test/support/abuse-host.js';
import { hostileFrames } from './hostile.js';

const TOTAL = 1_000_000;
const BATCH = 10_000;
const operation = '00000000-0000-7000-8000-000000000001';

describe('what decides in the helper', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'reeve-frames-'));
    writeFileSync(join(dir, 'policy'), onlyOkNames);
    execFileSync('make', ['-s', '-C', import.meta.dirname, `OUT=${dir}`, `${dir}/frames`], { stdio: ['ignore', 'ignore', 'inherit'] });
  }, 180_000);
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  /** The verbs that would be done, with how often, and how many messages were decided. */
  async function decide(messages: Iterable<readonly Buffer[]>): Promise<{ work: Map<string, number>; decided: number }> {
    const child = spawn(join(dir, 'frames'), [join(dir, 'policy')], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [printed, ended] = [text(child.stdout), once(child, 'exit')];
    for (const batch of messages) {
      const parts = batch.flatMap((message) => {
        const length = Buffer.alloc(4);
        length.writeUInt32BE(message.length);
        return [length, message];
      });
      if (!child.stdin.write(Buffer.concat(parts))) await once(child.stdin, 'drain');
    }
    child.stdin.end();
    expect(await ended).toEqual([0, null]);
    const lines = (await printed).trimEnd().split('\n').map((line) => line.split(' '));
    const verbOf = (number: string): string => Object.entries(privdVerbs).find(([, verb]) => String(verb.number) === number)?.[0] ?? number;
    return {
      work: new Map(lines.flatMap(([word, verb = '', count]) => (word === 'work' ? [[verbOf(verb), Number(count)]] : []))),
      decided: lines.filter(([word]) => word !== 'work').reduce((sum, [, count]) => sum + Number(count), 0),
    };
  }

  test('lets through what the policy allows, so that the next test can fail', async () => {
    const messages = [encodeRequest('status.get', operation, {}), encodeRequest('user.add', operation, { name: 'ok-ada', shell: '/bin/sh', kind: 'home' })];
    expect(await decide([messages])).toEqual({ work: new Map([['status.get', 1], ['user.add', 1]]), decided: 2 });
  });

  test(`lets none of ${String(TOTAL)} random and mutated messages change anything`, async () => {
    function* batches(): Generator<Buffer[]> {
      const next = hostileFrames(7);
      for (let made = 0; made < TOTAL; made += BATCH) yield Array.from({ length: BATCH }, () => next().bytes);
    }
    const { work, decided } = await decide(batches());
    expect(decided).toBe(TOTAL);
    expect([...work.keys()].filter((verb) => privdVerbs[verb as keyof typeof privdVerbs].writes)).toEqual([]);
    // Some of them read: the messages are near enough to good ones.
    expect(work.size).toBeGreaterThan(0);
  }, 300_000);
});
