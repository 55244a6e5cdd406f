import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { BackupRun } from '../../shared/gen/proto/reeve/coordinator/v1/BackupRun.js';
import type { LabHost } from '../lab/lab.js';
import { aliveOf, beginRun, contentOf, cutFrom, inodesOf, runToEnd, showRun, waitCopying, waitEnded, waitQuiet, watchRun } from '../support/backup-fleet.js';
import { shiftSnapshots } from '../support/backup-tree.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';

const mib = 1024 * 1024;
const store_ = '/srv/backup/web';

describe.skipIf(!hosts.ok)('backups whose runs are hit in the middle', () => {
  let fleet: TestFleet;
  let web: LabHost;
  let store: LabHost;
  let both: readonly LabHost[];
  /** The snapshot that nothing may touch, and what it was. */
  let kept = '';
  let was: readonly string[];
  const seen: string[] = [];

  beforeAll(async () => {
    fleet = await startFleet({ name: 'chaosbackup', hosts: ['web', 'store'], debian: ['rsync', 'acl', 'attr'], resident: true });
    web = fleet.host('web');
    store = fleet.host('store');
    both = [web, store];
    await store.run(['mkdir', '-p', '/srv/backup']);
    await web.run(['/bin/sh', '-c', 'mkdir -p /srv/data/small && cd /srv/data/small && for d in $(seq 20); do mkdir $d && for f in $(seq 100); do echo "$d $f" >$d/$f; done; done && head -c 120M /dev/urandom >/srv/data/big']);
    const added = await fleet.reeve(['backup', 'add', 'web', '--from', 'web:/srv/data', '--to', `store:${store_}`, '--every', 'never', '--bandwidth', '20480', '--shrink', '0', '--yes']);
    if (added.code !== 0) throw new Error(added.stderr);
  });
  afterAll(() => {
    console.log(seen.join('\n'));
    fleet.close();
  });
  afterEach(async () => {
    if (kept !== '') expect(await inodesOf(store, `${store_}/snapshots/${kept}`)).toEqual(was);
  });

  /** Begins a run that has something to do, and waits until it is in the middle of it. */
  async function hitRun(): Promise<string> {
    await web.run(['/bin/sh', '-c', 'head -c 120M /dev/urandom >/srv/data/big && date +%N >/srv/data/small/fresh']);
    const id = await beginRun(fleet, 'web');
    await waitCopying(fleet, 'web', id, 5 * mib);
    expect(await aliveOf(web)).not.toEqual([]);
    return id;
  }

  /** It has failed, says why in words, and is gone from both hosts. */
  async function expectFailed(what: string, id: string, hitAt: number, reason: RegExp, timeoutMs = 60_000): Promise<BackupRun> {
    const run = await waitEnded(fleet, 'web', id, timeoutMs);
    seen.push(`${what}: ${run.state} after ${((performance.now() - hitAt) / 1000).toFixed(1)} s: ${run.reason}`);
    expect(run.state).toBe('failed');
    expect(run.reason).toMatch(reason);
    await waitQuiet(both);
    expect((await fleet.json<{ snapshots: { snapshot: { name: string } }[] }>(['backup', 'snapshots', 'web'])).snapshots.map(({ snapshot }) => snapshot.name)).not.toContain(run.snapshot);
    return run;
  }

  /** The next run, of much less, is whole. */
  async function expectNext(): Promise<BackupRun> {
    await web.run(['truncate', '--size=8M', '/srv/data/big']);
    const run = await runToEnd(fleet, 'web');
    expect(run.state, run.reason).toBe('done');
    expect(await contentOf(store, `${store_}/snapshots/${run.snapshot}/srv/data`)).toEqual(await contentOf(web, '/srv/data'));
    await waitQuiet(both);
    return run;
  }

  test('the first run, which says each second how far it is, and beside which no other one begins', async () => {
    const id = await beginRun(fleet, 'web');
    await waitCopying(fleet, 'web', id, 1);
    const busy = await fleet.reeve(['backup', 'run', 'web', '--json']);
    expect([busy.code, busy.stdout + busy.stderr]).toEqual([2, expect.stringContaining('BACKUP_BUSY')]);
    const heard = await watchRun(fleet, 'web');
    const run = heard.at(-1)?.event.ended;
    expect(run?.state, run?.reason).toBe('done');
    // When it said something new, and when that was other bytes.
    const [events, bytes] = [[] as number[], [] as number[]];
    let last: { readonly bytes: number; readonly elapsedMs: number } | undefined;
    for (const { atMs, event } of heard) {
      const progress = event.run?.progress ?? undefined;
      if (progress?.phase !== 'copying') continue;
      if (progress.elapsedMs !== last?.elapsedMs) events.push(atMs);
      if (progress.bytes !== last?.bytes) bytes.push(atMs);
      last = progress;
    }
    const longest = (times: readonly number[]): number => Math.max(...times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0)));
    seen.push(`progress: ${String(events.length)} events, at most ${longest(events).toFixed(0)} ms between two; ${String(bytes.length)} numbers of bytes, at most ${longest(bytes).toFixed(0)} ms`);
    expect(bytes.length).toBeGreaterThan(2);
    // A second, and what a busy machine adds to it; rsync itself counts bytes once a second.
    expect(longest(events)).toBeLessThan(2_000);
    expect(longest(bytes)).toBeLessThan(3_500);
    await waitQuiet(both);
    await shiftSnapshots(store, store_, 86_400);
    const { snapshots } = await fleet.json<{ snapshots: { snapshot: { name: string } }[] }>(['backup', 'snapshots', 'web']);
    kept = snapshots[0]?.snapshot.name ?? '';
    expect(await contentOf(store, `${store_}/snapshots/${kept}/srv/data`)).toEqual(await contentOf(web, '/srv/data'));
    was = await inodesOf(store, `${store_}/snapshots/${kept}`);
    expect(was.length).toBeGreaterThan(4_000);
  });

  test('a run that is cancelled ends on both hosts within five seconds', async () => {
    const id = await hitRun();
    const at = performance.now();
    const cancelled = await fleet.json<{ run: { state: string; reason: string } }>(['backup', 'cancel', 'web']);
    expect(cancelled.run).toMatchObject({ state: 'cancelled', reason: 'it was cancelled' });
    await waitQuiet(both, 5_000);
    const took = performance.now() - at;
    seen.push(`cancelled: ended everywhere after ${String(Math.round(took))} ms`);
    expect(took).toBeLessThan(5_000);
    expect((await showRun(fleet, 'web', id)).state).toBe('cancelled');
    await expectNext();
  });

  test('kill -9 of rsync on the destination', async () => {
    const id = await hitRun();
    const at = performance.now();
    await store.run(['pkill', '-9', '-x', 'rsync']);
    await expectFailed('rsync of store killed', id, at, /^on host "store": rsync was ended by a signal$/);
    await expectNext();
  });

  test('kill -9 of rsync on the source', async () => {
    const id = await hitRun();
    const at = performance.now();
    await web.run(['pkill', '-9', '-x', 'rsync']);
    await expectFailed('rsync of web killed', id, at, /^on host "web": rsync was ended by a signal$/);
    await expectNext();
  });

  test('kill -9 of what carries the bytes, on either host', async () => {
    for (const host of both) {
      const id = await hitRun();
      for (const each of both) expect(await aliveOf(each), each.name).toContain('process reeve-carry');
      const at = performance.now();
      await host.run(['pkill', '-9', '-x', 'reeve-carry']);
      await expectFailed(`carrier of ${host.name} killed`, id, at, new RegExp(`"${host.name}"[^;]*the program that does the work: it ended without a word`));
      await expectNext();
    }
  });

  test('a host on which nothing carries the bytes does it itself, whichever side it is', async () => {
    for (const host of both) {
      const program = '/usr/lib/reeve-agent/reeve-carry';
      await host.run(['mv', program, `${program}.away`]);
      const id = await hitRun();
      for (const each of both) expect(await aliveOf(each), each.name).not.toContain('process reeve-carry');
      const run = await waitEnded(fleet, 'web', id);
      expect(run, run.reason).toMatchObject({ state: 'done', way: 'direct' });
      await waitQuiet(both);
      await host.run(['mv', `${program}.away`, program]);
    }
  });

  test('kill -9 of the agent of the source', async () => {
    const id = await hitRun();
    const at = performance.now();
    await web.run(['systemctl', 'kill', '--signal=KILL', '--kill-whom=main', 'reeve-agent']);
    await expectFailed('agent of web killed', id, at, /Host "web" does not answer: the connection to its agent broke$/);
    await fleet.waitState('web', 'connected');
    await expectNext();
  });

  test('kill -9 of the agent of the destination', async () => {
    const id = await hitRun();
    const at = performance.now();
    await store.run(['systemctl', 'kill', '--signal=KILL', '--kill-whom=main', 'reeve-agent']);
    await expectFailed('agent of store killed', id, at, /Host "store" does not answer: the connection to its agent broke(?:; its snapshot is not there)?$/);
    await fleet.waitState('store', 'connected');
    await expectNext();
  });

  test('the coordinator is restarted, and killed', async () => {
    for (const [what, argv] of [['restarted', ['systemctl', 'restart', 'reeved']], ['killed', ['systemctl', 'kill', '--signal=KILL', 'reeved']]] as const) {
      const id = await hitRun();
      const at = performance.now();
      await fleet.hub.run(argv, { timeoutMs: 60_000 });
      await waitQuiet(both, 5_000);
      await fleet.waitCoordinator();
      await expectFailed(`coordinator ${what}`, id, at, /^the coordinator ended while it ran; its snapshot is not there$/);
    }
    await expectNext();
  });

  test('the file system of the destination is full', async () => {
    const folder = '/srv/backup/small';
    await web.run(['/bin/sh', '-c', 'mkdir /srv/few && head -c 30M /dev/urandom >/srv/few/first']);
    await store.run(['/bin/sh', '-c', `mkdir ${folder} && mount -t tmpfs -o size=120m,mode=0755 small ${folder}`]);
    const added = await fleet.reeve(['backup', 'add', 'small', '--from', 'web:/srv/few', '--to', `store:${folder}`, '--every', 'never', '--yes']);
    expect(added.code, added.stderr).toBe(0);
    const first = await runToEnd(fleet, 'small');
    expect(first.state, first.reason).toBe('done');
    const before = await inodesOf(store, `${folder}/snapshots/${first.snapshot}`);
    // More than there is room for, and the last byte gone before the next run.
    await web.run(['/bin/sh', '-c', 'head -c 60M /dev/urandom >/srv/few/second && head -c 60M /dev/urandom >/srv/few/third']);
    for (const fill of [false, true]) {
      if (fill) await store.exec(['dd', 'if=/dev/zero', `of=${folder}/filler`, 'bs=4k']);
      const at = performance.now();
      const run = await runToEnd(fleet, 'small');
      seen.push(`disk of store ${fill ? 'full before' : 'full in the middle'}: ${run.state} after ${((performance.now() - at) / 1000).toFixed(1)} s: ${run.reason}`);
      expect([run.state, run.reason]).toEqual(['failed', expect.stringMatching(/full|No space/)]);
      await waitQuiet(both);
      expect(await inodesOf(store, `${folder}/snapshots/${first.snapshot}`)).toEqual(before);
    }
    await store.run(['rm', `${folder}/filler`]);
    await web.run(['rm', '/srv/few/third']);
    const next = await runToEnd(fleet, 'small');
    expect(next.state, next.reason).toBe('done');
    expect(await contentOf(store, `${folder}/snapshots/${next.snapshot}/srv/few`)).toEqual(await contentOf(web, '/srv/few'));
  });

  test('no packet passes between the two any more; the next run goes through the coordinator', async () => {
    const id = await hitRun();
    const at = performance.now();
    const mend = await cutFrom(web, store);
    await expectFailed('network cut', id, at, /^on host "store": the connection to the other side ended; .* no packet passes/, 90_000);
    expect((await expectNext()).way).toBe('coordinator');
    await mend();
    expect((await expectNext()).way).toBe('direct');
  });

  test('the plug of the destination is pulled', async () => {
    const id = await hitRun();
    const at = performance.now();
    await store.kill();
    await waitQuiet([web], 60_000);
    await store.powerOn();
    await fleet.waitState('store', 'connected', 90_000);
    await expectFailed('store switched off', id, at, /Host "store" does not answer: the connection to its agent broke/, 90_000);
    await expectNext();
  });
});
