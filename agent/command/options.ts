import { reeveError } from '../../shared/errors/error.js';
import { parseEndpoint, type Endpoint } from '../../shared/model/host.js';
import { vis } from '../../shared/model/vis.js';
import { defaultPaths, type AgentPaths } from '../paths.js';

/** What the command line says besides the command. */
export interface AgentOptions {
  readonly paths: AgentPaths;
  /** Whether places were given by hand, as in development: nothing is done as another account then. */
  readonly custom: boolean;
  /** undefined: what agent.conf says. */
  readonly listen: Endpoint | undefined;
  /** All flags that were given, with their values; empty for one that takes none. */
  readonly given: ReadonlyMap<string, string>;
  /** What is left: the command and its arguments. */
  readonly words: readonly string[];
}

const flags: readonly string[] = ['--state', '--policy', '--config', '--helper', '--listen'];

/** Flags of single commands: those with a value, and those without. */
const commandFlags: Readonly<Record<string, { readonly values?: readonly string[]; readonly switches?: readonly string[] }>> = {
  status: { switches: ['--json'] },
  undo: { values: ['--to'], switches: ['--list', '--plan', '--yes', '--no-hold', '--json'] },
  hold: { values: ['--noun', '--for', '--reason'], switches: ['--end', '--json'] },
  reset: { switches: ['--yes'] },
  doctor: { switches: ['--json'] },
};

/** Reads `--flag VALUE`, `--flag` of commands that have such, and words. Errors: FIELD_UNKNOWN, FIELD_MISSING, FIELD_INVALID. */
export function parseOptions(argv: readonly string[]): AgentOptions {
  const given = new Map<string, string>();
  const words: string[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? '';
    if (!word.startsWith('--')) {
      words.push(word);
      continue;
    }
    const own = commandFlags[argv.find((other) => Object.hasOwn(commandFlags, other)) ?? ''];
    if (own?.switches?.includes(word) === true) {
      given.set(word, '');
      continue;
    }
    if (!flags.includes(word) && own?.values?.includes(word) !== true) throw reeveError('FIELD_UNKNOWN', { field: vis(word), rule: 'see reeve-agent --help' });
    at += 1;
    const value = argv[at];
    if (value === undefined) throw reeveError('FIELD_MISSING', { field: word, rule: 'a value follows it' });
    given.set(word, value);
  }
  const listen = given.get('--listen');
  return {
    paths: {
      state: given.get('--state') ?? defaultPaths.state,
      policy: given.get('--policy') ?? defaultPaths.policy,
      config: given.get('--config') ?? defaultPaths.config,
      helper: given.get('--helper') ?? defaultPaths.helper,
    },
    custom: given.has('--state') || given.has('--policy'),
    listen: listen === undefined ? undefined : parseListen(listen),
    given,
    words,
  };
}

/** Port 0 is for tests: any free one. */
function parseListen(text: string): Endpoint {
  const zero = /^(.*):0$/.exec(text)?.[1];
  return zero === undefined ? parseEndpoint(text, 7420, '--listen') : { address: parseEndpoint(zero, 1, '--listen').address, port: 0 };
}
