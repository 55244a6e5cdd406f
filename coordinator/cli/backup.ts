import { reeveError } from '../../shared/errors/error.js';
import { formatBackup, parseBackupName } from '../../shared/model/backup.js';
import { answer } from './answer.js';
import { runJobChange } from './backup-change.js';
import { alterBackup, parseBackupEdit, parseNewBackup } from './backup-input.js';
import { jobOptions, jobUndoExclusive, jobUndoOptions } from './backup-option.js';
import { adopt, prune, restore } from './backup-restore.js';
import { cancel, log, run, verify } from './backup-run.js';
import { find, ls, snapshots } from './backup-snapshot.js';
import { renderBackup, renderBackups } from './backup-text.js';
import { requireDecided } from './change.js';
import { changeExclusive, changeOptions, defineCommand, type Noun } from './command.js';
import { selectorText } from './selector.js';
import { backupService } from './service.js';

const job = { text: 'Name of the job', names: 'backups' } as const;

const add = defineCommand({
  path: 'backup add',
  summary: 'Add a backup job: folders of one host, copied to another and kept as snapshots',
  text:
    'The two hosts copy with rsync(1), and each run makes a snapshot: a folder with all files, where those that have not changed take no room. Both hosts are asked first whether they could do it, ' +
    'and their policies must allow it. A job without --every runs as often as the finest level that it keeps; levels that --keep does not name keep none. --from may name a host without folders where only databases are dumped.',
  positionals: { name: { text: 'Name of the job: lower-case letters, digits, ".", "_" and "-"' } },
  options: {
    from: { kind: 'list', value: 'HOST:/FOLDER,...', text: 'The host that is backed up, and its folders; may be repeated for more folders of the same host' },
    ...jobOptions,
    ...changeOptions,
  },
  exclusive: changeExclusive,
  examples: [
    { line: 'reeve backup add shop --from web1:/srv/shop,/etc --to big1:/srv/backup/shop', text: 'Each day: 7 daily, 4 weekly and 6 monthly snapshots' },
    { line: "reeve backup add home --from files1:/home --to big1:/srv/backup/home --keep classic --exclude '*.tmp' --exclude cache/", text: 'Every 4 hours, without what can be made again' },
    { line: "reeve backup add mail --from mail1:/var/mail --to big1:/srv/backup/mail --every '30 2 * * *' --keep daily=30 --bandwidth 8192", text: 'At half past two (UTC), and not faster than 8 MiB a second' },
    { line: 'reeve backup add db --from db1 --dump postgresql:shop --to big1:/srv/backup/db --drill spare1:/srv/drill --drill-days 30', text: 'A database, which is restored to another host each month to see that it can be' },
  ],
  run: async (context, args) => {
    const backup = formatBackup(parseNewBackup(parseBackupName('name', args.name), args));
    return runJobChange(context, args, (api, options) => api.call(backupService, 'AddBackup', { options, backup }));
  },
});

const set = defineCommand({
  path: 'backup set',
  summary: 'Alter a backup job',
  text:
    'What is not named stays. --from, --exclude and --dump take the place of those before. A run that is under way goes on as it began. Another --to makes a first, whole copy there; the snapshots of the folder before stay where they are. ' +
    '--thaw says that a source that has become much smaller is right, so that old snapshots may go again.',
  positionals: { name: job },
  options: {
    from: { kind: 'list', value: '/FOLDER,...', text: 'The folders that are backed up; may be repeated' },
    ...jobOptions,
    ...jobUndoOptions,
    thaw: { kind: 'flag', text: 'Let the rotation go on that a much smaller source has frozen' },
    ...changeOptions,
  },
  exclusive: [...jobUndoExclusive, ...changeExclusive],
  examples: [
    { line: 'reeve backup set shop --keep daily=14,weekly=8 --every daily', text: 'Keep more of it' },
    { line: 'reeve backup set shop --from /srv/shop,/etc,/root --no-exclude', text: 'Other folders, and nothing left out' },
    { line: 'reeve backup set shop --inactive', text: 'Run it only by command' },
    { line: 'reeve backup set shop --thaw', text: 'Much was deleted on purpose: rotate again' },
  ],
  run: async (context, args) => {
    const name = parseBackupName('name', args.name);
    const edit = parseBackupEdit(args);
    requireDecided(context, args);
    const { row } = await (await context.api()).call(backupService, 'ShowBackup', { name });
    if (!row?.backup) throw reeveError('BACKUP_UNKNOWN', { value: name });
    const backup = formatBackup(alterBackup(row.backup, edit));
    return runJobChange(context, args, (api, options) => api.call(backupService, 'SetBackup', { options, name, backup, thaw: args.thaw }));
  },
});

const remove = defineCommand({
  path: 'backup remove',
  summary: 'Remove a backup job; its snapshots stay where they are',
  positionals: { name: job },
  options: changeOptions,
  exclusive: changeExclusive,
  examples: [{ line: 'reeve backup remove shop', text: 'The shop is not backed up any more' }],
  run: async (context, args) => {
    const name = parseBackupName('name', args.name);
    return runJobChange(context, args, (api, options) => api.call(backupService, 'RemoveBackup', { options, name }));
  },
});

const list = defineCommand({
  path: 'backup list',
  summary: 'List backup jobs and how they do',
  text:
    'Health is good (it runs, and a fresh proof says that its snapshots can be restored), unproven, late, failed, frozen (the source became much smaller: nothing is rotated away), new or inactive.',
  positionals: { selector: { text: 'Only jobs of these hosts, as source or destination: NAME, LABEL=VALUE or all', optional: true, names: 'hosts' } },
  options: {},
  examples: [
    { line: 'reeve backup list', text: 'All jobs of the fleet' },
    { line: 'reeve backup list big1', text: 'Those that big1 has a part in' },
  ],
  run: async (context, args) => {
    const response = await (await context.api()).call(backupService, 'ListBackups', { selector: selectorText(args.selector) });
    return answer(context, response, () => renderBackups(context.terminal, response.rows, context.clock.now()));
  },
});

const show = defineCommand({
  path: 'backup show',
  summary: 'Show a backup job, how it does, its proof and its last runs',
  positionals: { name: job },
  options: {},
  examples: [{ line: 'reeve backup show shop', text: 'Is the shop backed up, and could it be restored?' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(backupService, 'ShowBackup', { name: parseBackupName('name', args.name) });
    return answer(context, response, () => renderBackup(context.terminal, response, context.clock.now()));
  },
});

/** `reeve backup`. */
export const backupNoun: Noun = {
  name: 'backup',
  summary: 'Backups: snapshots of folders and databases on another host',
  commands: [add, set, remove, list, show, run, log, cancel, snapshots, ls, find, restore, verify, prune, adopt],
};
