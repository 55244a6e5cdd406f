import { changeOptions, exitCodes, globalOptions, positionalNames, restName, type Command, type Noun, type Option, type Positional } from '../../coordinator/cli/command.js';

/** reeve(1) in the language of man(7), from the command tree and the prose below. */
export function renderManual(nouns: readonly Noun[]): string {
  return [
    '.\\" Generated from the command tree by packaging/man/generate.ts.',
    '.TH REEVE 1 "" Reeve "Reeve manual"',
    '.SH NAME',
    'reeve \\- command line of the Reeve fleet manager',
    '.SH SYNOPSIS',
    '.B reeve',
    '.I NOUN VERB',
    '.RI [ ARGUMENT ]...',
    '.RI [ OPTION ]...',
    '.SH DESCRIPTION',
    ...paragraphs(description),
    '.SH SELECTORS',
    ...paragraphs(selectors),
    '.SH CHANGES',
    ...paragraphs(changes),
    ...Object.entries<Option>(changeOptions).flatMap(([name, option]) => optionLines(name, option)),
    '.SH COMMANDS',
    ...nouns.flatMap((noun) => noun.commands).flatMap(commandLines),
    '.SH OPTIONS OF EVERY COMMAND',
    ...Object.entries<Option>(globalOptions).flatMap(([name, option]) => optionLines(name, option)),
    ...optionLines('help', { kind: 'flag', text: 'Show help of a command' }),
    ...optionLines('version', { kind: 'flag', text: 'Show the version' }),
    '.SH EXIT STATUS',
    ...exitCodes.flatMap(({ code, text }) => ['.TP', `.B ${String(code)}`, escapeLine(text)]),
    ...paragraphs(exits),
    '.SH JSON',
    ...paragraphs(json),
    '.SH ENVIRONMENT',
    '.TP', '.B REEVE_SOCKET', escapeLine("The coordinator's socket, where --socket is not given."),
    '.TP', '.B NO_COLOR', escapeLine('Not empty: no colours.'),
    '.SH FILES',
    '.TP', '.I /run/reeved/api.sock', escapeLine("The coordinator's socket."),
    '.SH SEE ALSO',
    '.BR reeved (8),',
    '.BR reeve\\-agent (8),',
    '.BR reeve\\-policy (5)',
    '',
  ].join('\n');
}

const description = [
  'reeve talks to the coordinator, reeved(8), over a local socket. The coordinator knows by the account of the caller who calls; what the caller may do follows from the role of that operator: a viewer looks, an operator changes hosts, an admin also manages operators, certificates and the fleet. Root is always an admin.',
  'What hosts report is shown with control, invisible and direction-changing characters as \\u{...}, so that no host can write to the terminal of its operator.',
];

const selectors = ['A selector names hosts: a host by its NAME, all hosts with a label by KEY=VALUE, or all. A selector that matches no host is a mistake.'];

const changes = [
  'Every command that changes hosts asks each of them what would change, shows it, asks, applies it and waits. The answer is a line per change: + for what is made, ~ for what is altered, - for what is removed. A file of a web server that changes is shown below as a unified diff. Hosts on which nothing changes are only counted.',
  'If a host refuses, nothing is stored. If a host cannot be reached, what should be is stored, and is applied when the host returns: see reeve pending. If a host changed between plan and yes, it refuses, and the command is to be run again.',
  'A host takes some changes (the first keys of a host, all of nat) back by itself unless they are confirmed. The coordinator confirms when all that it reached before answers again; until then a line says what is missing and how long the host still waits.',
  'Where standard input or standard output is not a terminal, or with --json, nobody can be asked: one of these options is needed.',
];

const exits = ['With several hosts the worst counts: 1 before 2 before 3. --stage tells no host, so an unreachable one is no reason for 3.'];

const json = [
  'With --json the answer on standard output is one document. Its keys are those of the API, and only get more. Times are ISO 8601 in UTC, bytes are hexadecimal, states and outcomes are lower-case words, what is absent is null or empty.',
  'A change answers planId, operationId, outcome (ok, failed, pending, unknown), stored, and hosts with hostName, outcome, changes (where a file changes with its diff), errors and notes; where a host waited for a confirmation also confirmations with hostName, noun, manual, state (confirmed, reverted, waiting, unknown) and missing. A command that fails answers error with code, message, fields, remedy and errors; programs branch on the code, never on the text.',
];

function commandLines(command: Command): string[] {
  const positionals = Object.entries<Positional>(command.positionals);
  const options = Object.entries<Option>(command.options).filter(([name]) => !Object.hasOwn(changeOptions, name) || name === 'yes' && !Object.hasOwn(command.options, 'plan'));
  const changing = Object.hasOwn(command.options, 'plan') ? ' [--plan|--stage|--yes]' : '';
  const required = options.filter(([, option]) => option.required === true).map(([name, option]) => ` --${name} ${option.kind === 'value' ? option.value : ''}`).join('');
  const free = options.some(([, option]) => option.required !== true) ? ' [OPTION]...' : '';
  const names = positionalNames(command.positionals).map((name) => ` ${name}`).join('');
  return [
    `.SS ${escapeText(`reeve ${command.path}${names}${required}${free}${changing}${restName(command.positionals)}`)}`,
    escapeLine(`${command.summary}.`),
    ...(command.text === undefined ? [] : [escapeLine(`${command.text}${command.text.endsWith('.') ? '' : '.'}`)]),
    ...positionals.flatMap(([name, { text, choices }]) => ['.TP', `.I ${escapeText(name.toUpperCase())}`, escapeLine(sentence(text, choices))]),
    ...options.flatMap(([name, option]) => optionLines(name, option)),
    '.PP',
    'Examples:',
    ...command.examples.flatMap(({ line, text }) => ['.TP', `.B ${escapeText(line)}`, escapeLine(`${text}.`)]),
  ];
}

function optionLines(name: string, option: Option): string[] {
  const value = option.kind === 'flag' ? '' : ` " " ${option.value}`;
  const named = `${option.kind !== 'list' && option.short !== undefined ? `-${option.short}, ` : ''}--${name}`;
  const head = value === '' ? `.B ${escapeText(named)}` : `.BI ${named.includes(' ') ? `"${escapeText(named)}"` : escapeText(named)}${escapeText(value)}`;
  return ['.TP', head, escapeLine(sentence(option.text, option.kind === 'value' ? option.choices : undefined))];
}

function sentence(text: string, choices: readonly string[] | undefined): string {
  return `${text}${choices === undefined ? '' : `; one of ${choices.join(', ')}`}.`;
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text) => ['.PP', escapeLine(text)]);
}

/** A text of its own line: a dot or apostrophe at its start would be a request. */
function escapeLine(text: string): string {
  return /^[.']/.test(text) ? `\\&${escapeText(text)}` : escapeText(text);
}

/** A text for man(7): backslashes and hyphens as they are typed. */
function escapeText(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-');
}
