import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { testSite } from '../../test/support/test-site.js';
import { openVhostStore, parseModelText } from './store.js';
import { nameModels } from './wanted.js';

const log = pino({ level: 'silent' });
const rows = nameModels([testSite('a.example.org', { title: 'Ä "site"' }), testSite('b.example.org')]);
const texts = new Map(rows.map(({ sha, text }) => [sha, text]));
const shas = rows.map(({ sha }) => sha);
let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'reeve-vhost-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('models are found by their digests after a restart, and those that nobody needs any more are forgotten', () => {
  expect(openVhostStore(folder, log)).toMatchObject({ present: false, parked: [], trial: undefined });
  openVhostStore(folder, log).keepTexts(texts, new Set());
  const store = openVhostStore(folder, log);
  expect(store.present).toBe(true);
  expect(store.texts(new Set([...shas, 'f'.repeat(64)]))).toEqual(texts);
  expect(rows.map(({ text }) => parseModelText(text))).toEqual(rows.map(({ site }) => site));
  // What is not needed goes once there is more of it than of what is.
  for (let n = 0; n < 110; n += 1) store.keepTexts(new Map(nameModels([testSite(`s${String(n)}.example.org`)]).map(({ sha, text }) => [sha, text])), new Set([shas[0] ?? '']));
  expect([...store.texts(new Set(shas)).keys()]).toEqual([shas[0]]);
  expect(readFileSync(join(folder, 'vhost', 'models'), 'utf8').split('\n').filter((line) => line !== '').length).toBeLessThan(105);
  expect(openVhostStore(folder, log).texts(new Set(shas)).size).toBe(1);
  store.forget();
  expect([store.present, store.texts(new Set(shas)).size]).toEqual([false, 0]);
});

it('a model of a release that had fewer fields is read with what those mean when they are not there', () => {
  const { snippets: _snippets, hstsS: _hsts, ...older } = JSON.parse(rows[0]?.text ?? '') as Record<string, unknown>;
  expect(parseModelText(JSON.stringify(older))).toEqual(rows[0]?.site);
});

it('a line that a crash has torn is none, and the next one does not stick to it', () => {
  openVhostStore(folder, log).keepTexts(texts, new Set());
  const path = join(folder, 'vhost', 'models');
  truncateSync(path, statSync(path).size - 20);
  const store = openVhostStore(folder, log);
  expect(store.texts(new Set(shas)).size).toBe(1);
  store.keepTexts(texts, new Set());
  expect(openVhostStore(folder, log).texts(new Set(shas))).toEqual(texts);
});

it('a model that is not what its digest says is none', () => {
  const store = openVhostStore(folder, log);
  store.keepTexts(new Map([[shas[0] ?? '', rows[0]?.text ?? '']]), new Set());
  appendFileSync(join(folder, 'vhost', 'models'), `${shas[1] ?? ''} {"name":"b.example.org"}\n`);
  expect([...store.texts(new Set(shas)).keys()]).toEqual([shas[0]]);
});

it('what is parked and what is tried survive a restart, and a damaged file counts as none', () => {
  const parked = [{ name: 'a.example.org', problem: 'no', before: true }];
  const trial = { operationId: 'x', names: ['a.example.org'], worked: [{ name: 'a.example.org', prefix: '/', status: 200 }] };
  const store = openVhostStore(folder, log);
  store.setParked(parked);
  store.setTrial(trial);
  expect(openVhostStore(folder, log)).toMatchObject({ parked, trial });
  store.setTrial(undefined);
  expect(openVhostStore(folder, log)).toMatchObject({ parked, trial: undefined });
  writeFileSync(join(folder, 'vhost', 'state.json'), '{"parked":');
  expect(openVhostStore(folder, log)).toMatchObject({ parked: [], trial: undefined });
});
