import { reeveError } from '../../shared/errors/error.js';
import { parseContainerName } from '../../shared/model/container-field.js';
import { fieldMissing } from '../../shared/model/field.js';
import { parseHostName } from '../../shared/model/host.js';
import { vis } from '../../shared/model/vis.js';
import { answer } from './answer.js';
import { requireDecided, runChange } from './change.js';
import { changeExclusive, changeOptions, defineCommand, hostPositional, on, type Noun } from './command.js';
import { readFirstKeys, readSecrets } from './container-file.js';
import { image } from './container-image.js';
import { alterContainer, namesSomething, parseNewContainer } from './container-input.js';
import { logs } from './container-log.js';
import { containerPositional, parseNamed } from './container-name.js';
import { containerExclusive, containerOptions, containerUndoExclusive, containerUndoOptions, originOptions } from './container-option.js';
import { followWork } from './container-progress.js';
import { snapshot } from './container-snapshot.js';
import { stats } from './container-stats.js';
import { renderContainer, renderContainers } from './container-text.js';
import { selectorText } from './selector.js';
import { containerService } from './service.js';

const add = defineCommand({
  path: 'container add',
  summary: 'Add a container to a host: an application (podman) or a system (lxc, or pct on Proxmox VE)',
  text:
    'It runs as a unit of the host, and is started with it. Words behind "--" are its command instead of that of the image. The host must allow what is asked for: folders, devices, ports and registries are in its policy. ' +
    'Values of secrets are passed on to the host, which has to be reachable, and stored nowhere else. An image that is not on the host is fetched first.',
  positionals: { host: hostPositional, name: { text: 'Name of the container: lower-case letters, digits and "-"' }, command: { text: 'podman: the command and its arguments, behind "--"', rest: true } },
  options: { ...originOptions, ...containerOptions, stopped: { kind: 'flag', text: 'Only make it; do not start it' }, ...changeOptions },
  exclusive: [...containerExclusive, ...changeExclusive],
  examples: [
    { line: 'reeve container add web1 shop --image docker.io/library/nginx:1.27 --publish 8080:80 --volume /srv/container/shop:/usr/share/nginx/html:ro --health-http 8080/', text: 'A web server that is replaced only by one that answers' },
    { line: 'reeve container add web1 worker --image localhost/worker:3 --env QUEUE=mail --secret token=token.txt --memory 512M --cpu 150 -- /bin/worker --fast', text: 'A program with a secret in /run/secrets/token' },
    { line: 'reeve container add web1 tool --image localhost/tool:1 --publish 8081:80 --idle 300', text: 'One that sleeps until somebody connects' },
    { line: 'reeve container add big1 mail --archive SHA256 --address 10.0.3.7/24 --gateway 10.0.3.1 --ssh-key ada.pub', text: 'A system of its own; to make it a host: reeve host add' },
    { line: 'reeve container add pve1 mail --engine pct --id 107 --template local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst --storage local-lvm --disk 10G', text: 'The same on Proxmox VE' },
  ],
  run: async (context, args) => {
    requireDecided(context, args);
    const named = parseNamed(args);
    const secrets = await readSecrets(context, args.secret);
    const spec = parseNewContainer(args, { secrets, keys: await readFirstKeys(context, args['ssh-key']) });
    return runChange(context, args, (api, options) => api.stream(containerService, 'AddContainer', { options, ...named, spec, secrets: [...secrets.values] }));
  },
});

const set = defineCommand({
  path: 'container set',
  summary: 'Alter a container of a host',
  text:
    'What is not named stays; an empty value takes an option back, as --memory "" does. --publish, --volume and --device take the place of those before; --env alters one variable (NAME alone takes it away), --secret one secret (NAME= takes it away). ' +
    'Limits are altered while it runs. One of podman is replaced for all else: its volumes stay, and when the new one does not get healthy, the one before is back. What was altered by hand on the host stays as it is without --overwrite.',
  positionals: { host: hostPositional, name: containerPositional, command: { text: 'podman: another command and its arguments, behind "--"', rest: true } },
  options: { ...containerOptions, ...containerUndoOptions, overwrite: { kind: 'flag', text: 'Also what was altered by hand' }, ...changeOptions },
  exclusive: [...containerExclusive, ...containerUndoExclusive, ...changeExclusive],
  examples: [
    { line: 'reeve container set web1 shop --image docker.io/library/nginx:1.28', text: 'Replace it, and go back if the new one does not answer' },
    { line: 'reeve container set web1 shop --memory 1G --cpu ""', text: 'More memory, and as much processor time as there is' },
    { line: 'reeve container set web1 worker --env QUEUE=bulk --env DEBUG --secret token=new.txt', text: 'Another value, one variable less, another secret' },
  ],
  run: async (context, args) => {
    const { host, name } = parseNamed(args);
    if (!namesSomething(args)) throw fieldMissing('what is to be altered', 'an option, e.g. --image or --memory; see: reeve container set --help');
    requireDecided(context, args);
    const secrets = await readSecrets(context, args.secret);
    const { rows } = await (await context.api()).call(containerService, 'ListContainers', { selector: host, stored: true });
    const before = rows.find((row) => row.name === name)?.spec;
    if (!before) throw reeveError('CONTAINER_UNKNOWN', { host, value: name });
    const spec = alterContainer(before, args, secrets);
    return runChange(context, args, (api, options) => api.stream(containerService, 'SetContainer', { options, host, name, spec, secrets: [...secrets.values], overwrite: args.overwrite }));
  },
});

const start = defineCommand({
  path: 'container start',
  summary: 'Have a container run from now on, also after a start of its host',
  positionals: { host: hostPositional, name: containerPositional },
  options: changeOptions,
  exclusive: changeExclusive,
  examples: [{ line: 'reeve container start web1 shop', text: 'Open the shop' }],
  run: async (context, args) => {
    const named = parseNamed(args);
    return runChange(context, args, (api, options) => api.stream(containerService, 'StartContainer', { options, ...named }));
  },
});

const stop = defineCommand({
  path: 'container stop',
  summary: 'Have a container stopped from now on: it may end by itself first',
  positionals: { host: hostPositional, name: containerPositional },
  options: changeOptions,
  exclusive: changeExclusive,
  examples: [{ line: 'reeve container stop web1 shop', text: 'Close the shop, also after a start of the host' }],
  run: async (context, args) => {
    const named = parseNamed(args);
    return runChange(context, args, (api, options) => api.stream(containerService, 'StopContainer', { options, ...named }));
  },
});

const restart = defineCommand({
  path: 'container restart',
  summary: 'Restart a container now',
  text: 'What is wanted of it stays as it is. Control-C ends the watching, not the restart.',
  positionals: { host: hostPositional, name: containerPositional },
  options: {},
  examples: [{ line: 'reeve container restart web1 shop', text: 'Let it read its files again' }],
  run: async (context, args) => {
    const named = parseNamed(args);
    const { finished } = await followWork(context, (await context.api()).stream(containerService, 'RestartContainer', named));
    return answer(context, finished, () => `Container ${named.name} was restarted.${finished.note === '' ? '' : `\n${vis(finished.note)}`}\n`);
  },
});

const remove = defineCommand({
  path: 'container remove',
  summary: 'Remove a container from its host; the folders of its volumes stay',
  text: 'A container of lxc or pct goes with its files and snapshots. To have Reeve only let go of the containers of a host: reeve host release HOST --noun container.',
  positionals: { host: hostPositional, name: containerPositional },
  options: { volumes: { kind: 'flag', text: 'The folders of its volumes go, too' }, ...changeOptions },
  exclusive: changeExclusive,
  examples: [
    { line: 'reeve container remove web1 shop', text: 'The shop is closed; its folders stay' },
    { line: 'reeve container remove web1 shop --volumes', text: 'And nothing is left of it' },
  ],
  run: async (context, args) => {
    const named = parseNamed(args);
    return runChange(context, args, (api, options) => api.stream(containerService, 'RemoveContainer', { options, ...named, volumes: args.volumes }));
  },
});

const adopt = defineCommand({
  path: 'container adopt',
  summary: 'Take over a container that somebody else made',
  text: 'It is looked at first; what has no place in what Reeve keeps of a container stands in the way, and is named. One of lxc or pct keeps its own configuration; one of podman is made anew with the same image, folders and ports.',
  positionals: { host: hostPositional, name: { text: 'Name of the container; see: reeve container list --on HOST' } },
  options: changeOptions,
  exclusive: changeExclusive,
  examples: [{ line: 'reeve container adopt big1 mail --plan', text: 'Could it be taken over?' }],
  run: async (context, args) => {
    const named = parseNamed(args);
    return runChange(context, args, (api, options) => api.stream(containerService, 'AdoptContainer', { options, ...named }));
  },
});

const list = defineCommand({
  path: 'container list',
  summary: 'List containers as they are, asked of their hosts now, also those of others',
  text:
    'Status is ok, pending (its host still has to be told), drift (it is not as it should be), missing (removed by hand), foreign (Reeve does not manage it) or unknown (its host could not be asked); "why" names the command that helps. ' +
    'Processor time is in percent of one core since it was started.',
  positionals: {},
  options: { on, stored: { kind: 'flag', text: 'Ask no host: only what should be' } },
  examples: [
    { line: 'reeve container list', text: 'All containers of the fleet' },
    { line: 'reeve container list --on web1', text: 'Those of web1, also those that Reeve does not manage' },
  ],
  run: async (context, args) => {
    const response = await (await context.api()).call(containerService, 'ListContainers', { selector: selectorText(args.on), stored: args.stored });
    return answer(context, response, () => renderContainers(context.terminal, response.rows, response.problems, context.clock.now()));
  },
});

const show = defineCommand({
  path: 'container show',
  summary: 'Show a container as it should be and as it is, with its health, asked of its host now',
  positionals: { host: hostPositional, name: containerPositional },
  options: {},
  examples: [{ line: 'reeve container show web1 shop', text: 'What is it made from, and how does it do?' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(containerService, 'ShowContainer', { host: parseHostName(args.host), name: parseContainerName(args.name, 'name') });
    return answer(context, response, () => renderContainer(context.terminal, response, context.clock.now()));
  },
});

/** `reeve container`. */
export const containerNoun: Noun = { name: 'container', summary: 'Containers of hosts: podman, LXC, and pct on Proxmox VE', commands: [add, list, show, start, stop, restart, set, remove, logs, stats, adopt, snapshot, image] };
