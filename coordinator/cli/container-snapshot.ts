import { parseContainerSnapshot, snapshotActions } from '../../shared/model/container-field.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { vis } from '../../shared/model/vis.js';
import { answer } from './answer.js';
import { defineCommand, hostPositional } from './command.js';
import { sure } from './confirm.js';
import { containerPositional, parseNamed } from './container-name.js';
import { followWork } from './container-progress.js';
import { renderContainerSnapshots } from './container-text.js';
import { containerService } from './service.js';

/** What is asked before it is done; an action without a question makes nothing go. */
const questions: Readonly<Record<string, (name: string, snapshot: string) => string>> = {
  restore: (name, snapshot) => `What container ${name} has written since snapshot ${snapshot} is lost. Restore it?`,
  remove: (name, snapshot) => `Remove snapshot ${snapshot} of container ${name}?`,
};

const done: Readonly<Record<string, string>> = { create: 'was made', restore: 'is back', remove: 'was removed' };

/** `reeve container snapshot`. */
export const snapshot = defineCommand({
  path: 'container snapshot',
  summary: 'Make a snapshot of a container of lxc or pct, list them, restore or remove one',
  text: 'To be restored the container is stopped, and started again when it ran. A snapshot of one that runs is as after a loss of power; stop it before to have it whole. Containers of podman have none: what they keep is in their volumes, see reeve backup.',
  positionals: {
    action: { text: 'What is done', choices: ['list', ...snapshotActions] },
    host: hostPositional,
    name: containerPositional,
    snapshot: { text: 'Name of the snapshot: lower-case letters, digits and "-"', optional: true },
  },
  options: { yes: { kind: 'flag', text: 'Ask nothing' } },
  examples: [
    { line: 'reeve container snapshot create web1 mail before-update', text: 'Make one' },
    { line: 'reeve container snapshot restore web1 mail before-update', text: 'The update was a mistake' },
    { line: 'reeve container snapshot list web1 mail', text: 'Which ones are there?' },
  ],
  run: async (context, args) => {
    const { action } = args;
    const named = parseNamed(args);
    if (action === 'list') {
      if (args.snapshot !== undefined) throw fieldInvalid('snapshot', args.snapshot, 'none with list');
      const response = await (await context.api()).call(containerService, 'ListContainerSnapshots', named);
      return answer(context, response, () => renderContainerSnapshots(context.terminal, response.snapshots, `No snapshots. To make one: reeve container snapshot create ${named.host} ${named.name} SNAPSHOT`));
    }
    if (args.snapshot === undefined) throw fieldMissing('snapshot', 'the name of the snapshot');
    const name = parseContainerSnapshot(args.snapshot);
    const question = questions[action];
    if (question !== undefined) await sure(context, args, question(named.name, name));
    const { finished } = await followWork(context, (await context.api()).stream(containerService, 'SnapshotContainer', { ...named, action, snapshot: name }));
    return answer(context, finished, () => `Snapshot ${name} of container ${named.name} ${done[action] ?? 'is done'}.${finished.note === '' ? '' : `\n${vis(finished.note)}`}\n`);
  },
});
