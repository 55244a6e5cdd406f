/** An account that exchanges its key file, or the folder of it, with links to what is not its own as fast as the kernel can, while the helper reads and purges. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isRoot, sources, startPrivd, type Privd } from './testing/namespace.js';
import { blob, keyPolicy, line, sum } from './testing/key.js';

const flipsWanted = Number(process.env['REEVE_FLIPS'] ?? '200000');
/** The key that is purged stands in the account's own file and in what its links lead to; this one only there. */
const [purged, secret] = [1, 77];

describe.skipIf(!isRoot)('an account that exchanges its key files with links', () => {
  let privd: Privd;
  let uid: number;
  let program: string;
  const at = (path: string): string => `${privd.root}${path}`;
  const canary = `${line(purged)}\n${line(secret)}\n`;
  const canaries: readonly (readonly [string, number])[] = [['/etc/canary/private', 0o600], ['/etc/canary/public', 0o644], ['/home/victim/.ssh/authorized_keys', 0o600]];

  beforeAll(async () => {
    privd = await startPrivd();
    privd.writePolicy(keyPolicy);
    program = join(privd.dir, 'flip');
    execFileSync('gcc', ['-std=c11', '-O2', '-static', '-pthread', '-o', program, join(sources, '../../test/abuse/flip.c')]);
    mkdirSync(at('/etc/ssh'), { recursive: true });
    uid = (await privd.add('ada')).uid;
    const victim = (await privd.add('victim')).uid;
    mkdirSync(at('/etc/canary'));
    mkdirSync(at('/home/victim/.ssh'), { mode: 0o700 });
    for (const [path, mode] of canaries) {
      writeFileSync(at(path), canary);
      chmodSync(at(path), mode);
    }
    for (const path of ['', '/authorized_keys']) chownSync(at(`/home/victim/.ssh${path}`), victim, victim);
  }, 120_000);
  afterAll(() => privd.close(), 60_000);

  /** Content, owner, mode and inode of everything that is not the account's. */
  const others = (): readonly (readonly [string, string, number, number, number])[] => canaries.map(([path]) => {
    const { uid: owner, mode, ino } = lstatSync(at(path));
    return [path, readFileSync(at(path), 'utf8'), owner, mode, ino];
  });

  function attack(a: string, b: string): () => Promise<number> {
    const namespace = privd.root.split('/')[2] ?? '';
    const asUser = ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--', program, 'attack', a, b];
    const child = spawn('nsenter', ['-t', namespace, '-m', '-p', '--', ...asUser], { stdio: ['pipe', 'pipe', 'inherit'] });
    const out = text(child.stdout);
    return async () => {
      child.stdin.end();
      return Number((await out).split(' ')[1]);
    };
  }

  const keys = '/home/ada/.ssh/authorized_keys';
  function reset(): void {
    for (const path of ['/home/ada/.ssh', '/home/ada/other']) rmSync(at(path), { recursive: true, force: true });
    mkdirSync(at('/home/ada/.ssh'), { mode: 0o700 });
    writeFileSync(at(keys), `${line(purged)}\n${line(2)}\n`);
    for (const path of ['/home/ada/.ssh', keys]) chownSync(at(path), uid, uid);
  }

  test('makes a careless reader tell the secret, so that the next test can fail', async () => {
    reset();
    symlinkSync('/etc/canary/private', at('/home/ada/other'));
    const end = attack(keys, '/home/ada/other');
    let escapes = 0;
    const namespace = privd.root.split('/')[2] ?? '';
    for (let i = 0; i < 200 && escapes === 0; i++) {
      escapes += Number(execFileSync('nsenter', ['-t', namespace, '-m', '--', 'sh', '-c', `for i in 1 2 3 4 5 6 7 8; do cat ${keys}; done | grep -c '${blob(secret).toString('base64')}' || :`], { encoding: 'utf8' }));
    }
    await end();
    expect(escapes).toBeGreaterThan(0);
  });

  test(`learns nothing and changes nothing of others in ${String(flipsWanted)} exchanges`, { timeout: 240_000 }, async () => {
    const before = others();
    const answers = new Map<string, number>();
    const count = (answer: string): void => { answers.set(answer, (answers.get(answer) ?? 0) + 1); };
    const codeOf = (error: unknown): string => (error as { code: string }).code;
    const hidden = Buffer.from(blob(secret)).toString('hex');
    let [flips, told] = [0, 0];
    const targets = ['/etc/canary/private', '/etc/canary/public', '/home/victim/.ssh/authorized_keys', '/home/victim/.ssh', '/etc/canary'];
    for (let round = 0; flips < flipsWanted || round < targets.length; round++) {
      const target = targets[round % targets.length] ?? '';
      const isFile = round % targets.length < 3;
      reset();
      symlinkSync(target, at('/home/ada/other'));
      if (target === '/etc/canary') symlinkSync('private', at('/etc/canary/authorized_keys'));
      const end = attack(isFile ? keys : '/home/ada/.ssh', '/home/ada/other');
      for (let i = 0; i < 40; i++) {
        const [seen, result] = await Promise.all([
          privd.call('observe.key', { scope: 'own', name: 'ada', patterns: '.ssh/authorized_keys' }),
          privd.call('key.purge', { name: 'ada', path: keys, blobs: sum(blob(purged)) }).then(({ removed }) => `removed ${String(removed)}`, codeOf),
        ]);
        count(result);
        // What everybody may read is no secret; it is followed as sshd follows it.
        if (target !== '/etc/canary/public') told += seen.line.filter((one) => Buffer.from(one.blob).toString('hex') === hidden).length;
      }
      flips += await end();
      if (target === '/etc/canary') rmSync(at('/etc/canary/authorized_keys'));
      for (const path of ['/home/ada', '/home/ada/.ssh']) {
        if (!lstatSync(at(path)).isDirectory()) continue;
        for (const name of readdirSync(at(path))) {
          expect(lstatSync(at(`${path}/${name}`)).uid === uid || name === 'other' || lstatSync(at(`${path}/${name}`)).isSymbolicLink(), `${path}/${name}`).toBe(true);
          expect(name).not.toBe('.reeve-purge');
        }
      }
    }
    process.stdout.write(`privd: ${String(flips)} flips, ${String(told)} secrets told; purge ${JSON.stringify(Object.fromEntries(answers))}\n`);
    expect(told).toBe(0);
    expect(others()).toEqual(before);
    // The races were real: both faces of the file were met.
    expect([...answers.keys()]).toEqual(expect.arrayContaining(['removed 0', 'removed 1', 'PATH_UNSAFE']));
  });
});
