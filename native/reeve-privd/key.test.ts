/** Managed key files for real, as root in namespaces of their own: what is written, what is refused, and what a crash leaves. */
import { chmodSync, chownSync, existsSync, linkSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { failsWith, isRoot, sources, startPrivd, state, testBinary, type Privd } from './testing/namespace.js';
import { blob, file, keyPolicy, left, line, managedHead, sum, until } from './testing/key.js';

const folder = '/etc/ssh/reeve-keys.d';

describe.skipIf(!isRoot)('managed key files', () => {
  let privd: Privd;
  const path = (name: string): string => `${privd.root}${folder}/${name}`;
  const text = (name: string): string => readFileSync(path(name), 'latin1');
  const put = (name: string, content: Uint8Array): Promise<unknown> => privd.call('key.put', { name, content });
  const isMarked = (name: string): boolean => existsSync(`${privd.root}${state}/owned/key/${name}`);

  beforeAll(async () => {
    privd = await startPrivd();
    privd.writePolicy(keyPolicy);
    mkdirSync(`${privd.root}/etc/ssh`, { recursive: true });
    for (const name of ['ada', 'bob', 'cy']) await privd.add(name);
  }, 120_000);
  afterAll(() => privd.close(), 60_000);
  beforeEach(() => { privd.writePolicy(keyPolicy); });

  test('a file is written whole, root\'s and readable, shown, and written again without a change', async () => {
    const content = file(line(1), line(2, `restrict,from="10.0.0.0/8,2001:db8::1",${until(3600)}`));
    for (let i = 0; i < 2; i++) {
      expect(await put('ada', content)).toEqual({ sha256: sum(content) });
      expect(readFileSync(path('ada'))).toEqual(content);
    }
    const { mode, uid, gid } = statSync(path('ada'));
    expect([mode & 0o7777, uid, gid, statSync(path('')).mode & 0o7777]).toEqual([0o644, 0, 0, 0o755]);
    const inode = statSync(path('ada')).ino;
    await put('ada', content);
    expect(statSync(path('ada')).ino, 'what is as wanted is not written again').toBe(inode);
    chmodSync(path('ada'), 0o600);
    await put('ada', content);
    expect(statSync(path('ada')).mode & 0o7777).toBe(0o644);
    writeFileSync(path('strange'), `ssh-ed25519 ${blob(9).toString('base64')} x\u0001y\ncommand="id" ${line(8)}\nnonsense\n\n# a comment\n`);
    const seen = await privd.call('observe.key', { scope: 'managed' });
    expect(seen.file).toEqual([
      { user: 'ada', path: `${folder}/ada`, problem: '', sha256: sum(content), marked: true },
      { user: 'strange', path: `${folder}/strange`, problem: '', sha256: sum(readFileSync(path('strange'))), marked: false },
    ]);
    expect(seen.line.map((one) => [one.user, one.number, one.options, one.comment, one.problem])).toEqual([
      ['ada', 2, '', 'ada: grant 12', ''], ['ada', 3, 'restrict,from="10.0.0.0/8,2001:db8::1"', 'ada: grant 12', ''],
      ['strange', 1, '', 'x?y', ''], ['strange', 2, '', 'ada: grant 12', 'option "command" is not known to Reeve'], ['strange', 3, '', '', 'there is no key in it'],
    ]);
    expect(seen.line[0]).toMatchObject({ type: 'ssh-ed25519', blob: Uint8Array.from(blob(1)), expires: 0 });
    expect(Math.abs((seen.line[1]?.expires ?? 0) - Date.now() / 1000 - 3600)).toBeLessThan(10);
    expect(seen.truncated).toBe(false);
    rmSync(path('strange'));
  });

  test('every line is read again: what is not canonical, weak or there twice is refused by its number, and nothing is written', async () => {
    const before = text('ada');
    const bad: readonly [Buffer, string, Record<string, string>][] = [
      [Buffer.from(`${line(1)}\n`), 'KEY_LINE', { value: '1' }],
      [file(line(1), `command="id" ${line(2)}`), 'KEY_LINE', { value: '3', rule: 'option "command" is not known to Reeve' }],
      [file(line(1).replace('ssh-ed25519', 'ssh-rsa')), 'KEY_LINE', { value: '2' }],
      [file(line(1), ''), 'KEY_LINE', { value: '3' }],
      [file(line(1), '# a second key'), 'KEY_LINE', { value: '3' }],
      [file(` ${line(1)}`), 'KEY_LINE', { value: '2', rule: 'it is not in canonical form' }],
      [file(`${line(1)}\r`), 'KEY_LINE', { value: '2' }],
      [file(`no-pty,restrict ${line(1)}`), 'KEY_LINE', { value: '2', rule: 'it is not in canonical form' }],
      [file(`${line(1)}\0`), 'KEY_LINE', { value: '2' }],
      [file(line(1)).subarray(0, -1), 'KEY_LINE', { value: '2', rule: 'its end is missing' }],
      [Buffer.concat([file(line(1)), Buffer.from('x')]), 'KEY_LINE', { value: '3' }],
      [file(line(1), line(2), line(1, 'restrict')), 'FIELD_INVALID', { field: 'content', rule: 'it is there twice' }],
    ];
    for (const [content, code, fields] of bad) {
      await failsWith(put('ada', content), code, fields);
      await failsWith(privd.call('key.remove', { name: 'ada', content }), code, fields);
    }
    await failsWith(put('ada', left(line(1))), 'KEY_LINE', { value: '1' });
    await failsWith(put('../ada', file(line(1))), 'FIELD_INVALID', { field: 'name' });
    expect(text('ada')).toBe(before);
  });

  test('a file may have 1 MiB, other requests still 64 KiB', { timeout: 60_000 }, async () => {
    const lines = Array.from({ length: 11_000 }, (_none, at) => line(at, '', 'x'));
    const content = file(...lines);
    expect(content.length).toBeGreaterThan(900_000);
    await put('bob', content);
    expect(readFileSync(path('bob')).equals(content)).toBe(true);
    const seen = await privd.call('observe.key', { scope: 'managed' });
    expect([seen.line.length, seen.truncated]).toEqual([10_000, true]);
    await failsWith(put('bob', Buffer.concat([content, Buffer.alloc(300_000, 'x')])), 'LIMIT_EXCEEDED');
    await failsWith(privd.call('key.purge', { name: 'bob', path: '/home/bob/x', blobs: new Uint8Array(70_016) }), 'LIMIT_EXCEEDED');
    const frame = Buffer.alloc(4 + 20);
    frame.writeUInt32BE(1_000_000);
    frame.writeUInt16BE(1, 4);
    frame.writeUInt16BE(35, 6); // key.purge: not more than 64 KiB, which is known before the rest is read
    expect(await privd.raw(frame)).toBe(67);
    await privd.call('key.remove', { name: 'bob' });
  });

  test('accounts of others, of the system and of nobody get no keys', async () => {
    privd.inside('useradd', '--uid', '1500', 'carol');
    await failsWith(put('ghost', file()), 'USER_ABSENT', { value: 'ghost' });
    await failsWith(put('carol', file(line(1))), 'USER_FOREIGN', { value: 'carol' });
    await privd.call('user.adopt', { name: 'carol' });
    await put('carol', file(line(1)));
    await failsWith(put('daemon', file(line(1))), 'USER_FOREIGN');
    await failsWith(put('root', file(line(1))), 'KEY_ROOT');
    privd.writePolicy(`${keyPolicy}allow key.put root-keys=yes name=root\nallow user.adopt system=yes\n`);
    await failsWith(put('root', file(line(1))), 'USER_FOREIGN');
    await privd.call('user.adopt', { name: 'root' });
    await privd.call('user.adopt', { name: 'daemon' });
    await put('root', file(line(1)));
    await put('daemon', file());
    expect([text('root'), text('daemon')]).toEqual([file(line(1)).toString(), managedHead]);
    privd.writePolicy(keyPolicy);
    await failsWith(put('root', file()), 'KEY_ROOT');
    privd.writePolicy(keyPolicy.replace('allow key.put\n', ''));
    await failsWith(put('root', file()), 'POLICY_DENIED', { line: 'allow key.put name=root root-keys=yes max-stale=0' });
    privd.writePolicy(`${keyPolicy}deny key.put root-keys=yes\n`);
    await failsWith(put('root', file()), 'POLICY_DENIED');
    // Taking away needs no word about root.
    for (const name of ['root', 'daemon', 'carol']) {
      await privd.call('key.remove', { name });
      expect([existsSync(path(name)), isMarked(name)]).toEqual([false, false]);
    }
    for (const name of ['root', 'daemon', 'carol']) await privd.call('user.release', { name });
    privd.inside('userdel', 'carol');
  });

  test('under max-stale every key ends by itself in time', async () => {
    privd.writePolicy(keyPolicy.replace('allow key.put', 'allow key.put max-stale=86400'));
    await failsWith(put('ada', file(line(1))), 'POLICY_DENIED', { line: 'allow key.put name=ada root-keys=no max-stale=4294967295' });
    await failsWith(put('ada', file(line(1, until(60)), line(2))), 'POLICY_DENIED');
    await failsWith(put('ada', file(line(1, until(60)), line(2, until(86_500)))), 'POLICY_DENIED', { op: 'key.put' });
    await failsWith(put('ada', file(line(1, 'expiry-time="99991231235959Z"'))), 'POLICY_DENIED');
    await put('ada', file(line(1, until(86_300)), line(2, until(-60))));
    await put('ada', file());
    await put('ada', Buffer.alloc(0));
    expect(text('ada')).toBe('');
  });

  test('what is in the way is refused: files of others, links, folders that others write', async () => {
    writeFileSync(path('cy'), line(5));
    const remove = (): Promise<unknown> => privd.call('key.remove', { name: 'cy' });
    for (const refused of [() => put('cy', file(line(1))), remove, () => privd.call('key.release', { name: 'cy', content: left() })]) {
      await failsWith(refused(), 'KEY_FILE_FOREIGN', { value: `${folder}/cy` });
    }
    expect([text('cy'), isMarked('cy')]).toEqual([line(5), false]);
    rmSync(path('cy'));
    writeFileSync(`${privd.root}/etc/victim`, 'mine');
    symlinkSync('/etc/victim', path('cy'));
    await failsWith(put('cy', file(line(1))), 'PATH_UNSAFE', { value: `${folder}/cy`, rule: 'it is a symbolic link' });
    rmSync(path('cy'));
    await put('cy', file(line(1)));
    linkSync(path('cy'), path('cy2'));
    await failsWith(put('cy', file(line(2))), 'PATH_UNSAFE', { rule: 'it is not a regular file with one name' });
    rmSync(path('cy2'));
    rmSync(path('cy'));
    privd.inside('mkfifo', `${folder}/cy`);
    await failsWith(put('cy', file(line(2))), 'PATH_UNSAFE');
    expect((await privd.call('observe.key', { scope: 'managed' })).file.find((one) => one.user === 'cy')?.problem).toBe('it is not a regular file');
    rmSync(path('cy'));
    const dir = `${privd.root}${folder}`;
    chmodSync(dir, 0o775);
    await failsWith(put('cy', file(line(1))), 'PATH_UNSAFE', { value: folder, rule: 'others than root can write it' });
    chmodSync(dir, 0o755);
    chownSync(dir, 20000, 0);
    await failsWith(put('cy', file(line(1))), 'PATH_UNSAFE', { value: folder });
    chownSync(dir, 0, 0);
    renameSync(dir, `${dir}.real`);
    symlinkSync('/etc/ssh/reeve-keys.d.real', dir);
    await failsWith(put('cy', file(line(1))), 'PATH_UNSAFE', { value: folder, rule: 'it is not a plain folder' });
    await failsWith(privd.call('observe.key', { scope: 'managed' }), 'PATH_UNSAFE');
    rmSync(dir);
    renameSync(`${dir}.real`, dir);
    await put('cy', file(line(1)));
    expect(readFileSync(`${privd.root}/etc/victim`, 'utf8')).toBe('mine');
    await privd.call('key.remove', { name: 'cy' });
  });

  test('key.remove only takes away: no line, option or time that is not there', async () => {
    const remove = (...lines: string[]): Promise<unknown> => privd.call('key.remove', { name: 'ada', content: file(...lines) });
    await put('ada', file(line(1), line(2, 'restrict'), line(3, 'expiry-time="20300101000000Z"')));
    for (const more of [line(4), line(2), line(1, 'from="10.0.0.1"'), line(2, 'no-pty'), line(3), line(3, 'expiry-time="20300101000001Z"')]) {
      await failsWith(remove(more), 'STATE_MOVED');
    }
    await remove(line(2, 'restrict,expiry-time="20310101000000Z"'), line(3, 'expiry-time="20291231235959Z"', 'another comment'));
    expect(text('ada')).toBe(file(line(2, 'restrict,expiry-time="20310101000000Z"'), line(3, 'expiry-time="20291231235959Z"', 'another comment')).toString());
    await failsWith(remove(line(1)), 'STATE_MOVED');
    privd.writePolicy(keyPolicy.replace('allow key.put\n', ''));
    await remove();
    expect(text('ada')).toBe(managedHead);
    for (let i = 0; i < 2; i++) {
      await privd.call('key.remove', { name: 'ada' });
      expect([existsSync(path('ada')), isMarked('ada')]).toEqual([false, false]);
    }
    privd.writePolicy(keyPolicy);
    await privd.add('gone');
    await put('gone', file(line(1)));
    await privd.call('user.remove', { name: 'gone' });
    await privd.call('key.remove', { name: 'gone' });
    expect(existsSync(path('gone')), 'also of an account that is no more').toBe(false);
  });

  test('a file that is let go stays with the same keys, without their stamps, and is not ours any more', async () => {
    const release = (content: Buffer): Promise<unknown> => privd.call('key.release', { name: 'ada', content });
    await put('ada', file(line(1, until(600)), line(2)));
    await failsWith(release(file(line(1))), 'KEY_LINE', { value: '1' });
    await failsWith(release(left(line(1), line(3))), 'STATE_MOVED');
    await failsWith(release(left(line(2, 'restrict'))), 'STATE_MOVED');
    for (let i = 0; i < 2; i++) {
      await release(left(line(1), line(2)));
      expect([text('ada'), isMarked('ada')]).toEqual([left(line(1), line(2)).toString(), false]);
    }
    await failsWith(put('ada', file(line(1))), 'KEY_FILE_FOREIGN');
    rmSync(path('ada'));
    await release(left());
  });

  test('kill -9 at every failpoint: a repeat finishes, nothing is left behind, and no file is there without its marker', { timeout: 120_000 }, async () => {
    const texts = readdirSync(sources).filter((name) => name.endsWith('.c')).map((name) => readFileSync(join(sources, name), 'utf8'));
    const named = new Set(texts.flatMap((source) => [...source.matchAll(/FAILPOINT\("(key\.[^"]+)"\)/g)].map((match) => match[1] ?? '')));
    const exercised = new Set<string>();
    const kill = async (point: string, attempt: () => Promise<unknown>, before: readonly string[], after: string): Promise<void> => {
      const armed = privd.armFailpoint(point);
      await failsWith(attempt(), 'HELPER_UNREACHABLE');
      expect(existsSync(armed), point).toBe(false);
      const now = existsSync(path('bob')) ? text('bob') : '';
      expect([...before, after], point).toContain(now);
      expect(now === '' || isMarked('bob'), `${point}: a file without its marker`).toBe(true);
      await attempt();
      expect(existsSync(path('bob')) ? text('bob') : '', point).toBe(after);
      expect(readdirSync(path('')).filter((name) => name.startsWith('.')), point).toEqual([]);
      exercised.add(point);
    };
    const [one, two] = [file(line(1)), file(line(1), line(2))];
    for (const point of ['key.folder', 'key.marked', 'key.written', 'key.renamed']) {
      await privd.call('key.remove', { name: 'bob' });
      await kill(point, () => put('bob', two), [''], two.toString());
    }
    for (const point of ['key.written', 'key.renamed']) {
      await put('bob', two);
      await kill(point, () => privd.call('key.remove', { name: 'bob', content: one }), [two.toString()], one.toString());
    }
    await kill('key.unlinked', () => privd.call('key.remove', { name: 'bob' }), [one.toString()], '');
    await put('bob', two);
    await kill('key.left', () => privd.call('key.release', { name: 'bob', content: left(line(1)) }), [two.toString()], left(line(1)).toString());
    expect([...exercised].sort()).toEqual([...named].sort());
    rmSync(path('bob'));
    expect(privd.inside(testBinary, '--verify-audit')).toMatch(/^intact/);
  });

  test('on a full disk keys are taken away all the same, and none is added', { timeout: 60_000 }, async () => {
    await put('ada', file(line(1), line(2)));
    const audit = `${state}/audit`;
    privd.inside('mount', '-t', 'tmpfs', '-o', 'mode=700,size=256k', 'none', audit);
    try {
      const again = (): Promise<string> => put('ada', file(line(1), line(2))).then(() => 'OK', (error: unknown) => (error as { code: string }).code);
      const reserve = (): number => existsSync(`${privd.root}${audit}/reserve`) ? statSync(`${privd.root}${audit}/reserve`).size : 0;
      // Until the log is full and its reserve is still there: it is given up to close an intent whose result had no room.
      for (let round = 0, answer = ''; answer !== 'AUDIT_UNWRITABLE' || reserve() === 0; round++) {
        expect(round).toBeLessThan(40);
        rmSync(`${privd.root}${audit}/filler`, { force: true });
        await again();
        try { writeFileSync(`${privd.root}${audit}/filler`, Buffer.alloc(300_000)); } catch { /* full is what is wanted */ }
        answer = 'OK';
        for (let i = 0; i < 400 && answer === 'OK' && reserve() > 0; i++) answer = await again();
      }
      await failsWith(put('ada', file(line(1), line(2), line(3))), 'AUDIT_UNWRITABLE', { reason: 'no space is left' });
      await privd.call('key.remove', { name: 'ada', content: file(line(1)) });
      expect(text('ada')).toBe(file(line(1)).toString());
    } finally {
      privd.inside('umount', audit);
    }
    await privd.call('key.remove', { name: 'ada' });
  });
});
