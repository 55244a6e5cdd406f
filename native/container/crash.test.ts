/** kill -9 at every failpoint: what is there is known, and a repeat finishes it. Root only. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { tar } from '../../test/support/tar.js';
import { lxc, specText } from '../reeve-privd/testing/container.js';
import { compile, isRoot, makeHost, sources, type TestHost } from './testing/host.js';

type Pair = readonly [string, string];
const archive = tar([{ name: 'sbin', kind: 'folder' }, { name: 'sbin/init', mode: 0o755, content: 'init' }]);
const sum = createHash('sha256').update(archive).digest('hex');
const sys: Pair = ['name', 'sys'];
const first: readonly Pair[] = [sys, ['snapshot', 'first']];

describe.skipIf(!isRoot)('reeve-container that is killed', () => {
  let host: TestHost;
  let program: string;
  beforeAll(() => { program = compile('test-build'); }, 120_000);
  beforeEach(() => {
    host = makeHost(program);
    host.record('sys', lxc({ archive: sum }));
    mkdirSync(join(host.lxc, 'sys'), { mode: 0o755 });
    writeFileSync(join(host.lxc, 'sys/config'), 'lxc.uts.name = sys\n');
  });
  afterEach(() => { host.close(); });

  const root = (): string => join(host.lxc, 'sys/rootfs');
  const init = (): string => readFileSync(join(root(), 'sbin/init'), 'utf8');
  const built = async (): Promise<void> => {
    await host.work('import', [['kind', 'archive']], { data: archive });
    expect((await host.work('build', [sys])).result['ok']).toBe('1');
  };
  const changed = async (): Promise<void> => {
    await built();
    await host.work('snapshot', first);
    writeFileSync(join(root(), 'sbin/init'), 'changed');
  };
  const proxmox = (): Promise<void> => {
    host.pct.prints('list', '100        stopped                 sys\n');
    host.pct.prints('status', 'status: stopped\n');
    host.record('sys', specText({ engine: 'pct', id: '100', state: 'stopped', boot: 'no', template: 'local:vztmpl/x.tar.gz', storage: 'local', bridge: 'vmbr0' }));
    return Promise.resolve();
  };
  const snapshots = (): string[] => readdirSync(join(host.state, 'snapshot/sys')).filter((name) => !name.startsWith('.'));
  const record = (): boolean => existsSync(join(host.state, 'container/sys/spec'));

  /** What is done before; the work that is killed; what is seen after the kill, and after its repeat. */
  const points: Readonly<Record<string, readonly [() => Promise<void>, string, readonly Pair[], () => unknown, unknown, unknown]>> = {
    'container.import.received': [() => Promise.resolve(), 'import', [['kind', 'archive']], () => readdirSync(join(host.state, 'archive')), [], [sum]],
    'container.build.unpacked': [async () => { await host.work('import', [['kind', 'archive']], { data: archive }); }, 'build', [sys], () => existsSync(root()), false, true],
    'container.build.complete': [async () => { await host.work('import', [['kind', 'archive']], { data: archive }); }, 'build', [sys], () => existsSync(root()), false, true],
    'container.snapshot.copied': [built, 'snapshot', first, snapshots, [], ['first']],
    'container.rollback.copied': [changed, 'rollback', first, init, 'changed', 'init'],
    'container.rollback.exchanged': [changed, 'rollback', first, init, 'init', 'init'],
    'container.drop.renamed': [changed, 'drop', first, snapshots, [], []],
    'container.remove.ended': [proxmox, 'remove', [sys, ['volumes', '0']], record, true, false],
    'container.remove.units': [proxmox, 'remove', [sys, ['volumes', '0']], record, true, false],
    'container.remove.files': [proxmox, 'remove', [sys, ['volumes', '0']], record, true, false],
  };

  test.each(Object.entries(points))('at %s', async (point, [before, work, ticket, look, cut, whole]) => {
    const data = work === 'import' ? { data: archive } : {};
    await before();
    writeFileSync(join(host.state, `failpoint.${point}`), '');
    const killed = await host.work(work, ticket, data);
    expect([killed.exit, killed.result]).toEqual([null, {}]);
    expect(look()).toEqual(cut);
    expect((await host.work(work, ticket, data)).result['ok']).toBe('1');
    expect(look()).toEqual(whole);
    // Nothing half is left beside it.
    expect(readdirSync(join(host.lxc, 'sys')).filter((name) => name.includes('.new'))).toEqual([]);
    expect(existsSync(join(host.state, 'snapshot/sys')) ? readdirSync(join(host.state, 'snapshot/sys')).filter((name) => name.startsWith('.')) : []).toEqual([]);
  });

  test('these are all there are', () => {
    const text = readdirSync(sources).filter((name) => name.endsWith('.c')).map((name) => readFileSync(join(sources, name), 'utf8')).join('');
    expect([...text.matchAll(/FAILPOINT\("([^"]+)"\)/g)].map((match) => match[1]).sort()).toEqual(Object.keys(points).sort());
  });
});
