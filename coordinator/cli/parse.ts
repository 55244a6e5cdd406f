import yargs, { type Argv, type Options } from 'yargs';
import { reeveError } from '../../shared/errors/error.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { exitCodes, globalOptions, positionalNames, restName, type Command, type Noun, type Option } from './command.js';

/** What a command line asks for: a text to show (help, version), or a command to run. Mistakes are thrown. */
export type Parsed =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'run'; readonly command: Command; readonly args: Readonly<Record<string, Value>>; readonly json: boolean; readonly socket: string | undefined };

/** The value of one argument. */
type Value = string | boolean | readonly string[] | undefined;

/** Columns of the help. */
const width = 100;

/** Reads a command line. Errors: FIELD_UNKNOWN, FIELD_MISSING, FIELD_INVALID. */
export function parseLine(nouns: readonly Noun[], version: string, line: readonly string[]): Parsed {
  let selected: { command: Command; values: Readonly<Record<string, unknown>> } | undefined;
  let mistake: string | undefined;
  let text = '';
  const select = (command: Command) => (values: Readonly<Record<string, unknown>>) => void (selected ??= { command, values });
  const parser = createParser(nouns, version, select).fail((message: string | null, error: Error | undefined) => {
    if (error !== undefined && error.name !== 'YError') throw error;
    mistake ??= error?.message ?? message ?? '';
  });
  void parser.parse([...line], {}, (_error, _values, output) => void (text = output));
  if (mistake !== undefined) throw usageError(mistake, line, nouns);
  if (selected === undefined) return { kind: 'text', text: text.endsWith('\n') ? text : `${text}\n` };
  const { command, values } = selected;
  const [surplus] = positionalRest(command, values);
  const takesRest = Object.values(command.positionals).some(({ rest }) => rest === true);
  if (surplus !== undefined && !takesRest) throw usageError(`Unknown argument: ${surplus}`, line, nouns);
  const args = readValues(command, values, line);
  const all = readOptions(globalOptions, values);
  return { kind: 'run', command, args, json: all['json'] === true, socket: typeof all['socket'] === 'string' ? all['socket'] : undefined };
}

function createParser(nouns: readonly Noun[], version: string, select: (command: Command) => (values: Readonly<Record<string, unknown>>) => void): Argv {
  const parser = yargs([])
    .scriptName('reeve')
    .locale('en')
    .updateStrings({ 'Options:': 'Options of every command:', 'Positionals:': 'Arguments:' })
    .usage('Usage: $0 NOUN VERB\n\nFleet manager: the command line of the coordinator.')
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'greedy-arrays': false,
      'short-option-groups': false,
    })
    .exitProcess(false)
    .wrap(width)
    .strict()
    .version(version)
    .help('help')
    .alias('help', 'h')
    .describe({ help: 'Show help', version: 'Show the version' })
    .options(mapOptions(globalOptions))
    .demandCommand(1, `verb ${nouns.map((noun) => noun.name).join(', ')}`)
    .example('reeve host invite web1', 'Invite a host')
    .example('reeve user add ada --on all', 'Make an account on all hosts')
    .epilogue(`${epilogue}\n\nHelp of one command: reeve NOUN VERB --help`);
  return nouns.reduce((current, noun) => addNoun(current, noun, select), parser);
}

const epilogue = `Exit codes:\n${exitCodes.map(({ code, text }) => `  ${String(code).padEnd(4)}${text}`).join('\n')}`;

function addNoun(parser: Argv, noun: Noun, select: (command: Command) => (values: Readonly<Record<string, unknown>>) => void): Argv {
  const [only] = noun.commands;
  if (only !== undefined && only.path === noun.name) return addCommand(parser, only, select);
  return parser.command(noun.name, noun.summary, (nested) =>
    noun.commands
      .reduce((current, command) => addCommand(current, command, select).example(command.examples[0].line, command.examples[0].text), nested.usage(`Usage: $0 ${noun.name} VERB\n\n${noun.summary}.`))
      .epilogue(epilogue)
      .demandCommand(1, `verb ${verbsOf(noun).join(', ')}`),
  );
}

function verbsOf(noun: Noun): string[] {
  return noun.commands.map((command) => command.path.slice(noun.name.length + 1));
}

function addCommand(parser: Argv, command: Command, select: (command: Command) => (values: Readonly<Record<string, unknown>>) => void): Argv {
  const positionals = Object.entries(command.positionals).filter(([, { rest }]) => rest !== true);
  const shape = positionals.map(([name, { optional, many }]) => (many === true ? `[${name}..]` : optional === true ? `[${name}]` : `<${name}>`)).join(' ');
  const verb = command.path.split(' ').at(-1) ?? '';
  const names = positionalNames(command.positionals).join(' ');
  return parser.command(
    `${verb} ${shape}`.trim(),
    command.summary,
    (nested) => {
      const text = command.text === undefined ? '' : `\n\n${command.text}`;
      let built = nested.usage(`Usage: $0 ${`${command.path} ${names}`.trim()} [OPTION]...${restName(command.positionals)}\n\n${command.summary}.${text}`).options(mapOptions(command.options));
      for (const [name, positional] of positionals) {
        built = built.positional(name, { type: 'string', describe: describeChoices(positional.text, positional.choices), ...(positional.many === true ? { defaultDescription: 'none' } : positional.optional === true ? {} : { demandOption: true }) });
      }
      if (Object.keys(command.options).length > 0) built = built.group(Object.keys(command.options), 'Options:');
      for (const { line, text: meaning } of command.examples) built = built.example(line, meaning);
      return built.epilogue(epilogue);
    },
    select(command),
  );
}

function mapOptions(options: Readonly<Record<string, Option>>): Record<string, Options> {
  return Object.fromEntries(Object.entries(options).map(([name, option]) => [name, mapOption(option)]));
}

function mapOption(option: Option): Options {
  switch (option.kind) {
    case 'flag':
      return { type: 'boolean', describe: option.text, ...aliasOf(option) };
    case 'list':
      return { type: 'string', array: true, nargs: 1, requiresArg: true, describe: `${option.value}: ${option.text}` };
    case 'value':
      return { type: 'string', requiresArg: true, describe: describeChoices(`${option.value}: ${option.text}`, option.choices), ...aliasOf(option), ...(option.required === true ? { demandOption: true } : {}) };
  }
}

function aliasOf({ short }: { readonly short?: string }): { alias?: string } {
  return short === undefined ? {} : { alias: short };
}

function describeChoices(text: string, choices: readonly string[] | undefined): string {
  return choices === undefined ? text : `${text}; one of ${choices.join(', ')}`;
}

function readValues(command: Command, values: Readonly<Record<string, unknown>>, line: readonly string[]): Record<string, Value> {
  const positionals = Object.entries(command.positionals).map(([name, positional]) => [name, positional.rest === true ? positionalRest(command, values) : positional.many === true ? several(values[name]) : checkChoice(name, dashed(single(name, values[name]), line), positional.choices)] as const);
  for (const [first, second] of command.exclusive ?? []) {
    if (isGiven(values[first]) && isGiven(values[second])) throw fieldInvalid(`--${second}`, 'given', `it cannot stand with --${first}`);
  }
  return { ...Object.fromEntries(positionals), ...readOptions(command.options, values) };
}

/** What stands behind `--`: all that yargs leaves behind the words of a command. */
function positionalRest(command: Command, values: Readonly<Record<string, unknown>>): string[] {
  return Array.isArray(values['_']) ? values['_'].map(String).slice(command.path.split(' ').length) : [];
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== false;
}

function readOptions(options: Readonly<Record<string, Option>>, values: Readonly<Record<string, unknown>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(options).map(([name, option]) => [name, readOption(`--${name}`, option, values[name])]));
}

function readOption(name: string, option: Option, value: unknown): Value {
  switch (option.kind) {
    case 'flag':
      return Array.isArray(value) ? value.includes(true) : value === true;
    case 'list':
      return several(value);
    case 'value':
      return checkChoice(name, single(name, value), option.choices);
  }
}

/** A value that may be given several times. */
function several(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** A value that may be given once. */
function single(name: string, value: unknown): string | undefined {
  if (Array.isArray(value)) throw fieldInvalid(name, value.map(String).join(' '), 'it can be given once');
  return typeof value === 'string' ? value : undefined;
}

/** A positional that is a lone `-`, which yargs takes for an empty one. */
function dashed(value: string | undefined, line: readonly string[]): string | undefined {
  return value === '' && line.includes('-') && !line.includes('') ? '-' : value;
}

function checkChoice(name: string, value: string | undefined, choices: readonly string[] | undefined): string | undefined {
  if (value !== undefined && choices?.includes(value) === false) throw fieldInvalid(name, value, `one of ${choices.join(', ')}`);
  return value;
}

/** A mistake that yargs found, as an error of the catalogue. */
function usageError(message: string, line: readonly string[], nouns: readonly Noun[]): Error {
  const path = pathOf(line, nouns);
  const help = `see "${`reeve ${path}`.trim()} --help"`;
  const [, kind, rest = ''] = /^(Unknown (?:argument|command)s?|Missing required arguments?|Not enough arguments following|verb)[: ]+(.*)$/s.exec(message) ?? [];
  const quoted = (text: string): string => text.split(', ').map((name) => `"${name}"`).join(', ');
  switch (kind?.split(' ')[0]) {
    case 'Unknown':
      return reeveError('FIELD_UNKNOWN', { field: quoted(rest), rule: help });
    case 'Missing':
      return fieldMissing(rest.split(', ').map((name) => `--${name}`).join(', '), help);
    case 'verb':
      return fieldMissing(path === '' ? 'the noun' : 'the verb', `one of ${rest}`);
    default:
      return message.startsWith('Not enough arguments following') ? fieldMissing(`the value of --${rest}`, help) : fieldMissing('an argument', help);
  }
}

/** The words of a line that name a noun and a verb. */
function pathOf(line: readonly string[], nouns: readonly Noun[]): string {
  const [first = '', second = ''] = line.filter((word) => !word.startsWith('-'));
  const noun = nouns.find(({ name }) => name === first);
  if (noun === undefined) return '';
  return verbsOf(noun).includes(second) ? `${first} ${second}` : first;
}
