/** Whoever owns files exchanges them with links to what is not theirs as fast as the kernel can, while they are searched, sampled, compared and removed. Root only. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isRoot, makeStore, sources, storeUid, type Said, type Store } from './testing/store.js';

const forMs = Number(process.env['REEVE_FLIP_MS'] ?? '3000');
const snapshot = '2026-01-01T000000Z';
const secret = 'of somebody else';
const digest = createHash('sha256').update(secret).digest('hex');

describe.skipIf(!isRoot)('while files are exchanged with links', () => {
  let s: Store;
  let program: string;
  let outside: string;
  beforeAll(() => {
    s = makeStore();
    program = join(s.dir, 'flip');
    outside = join(s.dir, 'outside');
    execFileSync('gcc', ['-std=c11', '-O2', '-static', '-pthread', '-o', program, join(sources, '../../test/abuse/flip.c')]);
    mkdirSync(join(outside, 'deep'), { recursive: true });
    for (const path of ['file', 'deep/only-here']) writeFileSync(join(outside, path), secret);
  }, 120_000);
  afterAll(() => { s.close(); });

  /** What `attack` exchanges; its end gives the number of exchanges. */
  function attack(a: string, b: string): () => Promise<number> {
    const child = spawn('setpriv', [`--reuid=${String(storeUid)}`, `--regid=${String(storeUid)}`, '--clear-groups', '--', program, 'attack', a, b], { stdio: ['pipe', 'pipe', 'inherit'] });
    const out = text(child.stdout);
    return async () => {
      child.stdin.end();
      return Number((await out).split(' ')[1]);
    };
  }

  const isIntact = (): boolean => ['file', 'deep/only-here'].every((path) => readFileSync(join(outside, path), 'utf8') === secret) && readdirSync(outside).length === 2;

  /** Works again and again for a while; every row of all of it. */
  async function under(a: string, b: string, work: () => Promise<Said>): Promise<Said[]> {
    const stop = attack(a, b);
    const all: Said[] = [];
    for (const until = Date.now() + forMs; Date.now() < until;) all.push(await work());
    expect(await stop()).toBeGreaterThan(1000);
    expect(isIntact()).toBe(true);
    for (const said of all) {
      expect(said.result['ok']).toBeDefined();
      for (const row of said.rows) {
        expect(row['sha256']).not.toBe(digest);
        expect(row['path']).not.toContain('only-here');
      }
    }
    return all;
  }

  /** A folder, or a file, of ours, and a link beside it. */
  function makePair(above: string, kind: 'file' | 'folder'): [string, string] {
    const [a, b] = [join(above, 'a'), join(above, 'b')];
    if (kind === 'folder') {
      mkdirSync(join(a, 'deep'), { recursive: true });
      writeFileSync(join(a, 'file'), 'ours');
    } else writeFileSync(a, 'ours');
    symlinkSync(kind === 'folder' ? outside : join(outside, 'file'), b);
    return [a, b];
  }

  test.each(['file', 'folder'] as const)('nothing else is found, listed or chosen (%s)', async (kind) => {
    const root = existsSync(join(s.folder, 'snapshots', snapshot)) ? join(s.folder, 'snapshots', snapshot) : s.addSnapshot(snapshot, true);
    mkdirSync(join(root, kind));
    const [a, b] = makePair(join(root, kind), kind);
    s.own();
    const works: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
      ['find', [['pattern', '*']]], ['sample', [['snapshot', snapshot], ['all', '1']]],
      ['sample', [['snapshot', snapshot], ['files', '9'], ['permille', '1000'], ['most', '0']]], ['list', [['snapshot', snapshot], ['path', `${kind}/a`]]],
    ];
    let turn = 0;
    const all = await under(a, b, () => s.work(...works[turn++ % works.length] ?? ['snapshots', []]));
    expect(all.some((said) => said.rows.length > 0)).toBe(true);
  }, 60_000);

  test.each(['file', 'folder'] as const)('nothing else is compared (%s)', async (kind) => {
    const folder = join(s.dir, `source-${kind}`);
    mkdirSync(folder);
    const [a, b] = makePair(folder, kind);
    execFileSync('chown', ['-hR', `${String(storeUid)}:${String(storeUid)}`, folder]);
    const paths = [a, b].flatMap((path) => [path, `${path}/file`, `${path}/deep/only-here`]);
    const input = Array.from({ length: 2000 }, (_, i) => paths[i % paths.length] ?? a);
    const all = await under(a, b, () => s.work('hash', [['folder', folder]], { input }).then((said) => ({ ...said, rows: said.rows.filter((row) => row['kind'] !== 'missing') })));
    expect(all.some((said) => said.rows.some((row) => row['kind'] === 'file'))).toBe(true);
  }, 60_000);

  test('nothing else is removed', async () => {
    const [trash, snapshots] = [join(s.folder, 'trash'), join(s.folder, 'snapshots')];
    const tree = join(s.dir, 'tree');
    mkdirSync(join(tree, 'deep/deeper'), { recursive: true });
    for (let i = 0; i < 50; i++) writeFileSync(join(tree, 'deep', String(i)), '');
    const [a, b] = [join(trash, 'a'), join(trash, 'b')];
    const refill = (): void => {
      for (const path of [a, join(snapshots, '2026-01-02T000000Z')]) if (!existsSync(path)) cpSync(tree, path, { recursive: true });
      try { symlinkSync(outside, b); } catch { /* it is there, or it is the folder now */ }
      s.own();
    };
    for (const until = Date.now() + forMs; Date.now() < until;) {
      try { refill(); } catch { /* it was exchanged meanwhile */ }
      const stop = attack(a, b);
      await s.work('prune', [['name', '2026-01-02T000000Z'], ['keep', '0']]);
      await stop();
      expect(isIntact()).toBe(true);
    }
  }, 60_000);
});
