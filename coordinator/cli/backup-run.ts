import { newId } from '../../shared/kit/id.js';
import { parseBackupName } from '../../shared/model/backup.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseId } from '../../shared/model/id.js';
import { answer } from './answer.js';
import { followRun } from './backup-follow.js';
import { parsePlace, snapshotText } from './backup-place.js';
import { renderEnd, renderRun, renderRuns } from './backup-run-text.js';
import { defineCommand } from './command.js';
import { limitNumber } from './number.js';
import { backupService } from './service.js';

const job = { text: 'Name of the job', names: 'backups' } as const;

/** `reeve backup run`. */
export const run = defineCommand({
  path: 'backup run',
  summary: 'Run a backup job now, and watch it',
  text:
    'Whatever its schedule says. Control-C ends the watching, not the run. Exit code 0 says that the run is done, 1 that it failed or was cancelled, 3 that a host could not be reached. With --json nothing is said before the end, ' +
    'which is one document with the run, and the proof where one was made.',
  positionals: { name: job },
  options: { detach: { kind: 'flag', text: 'Do not wait for its end' } },
  examples: [
    { line: 'reeve backup run shop', text: 'Copy now, and see how far it is' },
    { line: 'reeve backup run shop --detach', text: 'Only begin; then: reeve backup log shop --follow' },
  ],
  run: async (context, args) => {
    const name = parseBackupName('name', args.name);
    const events = (await context.api()).stream(backupService, 'RunBackup', { name, operationId: newId(context.clock.now()) });
    return followRun(context, events, { name, detach: args.detach });
  },
});

/** `reeve backup log`. */
export const log = defineCommand({
  path: 'backup log',
  summary: 'Show a run of a backup job with what went wrong, list its runs, or watch the one under way',
  text: 'A file that vanished while the run lasted is no fault, nor is a device that the policy of a host does not let be restored (skipped); one that failed is missing or incomplete.',
  positionals: { name: job, run: { text: 'Id of the run (default: the last one); see --list', optional: true } },
  options: {
    list: { kind: 'flag', text: 'List the runs, newest first' },
    limit: { kind: 'value', value: 'N', text: 'With --list: how many, 1 to 1000 (default: 50)' },
    follow: { kind: 'flag', text: 'Watch the run that is under way to its end' },
  },
  exclusive: [['list', 'follow']],
  examples: [
    { line: 'reeve backup log shop', text: 'The last run: its output, and files that could not be copied' },
    { line: 'reeve backup log shop --list --limit 10', text: 'The last ten' },
    { line: 'reeve backup log shop --follow', text: 'How far is it?' },
  ],
  run: async (context, args) => {
    const name = parseBackupName('name', args.name);
    const runId = args.run === undefined ? '' : parseId('id of the run', args.run);
    if (runId !== '' && (args.list || args.follow)) throw fieldInvalid(args.list ? '--list' : '--follow', 'given', 'it cannot stand with one run');
    if (args.limit !== undefined && !args.list) throw fieldInvalid('--limit', args.limit, 'it goes with --list');
    const limit = limitNumber(args.limit);
    const api = await context.api();
    const now = context.clock.now();
    if (args.follow) return followRun(context, api.stream(backupService, 'WatchBackup', { name }), { name });
    if (args.list) {
      const response = await api.call(backupService, 'ListBackupRuns', { name, limit });
      return answer(context, response, () => renderRuns(context.terminal, response.runs, { now, full: true }));
    }
    const response = await api.call(backupService, 'ShowBackupRun', { name, runId });
    return answer(context, response, () => renderRun(context.terminal, response, now));
  },
});

/** `reeve backup cancel`. */
export const cancel = defineCommand({
  path: 'backup cancel',
  summary: 'Cancel the run of a backup job on both hosts',
  text: 'What was copied stays for the next run, which goes on from there; no snapshot is made.',
  positionals: { name: job },
  options: {},
  examples: [{ line: 'reeve backup cancel shop', text: 'End it; the snapshots stay as they are' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(backupService, 'CancelBackup', { name: parseBackupName('name', args.name) });
    return answer(context, response, () => (response.run === null ? '' : renderEnd(response.run, context.clock.now())));
  },
});

/** `reeve backup verify`. */
export const verify = defineCommand({
  path: 'backup verify',
  summary: 'Prove that a snapshot can be restored',
  text:
    'Files of the snapshot, chosen at random, are compared by their digests with those on the source; what changed there since says nothing and is skipped. Dumps of databases are loaded where the host of the snapshots can. ' +
    'With --full all of it is restored to a folder of a host, compared, and taken away again. What is proved is told with its evidence: the digest of the list of all that was compared, which is in the output of the run. ' +
    'Exit code 1 says that something is not as it is on the source.',
  positionals: { name: job },
  options: {
    snapshot: { kind: 'value', value: 'SNAPSHOT', text: 'Another snapshot than the newest; see: reeve backup snapshots NAME' },
    full: { kind: 'flag', text: 'Restore all of it; with --to' },
    to: { kind: 'value', value: 'HOST:/FOLDER', text: 'With --full: a folder that is missing or empty; it is emptied afterwards' },
  },
  examples: [
    { line: 'reeve backup verify shop', text: 'Compare a sample' },
    { line: 'reeve backup verify shop --full --to spare1:/srv/drill', text: 'Restore all of it elsewhere, and compare' },
  ],
  run: async (context, args) => {
    const name = parseBackupName('name', args.name);
    const snapshot = snapshotText(args.snapshot);
    if (args.full && args.to === undefined) throw fieldMissing('--to', 'where the snapshot is restored: HOST:/folder, which is missing or empty');
    if (!args.full && args.to !== undefined) throw fieldInvalid('--to', args.to, 'it goes with --full');
    const place = args.to === undefined ? undefined : parsePlace('--to', args.to);
    const events = (await context.api()).stream(backupService, 'VerifyBackup', { name, snapshot, host: place?.host ?? '', folder: place?.folder ?? '' });
    return followRun(context, events, { name });
  },
});
