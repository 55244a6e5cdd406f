/** Helper and audit log when something ends in the middle: kill -9 at every step, a violation of the filter, a full disk. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { randomFrom } from './hostile.js';
import { allowAll, failsWith, isRoot, sources, startPrivd, state, testBinary, type Privd } from './testing/namespace.js';

describe.skipIf(!isRoot)('reeve-privd after a crash', () => {
  let privd: Privd;
  beforeAll(async () => { privd = await startPrivd(); }, 120_000);
  afterAll(() => privd.close(), 60_000);
  beforeEach(() => { privd.writePolicy(allowAll); });

  const expectPresent = (name: string): void => {
    expect([privd.passwd(name)?.[5], privd.marker(name).includes('state=owned')]).toEqual([`/home/${name}`, true]);
    expect(lstatSync(`${privd.root}/home/${name}`).uid).toBe(Number(privd.passwd(name)?.[2]));
  };
  const expectGone = (name: string): void => {
    expect([privd.passwd(name), privd.marker(name), privd.members(name)]).toEqual([undefined, '', 'absent']);
    expect(existsSync(`${privd.root}/home/${name}`)).toBe(false);
  };

  test('kill -9 at every failpoint: a repeat of the same call finishes, and the audit log shows the gap closed', { timeout: 120_000 }, async () => {
    const texts = readdirSync(sources).filter((file) => file.endsWith('.c')).map((file) => readFileSync(join(sources, file), 'utf8'));
    const named = new Set(texts.flatMap((text) => [...text.matchAll(/FAILPOINT\("([^"]+)"\)/g)].map((match) => match[1] ?? ''))
      .filter((point) => !/^(?:key|purge|sshd|confirm|nat|vhost|cert|container)\./.test(point))); // nouns key, nat, vhost, cert and container have tests of their own
    const exercised = new Set<string>();
    const kill = async (point: string, attempt: () => Promise<unknown>, final: () => void): Promise<void> => {
      const recovered = privd.audit().filter((record) => record['phase'] === 'recovered').length;
      const armed = privd.armFailpoint(point);
      await failsWith(attempt(), 'HELPER_UNREACHABLE');
      expect(existsSync(armed), point).toBe(false);
      await attempt();
      final();
      expect(privd.audit().filter((record) => record['phase'] === 'recovered').length, point).toBe(recovered + 1);
      exercised.add(point);
    };
    let n = 0;
    for (const point of ['audit.intent', 'audit.result', 'marker.written', 'add.marked', 'add.used', 'add.cleared', 'add.made', 'add.owned']) {
      const name = `fp${String(n++)}`;
      const operation = randomUUID();
      await kill(point, () => privd.add(name, {}, operation), () => { expectPresent(name); });
      await privd.call('user.remove', { name });
    }
    for (const point of ['remove.marked', 'remove.locked', 'remove.ended', 'remove.deleted', 'remove.moved', 'remove.forgotten']) {
      const name = `fp${String(n++)}`;
      const operation = randomUUID();
      await privd.add(name);
      await kill(point, () => privd.call('user.remove', { name }, operation), () => { expectGone(name); });
      expect(readdirSync(`${privd.root}/home/.reeve-trash`).filter((entry) => entry.startsWith(`${name}.`))).toHaveLength(1);
    }
    await privd.add('fpx');
    await kill('set.done', () => privd.call('user.set', { name: 'fpx', shell: '/bin/bash' }), () => {
      expect(privd.passwd('fpx')?.[6]).toBe('/bin/bash');
    });
    await kill('lock.done', () => privd.call('user.lock', { name: 'fpx' }), () => { expect(privd.shadow('fpx')?.[7]).toBe('1'); });
    privd.armFailpoint('unlock.done');
    await failsWith(privd.call('user.unlock', { name: 'fpx' }), 'HELPER_UNREACHABLE');
    exercised.add('unlock.done');
    await privd.call('user.unlock', { name: 'fpx' });
    expect(privd.shadow('fpx')?.[7]).toBe('');
    await kill('member.done', () => privd.call('group.member', { name: 'fpx', group: 'games', action: 'add' }), () => {
      expect(privd.members('games')).toBe('fpx');
    });
    privd.armFailpoint('release.forgotten');
    await failsWith(privd.call('user.release', { name: 'fpx' }), 'HELPER_UNREACHABLE');
    exercised.add('release.forgotten');
    await privd.call('user.release', { name: 'fpx' });
    await kill('adopt.marked', () => privd.call('user.adopt', { name: 'fpx' }), () => { expect(privd.marker('fpx')).toContain('state=adopted'); });
    await privd.call('user.release', { name: 'fpx' });
    privd.inside('userdel', '--remove', 'fpx');
    expect([...exercised].sort()).toEqual([...named].sort());
    expect(privd.inside(testBinary, '--verify-audit')).toMatch(/^intact/);
  });

  test('kill -9 of the child at random moments: a repeat finishes', { timeout: 120_000 }, async () => {
    const random = randomFrom(Number(process.env['REEVE_SEED'] ?? '7'));
    const rounds = Number(process.env['REEVE_KILLS'] ?? '40');
    let hits = 0;
    const killed = async (attempt: () => Promise<unknown>): Promise<void> => {
      const done = attempt().then(() => true, () => false);
      const until = performance.now() + random(1200) / 100;
      while (performance.now() < until) await new Promise((resolve) => { setImmediate(resolve); });
      for (const pid of privd.children()) { try { process.kill(pid, 'SIGKILL'); } catch { /* it had ended */ } }
      if (!await done) hits++;
      await attempt();
    };
    for (let i = 0; i < rounds; i++) {
      const name = `rk${String(i)}`;
      await killed(() => privd.add(name));
      expectPresent(name);
      await killed(() => privd.call('user.remove', { name }));
      expectGone(name);
    }
    expect(privd.inside(testBinary, '--verify-audit')).toMatch(/^intact/);
    process.stdout.write(`privd: ${String(2 * rounds)} kills at random moments, ${String(hits)} of them hit a running call\n`);
  });

  test('a violation of the filter ends the child, is answered, and the helper lives on', async () => {
    writeFileSync(`${privd.root}${state}/violate`, '');
    await failsWith(privd.call('status.get', {}), 'SANDBOX_VIOLATION');
    expect((await privd.call('status.get', {})).seccomp).toBe(true);
  });

  test('an open intent is closed when the helper starts again, and edits of the log are found', { timeout: 60_000 }, async () => {
    privd.armFailpoint('audit.intent');
    await failsWith(privd.add('late'), 'HELPER_UNREACHABLE');
    await privd.restart();
    expect(privd.audit().at(-1)).toMatchObject({ phase: 'recovered', verb: 'user.add' });
    const log = `${privd.root}${state}/audit/audit.log`;
    const text = readFileSync(log, 'utf8');
    const lines = text.trimEnd().split('\n');
    const copy = join(privd.dir, 'copy.log');
    const verify = (changed: string): string => {
      writeFileSync(copy, changed);
      try { return execFileSync(testBinary, ['--verify-audit', copy], { encoding: 'utf8' }); } catch (error) {
        return String((error as { stdout?: unknown }).stdout);
      }
    };
    expect(verify(text)).toMatch(/^intact/);
    const random = randomFrom(3);
    for (let i = 0; i < 200; i++) {
      const at = 1 + random(lines.length - 2);
      const changed = [...lines];
      switch (random(4)) {
        case 0: changed.splice(at, 1); break;
        case 1: changed.splice(at, 0, changed[at - 1] ?? ''); break;
        case 2: [changed[at], changed[at - 1]] = [changed[at - 1] ?? '', changed[at] ?? '']; break;
        default: {
          const line = changed[at] ?? '';
          const where = random(line.length);
          changed[at] = `${line.slice(0, where)}${line[where] === '1' ? '2' : '1'}${line.slice(where + 1)}`;
        }
      }
      if (changed.join('\n') !== lines.join('\n')) expect(verify(`${changed.join('\n')}\n`), `${String(i)}: line ${String(at + 1)}`).toMatch(/^bad\t/);
    }
  });

  test('when audit records cannot be written nothing changes, except what ends access', { timeout: 60_000 }, async () => {
    await privd.add('full');
    const folder = `${state}/audit`;
    privd.inside('mount', '-t', 'tmpfs', '-o', 'mode=700,size=256k', 'none', folder);
    try {
      await privd.call('user.set', { name: 'full', comment: 'x' });
      try { writeFileSync(`${privd.root}${folder}/filler`, Buffer.alloc(300_000)); } catch { /* full is what is wanted */ }
      const log = `${privd.root}${folder}/audit.log`;
      const room = 4096 - (statSync(log).size % 4096);
      writeFileSync(log, readFileSync(log, 'utf8'));
      for (let i = 0; i * 300 < room + 600; i++) await privd.call('user.set', { name: 'full', comment: 'x' }).catch(() => undefined);
      const before = privd.accounts();
      await failsWith(privd.call('user.set', { name: 'full', comment: 'y' }), 'AUDIT_UNWRITABLE', { reason: 'no space is left' });
      expect(privd.accounts()).toBe(before);
      expect((await privd.call('observe.user', { scope: 'managed' })).user).toHaveLength(1);
      expect((await privd.call('status.get', {})).auditState).toBe('no space is left');
      await privd.call('user.lock', { name: 'full' });
      expect(privd.shadow('full')?.[7]).toBe('1');
      privd.inside('mount', '-o', 'remount,ro', folder);
      await failsWith(privd.call('user.unlock', { name: 'full' }), 'AUDIT_UNWRITABLE', { reason: 'the file system is read-only' });
    } finally {
      privd.inside('umount', folder);
    }
    await privd.call('user.remove', { name: 'full' });
  });
});
