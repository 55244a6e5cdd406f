/** Tickets of backups for real, as root in namespaces of their own: what they hold, and what is refused before there is one. */
import { readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { parseBackupFolder, parseExclude } from '../../shared/model/backup.js';
import { failsWith, isRoot, startPrivd, state, type Privd } from './testing/namespace.js';

const job = '01900000-0000-7000-8000-000000000001';
const fleet = '11900000-0000-4000-8000-000000000001';
const snapshot = '2026-01-31T090500Z';
const policy = ['version 1', 'allow observe.backup', 'allow backup.send', 'allow backup.receive', 'allow backup.fetch', 'allow backup.restore', 'allow backup.dump', 'allow backup.prune min-keep=2', 'allow backup.adopt', ''].join('\n');
const receive = { folder: '/srv/backup/web', job, fleet, snapshot, basis: Buffer.from(''), seconds: 60 };

describe.skipIf(!isRoot)('tickets of backups', () => {
  let privd: Privd;
  const folder = (): string => `${privd.root}${state}/job`;
  const ticket = (name: string): Record<string, string[]> => {
    const fields: Record<string, string[]> = {};
    for (const field of readFileSync(`${folder()}/${name}`, 'utf8').split('\0').slice(0, -1)) {
      const at = field.indexOf('=');
      (fields[field.slice(0, at)] ??= []).push(field.slice(at + 1));
    }
    return fields;
  };
  const send = (folders: string, excludes = ''): Promise<{ ticket: string }> =>
    privd.call('backup.send', { folders: Buffer.from(folders), excludes: Buffer.from(excludes), system: false, job, bandwidth: 0 });

  beforeAll(async () => {
    privd = await startPrivd();
  }, 120_000);
  afterAll(() => privd.close(), 60_000);
  beforeEach(() => {
    privd.writePolicy(policy);
    for (const name of readdirSync(folder())) rmSync(`${folder()}/${name}`, { recursive: true });
  });

  test('hold what was asked for, for root only', async () => {
    const { ticket: name } = await send('/srv/data\n/home', '/cache\n*.tmp');
    expect(name).toMatch(/^[0-9a-f]{32}$/);
    expect(statSync(`${folder()}/${name}`).mode & 0o777).toBe(0o600);
    expect(ticket(name)).toMatchObject({ work: ['send'], folder: ['/srv/data', '/home'], exclude: ['/cache', '*.tmp'], system: ['0'], job: [job], bandwidth: ['0'] });
    expect(ticket((await privd.call('backup.receive', receive)).ticket)).toMatchObject({ work: ['receive'], folder: ['/srv/backup/web'], snapshot: [snapshot], seconds: ['60'] });
  });

  test('that nobody came with are taken away by the next one', async () => {
    const { ticket: old } = await send('/srv/data');
    utimesSync(`${folder()}/${old}`, new Date(0), new Date(0));
    writeFileSync(`${folder()}/made-${job}`, 'of a restore');
    const { ticket: fresh } = await send('/srv/data');
    expect(readdirSync(folder()).sort()).toEqual([fresh, `made-${job}`].sort());
  });

  test('are for what the policy allows, each folder by itself', async () => {
    await failsWith(send('/srv/data\n/etc'), 'POLICY_DENIED', { line: 'allow backup.send folder=/etc' });
    await failsWith(privd.call('backup.receive', { ...receive, folder: '/srv/other' }), 'POLICY_DENIED', { line: 'allow backup.receive folder=/srv/other' });
    await failsWith(privd.call('backup.inspect', { role: 'send', folders: Buffer.from('/etc'), job }), 'POLICY_DENIED', { line: 'allow backup.send folder=/etc' });
    await failsWith(privd.call('backup.hash', { folders: Buffer.from('/etc'), job }), 'POLICY_DENIED', { line: 'allow backup.send folder=/etc' });
    await failsWith(privd.call('backup.prune', { folder: '/srv/backup/web', job, snapshots: Buffer.from(snapshot), minKeep: 1 }), 'POLICY_DENIED', { line: 'allow backup.prune folder=/srv/backup/web min-keep=1' });
    expect(ticket((await privd.call('backup.prune', { folder: '/srv/backup/web', job, snapshots: Buffer.from(snapshot), minKeep: 2 })).ticket)).toMatchObject({ work: ['prune'], name: [snapshot], keep: ['2'] });
    expect(readdirSync(folder()).length).toBe(1);
  });

  test('of a restore say what the policy lets come back', async () => {
    const restore = { folder: '/srv/restore/a', keepOld: false, proof: false, seconds: 60 };
    expect(ticket((await privd.call('backup.restore', restore)).ticket)).toMatchObject({ setuid: ['0'], device: ['0'] });
    privd.writePolicy('version 1\nallow backup.restore setuid=yes,no\n');
    expect(ticket((await privd.call('backup.restore', restore)).ticket)).toMatchObject({ setuid: ['1'], device: ['0'] });
    privd.writePolicy('version 1\nallow backup.restore setuid=yes,no device=yes,no\ndeny backup.restore setuid=yes\n');
    expect(ticket((await privd.call('backup.restore', restore)).ticket)).toMatchObject({ setuid: ['0'], device: ['1'] });
  });

  test.each(['/', '/proc', '/sys/x', '/dev', '/run/x', '/etc/reeve', '/etc', '/var', '/var/lib', '/var/lib/reeve-privd/x', '/usr/lib/x', '/boot'])('whatever the policy says, nothing is put into %s', async (target) => {
    privd.writePolicy('version 1\nallow backup.receive folder=/*\nallow backup.restore folder=/*\n');
    await failsWith(privd.call('backup.receive', { ...receive, folder: target }), 'FIELD_INVALID', { field: 'folder' });
    await failsWith(privd.call('backup.restore', { folder: target, keepOld: false, proof: false, seconds: 60 }), 'FIELD_INVALID', { field: 'folder' });
  });

  test.each(['relative', '/a/../b', '/a/./b', '/a//b', '/a/', '-x', '/a*b', '/a[b', '/a\\b', '/a\u001b', '/a\u202eb', 'host:/a', ''])('folder %j is refused', async (text) => {
    privd.writePolicy('version 1\nallow backup.receive folder=/*\n');
    await expect(privd.call('backup.receive', { ...receive, folder: text })).rejects.toThrow();
  });

  test.each(['+ secret', '- x', '!', ';x', '#x', '. /etc/shadow', ': x', ' x', 'x ', 'a***', '[a', 'a/../b', 'x\u001b', 'x\u202e'])('pattern %j is refused', async (text) => {
    await failsWith(send('/srv/data', text), 'FIELD_INVALID', { field: 'excludes' });
    expect(readdirSync(folder())).toEqual([]);
  });

  test('the helper and the agent take the same folders and patterns', async () => {
    privd.writePolicy('version 1\nallow backup.send folder=/*\n');
    const taken = async (work: () => unknown): Promise<boolean> => {
      try {
        await work();
        return true;
      } catch {
        return false;
      }
    };
    const pieces = fc.array(fc.constantFrom('/', 'a', '..', '.', '*', '**', '***', '[', ']', '+ ', '- ', ' ', '!', '#', 'ä', '\u0085', '\u202e', '\u001b', '\\', '?', ':', '-'), { maxLength: 6 }).map((parts) => parts.join(''));
    await fc.assert(fc.asyncProperty(pieces, async (text) => {
      // An empty line of a list is none.
      if (text === '') return;
      expect(await taken(() => send(text)), `folder ${JSON.stringify(text)}`).toBe(await taken(() => parseBackupFolder('folder', text, { root: true })));
      expect(await taken(() => send('/srv', text)), `pattern ${JSON.stringify(text)}`).toBe(await taken(() => parseExclude('exclude', text)));
    }), { numRuns: 300 });
  }, 120_000);
});
