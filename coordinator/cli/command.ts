import type { Context } from './context.js';

/** What the completion asks the coordinator for: names of hosts or backup jobs, or the forwards, sites, certificates or containers of the host that stands before them in the line. */
export type Names = 'hosts' | 'backups' | 'forwards' | 'vhosts' | 'certs' | 'containers';

/** An option that takes a value. */
interface ValueOption {
  readonly kind: 'value';
  /** What stands for the value in help, e.g. `SELECTOR`. */
  readonly value: string;
  readonly text: string;
  readonly required?: boolean;
  /** The only values it may have. */
  readonly choices?: readonly string[];
  readonly names?: Names;
  /** A letter that stands for it. */
  readonly short?: string;
}

/** An option that may be given several times. */
interface ListOption {
  readonly kind: 'list';
  readonly value: string;
  readonly text: string;
  readonly names?: Names;
  readonly required?: false;
}

/** An option without a value. */
interface FlagOption {
  readonly kind: 'flag';
  readonly text: string;
  readonly required?: false;
  /** A letter that stands for it. */
  readonly short?: string;
}

/** One option of a command, as data: the parser, the help, the man page and the completions are made from it. */
export type Option = ValueOption | ListOption | FlagOption;

/** A positional argument of a command. */
export interface Positional {
  readonly text: string;
  /** The only values it may have. */
  readonly choices?: readonly string[];
  /** Whether the command works without it. */
  readonly optional?: boolean;
  /** Whether it is the last one and takes all that is left; it is optional then. */
  readonly many?: boolean;
  /** Whether it is what stands behind `--`, as it is; it is optional then. */
  readonly rest?: boolean;
  readonly names?: Names;
}

/** What `run` gets for an option. */
type OptionValue<O> = O extends { kind: 'flag' } ? boolean : O extends { kind: 'list' } ? readonly string[] : O extends { required: true } ? string : string | undefined;

/** What `run` gets for a positional. */
type PositionalValue<P> = P extends { many: true } | { rest: true } ? readonly string[] : P extends { optional: true } ? string | undefined : string;

/** What was given for options, by the names that declare them. */
export type Options<O> = { readonly [K in keyof O]: OptionValue<O[K]> };

/** The arguments of a command by the names it declares. */
export type Arguments<P, O> = { readonly [K in keyof P]: PositionalValue<P[K]> } & Options<O>;

/** An example of a command line with what it does. */
export interface Example {
  readonly line: string;
  readonly text: string;
}

/** What a command is, whatever its arguments are. */
interface CommandBase {
  /** The words that name it after `reeve`, e.g. `host invite`. */
  readonly path: string;
  /** One line, a verb first, without a full stop. */
  readonly summary: string;
  /** What else there is to know; for the help and the man page. */
  readonly text?: string;
  readonly examples: readonly [Example, ...Example[]];
  /** Options that cannot stand together. */
  readonly exclusive?: readonly (readonly [string, string])[];
}

/** A command as data, with the one function that runs it. */
export interface Command extends CommandBase {
  readonly positionals: Readonly<Record<string, Positional>>;
  readonly options: Readonly<Record<string, Option>>;
  /** Runs it and gives the exit code. Errors: ReeveError. */
  readonly run: (context: Context, args: Arguments<Record<string, Positional>, Record<string, Option>>) => Promise<number>;
}

/** A noun with its verbs; a noun without verbs of its own is one command. */
export interface Noun {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly Command[];
}

/** Makes a command whose `run` gets arguments typed by what it declares. */
export function defineCommand<const P extends Readonly<Record<string, Positional>>, const O extends Readonly<Record<string, Option>>>(
  definition: CommandBase & { readonly positionals: P; readonly options: O; readonly run: (context: Context, args: Arguments<P, O>) => Promise<number> },
): Command {
  return definition as unknown as Command;
}

/** The positionals of a command as a line of usage has them: `NAME`, `[NAME]`, `[NAME]...`; without what stands behind `--`, which comes after the options. */
export function positionalNames(positionals: Readonly<Record<string, Positional>>): string[] {
  return Object.entries(positionals).filter(([, { rest }]) => rest !== true).map(([name, { optional, many }]) => (many === true ? `[${name.toUpperCase()}]...` : optional === true ? `[${name.toUpperCase()}]` : name.toUpperCase()));
}

/** What stands behind `--` as the end of a line of usage has it, `[-- NAME...]`; empty: nothing does. */
export function restName(positionals: Readonly<Record<string, Positional>>): string {
  return Object.entries(positionals).filter(([, { rest }]) => rest === true).map(([name]) => ` [-- ${name.toUpperCase()}...]`).join('');
}

/** Options of every command. */
export const globalOptions = {
  json: { kind: 'flag', text: 'Answer with one JSON document, for programs' },
  socket: { kind: 'value', value: 'PATH', text: "The coordinator's socket (default: $REEVE_SOCKET, else /run/reeved/api.sock, else where you are logged in)" },
} as const satisfies Record<string, Option>;

/** Options of every command that changes hosts. */
export const changeOptions = {
  plan: { kind: 'flag', text: 'Only show what would change' },
  stage: { kind: 'flag', text: 'Only store what should be; tell no host' },
  yes: { kind: 'flag', text: 'Ask nothing' },
} as const satisfies Record<string, Option>;

/** Which options of a change exclude each other. */
export const changeExclusive: readonly (readonly [string, string])[] = [['plan', 'stage']];

/** The option that takes keys away where a host would keep them: its floors are not asked. */
export const force = { kind: 'flag', text: 'Also when it takes the last break-glass key of a host away' } as const satisfies Option;

/** The positional that names a host. */
export const hostPositional = { text: 'Name or id of the host', names: 'hosts' } as const satisfies Positional;

/** The option that names hosts. */
export const on = { kind: 'value', value: 'SELECTOR', text: 'Which hosts: NAME, LABEL=VALUE or all', names: 'hosts' } as const satisfies Option;

/** Exit codes of every command, for the help and the man page. */
export const exitCodes: readonly { readonly code: number; readonly text: string }[] = [
  { code: 0, text: 'All is done, or there was nothing to do.' },
  { code: 1, text: 'It failed on a host, was refused by one, or was cancelled.' },
  { code: 2, text: 'A mistake in the command line, or something the coordinator does not know or does not allow.' },
  { code: 3, text: 'A host or the coordinator could not be reached, or a host is held; what was stored is pending.' },
  { code: 70, text: 'A mistake in Reeve; the message names where its log has the details.' },
];
