import type { BackupProofInput } from '../../../shared/gen/proto/reeve/coordinator/v1/BackupProof.js';
import type { BackupRowInput } from '../../../shared/gen/proto/reeve/coordinator/v1/BackupRow.js';
import type { BackupRunInput } from '../../../shared/gen/proto/reeve/coordinator/v1/BackupRun.js';
import type { BackupRunEventInput } from '../../../shared/gen/proto/reeve/coordinator/v1/BackupRunEvent.js';
import type { BackupInput } from '../../../shared/gen/proto/reeve/type/v1/Backup.js';
import type { BackupEntryInput } from '../../../shared/gen/proto/reeve/type/v1/BackupEntry.js';
import type { ChangeInput } from '../../../shared/gen/proto/reeve/type/v1/Change.js';
import { toTimestamp } from '../../../shared/rpc/time.js';
import type { Handlers } from './coordinator.js';
import { nowMs } from './terminal.js';

const ago = (seconds: number): { seconds: number; nanos: number } => toTimestamp(nowMs - seconds * 1000);
const id = (number: number): string => `01930000-0000-7000-8000-${String(number).padStart(12, '0')}`;

/** A job of the canned fleet. */
export const shop: BackupInput = {
  name: 'shop', source: 'web1', folders: ['/etc', '/srv/shop'], destination: 'big1', folder: '/srv/backup/shop', excludes: ['*.tmp', 'cache/'], schedule: { cron: '', windowMinutes: 60 },
  retention: { daily: 7, weekly: 4, monthly: 6 }, bandwidthKib: 8192, timeLimitMinutes: 1440, dumps: [{ engine: 'postgresql', database: 'shop' }], active: true, shrinkPercent: 50, verifyDays: 30,
  drill: { host: 'spare1', folder: '/srv/drill', everyDays: 30 },
};

/** A run of it that is done. */
export const done: BackupRunInput = {
  id: id(40), job: 'shop', kind: 'backup', state: 'done', by: 'schedule', startedAt: ago(7320), endedAt: ago(7200), snapshot: '2026-03-01T095800Z', files: 1234, bytes: 5_368_709_120, sentFiles: 12, sentBytes: 3_145_728,
  way: 'direct', problems: 2,
};
const failed: BackupRunInput = { id: id(39), job: 'shop', kind: 'backup', state: 'failed', by: 'ada', startedAt: ago(90_000), endedAt: ago(89_900), reason: 'rsync of host "web1" ended with 12\u001b[2J', way: 'reverse' };

/** A proof of its snapshots. */
export const proof: BackupProofInput = {
  at: ago(3 * 86_400), snapshot: '2026-02-26T000300Z', kind: 'sample', ok: true, files: 200, bytes: 1_073_741_824, skipped: 3, dumps: ['postgresql:shop: 12 tables, 34567 rows'], evidence: Buffer.alloc(32, 0xab),
};

const rows: readonly BackupRowInput[] = [
  { backup: { ...shop, name: 'db', source: 'db1', folders: [], folder: '/srv/backup/db', schedule: null, drill: null, dumps: [{ engine: 'mysql', database: 'a' }, { engine: 'mysql', database: 'b' }] }, id: id(31), health: 'new', reason: 'it has not run yet', addedAt: ago(60), addedBy: 'ada' },
  { backup: { ...shop, name: 'mail', folder: '/srv/backup/mail' }, id: id(32), health: 'frozen', reason: 'the source brought 3 files, the last good run 20000', last: done, lastGood: { ...done, endedAt: ago(200_000) }, proof: { ...proof, ok: false }, frozenAt: ago(7200), nextAt: ago(5), addedAt: ago(9_000_000), addedBy: 'ada' },
  { backup: shop, id: id(30), health: 'good', last: done, lastGood: done, proof, nextAt: ago(-43_200), addedAt: ago(9_000_000), addedBy: 'ada' },
];

/** Bytes that are no UTF-8, and a terminal's words. */
export const oddPath = Buffer.concat([Buffer.from('srv/shop/\u001b[2Jb'), Buffer.from([0xfc, 0x72, 0x0a])]);
const file = (path: string | Buffer, more: object = {}): BackupEntryInput => ({ path: Buffer.from(path as string), kind: 'file', size: 1536, modifiedMs: nowMs - 86_400_000, mode: 0o644, uid: 1000, gid: 33, ...more });
const entries: readonly BackupEntryInput[] = [
  file('srv/shop/bin', { kind: 'directory', mode: 0o2755, size: 4096 }), file('srv/shop/current', { kind: 'symlink', mode: 0o777, size: 7, target: Buffer.from('r/\u202e12') }), file('srv/shop/index.html'),
  file(oddPath, { mode: 0o4750, size: 2_147_483_648, problem: 'it cannot be read' }),
];

const progress = { phase: 'copying', files: 600, filesTotal: 1234, bytes: 1_610_612_736, rate: 12_897_484, percent: 30, remainingSeconds: 290, elapsedMs: 125_000 };
const underWay: BackupRunInput = { id: id(41), job: 'shop', kind: 'backup', state: 'running', by: 'ada', startedAt: ago(120) };

/** The events of a run of this kind that goes well. */
export function runEvents(kind: string, more: { readonly plan?: readonly ChangeInput[]; readonly proof?: BackupProofInput; readonly ended?: BackupRunInput } = {}): BackupRunEventInput[] {
  return [
    ...(more.plan === undefined ? [] : [{ plan: planOf(more.plan) }]),
    { run: { ...underWay, kind } },
    { run: { ...underWay, kind, progress } },
    ...(more.proof === undefined ? [] : [{ proof: more.proof }]),
    { ended: { ...underWay, kind, state: 'done', endedAt: ago(0), snapshot: '2026-03-01T115800Z', files: 1234, bytes: 5_368_709_120, sentFiles: 12, sentBytes: 3_145_728, problems: 2, way: 'direct', ...more.ended } },
  ];
}

function planOf(changes: readonly ChangeInput[]): { changes: ChangeInput[]; notes: string[] } {
  return { changes: [...changes], notes: changes.length === 0 ? [] : ['host "big1" has 120.0 GiB available'] };
}

/** The events of what is planned first, as its mode wants them. */
function workEvents(kind: string, plan: readonly ChangeInput[]) {
  return ({ options }: { options: { mode: string } }): BackupRunEventInput[] => (options.mode === 'CHANGE_MODE_PLAN' ? [{ plan: planOf(plan) }] : runEvents(kind, { plan }));
}

/** A change of a job, as its mode wants it. */
function jobChange(change: ChangeInput, notes: readonly string[] = []) {
  return ({ options }: { options: { mode: string; operationId: string } }): object => ({ changes: [change], notes, operationId: options.mode === 'CHANGE_MODE_PLAN' ? '' : id(99) });
}

/** What the canned coordinator answers about backup jobs. */
export const backupAnswers: Handlers = {
  'BackupService.AddBackup': jobChange({ kind: 'CHANGE_KIND_CREATE', noun: 'backup', subject: 'shop', fields: [{ field: 'source', to: 'web1' }, { field: 'destination', to: 'big1:/srv/backup/shop' }] }, ['host "big1" could not be asked: connection refused']),
  'BackupService.SetBackup': jobChange({ kind: 'CHANGE_KIND_UPDATE', noun: 'backup', subject: 'shop', fields: [{ field: 'daily', from: '7', to: '14' }] }),
  'BackupService.RemoveBackup': jobChange({ kind: 'CHANGE_KIND_REMOVE', noun: 'backup', subject: 'shop' }, ['its snapshots stay in "/srv/backup/shop" of host "big1"']),
  'BackupService.ListBackups': () => ({ rows }),
  'BackupService.ShowBackup': () => ({ row: rows[2], runs: [done, failed] }),
  'BackupService.RunBackup': () => runEvents('backup'),
  'BackupService.WatchBackup': () => runEvents('backup'),
  'BackupService.CancelBackup': () => ({ run: { ...underWay, state: 'cancelled', endedAt: ago(0), reason: 'ada cancelled it' } }),
  'BackupService.ListBackupRuns': () => ({ runs: [done, failed] }),
  'BackupService.ShowBackupRun': () => ({
    run: done, proof,
    problems: [{ path: oddPath, kind: 'failed', text: 'rsync: [sender] send_files failed: Permission denied (13)' }, { path: Buffer.from('/srv/shop/tmp/x'), kind: 'vanished', text: 'file has vanished' }],
    output: 'Number of files: 1,234\n\u001b]0;title\u0007sent 3,145,728 bytes\n',
  }),
  'BackupService.ListSnapshots': () => ({
    snapshots: [
      { snapshot: { name: '2026-03-01T095800Z', complete: true, files: 1234, bytes: 5_368_709_120, sentBytes: 3_145_728 }, levels: ['daily', 'weekly'] },
      { snapshot: { name: '2026-02-28T000300Z', complete: false, files: 1230, bytes: 5_368_700_000, sentBytes: 1024 }, levels: ['daily'] },
      { snapshot: { name: '2025-12-31T000300Z', complete: true, files: 900, bytes: 4_294_967_296, sentBytes: 4_294_967_296 } },
    ],
  }),
  'BackupService.ListSnapshotFiles': () => ({ entries, truncated: true }),
  'BackupService.FindSnapshotFiles': () => ({ entries: entries.map((entry, index) => ({ ...entry, snapshot: index < 2 ? '2026-03-01T095800Z' : '2026-02-28T000300Z' })) }),
  'BackupService.RestoreBackup': workEvents('restore', [{ kind: 'CHANGE_KIND_CREATE', noun: 'backup', subject: 'web1:/srv/restored', fields: [{ field: 'snapshot', to: '2026-03-01T095800Z' }, { field: 'files', to: '1234' }] }]),
  'BackupService.VerifyBackup': () => runEvents('verify', { proof }),
  'BackupService.PruneBackup': workEvents('prune', [{ kind: 'CHANGE_KIND_REMOVE', noun: 'backup', subject: 'shop@2025-12-31T000300Z' }]),
  'BackupService.AdoptBackup': workEvents('adopt', [{ kind: 'CHANGE_KIND_CREATE', noun: 'backup', subject: 'shop@2026-02-28T040000Z', fields: [{ field: 'from', to: 'hourly.0/web1' }] }]),
};
