import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeSelfSigned } from '../../agent/cert/self-signed.js';
import { answers } from './testing/answer.js';
import { startCoordinator, type CannedCoordinator } from './testing/coordinator.js';
import { runCaptured } from './testing/terminal.js';

const pair = makeSelfSigned({ names: ['shop.example.org'], days: 90, now: Date.now() });

describe('reeve cert', () => {
  let coordinator: CannedCoordinator;
  let folder: string;
  let cert: string;
  let key: string;
  beforeAll(async () => {
    coordinator = await startCoordinator();
    folder = mkdtempSync(join(tmpdir(), 'reeve-cert-'));
    cert = join(folder, 'fullchain.pem');
    key = join(folder, 'privkey.pem');
    writeFileSync(cert, `subject=CN = shop.example.org\r\n${pair.certPem.replaceAll('\n', '\r\n')}\n`);
    writeFileSync(key, pair.keyPem);
    writeFileSync(join(folder, 'both.pem'), pair.certPem + pair.keyPem);
    writeFileSync(join(folder, 'empty.pem'), '');
  });
  afterAll(async () => {
    await coordinator.close();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    coordinator.answers = answers;
    coordinator.requests.length = 0;
  });
  const run = (line: readonly string[], options = {}) => runCaptured(coordinator.socket, line, options);
  const asked = () => coordinator.requests.map(({ request }) => request);

  it('add sends certificate and key as they are in their files, the key as bytes', async () => {
    const ran = await run(['cert', 'add', 'web1', 'shop', '--cert', cert, '--key', key, '--group', 'ssl-cert', '--reload', 'postfix.service', '--reload', 'dovecot.service', '--yes']);
    expect(ran.exit).toBe(0);
    expect(asked()).toMatchObject([{
      host: 'web1', keyPem: Buffer.from(pair.keyPem), options: { mode: 'CHANGE_MODE_APPLY' },
      cert: { name: 'shop', chainPem: pair.certPem, names: [], days: 0, group: 'ssl-cert', units: ['dovecot.service', 'postfix.service'], overwrite: false },
    }]);
    expect(ran.out + ran.err).not.toContain('PRIVATE KEY');
  });

  it('add takes the key from standard input, with the plan and with the change', async () => {
    await run(['cert', 'add', 'web1', 'shop', '--cert', cert, '--key', '-', '--yes'], { input: pair.keyPem });
    await run(['cert', 'add', 'web1', 'shop', '--cert', cert, '--key', key], { answer: 'y' });
    expect(asked()).toMatchObject([{ keyPem: Buffer.from(pair.keyPem) }, { options: { mode: 'CHANGE_MODE_PLAN' }, keyPem: Buffer.from(pair.keyPem) }, { options: { mode: 'CHANGE_MODE_APPLY' }, keyPem: Buffer.from(pair.keyPem) }]);
  });

  it('add names what a self-signed one is for', async () => {
    await run(['cert', 'add', 'mail1', 'mail', '--self-signed', '--name', 'mail.example.org', '--name', '*.mail.example.org', '--days', '90', '--yes']);
    await run(['cert', 'add', 'mail1', 'mail', '--self-signed', '--name', 'mail.example.org', '--stage']);
    expect(asked()).toMatchObject([{ cert: { chainPem: '', names: ['*.mail.example.org', 'mail.example.org'], days: 90 }, keyPem: Buffer.alloc(0) }, { cert: { days: 0 }, options: { mode: 'CHANGE_MODE_STAGE' } }]);
  });

  it.each<[readonly string[], object]>([
    [['--days', '30'], { days: 30, names: [], chainPem: '' }],
    [['--self-signed', '--name', 'a.example'], { names: ['a.example'] }],
    [['--name', 'a.example'], { names: ['a.example'] }],
    [['--group', 'ssl-cert', '--reload', 'nginx.service'], { group: 'ssl-cert', units: { units: ['nginx.service'] } }],
    [['--no-group', '--no-reload'], { group: '', units: { units: [] } }],
    [['--overwrite'], { overwrite: true, units: null }],
  ])('set %j alters that alone', async (args, edit) => {
    expect((await run(['cert', 'set', 'web1', 'shop', ...args, '--yes'])).exit).toBe(0);
    expect(asked()).toMatchObject([{ host: 'web1', name: 'shop', ...edit }]);
  });

  it('set takes another certificate, or only the key that its host has lost', async () => {
    await run(['cert', 'set', 'web1', 'shop', '--cert', cert, '--key', key, '--yes']);
    await run(['cert', 'set', 'web1', 'shop', '--key', key, '--yes']);
    expect(asked()).toMatchObject([{ chainPem: pair.certPem, keyPem: Buffer.from(pair.keyPem) }, { chainPem: '', keyPem: Buffer.from(pair.keyPem) }]);
  });

  it('remove, list, show and the completion ask for what was named', async () => {
    await run(['cert', 'remove', 'web1', 'shop', '--yes']);
    await run(['cert', 'list']);
    await run(['cert', 'list', '--on', 'role=web']);
    await run(['cert', 'show', 'web1', 'shop']);
    expect((await run(['completion', 'certs', 'web1'])).out).toBe('old\nshop\nmail\nnext\n');
    expect(asked()).toMatchObject([{ host: 'web1', name: 'shop' }, { selector: '' }, { selector: 'role=web' }, { host: 'web1', name: 'shop' }, { selector: 'web1' }]);
  });

  it('list shows what ends soon in colour', async () => {
    const { out } = await run(['cert', 'list'], { color: true });
    expect(out).toContain('\u001b[31m2026-02-27, 2 days ago\u001b[0m');
    expect(out).toContain('\u001b[33m2026-03-10, in 9 days\u001b[0m');
  });

  it.each<[readonly string[], string]>([
    [['add', 'web1', 'shop', '--yes'], '--cert is missing'],
    [['add', 'web1', 'shop', '--cert', 'CERT', '--yes'], '--key is missing'],
    [['add', 'web1', 'shop', '--cert', 'CERT', '--key', '/nonexistent/key', '--yes'], '--key "/nonexistent/key" is not allowed: a file that can be read'],
    [['add', 'web1', 'shop', '--cert', 'CERT', '--key', 'FOLDER/empty.pem', '--yes'], '--key is missing: a private key in PEM'],
    [['add', 'web1', 'shop', '--cert', 'KEY', '--key', 'KEY', '--yes'], '--cert "-----BEGIN PRIVATE KEY-----" is not allowed: blocks "CERTIFICATE" of PEM only'],
    [['add', 'web1', 'shop', '--cert', 'FOLDER/both.pem', '--key', 'KEY', '--yes'], '--cert "-----BEGIN PRIVATE KEY-----" is not allowed'],
    [['add', 'web1', 'Shop', '--cert', 'CERT', '--key', 'KEY', '--yes'], 'certificate "Shop" is not allowed'],
    [['add', 'web1', 'shop', '--self-signed', '--yes'], '--name is missing'],
    [['add', 'web1', 'shop', '--self-signed', '--name', 'localhost', '--yes'], '--name "localhost" is not allowed'],
    [['add', 'web1', 'shop', '--self-signed', '--name', 'a.example', '--days', '0', '--yes'], '--days "0" is not allowed'],
    [['add', 'web1', 'shop', '--cert', 'CERT', '--key', 'KEY', '--name', 'a.example', '--yes'], '--name "a.example" is not allowed: it goes with --self-signed'],
    [['add', 'web1', 'shop', '--self-signed', '--name', 'a.example', '--reload', 'postfix', '--yes'], '--reload "postfix" is not allowed'],
    [['add', 'web1', 'shop', '--self-signed', '--name', 'a.example', '--group', 'a b', '--yes'], '--group "a b" is not allowed'],
    [['set', 'web1', 'shop', '--yes'], 'what is to be altered is missing'],
    [['set', 'web1', 'shop', '--self-signed', '--yes'], '--name is missing'],
    [['list', 'web1', '--on', 'all'], '--on "all" is not allowed'],
  ])('%j is refused before anybody is asked', async (args, message) => {
    const line = args.map((word) => word.replace('CERT', cert).replace('KEY', key).replace('FOLDER', folder));
    const ran = await run(['cert', ...line]);
    expect([ran.exit, ran.err.replaceAll('\n', ' ')]).toEqual([2, expect.stringContaining(message) as string]);
    expect(asked()).toEqual([]);
    expect(ran.err).not.toContain(pair.keyPem.split('\n')[1]);
  });
});
