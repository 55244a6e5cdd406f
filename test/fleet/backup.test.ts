import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addHost, setJoined } from '../../coordinator/inventory/host.js';
import { addHostKey } from '../../coordinator/inventory/key.js';
import type { BackupRunEvent } from '../../shared/gen/proto/reeve/coordinator/v1/BackupRunEvent.js';
import type { BackupServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/BackupService.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import { newId } from '../../shared/kit/id.js';
import { sha256 } from '../../shared/kit/digest.js';
import { serviceName } from '../../shared/rpc/client.js';
import { optionsOf, type How } from '../support/access-api.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackFleet } from '../support/loopback-fleet.js';
import { createSimulatedBackups, type SimulatedBackups } from '../support/simulated-backup.js';
import { until } from '../support/until.js';

const backups = serviceName<BackupServiceDefinition>('reeve.coordinator.v1.BackupService');
const fleets = serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
const deadline = { deadlineMs: 30_000 };
const dayMs = 86_400_000;

describe('backup jobs of a fleet', () => {
  const clock = createTurnedClock();
  let fleet: LoopbackFleet;
  let sim: SimulatedBackups;
  let count = 0;

  beforeAll(async () => {
    fleet = await startLoopbackFleet({ clock, operators: false });
    for (const name of ['web1', 'web2', 'store1', 'spare1']) join(name);
  });

  beforeEach(() => {
    clock.turn(0);
    clock.pass(600_000);
    sim = createSimulatedBackups();
    sim.serve(fleet.office());
    sim.files.set('web1', new Map([['srv/a', { content: 'aaa', modifiedMs: 1 }], ['srv/b', { content: 'bbbb', modifiedMs: 2 }]]));
    sim.files.set('web2', new Map([['srv/c', { content: 'c', modifiedMs: 3 }]]));
  });

  afterAll(async () => {
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });

  /** A host that has joined; its agent is simulated. */
  const join = (name: string): void => {
    const { db } = fleet.office();
    const id = newId(Date.now());
    addHost(db, { id, name, endpoint: { address: '192.0.2.1', port: 7420 }, parentId: undefined, now: 1 });
    setJoined(db, id, { now: 1, from: undefined, agentVersion: '9.0.0', machineHint: undefined });
    addHostKey(db, { fingerprint: sha256(name).toString('hex'), hostId: id, publicKey: Buffer.from(name), state: 'current', notAfterMs: 4e12, issuedAtMs: 1 });
  };
  const wire = (name: string, more: object = {}) => ({
    name, source: 'web1', folders: ['/srv'], destination: 'store1', folder: `/backup/${name}`, excludes: [], systemFolders: false, schedule: { cron: '0 2 * * *', windowMinutes: 0 }, retention: { hourly: 0, daily: 2, weekly: 0, monthly: 0 },
    bandwidthKib: 0, timeLimitMinutes: 0, dumps: [], active: true, shrinkPercent: 50, verifyDays: 0, drill: null, ...more,
  });
  const add = (backup: object, how?: How) => fleet.api.unary(backups, 'AddBackup', { options: optionsOf(how), backup }, deadline);
  const set = (name: string, backup: object, more: object = {}) => fleet.api.unary(backups, 'SetBackup', { options: optionsOf(), name, backup, ...more }, deadline);
  /** A job of a name of its own. */
  const job = async (more: object = {}): Promise<string> => {
    count += 1;
    const name = `job${String(count)}`;
    await add(wire(name, more));
    return name;
  };
  const show = async (name: string) => {
    const { row, runs } = await fleet.api.unary(backups, 'ShowBackup', { name }, deadline);
    if (row === null) throw new Error('no such job');
    return { ...row, runs };
  };
  const idOf = (name: string): string => fleet.office().db.prepare('SELECT id FROM backup WHERE name = ?').pluck().get(name) as string;
  const ended = async (events: AsyncIterable<BackupRunEvent>) => {
    const seen: BackupRunEvent[] = [];
    for await (const event of events) seen.push(event);
    return { seen, end: seen.at(-1)?.ended, proof: seen.find(({ proof }) => proof)?.proof, plan: seen.find(({ plan }) => plan)?.plan };
  };
  const run = (name: string, more: object = {}) => ended(fleet.api.stream(backups, 'RunBackup', { name, ...more }, {}));
  const running = (name: string): Promise<unknown> => until(() => fleet.office().backups.engine.active(idOf(name))?.view().progress?.phase === 'copying' && sim.copying.now > 0, { timeoutMs: 30_000, everyMs: 5, what: 'a copy' });
  /** Copies wait until the answered function is called. */
  const hold = (): (() => void) => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    sim.gate = () => gate;
    return release;
  };

  it('are added after their hosts were asked, shown, altered and removed', async () => {
    const planned = await add(wire('plain'), 'PLAN');
    expect(planned).toMatchObject({ operationId: '', notes: ['the first run makes /backup/plain on "store1"'], changes: [{ kind: 'CHANGE_KIND_CREATE', noun: 'backup', subject: 'plain' }] });
    expect(sim.calls).toEqual(['web1 InspectBackup send', 'store1 InspectBackup receive']);
    await expect(show('plain')).rejects.toMatchObject({ code: 'BACKUP_UNKNOWN' });
    const operationId = newId(Date.now());
    expect(await add(wire('plain'), { operationId })).toMatchObject({ operationId });
    expect(await add(wire('plain'), { operationId })).toMatchObject({ operationId, changes: [{ subject: 'plain' }] });
    await expect(add(wire('other'), { operationId })).rejects.toMatchObject({ code: 'OPERATION_REUSED' });
    await expect(add(wire('plain'))).rejects.toMatchObject({ code: 'BACKUP_EXISTS' });
    await expect(add(wire('large', { excludes: Array.from({ length: 200 }, (_, n) => String(n).padEnd(250, 'x')) }))).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'exclude' } });
    await expect(add(wire('drilled', { drill: { host: 'store1', folder: '/d', everyDays: 7 } }))).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'drill host' } });
    await expect(add(wire('twice', { destination: 'web1' }))).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'destination' } });
    expect(await show('plain')).toMatchObject({ health: 'new', backup: { source: 'web1', destination: 'store1', verifyDays: 30 }, last: null, nextAt: { nanos: 0 } });
    sim.calls.length = 0;
    expect((await set('plain', wire('plain', { active: false }))).changes[0]?.fields).toEqual([{ field: 'active', from: 'yes', to: 'no' }]);
    expect((await set('plain', wire('plain', { active: false }))).changes).toEqual([]);
    expect(sim.calls).toEqual([]);
    await expect(set('plain', wire('plain', { source: 'web2' }))).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'source' } });
    expect(await show('plain')).toMatchObject({ health: 'inactive', nextAt: null });
    expect((await fleet.api.unary(backups, 'ListBackups', { selector: 'web1' }, deadline)).rows.map(({ backup }) => backup?.name)).toEqual(['plain']);
    expect((await fleet.api.unary(backups, 'ListBackups', { selector: 'web2' }, deadline)).rows).toEqual([]);
    expect((await fleet.api.unary(backups, 'RemoveBackup', { options: optionsOf(), name: 'plain' }, deadline)).notes).toEqual(['its snapshots stay in /backup/plain of "store1"']);
    await expect(show('plain')).rejects.toMatchObject({ code: 'BACKUP_UNKNOWN' });
  });

  it('are stored although a host is not there', async () => {
    sim.down.add('store1');
    const name = `job${String(++count)}`;
    expect((await add(wire(name))).notes).toEqual([expect.stringContaining('"store1" could not be asked')]);
    await expect(run(name)).rejects.toMatchObject({ code: 'HOST_UNREACHABLE', fields: { host: 'store1' } });
    expect((await show(name)).runs).toEqual([]);
  });

  it('copy, are proved, and rotate', async () => {
    const name = await job({ dumps: [{ engine: 'mysql', database: 'shop' }] });
    const first = await run(name);
    expect(first.end).toMatchObject({ kind: 'backup', state: 'done', way: 'direct', files: 2, bytes: 7, reason: '', by: expect.any(String) as string });
    expect(first.proof).toMatchObject({ kind: 'sample', ok: true, files: 2, bytes: 7, skipped: 0, dumps: ['mysql:shop: 3 tables, 40 rows'] });
    expect(first.seen[0]?.run).toMatchObject({ state: 'running' });
    expect(sim.grants[0]).toMatchObject({ what: { kind: 'backup', basis: [], into: `/backup/${name}` }, sender: { key: sha256('web1').toString('hex') } });
    expect(await show(name)).toMatchObject({ health: 'good', lastGood: { state: 'done' } });
    const shown = await fleet.api.unary(backups, 'ShowBackupRun', { name }, deadline);
    expect(shown.output).toContain('rsync on store1');
    expect(shown.output).toMatch(/^ok [0-9a-f]{64} 3 srv\/a$/m);
    for (const days of [1, 2, 3]) {
      clock.turn(days * dayMs);
      const { end, proof } = await run(name);
      expect([end?.state, proof]).toEqual(['done', undefined]);
    }
    expect(sim.snapshots.get(idOf(name))).toHaveLength(2);
    expect(sim.grants.at(-1)?.what).toMatchObject({ basis: [sim.snapshots.get(idOf(name))?.[0]?.name] });
    clock.turn(40 * dayMs);
    expect((await show(name)).health).toBe('late');
    expect((await run(name)).proof).toMatchObject({ ok: true });
  });

  it('say what is not as it is on the source, and what has changed since', async () => {
    const name = await job();
    await run(name);
    sim.files.get('web1')?.set('srv/a', { content: 'xxx', modifiedMs: 1 });
    sim.files.get('web1')?.set('srv/b', { content: 'new', modifiedMs: 9 });
    const { end, proof } = await ended(fleet.api.stream(backups, 'VerifyBackup', { name }, {}));
    expect(proof).toMatchObject({ ok: false, files: 1, skipped: 1, different: [Buffer.from('srv/a')] });
    expect(end).toMatchObject({ kind: 'verify', state: 'failed' });
    expect(await show(name)).toMatchObject({ health: 'unproven' });
    expect((await fleet.api.unary(fleets, 'GetStatus', {}, deadline)).health.filter(({ title }) => title.includes(` ${name} `))).toMatchObject([{ code: 'BACKUP_UNPROVEN', hostName: 'web1' }]);
  });

  it('run one at a time, watched by whoever wants, on after their caller has gone', async () => {
    const name = await job();
    const release = hold();
    const stop = new AbortController();
    const operationId = newId(Date.now());
    const gone = ended(fleet.api.stream(backups, 'RunBackup', { name, operationId }, { signal: stop.signal })).catch(() => undefined);
    await running(name);
    stop.abort();
    await gone;
    await expect(run(name)).rejects.toMatchObject({ code: 'BACKUP_BUSY', fields: { value: name } });
    await expect(ended(fleet.api.stream(backups, 'VerifyBackup', { name }, {}))).rejects.toMatchObject({ code: 'BACKUP_BUSY' });
    await expect(fleet.api.unary(backups, 'RemoveBackup', { options: optionsOf(), name }, deadline)).rejects.toMatchObject({ code: 'BACKUP_BUSY' });
    const watched = ended(fleet.api.stream(backups, 'WatchBackup', { name }, {}));
    const again = run(name, { operationId });
    setTimeout(release, 1_500);
    const { seen, end } = await watched;
    expect(seen.filter(({ run: shown }) => shown).length).toBeGreaterThanOrEqual(2);
    expect(seen[0]?.run?.progress).toMatchObject({ phase: 'copying', percent: 50, files: 1 });
    expect(end).toMatchObject({ id: operationId, state: 'done' });
    expect((await again).end).toMatchObject({ id: operationId, state: 'done' });
    await expect(ended(fleet.api.stream(backups, 'WatchBackup', { name }, {}))).rejects.toMatchObject({ code: 'BACKUP_IDLE' });
  });

  it('are at most two at one destination; the others wait, and can be cancelled', async () => {
    const names = [await job(), await job({ source: 'web2' }), await job(), await job()];
    const release = hold();
    const all = names.map((name) => run(name));
    await until(() => sim.copying.now === 2 && names.every((name) => fleet.office().backups.engine.active(idOf(name)) !== undefined), { timeoutMs: 30_000, everyMs: 5, what: 'two copies' });
    const waiting = names.filter((name) => fleet.office().backups.engine.active(idOf(name))?.view().progress?.phase === 'waiting');
    expect(waiting).toHaveLength(2);
    expect((await fleet.api.unary(backups, 'CancelBackup', { name: waiting[0] ?? '' }, deadline)).run).toMatchObject({ state: 'cancelled' });
    release();
    const states = (await Promise.all(all)).map(({ end }) => end?.state).sort();
    expect(states).toEqual(['cancelled', 'done', 'done', 'done']);
    expect(sim.copying.most).toBe(2);
  });

  it('end on both hosts when they are cancelled', async () => {
    const name = await job();
    hold();
    const under = run(name);
    await running(name);
    expect((await fleet.api.unary(backups, 'CancelBackup', { name }, deadline)).run).toMatchObject({ state: 'cancelled', reason: 'it was cancelled' });
    expect((await under).end).toMatchObject({ state: 'cancelled' });
    expect(sim.copying.now).toBe(0);
    expect(sim.snapshots.get(idOf(name))).toBeUndefined();
    await expect(fleet.api.unary(backups, 'CancelBackup', { name }, deadline)).rejects.toMatchObject({ code: 'BACKUP_IDLE' });
    // What was cancelled is no fault of the job.
    expect((await show(name)).health).toBe('new');
  });

  it.each([
    ['direct', () => true],
    ['reverse', (dialler: string) => dialler === 'store1'],
    ['coordinator', () => false],
  ])('reach each other: %s', async (way, reaches) => {
    const name = await job();
    sim.reaches = reaches;
    expect((await run(name)).end).toMatchObject({ state: 'done', way });
    expect(sim.passed).toBe(way === 'coordinator' ? 32 * 65_536 : 0);
  });

  it('freeze their rotation when the source is much smaller, until somebody says it is right', async () => {
    const name = await job();
    await run(name);
    for (const days of [1, 2]) {
      clock.turn(days * dayMs);
      await run(name);
    }
    sim.files.set('web1', new Map([['srv/a', { content: 'a', modifiedMs: 1 }]]));
    clock.turn(3 * dayMs);
    expect((await run(name)).end).toMatchObject({ state: 'done', reason: expect.stringContaining('nothing is rotated any more: the source has 1 files of 1 bytes') as string });
    expect(await show(name)).toMatchObject({ health: 'frozen' });
    expect(sim.snapshots.get(idOf(name))).toHaveLength(3);
    await expect(ended(fleet.api.stream(backups, 'PruneBackup', { options: optionsOf(), name }, {}))).rejects.toMatchObject({ code: 'BACKUP_FROZEN' });
    expect((await set(name, wire(name), { thaw: true })).changes).toMatchObject([{ fields: [{ field: 'rotation', from: 'frozen', to: 'on' }] }]);
    clock.turn(4 * dayMs);
    expect((await run(name)).end).toMatchObject({ state: 'done', reason: '' });
    expect(sim.snapshots.get(idOf(name))).toHaveLength(2);
  });

  it('are done although nothing may be taken away', async () => {
    const name = await job({ retention: { hourly: 0, daily: 1, weekly: 0, monthly: 0 } });
    await run(name);
    sim.pruneRefused = 'the policy keeps 3';
    clock.turn(dayMs);
    expect((await run(name)).end).toMatchObject({ state: 'done', reason: expect.stringContaining('the policy keeps 3') as string });
  });

  it('keep what was copied of a run that could not read all', async () => {
    const name = await job();
    sim.exitCode = 23;
    expect((await run(name)).end).toMatchObject({ state: 'failed', problems: 1, reason: 'not all files could be copied; what was is kept: some files could not be read' });
    expect((await fleet.api.unary(backups, 'ShowBackupRun', { name }, deadline)).problems).toEqual([{ path: Buffer.from([0x2f, 0xff]), kind: 'failed', text: 'Permission denied' }]);
    expect(await show(name)).toMatchObject({ health: 'failed', lastGood: null });
    expect((await fleet.api.unary(backups, 'ListSnapshots', { name }, deadline)).snapshots).toMatchObject([{ snapshot: { complete: false }, levels: [] }]);
  });

  it('are asked after when a connection breaks: the destination knows', async () => {
    const name = await job();
    hold();
    const broken = run(name);
    await running(name);
    sim.drop('web1');
    expect((await broken).end).toMatchObject({ state: 'failed' });
    const lost = run(name);
    await running(name);
    sim.down.add('store1');
    sim.drop('store1');
    const { end } = await lost;
    expect(end).toMatchObject({ state: 'unknown' });
    sim.snapshots.set(idOf(name), [{ name: end?.snapshot ?? '', complete: true, files: new Map() }]);
    sim.down.clear();
    await fleet.office().backups.keeper.settle();
    expect(await show(name)).toMatchObject({ last: { state: 'done', reason: 'it was found whole afterwards' }, health: 'unproven' });
  });

  it('are asked after when the coordinator ended meanwhile', async () => {
    const name = await job();
    hold();
    const under = run(name).catch(() => undefined);
    await running(name);
    await fleet.restart();
    await under;
    expect(await show(name)).toMatchObject({ last: { state: 'unknown', reason: 'the coordinator ended while it ran' }, health: 'failed' });
    sim.serve(fleet.office());
    await fleet.office().backups.keeper.settle();
    expect(await show(name)).toMatchObject({ last: { state: 'failed', reason: expect.stringContaining('its snapshot is not there') as string } });
    sim.gate = () => Promise.resolve();
    expect((await run(name)).end).toMatchObject({ state: 'done' });
  });

  it('run by their schedule, once for however many starts were missed, when both hosts are there', async () => {
    for (const { backup } of (await fleet.api.unary(backups, 'ListBackups', {}, deadline)).rows) await fleet.api.unary(backups, 'RemoveBackup', { options: optionsOf(), name: backup?.name ?? '' }, deadline);
    const name = await job();
    const { keeper, engine } = fleet.office().backups;
    keeper.look();
    expect(engine.active(idOf(name))).toBeUndefined();
    clock.turn(5 * dayMs);
    sim.down.add('web1');
    keeper.look();
    expect(engine.active(idOf(name))).toBeUndefined();
    sim.down.clear();
    keeper.look();
    await engine.active(idOf(name))?.ended;
    keeper.look();
    expect((await show(name)).runs).toMatchObject([{ by: 'schedule', state: 'done' }]);
    clock.turn(6 * dayMs);
    keeper.look();
    await engine.active(idOf(name))?.ended;
    expect((await show(name)).runs).toHaveLength(2);
  });

  it('are drilled by schedule: restored as a whole, and compared', async () => {
    const name = await job({ drill: { host: 'spare1', folder: '/drill', everyDays: 7 }, schedule: null });
    await run(name);
    const { keeper, engine } = fleet.office().backups;
    keeper.look();
    await engine.active(idOf(name))?.ended;
    const snapshot = sim.snapshots.get(idOf(name))?.[0]?.name ?? '';
    expect((await show(name)).proof).toMatchObject({ kind: 'full', ok: true, files: 2, snapshot });
    expect((await show(name)).runs[0]).toMatchObject({ kind: 'verify', by: 'schedule', state: 'done', reason: '' });
    keeper.look();
    expect(engine.active(idOf(name))).toBeUndefined();
  });

  it('go with a host that is taken out, a run that is under way as well', async () => {
    join('web9');
    const name = await job({ source: 'web9' });
    hold();
    const under = run(name).catch((error: unknown) => error);
    await running(name);
    const id = idOf(name);
    await fleet.api.unary(serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService'), 'RetireHost', { host: 'web9' }, deadline);
    sim.down.add('web9');
    sim.drop('web9');
    expect(await under).toMatchObject({ code: 'BACKUP_RUN_UNKNOWN' });
    await until(() => fleet.office().backups.engine.active(id) === undefined, { timeoutMs: 10_000, everyMs: 20, what: 'its end' });
    await expect(show(name)).rejects.toMatchObject({ code: 'BACKUP_UNKNOWN' });
  });

  it('are restored, listed, searched, pruned by name, and taken over from rsnapshot', async () => {
    const name = await job();
    await run(name);
    const restore = (how?: How, more: object = {}) => ended(fleet.api.stream(backups, 'RestoreBackup', { options: optionsOf(how), name, host: 'web2', folder: '/restored', ...more }, {}));
    const planned = await restore('PLAN');
    expect(planned.seen).toMatchObject([{ plan: { changes: [{ subject: 'web2:/restored', fields: [{ field: 'snapshot' }, { field: 'path', to: '/srv' }] }] } }]);
    expect((await restore()).end).toMatchObject({ kind: 'restore', state: 'done', files: 2 });
    expect(sim.grants.at(-1)?.what).toMatchObject({ kind: 'restore', path: Buffer.from('srv').toString('hex'), into: '/restored', keepOld: false });
    await expect(restore('APPLY', { host: 'store1' })).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'host' } });
    await expect(restore('STAGE')).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'mode' } });
    await expect(restore('APPLY', { snapshot: '2020-01-01T000000Z' })).rejects.toMatchObject({ code: 'SNAPSHOT_UNKNOWN' });
    await expect(restore('APPLY', { path: Buffer.from('srv/../etc') })).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'path' } });
    expect((await fleet.api.unary(backups, 'ListSnapshotFiles', { name }, deadline)).entries.map(({ path }) => path.toString())).toEqual(['srv/a', 'srv/b']);
    expect((await fleet.api.unary(backups, 'FindSnapshotFiles', { name, pattern: '*' }, deadline)).entries).toHaveLength(2);
    const adopted = await ended(fleet.api.stream(backups, 'AdoptBackup', { options: optionsOf(), name, rsnapshot: '/var/cache/rsnapshot', point: 'web1' }, {}));
    expect([adopted.plan?.changes.length, adopted.end?.state]).toEqual([1, 'done']);
    const pruned = await ended(fleet.api.stream(backups, 'PruneBackup', { options: optionsOf(), name, snapshots: ['2020-01-01T000000Z'] }, {}));
    expect([pruned.plan?.changes.map(({ subject }) => subject), pruned.end?.state]).toEqual([['2020-01-01T000000Z'], 'done']);
    expect(sim.snapshots.get(idOf(name))).toHaveLength(1);
  });
});
