/** Accounts' own key files for real: what is seen is what the account itself may read, and what is taken out leaves every other byte as it was. */
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PrivdReply } from '../../shared/gen/privd.js';
import { failsWith, isRoot, startPrivd, type Privd } from './testing/namespace.js';
import { blob, keyPolicy, line, sum } from './testing/key.js';

const patterns = '.ssh/authorized_keys\n.ssh/authorized_keys2';
const secret = `${line(77)}\n`;

describe.skipIf(!isRoot)("accounts' own key files", () => {
  let privd: Privd;
  let uid: number;
  const at = (path: string): string => `${privd.root}${path}`;
  const own = (name = 'ada', wanted = patterns): Promise<PrivdReply<'observe.key'>> => privd.call('observe.key', { scope: 'own', name, patterns: wanted });
  const purge = (path: string, ...keys: readonly number[]): Promise<PrivdReply<'key.purge'>> =>
    privd.call('key.purge', { name: 'ada', path, blobs: Buffer.concat(keys.map((key) => sum(blob(key)))) });
  /** A file of ada's own. */
  const give = (path: string, text: string, mode = 0o600): void => {
    rmSync(at(path), { force: true, recursive: true });
    writeFileSync(at(path), text, 'latin1');
    chownSync(at(path), uid, uid);
    chmodSync(at(path), mode);
  };
  const keys = '/home/ada/.ssh/authorized_keys';

  beforeAll(async () => {
    privd = await startPrivd();
    privd.writePolicy(keyPolicy);
    mkdirSync(at('/etc/ssh'), { recursive: true });
    uid = (await privd.add('ada')).uid;
    mkdirSync(at('/home/ada/.ssh'), { mode: 0o700 });
    chownSync(at('/home/ada/.ssh'), uid, uid);
    writeFileSync(at('/etc/secret'), secret, { mode: 0o600 });
  }, 120_000);
  afterAll(() => privd.close(), 60_000);

  test('lines are read as sshd reads them, and each says why it cannot be managed', async () => {
    expect(await own()).toEqual({ file: [], line: [], truncated: false });
    const lines = [
      '# a comment', '', `  ${line(1)}`, `\tssh-ed25519\t${blob(2).toString('base64')}\tbob's key`, `command="echo \\"hi\\" there",restrict ${line(3)}`,
      `From="*.example.com" ${line(4)}`, `no-pty,RESTRICT ${line(5)}`, `cert-authority ${line(6)}`, `ED25519 ${blob(7).toString('base64')}`,
      'ssh-dss AAAAB3NzaC1kc3MAAAABAQAAAAEBAAAAAQEAAAABAQ==', 'ssh-ed25519 AAAA', 'what is this', `restrict,"x ${line(8)}`, `${line(9)}\u001b[31m`,
    ];
    give(keys, `${lines.join('\n')}\n`);
    give(`${keys}2`, line(10, 'expiry-time="20300101000000Z"'));
    const seen = await own();
    expect(seen.file.map((one) => [one.user, one.path, one.problem, one.marked])).toEqual([['ada', keys, '', false], ['ada', `${keys}2`, '', false]]);
    expect(seen.file[0]?.sha256).toEqual(sum(readFileSync(at(keys))));
    expect(seen.line.map((one) => [one.number, one.type, one.blob.length, one.options, one.comment, one.problem])).toEqual([
      [3, 'ssh-ed25519', 51, '', 'ada: grant 12', ''],
      [4, 'ssh-ed25519', 51, '', "bob's key", ''],
      [5, 'ssh-ed25519', 51, 'restrict', 'ada: grant 12', 'option "command" is not known to Reeve'],
      [6, 'ssh-ed25519', 51, '', 'ada: grant 12', 'option "from" is not a list of at most 32 networks in canonical form'],
      [7, 'ssh-ed25519', 51, 'restrict,no-pty', 'ada: grant 12', ''],
      [8, 'ssh-ed25519', 51, '', 'ada: grant 12', 'option "cert-authority" is not known to Reeve'],
      [9, 'ssh-ed25519', 51, '', '', 'the type of the key inside is another, ssh-ed25519'],
      [10, 'ssh-dss', 31, '', '', 'keys of type ssh-dss are not managed'],
      [11, '', 0, '', '', 'there is no key in it'],
      [12, '', 0, '', '', 'there is no key in it'],
      [13, '', 0, '', '', 'a quote is not closed'],
      [14, 'ssh-ed25519', 51, '', 'ada: grant 12?[31m', ''],
      [1, 'ssh-ed25519', 51, '', 'ada: grant 12', ''],
    ]);
    expect(seen.line.at(-1)?.expires).toBe(Date.UTC(2030, 0, 1) / 1000);
  });

  test('tokens and wildcards of patterns are put in, and "none" is nothing', async () => {
    mkdirSync(at('/etc/keys'), { recursive: true });
    writeFileSync(at('/etc/keys/ada'), line(1));
    writeFileSync(at(`/etc/keys/u${String(uid)}%`), line(2));
    const paths = async (wanted: string): Promise<string[]> => (await own('ada', wanted)).file.map((one) => one.path);
    expect(await paths('/etc/keys/%u\n/etc/keys/u%U%%\nnone\n%h/.ssh/authorized_keys')).toEqual(['/etc/keys/ada', `/etc/keys/u${String(uid)}%`, keys]);
    expect(await paths('.ssh/authorized_key*')).toEqual([keys, `${keys}2`]);
    expect((await own('ada', '/etc/%q')).file).toMatchObject([{ problem: 'it is not a regular file' }]);
    await failsWith(own('ada', '/etc/ssh/reeve-keys.d/%u'), 'FIELD_INVALID', { field: 'patterns' });
    await failsWith(own('ada', 'a\tb'), 'FIELD_INVALID', { field: 'patterns' });
    await failsWith(own('ghost'), 'USER_ABSENT');
    await failsWith(privd.call('observe.key', { scope: 'own', patterns }), 'FIELD_MISSING', { field: 'name' });
  });

  test('only what the account itself may read is read, whatever its links say', async () => {
    const problem = async (): Promise<string | undefined> => {
      const seen = await own('ada', '.ssh/authorized_keys');
      expect(seen.line).toEqual([]);
      return seen.file[0]?.problem;
    };
    const link = (target: string): void => {
      rmSync(at(keys), { force: true, recursive: true });
      symlinkSync(target, at(keys));
    };
    link('/etc/secret');
    expect(await problem()).toBe('the user may not read it');
    // The groups of the helper are gone too: root's group could read this one.
    writeFileSync(at('/etc/grouped'), secret);
    chmodSync(at('/etc/grouped'), 0o640);
    link('/etc/grouped');
    expect(await problem()).toBe('the user may not read it');
    link('/etc/shadow');
    expect(await problem()).toBe('the user may not read it');
    link(keys);
    expect(await problem()).toBe('its links lead nowhere, or it is one');
    link('/etc/nothing');
    expect(await problem()).toBeUndefined();
    link('/dev/zero');
    expect(await problem()).toBe('it is not a regular file');
    link('/etc/passwd');
    expect((await own('ada', '.ssh/authorized_keys')).line.every((one) => one.blob.length === 0)).toBe(true);
    rmSync(at(keys));
    privd.inside('mkfifo', keys);
    expect(await problem()).toBe('it is not a regular file');
    rmSync(at(keys));
    mkdirSync(at(keys), { mode: 0o700 });
    expect(await problem()).toBe('the user may not read it');
    chmodSync(at(keys), 0o755);
    expect(await problem()).toBe('it is not a regular file');
    give(keys, 'x'.repeat(300_000));
    expect(await problem()).toBe('it is too large');
    give(keys, secret, 0o200);
    expect(await problem()).toBe('the user may not read it');
  });

  test('a link below /etc/pve is told as what it is, and root reads as root', async () => {
    const passwd = readFileSync(at('/etc/passwd'), 'utf8');
    mkdirSync(at('/etc/pve/priv'), { recursive: true });
    mkdirSync(at('/home/root/.ssh'), { recursive: true });
    writeFileSync(at('/etc/pve/priv/authorized_keys'), secret, { mode: 0o600 });
    symlinkSync('/etc/pve/priv/authorized_keys', at('/home/root/.ssh/authorized_keys'));
    writeFileSync(at('/etc/passwd'), passwd.replace(':/root:', ':/home/root:'));
    try {
      const seen = await own('root');
      expect(seen.file.map((one) => [one.path, one.problem])).toEqual([['/etc/pve/priv/authorized_keys', '']]);
      expect(seen.line[0]?.blob).toEqual(Uint8Array.from(blob(77)));
      const request = { name: 'root', blobs: sum(blob(77)) };
      await failsWith(privd.call('key.purge', { ...request, path: '/home/root/.ssh/authorized_keys' }), 'PATH_UNSAFE', { rule: 'it is a symbolic link' });
      await failsWith(privd.call('key.purge', { ...request, path: '/etc/pve/priv/authorized_keys' }), 'PATH_UNSAFE', { rule: 'it is configuration of the host' });
      expect(readFileSync(at('/etc/pve/priv/authorized_keys'), 'utf8')).toBe(secret);
      writeFileSync(at('/home/root/.ssh/authorized_keys2'), `${secret}${line(1)}\n`);
      for (const point of ['purge.written', 'purge.renamed']) {
        privd.armFailpoint(point);
        await failsWith(privd.call('key.purge', { ...request, path: '/home/root/.ssh/authorized_keys2' }), 'IO_FAILED');
      }
      expect((await privd.call('key.purge', { ...request, path: '/home/root/.ssh/authorized_keys2' })).removed).toBe(0);
      expect(readFileSync(at('/home/root/.ssh/authorized_keys2'), 'utf8')).toBe(`${line(1)}\n`);
      expect(readdirSync(at('/home/root/.ssh')).sort()).toEqual(['authorized_keys', 'authorized_keys2']);
    } finally {
      writeFileSync(at('/etc/passwd'), passwd);
    }
  });

  test('keys are taken out and every other byte stays, with owner and mode', async () => {
    const kept = ['# mine\r\n', `command="x y" ${line(2)}\n`, '\n', '\xff\xfe garbage\0more\n', `${line(3)}   \n`, 'no end of line'];
    const taken = [`${line(1)}\n`, `restrict,command="a \\" b" ${line(1)}\n`, `\t ED25519 ${blob(1).toString('base64')} x\n`, `${line(4)}\n`];
    give(keys, [kept[0], taken[0], kept[1], kept[2], taken[1], kept[3], taken[2], kept[4], taken[3], kept[5]].join(''), 0o640);
    expect(await purge(keys, 1, 4, 99)).toEqual({ removed: 4 });
    expect(readFileSync(at(keys), 'latin1')).toBe(kept.join(''));
    const { mode, uid: owner, gid } = statSync(at(keys));
    expect([mode & 0o7777, owner, gid]).toEqual([0o640, uid, uid]);
    const inode = statSync(at(keys)).ino;
    expect(await purge(keys, 1, 4)).toEqual({ removed: 0 });
    expect(statSync(at(keys)).ino, 'nothing to take out, nothing written').toBe(inode);
    expect(await purge('/home/ada/.ssh/absent', 1)).toEqual({ removed: 0 });
    expect(await purge('/home/ada/absent/keys', 1)).toEqual({ removed: 0 });
    give(keys, line(1));
    expect(await purge(keys, 1)).toEqual({ removed: 1 });
    expect([readFileSync(at(keys), 'utf8'), readdirSync(at('/home/ada/.ssh')).sort()]).toEqual(['', ['authorized_keys', 'authorized_keys2']]);
  });

  test('nothing but plain files of the account below its home is touched', async () => {
    const refused = async (path: string, rule: string): Promise<void> => failsWith(purge(path, 1), 'PATH_UNSAFE', { value: path, rule });
    mkdirSync(at('/srv-keys'), { recursive: true });
    writeFileSync(at('/home/other'), `${line(1)}\n`);
    for (const path of ['/home/other', '/home/ada', '/home/adam/x', '/var/x']) await refused(path, 'it is not below the home of the user');
    for (const path of ['/home/ada/../other', '/home/ada/./x', 'x', '/home/ada//x', '/home/ada/', '/home/ada/x\n', '/home/ada/..']) {
      await failsWith(purge(path, 1), 'FIELD_INVALID', { field: 'path' });
    }
    await failsWith(privd.call('key.purge', { name: 'ada', path: keys, blobs: new Uint8Array(33) }), 'FIELD_INVALID', { field: 'blobs' });
    await failsWith(privd.call('key.purge', { name: 'ada', path: keys, blobs: new Uint8Array(0) }), 'FIELD_INVALID', { field: 'blobs' });
    give('/home/ada/real', `${line(1)}\n`);
    rmSync(at(keys));
    symlinkSync('../real', at(keys));
    await refused(keys, 'it is a symbolic link');
    rmSync(at(keys));
    give(keys, `${line(1)}\n`);
    renameSync(at('/home/ada/.ssh'), at('/home/ada/moved'));
    symlinkSync('moved', at('/home/ada/.ssh'));
    await refused(keys, 'its folder is reached by a symbolic link');
    rmSync(at('/home/ada/.ssh'));
    renameSync(at('/home/ada/moved'), at('/home/ada/.ssh'));
    chownSync(at(keys), 0, 0);
    chmodSync(at(keys), 0o644);
    await refused(keys, 'it does not belong to the user');
    rmSync(at(keys));
    privd.inside('mkfifo', keys);
    await refused(keys, 'it is not a regular file');
    rmSync(at(keys));
    give(keys, `${line(1)}\n`);
    chownSync(at('/home/ada/.ssh'), 0, 0);
    chmodSync(at('/home/ada/.ssh'), 0o755);
    await failsWith(purge(keys, 1), 'IO_FAILED'); // its folder is not the account's, so it may make no file there
    expect(readFileSync(at(keys), 'utf8')).toBe(`${line(1)}\n`);
    chownSync(at('/home/ada/.ssh'), uid, uid);
    expect([readFileSync(at('/home/other'), 'utf8'), lstatSync(at('/home/other')).uid]).toEqual([`${line(1)}\n`, 0]);
    expect(existsSync(at('/home/ada/.ssh/.reeve-purge'))).toBe(false);
  });

  test('an account that stops or kills what works as it harms only itself', { timeout: 60_000 }, async () => {
    give(keys, `${line(1)}\n`.repeat(2000));
    const killer = privd.spawnAs(uid, 'sh', '-c', 'echo ready; while :; do kill -STOP -1 2>/dev/null || :; kill -KILL -1 2>/dev/null || :; done');
    await new Promise((resolve) => killer.stdout?.once('data', resolve));
    const start = Date.now();
    const answers = await Promise.all(Array.from({ length: 20 }, async () => {
      const seen = await own('ada', '.ssh/authorized_keys');
      if (seen.file.some((one) => one.problem === 'reading as the user failed, or took longer than 5 s')) return 'told';
      return seen.line.length === 2000 ? 'read' : 'lost';
    }));
    killer.kill('SIGKILL');
    expect(answers).not.toContain('lost');
    expect(answers, 'the attack hit at least once').toContain('told');
    expect(Date.now() - start).toBeLessThan(40_000);
    expect((await privd.call('status.get', {})).seccomp).toBe(true);
  });
});
