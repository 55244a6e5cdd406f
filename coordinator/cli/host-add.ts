import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { vis } from '../../shared/model/vis.js';
import { fileOptions, readTargets, type FileArguments } from './add/from.js';
import { summaryText, takeInMany } from './add/many.js';
import { parseShared, parseTarget, targetOptions, type TargetArguments } from './add/option.js';
import { exitOfOutcomeOf, outcomeJson, outcomeText, type Outcome } from './add/outcome.js';
import { createPackageSource } from './add/package-source.js';
import { takeIn, type Step, type TakeIn } from './add/take-in.js';
import type { Target } from './add/target.js';
import { defineCommand } from './command.js';
import type { Context } from './context.js';
import { parseTtl } from '../../shared/model/duration.js';
import { worstExit } from './exit.js';
import { formatJson } from './json.js';
import { parseNumber } from './number.js';
import { fleetService } from './service.js';

/** Longest password, bytes. */
const passwordBytes = 4096;

/** `reeve host add`. */
export const add = defineCommand({
  path: 'host add',
  summary: 'Take a machine in over SSH: install the agent, join it, prove that it answers',
  text:
    'You log in with your own key, ssh-agent or password, from the machine that you run this on; nothing of it is given to the coordinator. The SSH host key must be known: by --host-key, by ~/.ssh/known_hosts, or by your yes on a terminal. Afterwards nothing of the way in is left on the host. The same command repeated goes on where one stopped.',
  positionals: { name: { text: 'Name of the host to be: lower-case DNS labels; not with --from', optional: true } },
  options: {
    ssh: { kind: 'value', value: 'USER@ADDRESS[:PORT]', text: 'The machine to log in to' },
    port: { kind: 'value', value: 'PORT', text: 'Port of its SSH server (default: 22)' },
    'host-key': { kind: 'value', value: 'SHA256:...', text: 'Fingerprint of its SSH host key, as "ssh-keygen -l" prints it' },
    address: { kind: 'value', value: 'IP[:PORT]', text: 'Where its agent listens (default: the address it joins from, port 7420)' },
    ...targetOptions,
    ...fileOptions,
    parallel: { kind: 'value', value: 'N', text: 'How many hosts of a file are taken in at a time, 1 to 64 (default: 8)' },
  },
  exclusive: [['from', 'ssh'], ['from', 'port'], ['from', 'host-key'], ['from', 'address']],
  examples: [
    { line: 'reeve host add web1 --ssh root@192.0.2.7 --policy web', text: 'Take web1 in with a key of ssh-agent' },
    { line: 'reeve host add web2 --ssh admin@192.0.2.8 --sudo --password-stdin', text: 'With a password, which sudo gets too' },
    { line: 'reeve host add db1 --ssh root@10.0.0.5 --jump root@192.0.2.7 --identity ~/.ssh/id_ed25519', text: 'Through another machine' },
    { line: 'reeve host add --from hosts.yml --policy standard --group-label role', text: 'All hosts of an Ansible inventory' },
  ],
  run: async (context, args) => {
    const ttlMs = args.ttl === undefined ? undefined : parseTtl(args.ttl);
    if (args.from === undefined) return addOne(context, parseTarget(args.name, args), { ...args, ttlMs });
    return addFile(context, { ...args, from: args.from, ttlMs });
  },
});

/** What the command line says besides the machines. */
interface AddOptions {
  readonly agent: boolean;
  readonly 'password-stdin': boolean;
  readonly 'package-dir': string | undefined;
  readonly ttlMs: number | undefined;
  readonly rejoin: boolean;
}

async function addOne(context: Context, target: Target, options: AddOptions): Promise<number> {
  const world = await prepare(context, options, () => Promise.resolve([target]));
  const taken = await takeIn({ ...world, onStep: (step, detail) => tell(context, target.name, step, detail) }, target);
  const outcome: Outcome = { name: target.name, kind: 'in', taken };
  context.terminal.out(context.json ? formatJson({ hosts: [outcomeJson(outcome)] }) : outcomeText(outcome));
  return 0;
}

async function addFile(context: Context, args: AddOptions & TargetArguments & FileArguments & { readonly name: string | undefined; readonly parallel: string | undefined }): Promise<number> {
  if (args.name !== undefined) throw fieldInvalid('name', args.name, 'it cannot stand with --from; the file names the hosts');
  if (args.from === '-' && args['password-stdin']) throw fieldInvalid('--from', '-', 'standard input has the password; name a file');
  const parallel = args.parallel === undefined ? 8 : parseNumber('--parallel', args.parallel, { min: 1, max: 64 });
  const shared = parseShared(args);
  let targets: readonly Target[] = [];
  const world = await prepare(context, args, async () => (targets = await readTargets(context, args, shared)));
  const outcomes = await takeInMany(context, world, targets, parallel);
  context.terminal.out(context.json ? formatJson({ hosts: outcomes.map(outcomeJson) }) : summaryText(outcomes));
  return worstExit(outcomes.map(exitOfOutcomeOf));
}

/** What taking machines in needs. The coordinator is asked first: without it nothing is begun. */
async function prepare(context: Context, args: AddOptions, read: () => Promise<readonly Target[]>): Promise<Omit<TakeIn, 'onStep'>> {
  const api = await context.api();
  const { fleetId } = await api.call(fleetService, 'GetStatus', {});
  const targets = await read();
  const password = args['password-stdin'] ? await readPassword(context) : undefined;
  const agent = agentSocket(context, { wanted: args.agent, other: targets.every((target) => target.identity !== undefined || (password !== undefined && target.jump === undefined)) });
  const { createWayIn } = await import('./add/way-in.js');
  return {
    api,
    fleetId,
    packages: createPackageSource(context.api, args['package-dir']),
    connect: createWayIn(context, { agent, password }),
    ttlMs: args.ttlMs,
    rejoin: args.rejoin,
  };
}

/** ssh-agent is used when it is asked for, or when there is nothing else. Errors: FIELD_MISSING. */
function agentSocket(context: Context, { wanted, other }: { wanted: boolean; other: boolean }): string | undefined {
  if (!wanted && other) return undefined;
  const socket = context.environment['SSH_AUTH_SOCK'] ?? '';
  if (socket === '') throw fieldMissing('a way to log in', 'ssh-agent (SSH_AUTH_SOCK is not set), --identity FILE or --password-stdin');
  return socket;
}

/** One line from standard input. Errors: FIELD_INVALID, which never shows it, FIELD_MISSING, LIMIT_EXCEEDED. */
async function readPassword(context: Context): Promise<string> {
  const password = (await context.terminal.input(passwordBytes))?.replace(/\r?\n$/, '');
  if (password === undefined || password === '') throw fieldMissing('the password', 'one line on standard input');
  if (/[\0\r\n]/.test(password)) throw fieldInvalid('password', '(not shown)', 'one line without control characters');
  return password;
}

function tell(context: Context, name: string, step: Step, detail: string): void {
  if (!context.json) context.terminal.err(`${vis(name)}: ${step}${detail === '' ? '' : ` ${vis(detail)}`}\n`);
}
