import { parseBackupName } from '../../shared/model/backup.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { answer } from './answer.js';
import { parseFilePattern, parseSnapshotOf, parseSnapshotPath } from './backup-place.js';
import { renderEntries, renderFound, renderSnapshots } from './backup-snapshot-text.js';
import { defineCommand } from './command.js';
import { backupService } from './service.js';

/** How paths stand in the JSON documents of these commands. */
const pathForm = 'With --json a path is a text, or {"hex": "62ff"} where it is no UTF-8; as an argument that one is hex:62ff.';

/** `reeve backup snapshots`. */
export const snapshots = defineCommand({
  path: 'backup snapshots',
  summary: 'List the snapshots of a backup job, asked of their host now',
  text: 'With the levels that keep each of them; the name of a snapshot is its time in UTC.',
  positionals: { name: { text: 'Name of the job', names: 'backups' } },
  options: {},
  examples: [{ line: 'reeve backup snapshots shop', text: 'How far back can the shop be restored?' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(backupService, 'ListSnapshots', { name: parseBackupName('name', args.name) });
    return answer(context, response, () => renderSnapshots(context.terminal, response.snapshots, context.clock.now()));
  },
});

/** `reeve backup ls`. */
export const ls = defineCommand({
  path: 'backup ls',
  summary: 'List the files of a folder in a snapshot',
  text: `As ls -l does: kind and permissions, owner and group by number, size, time, path. ${pathForm}`,
  positionals: {
    name: { text: 'Name of the job, for its newest snapshot, or NAME@SNAPSHOT', names: 'backups' },
    path: { text: 'The folder, as on the source (default: /)', optional: true },
  },
  options: {},
  examples: [
    { line: 'reeve backup ls shop /srv/shop', text: 'What the newest snapshot has there' },
    { line: 'reeve backup ls shop@2026-01-31T090500Z /srv/shop', text: 'What an older one has' },
  ],
  run: async (context, args) => {
    const request = { ...parseSnapshotOf(args.name), path: parseSnapshotPath('path', args.path) };
    const response = await (await context.api()).call(backupService, 'ListSnapshotFiles', request);
    if (response.entries.some(({ kind }) => kind === 'missing')) throw fieldInvalid('path', args.path ?? '/', 'one that the snapshot has');
    return answer(context, response, () => renderEntries(context.terminal, response.entries, response.truncated));
  },
});

/** `reeve backup find`. */
export const find = defineCommand({
  path: 'backup find',
  summary: 'Find files in all snapshots of a backup job',
  text: `The pattern is one of glob(7): it is held against names, or against whole paths when it has a "/". Put it in quotes. ${pathForm}`,
  positionals: { name: { text: 'Name of the job', names: 'backups' }, pattern: { text: "The pattern, e.g. '*.conf' or '/etc/*/web*'" } },
  options: {},
  examples: [
    { line: "reeve backup find shop 'invoice-2025*.pdf'", text: 'Which snapshots still have them?' },
    { line: 'reeve backup find shop /etc/hosts', text: 'Each version of one file' },
  ],
  run: async (context, args) => {
    const name = parseBackupName('name', args.name);
    const response = await (await context.api()).call(backupService, 'FindSnapshotFiles', { name, pattern: parseFilePattern('pattern', args.pattern) });
    return answer(context, response, () => renderFound(context.terminal, response.entries, response.truncated));
  },
});
