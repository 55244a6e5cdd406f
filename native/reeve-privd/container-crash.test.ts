/** Noun container when the helper is killed in the middle: at every point there is the old one or the new one, and every way on from there leads to one of them whole. */
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { containerPolicy, podman, startContainerHost, units, version } from './testing/container.js';
import { failsWith, isRoot, sources, state, type Privd } from './testing/namespace.js';

const old = podman({ port: 'tcp 0.0.0.0 8080 80', idle: '60' });
const fresh = podman({ port: ['tcp 0.0.0.0 9090 80', 'tcp 0.0.0.0 9091 81'], idle: '90', volume: '/srv/container/web /data rw' });

describe.skipIf(!isRoot)('containers after a crash', () => {
  let privd: Privd;
  const exercised = new Set<string>();
  const everything = (): string => privd.inside('sh', '-c', 'find "$@" ! -name reload -printf "%p %y %U %l\\n" | sort; find "$@" -type f -exec sha256sum {} + | grep -v /reload | sort', 'sh', `${state}/container`, units, '/var/lib/reeve-left');
  const put = (spec: Buffer): Promise<unknown> => privd.call('container.put', { name: 'web', spec });
  const settle = (keep: boolean): Promise<unknown> => privd.call('container.settle', { name: 'web', keep });
  const reset = (): void => {
    for (const name of readdirSync(`${privd.root}${state}/container`)) rmSync(`${privd.root}${state}/container/${name}`, { recursive: true });
    for (const name of readdirSync(`${privd.root}${units}`, { recursive: true, encoding: 'utf8' })) if (name.includes('reeve-container-')) rmSync(`${privd.root}${units}/${name}`, { force: true });
    privd.inside('rm', '-rf', '/var/lib/reeve-left', '/srv/container');
    privd.inside('mkdir', '-p', '/var/lib/reeve-left');
  };
  const dies = async (point: string, work: () => Promise<unknown>): Promise<void> => {
    const armed = privd.armFailpoint(point);
    await failsWith(work(), 'HELPER_UNREACHABLE');
    expect(existsSync(armed), point).toBe(false);
    exercised.add(point);
  };
  const record = async (): Promise<string> => {
    const { container: [web] } = await privd.call('observe.container', { scope: 'managed', name: 'web' });
    return web === undefined ? 'none' : Buffer.from(web.spec).toString();
  };
  /** What it looks like when nothing goes wrong. */
  const whole: Record<string, string> = {};

  beforeAll(async () => {
    privd = await startContainerHost();
    privd.writePolicy(containerPolicy);
    reset();
    await put(old);
    await settle(true);
    whole['old'] = everything();
    await put(fresh);
    await settle(true);
    whole['fresh'] = everything();
  }, 120_000);
  afterAll(() => privd.close(), 60_000);

  const putPoints = ['container.put.before', 'container.put.spec', 'container.files.put', 'container.files.linked', 'container.files.taken', 'container.files.reloaded'];
  const start = async (): Promise<void> => {
    reset();
    await put(old);
    await settle(true);
  };

  test.each(putPoints)('container.put that dies at %s: repeated, taken back, or kept as far as it is', async (point) => {
    for (const next of ['repeat', 'back', 'keep'] as const) {
      await start();
      await dies(point, () => put(fresh));
      expect([old.toString(), fresh.toString()]).toContain(await record());
      const is = await record();
      if (next === 'repeat') await put(fresh);
      await settle(next !== 'back');
      const wanted = next === 'repeat' || (next === 'keep' && is === fresh.toString()) ? 'fresh' : 'old';
      if (wanted === 'old' && next === 'keep') expect(is).toBe(old.toString());
      expect(everything(), `${point}, ${next}`).toBe(whole[wanted]);
    }
  }, 60_000);

  test.each(['container.settle.restored', 'container.files.put', 'container.files.linked', 'container.files.taken', 'container.files.reloaded', 'container.settle.begun', 'container.settle.ended'])('container.settle that dies at %s: a repeat ends it', async (point) => {
    await start();
    await put(fresh);
    await dies(point, () => settle(false));
    await settle(false);
    expect(everything()).toBe(whole['old']);
    if (!['container.settle.begun', 'container.settle.ended'].includes(point)) return;
    await put(fresh);
    await dies(point, () => settle(true));
    await settle(true);
    expect(everything()).toBe(whole['fresh']);
  }, 60_000);

  test.each(['container.slot.noted', 'container.put.before', 'container.put.spec', 'container.files.put', 'container.files.linked'])('a new one that dies at %s can be forgotten, or made', async (point) => {
    reset();
    await dies(point, () => put(old));
    await settle(false);
    expect(await record()).toBe('none');
    expect(readdirSync(`${privd.root}${units}`).filter((name) => name.startsWith('reeve-container-'))).toEqual([]);
    await put(old);
    await settle(true);
    expect(everything()).toBe(whole['old']);
  });

  test('a secret and a release: a repeat ends them', async () => {
    reset();
    const secret = { name: 'web', secret: 'db', version: version(), value: Buffer.from('x') };
    await dies('container.secret.kept', () => privd.call('container.secret', secret));
    await privd.call('container.secret', secret);
    await put(podman({ secret: `db ${secret.version}` }));
    await settle(true);
    for (const point of ['container.release.left', 'container.files.put', 'container.files.linked', 'container.release.forgotten']) await dies(point, () => privd.call('container.release', { name: 'web' }));
    await privd.call('container.release', { name: 'web' });
    expect(await record()).toBe('none');
    expect(readFileSync(`${privd.root}${units}/reeve-container-web.service`, 'utf8')).toMatch(/^# Left by Reeve/);
    expect(readdirSync(`${privd.root}${state}/container/web/secret`)).toEqual([]);
    expect(readFileSync(`${privd.root}/var/lib/reeve-left/web/db`, 'utf8')).toBe('x');
  });

  test('every failpoint of the noun was one of them', () => {
    const named = readdirSync(sources).filter((file) => file.endsWith('.c')).flatMap((file) => [...readFileSync(join(sources, file), 'utf8').matchAll(/FAILPOINT\("(container\.[^"]+)"\)/g)].map((match) => match[1] ?? ''));
    expect([...exercised].sort()).toEqual([...new Set(named)].sort());
  });
});
