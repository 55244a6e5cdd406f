import { catalogue } from '../../shared/errors/catalogue.js';
import { formatMessage, formatRemedy, ReeveError, reeveError } from '../../shared/errors/error.js';
import { version } from '../../shared/kit/version.js';
import { vis } from '../../shared/model/vis.js';
import { parseOptions } from './options.js';

const help = `reeve-agent - the part of Reeve that runs on every managed host

Usage:
  reeve-agent join                         join a fleet; reads the token from standard input
  reeve-agent serve                        run the daemon (systemd does this)
  reeve-agent status                       show identity, certificate, policy, helper, holds and last operations; works
                                           without the daemon and without a coordinator
  reeve-agent hold --for TIME --reason TEXT [--noun NOUN]
                                           hold this host, or one noun: nothing but removal of access is applied until
                                           then (1m to 30d), whatever a coordinator says
  reeve-agent hold --end [--noun NOUN]     end that now
  reeve-agent hold                         list the holds of this host
  reeve-agent undo NOUN                    take NOUN back to before its last operation, after a question; --plan only
                                           shows what that changes, --yes asks nothing, --to GENERATION goes further
                                           back, --no-hold leaves out the hold of an hour that follows
  reeve-agent undo NOUN --list             list what can be taken back, newest first (10 operations are kept)
  reeve-agent serving                      check that helper and agent answer on this host (upgrades are judged by it)
  reeve-agent reset [--yes]                forget the fleet: for templates, and for copies of a host; root only
  reeve-agent moved                        take in where the coordinator is now: the word of "reeve fleet moved" on standard input
  reeve-agent doctor                       find out what is wrong on this host, and how to repair it
  reeve-agent policy explain OP [KEY=VALUE...]
                                           show which line of the policy allows or denies an operation
  reeve-agent policy edit                  edit the policy; it is checked before it is put in place
  reeve-agent --version | --help

Options:
  --policy FILE    the policy (default /etc/reeve/policy)
  --config FILE    the settings of the agent (default /etc/reeve/agent.conf)
  --state DIR      identity and journal (default /var/lib/reeve-agent)
  --helper SOCKET  the helper (default /run/reeve/priv.sock)
  --yes            ask nothing (reset)
  --listen IP:PORT where to listen (default: what agent.conf says, else port 7420 on all addresses)
  --json           with status, doctor, hold and undo: answer with one JSON document

Examples:
  printf %s "$TOKEN" | reeve-agent join
  reeve-agent policy explain user.add name=ada uid=20001
  reeve-agent policy explain group.member name=ada group=www-data
  EDITOR=nano reeve-agent policy edit
  reeve-agent hold --for 4h --reason 'disk swap'
  reeve-agent undo user --plan
  reeve-agent hold --end

Exit codes: 0 done, allowed or well, 1 failed, not allowed or not well, 2 a mistake in the command, 70 a bug in Reeve.
`;

/** Runs one command; answers the exit code. Commands are loaded when they are asked for: the daemon stays small. */
export async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) return say(help);
  if (argv.includes('--version')) return say(`reeve-agent ${version}\n`);
  const options = parseOptions(argv);
  const [command, sub, ...rest] = options.words;
  switch ([command, command === 'policy' ? sub : undefined].filter((word) => word !== undefined).join(' ')) {
    case 'serve':
      await (await import('./serve.js')).runServe(onlyCommand(options));
      return 0;
    case 'join':
      await (await import('./join.js')).runJoin(onlyCommand(options));
      return 0;
    case 'status':
      await (await import('./status.js')).runStatus(onlyCommand(options));
      return 0;
    case 'hold':
      (await import('./hold.js')).runHold(onlyCommand(options));
      return 0;
    case 'serving':
      await (await import('./serving.js')).runServing(onlyCommand(options));
      return 0;
    case 'reset':
      await (await import('./reset.js')).runReset(onlyCommand(options), options.given.has('--yes'));
      return 0;
    case 'moved':
      await (await import('./moved.js')).runMoved(onlyCommand(options));
      return 0;
    case 'undo':
      return (await import('./undo.js')).runUndo(options);
    case 'local':
      await (await import('./local.js')).runLocal(onlyCommand(options));
      return 0;
    case 'doctor':
      return (await (await import('./doctor.js')).runDoctor(onlyCommand(options))) ? 0 : 1;
    case 'policy explain':
      return (await import('./policy.js')).runExplain(options, rest) ? 0 : 1;
    case 'policy edit':
      await (await import('./policy.js')).runEdit(options);
      return 0;
    default:
      throw reeveError('FIELD_UNKNOWN', { field: `command "${vis(options.words.join(' '))}"`, rule: 'see reeve-agent --help' });
  }
}

function onlyCommand<T extends { readonly words: readonly string[] }>(options: T): T {
  const [, surplus] = options.words;
  // A token on the command line would be seen by everybody on the host; it is not shown again here.
  if (surplus !== undefined) throw reeveError('FIELD_INVALID', { field: 'arguments', value: '(not shown)', rule: 'this command takes none; join reads its token from standard input' });
  return options;
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}

/** Shows an error as the catalogue words it; answers the exit code. */
export function showError(error: unknown): number {
  if (!(error instanceof ReeveError)) {
    process.stderr.write(`${vis(error instanceof Error ? (error.stack ?? error.message) : String(error)).replaceAll('\\u{a}', '\n')}\n`);
    return 70;
  }
  for (const item of error.items) {
    const remedy = formatRemedy(item);
    process.stderr.write(`Error: ${vis(formatMessage(item))}\n${remedy === '' ? '' : `  ${vis(remedy)}\n`}`);
  }
  const { exit } = catalogue[error.code];
  return exit === 3 ? 1 : exit;
}
