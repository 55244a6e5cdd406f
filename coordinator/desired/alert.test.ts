import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alertKindRows, alertKinds, type AlertKind } from '../../shared/model/alert.js';
import type { Backup } from '../../shared/model/backup.js';
import type { Facts } from '../../shared/model/fact.js';
import { keyOfCause, type AlertRow, type Cause } from './alert.js';
import { alertCauses, isUndecided, type Fed } from './alert-cause.js';
import type { FedHost } from './alert-host.js';
import { nothingWatched, stepAlerts, type Watched } from './alert-step.js';
import type { BackupJob, BackupRun } from './backup.js';

const now = Date.UTC(2026, 0, 31, 12);
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const gib = 2 ** 30;

const calm = { cpuSome: 10, memorySome: 5, memoryFull: 1, ioSome: 10, ioFull: 5 };
const facts: Facts = {
  gatheredAt: now, hostname: 'web1', os: 'Debian', osId: 'debian 12', kernel: '6.1', arch: 'x86_64', cpuModel: 'x', cpuCount: 2, load: [90, 90, 90], memoryTotalBytes: 4 * gib, memoryAvailableBytes: gib, swapTotalBytes: 0,
  swapFreeBytes: 0, disks: [{ mount: '/', type: 'ext4', totalBytes: 100 * gib, availableBytes: 50 * gib, inodesTotal: 1000, inodesFree: 500 }], addresses: [], uptimeS: 1, bootId: 'b', virtualization: 'none', agentVersion: '1',
  machineHint: '', pressure: calm, rebootRequired: false,
};
const host = (id: string, more: Partial<FedHost> = {}): FedHost => ({ id, name: id, joined: true, parentId: undefined, connected: true, sinceMs: now - day, reason: '', clockOffsetMs: 0, facts, ...more });
const lost = (id: string, agoMs: number, more: Partial<FedHost> = {}): FedHost => host(id, { connected: false, sinceMs: now - agoMs, reason: 'connection refused', facts: undefined, ...more });
const nothing: Fed = { now, hosts: [host('web1')], trends: new Map(), certs: [], backups: [], drift: [], pending: [], reboots: [], health: [], lostOpen: new Set() };
const fed = (more: Partial<Fed>): Fed => ({ ...nothing, ...more });
const withFacts = (more: Partial<Facts>): Partial<Fed> => ({ hosts: [host('web1', { facts: { ...facts, ...more } })] });
const disk = (more: object): Partial<Fed> => withFacts({ disks: [{ mount: '/', type: 'ext4', totalBytes: 100 * gib, availableBytes: 50 * gib, inodesTotal: 1000, inodesFree: 500, ...more }] });
const trend = (fullInMs: number | undefined): Partial<Fed> => ({ trends: new Map([['web1', [{ mount: '/', fullAtMs: fullInMs === undefined ? undefined : now + fullInMs }]]]) });

const backup = { name: 'shop', source: 'web1', destination: 'big1', active: true, schedule: { cron: '0 * * * *', windowMinutes: 0 }, retention: { hourly: 24, daily: 7, weekly: 0, monthly: 0 }, verifyDays: 30 } as unknown as Backup;
const job: BackupJob = { id: 'j', backup, frozen: undefined, baseline: undefined, by: 'ada', addedAtMs: now - 90 * day };
const run = (state: BackupRun['state'], agoMs: number): BackupRun => ({ id: 'r', jobId: 'j', kind: 'backup', state, by: 'schedule', startedAtMs: now - agoMs, endedAtMs: now - agoMs + minute, reason: state === 'done' ? '' : 'no route', snapshot: 's', files: 1, bytes: 1, sentFiles: 1, sentBytes: 1, way: 'direct', problems: 0 });
const proof = { runId: 'p', jobId: 'j', atMs: now - day, snapshot: 's', kind: 'sample', ok: true, files: 1, bytes: 1, skipped: 0, different: [], dumps: [], evidence: new Uint8Array() } as const;
const backups = (more: { goodAgoMs?: number; ended?: BackupRun; last?: BackupRun; job?: BackupJob; proofAgoMs?: number | null }): Partial<Fed> => {
  const good = run('done', more.goodAgoMs ?? 10 * minute);
  const proved = more.proofAgoMs === null ? undefined : { ...proof, atMs: now - (more.proofAgoMs ?? day) };
  return { backups: [{ facts: { job: more.job ?? job, ended: more.ended ?? good, good, proof: proved }, last: more.last ?? more.ended ?? good }] };
};
const cert = (lifeMs: number, leftMs: number, name = 'shop'): Partial<Fed> => ({ certs: [{ hostId: 'web1', name, fromMs: now + leftMs - lifeMs, toMs: now + leftMs, remedy: 'x' }] });
const noun = (agoMs: number) => ({ hostId: 'web1', hostName: 'web1', noun: 'user', sinceMs: now - agoMs, reason: '' });

/** What is fed, and the kinds, subjects and severities that come of it. */
const cases: readonly (readonly [string, Partial<Fed>, readonly string[]])[] = [
  ['all is well, whatever the load', {}, []],
  ['a lost host', { hosts: [lost('web1', 6 * minute)] }, ['host-lost  error']],
  ['a lost host that is not to be reached', { hosts: [lost('web1', hour, { joined: false })] }, []],
  ['a disk that is full in three days', trend(3 * day), []],
  ['a disk that is full in less', trend(3 * day - 1), ['disk / warning']],
  ['a disk that is full tomorrow', trend(day - 1), ['disk / error']],
  ['a disk of which nothing is foretold', trend(undefined), []],
  ['a large disk with little room', disk({ availableBytes: 4 * gib }), []],
  ['a small disk with much of it free', disk({ totalBytes: gib, availableBytes: gib / 2 }), []],
  ['a disk below both floors', disk({ totalBytes: 30 * gib, availableBytes: gib - 1 }), ['disk / error']],
  ['a disk below both floors that also fills', { ...disk({ totalBytes: 30 * gib, availableBytes: gib - 1 }), ...trend(hour) }, ['disk / error']],
  ['an image that is full by nature', disk({ type: 'squashfs', availableBytes: 0, inodesFree: 0 }), []],
  ['few inodes', disk({ inodesFree: 49 }), ['disk / (inodes) error']],
  ['enough inodes', disk({ inodesFree: 50 }), []],
  ['a file system without a number of inodes', disk({ inodesTotal: 0, inodesFree: 0 }), []],
  ['pressure on memory', withFacts({ pressure: { ...calm, memoryFull: 10.1 } }), ['pressure memory error']],
  ['pressure on disks', withFacts({ pressure: { ...calm, ioFull: 40.1 } }), ['pressure io error']],
  ['pressure on processors', withFacts({ pressure: { ...calm, cpuSome: 80.1 } }), ['pressure cpu warning']],
  ['pressure below all bounds', withFacts({ pressure: { cpuSome: 80, memorySome: 100, memoryFull: 10, ioSome: 100, ioFull: 40 } }), []],
  ['a kernel that tells of no pressure', withFacts({ pressure: undefined }), []],
  ['a certificate of 90 days with a quarter left', cert(90 * day, 22.5 * day), []],
  ['one with less', cert(90 * day, 22 * day), ['certificate shop warning']],
  ['one with less than a tenth', cert(90 * day, 8.9 * day), ['certificate shop error']],
  ['one of ten years with a year left', cert(3650 * day, 365.1 * day), ['certificate shop warning']],
  ['one that has ended', cert(90 * day, -1), ['certificate shop error']],
  ['one that "reeve status" calls an error by its days', cert(10 * day, 2.9 * day), ['certificate shop error']],
  ['an agent that has renewed', cert(7 * day, 3.5 * day, ''), []],
  ['an agent that has not', cert(7 * day, 1.7 * day, ''), ['certificate  warning']],
  ['an agent that has not for long', cert(7 * day, 0.6 * day, ''), ['certificate  error']],
  ['the coordinator that has not', { certs: [{ hostId: undefined, name: '', fromMs: now - 6 * day, toMs: now + day, remedy: 'x' }] }, ['certificate  warning']],
  ['a good backup', backups({}), []],
  ['one that failed', backups({ ended: run('failed', 5 * minute) }), ['backup-failed shop error']],
  ['one that did not start', backups({ goodAgoMs: 4 * hour }), ['backup-not-started shop error']],
  ['one that began and is late', backups({ goodAgoMs: 4 * hour, ended: run('done', 4 * hour), last: run('running', hour) }), ['backup-late shop error']],
  ['one that has failed for days', backups({ goodAgoMs: 3 * day, ended: run('failed', hour) }), ['backup-failed shop error', 'backup-late shop daily error']],
  ['one that is frozen', backups({ job: { ...job, frozen: { atMs: now - hour, reason: 'much smaller' } } }), ['backup-frozen shop error']],
  ['one that was never proved', backups({ proofAgoMs: null }), ['backup-proof shop warning']],
  ['one whose proof is too old', backups({ proofAgoMs: 31 * day }), ['backup-proof shop warning']],
  ['one that only runs by command', backups({ goodAgoMs: 90 * day, job: { ...job, backup: { ...backup, active: false } } }), []],
  ['drift', { drift: [noun(2 * day)] }, ['drift user warning']],
  ['what is pending', { pending: [noun(2 * day)] }, ['pending user warning']],
  ['a start', { reboots: [{ hostId: 'web1', atMs: now - 10 * minute }] }, ['reboot 2026-01-31T11:50:00Z warning']],
  ['a start an hour ago', { reboots: [{ hostId: 'web1', atMs: now - hour }] }, []],
  ['two within a day', { reboots: [{ hostId: 'web1', atMs: now - 20 * hour }, { hostId: 'web1', atMs: now - minute }] }, ['reboot 2026-01-31T11:59:00Z error']],
  ['an upgrade that waits for a start', withFacts({ rebootRequired: true }), ['reboot-required  info']],
  ['a clock that is a minute off', { hosts: [host('web1', { clockOffsetMs: -minute })] }, []],
  ['a clock that is more off', { hosts: [host('web1', { clockOffsetMs: -minute - 1 })] }, ['clock  warning']],
  ['an error of the health', { health: [{ code: 'AUDIT_BROKEN', title: 'its audit chain is cut', severity: 'error', text: 'x', hostId: 'web1' }] }, ['health AUDIT_BROKEN error']],
  ['a warning of the health', { health: [{ code: 'HELD', title: 'it is held', severity: 'warning', text: 'x', hostId: 'web1' }] }, []],
  ['an error that has a kind of its own', { health: [{ code: 'HOST_LOST', title: 'x', severity: 'error', text: 'x', hostId: 'web1' }] }, []],
  ['two sites of a host that are not served', { health: ['a', 'b'].map((name) => ({ code: 'VHOST_PARKED', title: `site ${name} is not served`, severity: 'error' as const, text: 'x', hostId: 'web1' })) }, ['health VHOST_PARKED site a is not served error', 'health VHOST_PARKED site b is not served error']],
];

describe('causes', () => {
  it.each(cases)('of %s', (_what, more, wanted) => {
    expect(alertCauses(fed(more)).map(({ kind, subject, severity }) => `${kind} ${subject} ${severity}`)).toEqual(wanted);
  });

  it('are shown for every kind by some case above', () => {
    expect(alertKinds.filter((kind) => !cases.some(([, , wanted]) => wanted.some((line) => line.startsWith(`${kind} `))))).toEqual([]);
  });

  it('open an alert after the hold-off of their kind, and end it when they have been away for its calm', () => {
    for (const [what, more] of cases) {
      for (const cause of alertCauses(fed(more))) {
        const { holdOffMs, calmMs } = alertKindRows[cause.kind];
        // As if it had just begun.
        const fresh: Cause = { ...cause, sinceMs: cause.sinceMs === undefined ? undefined : now };
        const seen = look([fresh], now, [], nothingWatched);
        expect(seen.open.length, what).toBe(holdOffMs === 0 ? 1 : 0);
        expect(look([fresh], now + holdOffMs - 1, [], seen.watched).open.length, what).toBe(holdOffMs === 0 ? 1 : 0);
        expect(look([fresh], now + holdOffMs, [], seen.watched).open, what).toMatchObject([{ kind: cause.kind, sinceMs: now }]);
        const alert = rowOf(cause);
        const gone = look([], now, [alert], nothingWatched);
        expect(gone.end.length, what).toBe(calmMs === 0 ? 1 : 0);
        expect(look([], now + calmMs, [alert], gone.watched).end, what).toEqual([alert.id]);
      }
    }
  });

  it('that were there before they were first looked at need no hold-off of their own', () => {
    const drift = alertCauses(fed({ drift: [noun(25 * hour)] }));
    expect(look(drift, now, [], nothingWatched).open).toHaveLength(1);
    expect(look(alertCauses(fed({ drift: [noun(23 * hour)] })), now, [], nothingWatched).open).toEqual([]);
  });
});

const look = (causes: readonly Cause[], at: number, open: readonly AlertRow[], watched: Watched) => stepAlerts({ now: at, open, causes, undecided: () => false, watched });
const rowOf = (cause: Cause, id = 1): AlertRow => ({ ...cause, id, sinceMs: cause.sinceMs ?? now, openedAtMs: now, endedAtMs: undefined });

describe('hosts that live on others', () => {
  const names = (causes: readonly Cause[]): string[] => causes.map(({ hostId, folded }) => `${hostId ?? ''}(${folded.join(',')})`);

  it('are part of the alert of the outermost that is lost', () => {
    const hosts = [lost('pve', minute), lost('vm1', 2 * minute, { parentId: 'pve' }), lost('ct1', 2 * minute, { parentId: 'vm1' }), host('vm2', { parentId: 'pve' }), lost('web1', minute)];
    expect(names(alertCauses(fed({ hosts })))).toEqual(['pve(vm1,ct1)', 'web1()']);
    expect(alertCauses(fed({ hosts }))[0]).toMatchObject({ title: 'cannot be reached, and what lives on it: 2 hosts', text: expect.stringContaining('vm1, ct1') as string });
  });

  it('have their own when what they live on is well, or not to be reached', () => {
    expect(names(alertCauses(fed({ hosts: [host('pve'), lost('vm1', hour, { parentId: 'pve' }), lost('ct1', hour, { parentId: 'vm1' })] })))).toEqual(['vm1(ct1)']);
    expect(names(alertCauses(fed({ hosts: [lost('pve', hour, { joined: false }), lost('vm1', hour, { parentId: 'pve' })] })))).toEqual(['vm1()']);
  });

  it('keep an alert of their own that was open before', () => {
    expect(names(alertCauses(fed({ hosts: [lost('pve', minute), lost('vm1', hour, { parentId: 'pve' })], lostOpen: new Set(['vm1']) })))).toEqual(['pve()', 'vm1()']);
  });

  it('have five minutes from when that came back', () => {
    const hosts = [host('pve', { sinceMs: now - 4 * minute }), lost('vm1', hour, { parentId: 'pve' })];
    const causes = alertCauses(fed({ hosts }));
    expect(look(causes, now, [], nothingWatched).open).toEqual([]);
    expect(look(causes, now + minute, [], nothingWatched).open).toHaveLength(1);
  });

  it('in a circle hang nobody up', () => {
    const hosts = [lost('a', hour, { parentId: 'b' }), lost('b', hour, { parentId: 'a' }), lost('c', hour, { parentId: 'c' })];
    const told = alertCauses(fed({ hosts })).flatMap(({ hostId, folded }) => [hostId, ...folded]);
    expect(new Set(told)).toEqual(new Set(['a', 'b', 'c']));
  });

  it('are each told exactly once, however they live on each other', () => {
    const parents = fc.array(fc.record({ lost: fc.boolean(), parent: fc.option(fc.nat(9), { nil: undefined }) }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(parents, (rows) => {
        // A parent is one of those before it: the schema has no circles.
        const hosts = rows.map((row, index) => {
          const parentId = row.parent === undefined || index === 0 ? undefined : `h${String(row.parent % index)}`;
          return row.lost ? lost(`h${String(index)}`, hour, { parentId }) : host(`h${String(index)}`, { parentId });
        });
        const told = alertCauses(fed({ hosts })).flatMap(({ hostId, folded }) => [hostId ?? '', ...folded]);
        expect(told.sort()).toEqual(hosts.filter(({ connected }) => !connected).map(({ id }) => id).sort());
      }),
    );
  });
});

describe('what cannot be told now', () => {
  const alert = (kind: AlertKind, subject = ''): { kind: AlertKind; hostId: string; subject: string } => ({ kind, hostId: 'web1', subject });

  it.each([
    ['a disk of a lost host', [lost('web1', minute)], alert('disk', '/'), true],
    ['a disk of a host that has said nothing yet', [host('web1', { facts: undefined })], alert('disk', '/'), true],
    ['a disk of a host that says', [host('web1')], alert('disk', '/'), false],
    ['health of a lost host', [lost('web1', minute)], alert('health', 'HELPER_UNREACHABLE'), true],
    ['the certificate of a lost agent', [lost('web1', minute)], alert('certificate'), true],
    ['a certificate that ends, wherever its host is', [lost('web1', minute)], alert('certificate', 'shop'), false],
    ['that a host is lost', [lost('web1', minute)], alert('host-lost'), false],
    ['anything of a host that was retired', [], alert('disk', '/'), false],
    ['anything of a host that was revoked', [lost('web1', minute, { joined: false })], alert('disk', '/'), false],
  ] as const)('is %s', (_what, hosts, about, undecided) => {
    expect(isUndecided({ hosts })(about)).toBe(undecided);
  });

  it('stays as it is', () => {
    const [cause] = alertCauses(fed(disk({ totalBytes: gib, availableBytes: 1 })));
    if (cause === undefined) throw new Error('no cause');
    const hosts = [lost('web1', hour)];
    const step = stepAlerts({ now, open: [rowOf(cause)], causes: alertCauses(fed({ hosts })).filter(({ kind }) => kind === 'disk'), undecided: isUndecided({ hosts }), watched: { seen: new Map(), calm: new Map([[keyOfCause(cause), now - day]]) } });
    expect(step).toMatchObject({ open: [], update: [], end: [] });
  });
});

describe('an alert', () => {
  const cause: Cause = { kind: 'pressure', hostId: 'web1', subject: 'memory', severity: 'error', title: 't', text: '12 % of the time', sinceMs: undefined, folded: [] };
  const { holdOffMs, calmMs } = alertKindRows.pressure;

  it('that comes and goes is one, and is over when all was well for five minutes without a break', () => {
    let watched = nothingWatched;
    const open = [rowOf(cause)];
    for (let at = now; at < now + hour; at += 4 * minute) {
      const gone = look([], at, open, watched);
      const back = look([cause], at + 2 * minute, open, gone.watched);
      expect([...gone.end, ...back.end, ...back.open]).toEqual([]);
      watched = back.watched;
    }
  });

  it('is not opened by what comes and goes within its hold-off', () => {
    let watched = nothingWatched;
    for (let at = now; at < now + 3 * hour; at += 10 * minute) {
      watched = look([cause], at, [], watched).watched;
      const gone = look([], at + 5 * minute, [], watched);
      watched = gone.watched;
      expect(watched.seen.size).toBe(0);
    }
    expect(look([cause], now + 4 * hour, [], watched).open).toEqual([]);
  });

  it('is not held off, or kept, for ever by a clock that was set back', () => {
    const seen = look([cause], now, [], nothingWatched).watched;
    const back = look([cause], now - day, [], seen);
    expect(look([cause], now - day + holdOffMs, [], back.watched).open).toHaveLength(1);
    const gone = look([], now, [rowOf(cause)], nothingWatched).watched;
    expect(look([], now - day + calmMs, [rowOf(cause)], look([], now - day, [rowOf(cause)], gone).watched).end).toHaveLength(1);
  });

  it('is stored again when its words change, and not for figures', () => {
    expect(look([{ ...cause, text: '57 % of the time' }], now, [rowOf(cause)], nothingWatched).update).toEqual([]);
    expect(look([{ ...cause, severity: 'warning' }], now, [rowOf(cause)], nothingWatched).update).toHaveLength(1);
    expect(look([{ ...cause, folded: ['x'] }], now, [rowOf(cause)], nothingWatched).update).toHaveLength(1);
  });

  it('is open exactly once for a cause that stands, whatever else happens', () => {
    const steps = fc.array(fc.record({ there: fc.boolean(), laterMs: fc.integer({ min: 1_000, max: 20 * minute }) }), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (looks) => {
        let at = now;
        let watched = nothingWatched;
        let open: AlertRow[] = [];
        let thereSince: number | undefined;
        let goneSince: number | undefined = now;
        for (const { there, laterMs } of looks) {
          at += laterMs;
          thereSince = there ? (thereSince ?? at) : undefined;
          goneSince = there ? undefined : (goneSince ?? at);
          const step = look(there ? [cause] : [], at, open, watched);
          watched = step.watched;
          open = [...open.filter(({ id }) => !step.end.includes(id)), ...step.open.map((opened) => rowOf(opened))];
          expect(open.length).toBeLessThan(2);
          if (thereSince !== undefined && at - thereSince >= holdOffMs) expect(open).toHaveLength(1);
          if (goneSince !== undefined && at - goneSince >= calmMs) expect(open).toHaveLength(0);
        }
      }),
    );
  });
});
