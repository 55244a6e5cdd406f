import { parseBackupFolder, parseBackupName, parseSnapshotName } from '../../shared/model/backup.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { runWork } from './backup-follow.js';
import { workOptions } from './backup-option.js';
import { parsePlace, parseSnapshotPath, snapshotText } from './backup-place.js';
import { defineCommand } from './command.js';
import { backupService } from './service.js';

const job = { text: 'Name of the job', names: 'backups' } as const;

/** `reeve backup restore`. */
export const restore = defineCommand({
  path: 'backup restore',
  summary: 'Restore a snapshot, or a part of one, to a folder of a host',
  text:
    'To any host of the fleet, not only to the source. Owners, permissions, links and times are as they were. The folder has to be missing or empty; with --keep-old one that is not stays beside the restored one. Without --path the one folder of the ' +
    'job is restored, or all of them below their paths. What would be done is shown before it is asked for. Control-C ends the watching, not the restore.',
  positionals: { name: job },
  options: {
    to: { kind: 'value', value: 'HOST:/FOLDER', text: 'Where to', required: true },
    snapshot: { kind: 'value', value: 'SNAPSHOT', text: 'Another snapshot than the newest; see: reeve backup snapshots NAME' },
    path: { kind: 'value', value: 'PATH', text: 'Only this file, or what is in this folder, as it was on the source' },
    'keep-old': { kind: 'flag', text: 'A folder that is not empty is kept beside the restored one' },
    ...workOptions,
  },
  examples: [
    { line: 'reeve backup restore shop --to web1:/srv/restored', text: 'The newest snapshot, beside what is there' },
    { line: 'reeve backup restore shop --snapshot 2026-01-31T090500Z --path /srv/shop/etc --to web1:/srv/shop/etc --keep-old', text: 'One folder as it was then, in its place' },
    { line: 'reeve backup restore shop --to web2:/srv/shop --plan', text: 'See what would be done on another host' },
  ],
  run: async (context, args) => {
    const name = parseBackupName('name', args.name);
    const place = parsePlace('--to', args.to);
    const request = { name, snapshot: snapshotText(args.snapshot), path: parseSnapshotPath('--path', args.path), host: place.host, folder: place.folder, keepOld: args['keep-old'] };
    return runWork(context, args, { name, start: (api, options) => api.stream(backupService, 'RestoreBackup', { options, ...request }) });
  },
});

/** `reeve backup prune`. */
export const prune = defineCommand({
  path: 'backup prune',
  summary: 'Delete the snapshots that no level keeps, or those that are named',
  text: 'Each run does so by itself at its end, unless the rotation is frozen. The policy of the host may say how many snapshots it keeps in any case.',
  positionals: { name: job, snapshot: { text: 'Only these; see: reeve backup snapshots NAME', many: true } },
  options: workOptions,
  examples: [
    { line: 'reeve backup prune shop --plan', text: 'See which ones would go' },
    { line: 'reeve backup prune shop 2026-01-31T090500Z', text: 'Delete one' },
  ],
  run: async (context, args) => {
    const name = parseBackupName('name', args.name);
    const named = args.snapshot.map((text) => parseSnapshotName('snapshot', text));
    return runWork(context, args, { name, start: (api, options) => api.stream(backupService, 'PruneBackup', { options, name, snapshots: [...new Set(named)] }) });
  },
});

/** `reeve backup adopt`. */
export const adopt = defineCommand({
  path: 'backup adopt',
  summary: 'Take over the snapshots that rsnapshot has made',
  text:
    'They become snapshots of the job without being copied, so they have to be on the same file system as its folder; the next run goes on from the newest of them. Take the lines of rsnapshot out of cron first.',
  positionals: { name: job },
  options: {
    rsnapshot: { kind: 'value', value: 'FOLDER', text: 'snapshot_root of rsnapshot(1) on the host that keeps the snapshots', required: true },
    point: { kind: 'value', value: 'NAME', text: 'The folder within each of its levels, e.g. web1: what is below it is the root of the source', required: true },
    ...workOptions,
  },
  examples: [
    { line: 'reeve backup adopt shop --rsnapshot /srv/rsnapshot --point web1 --plan', text: 'See what would become of which folder' },
    { line: 'reeve backup adopt shop --rsnapshot /srv/rsnapshot --point web1', text: 'Take them over' },
  ],
  run: async (context, args) => {
    const name = parseBackupName('name', args.name);
    const rsnapshot = parseBackupFolder('--rsnapshot', args.rsnapshot);
    if (args.point.startsWith('/')) throw fieldInvalid('--point', args.point, 'a folder within each level of rsnapshot, e.g. web1');
    const point = parseBackupFolder('--point', `/${args.point}`).slice(1);
    return runWork(context, args, { name, start: (api, options) => api.stream(backupService, 'AdoptBackup', { options, name, rsnapshot, point }) });
  },
});
