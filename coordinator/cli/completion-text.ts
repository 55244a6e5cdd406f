import { globalOptions, type Command, type Names, type Noun, type Option, type Positional } from './command.js';

/** The words a command can go on with. */
function wordsOf(command: Command): string[] {
  const choices = Object.values(command.positionals).flatMap((positional: Positional) => positional.choices ?? []);
  return [...choices, ...Object.keys({ ...command.options, ...globalOptions, help: true }).map((name) => `--${name}`)];
}

/** Options with a closed set of values, over all commands: name and values. */
function choicesOf(nouns: readonly Noun[]): [name: string, values: readonly string[]][] {
  const found = nouns.flatMap((noun) => noun.commands.flatMap((command) => Object.entries(command.options).flatMap(([name, option]) => (option.kind === 'value' && option.choices !== undefined ? [[name, option.choices] as [string, readonly string[]]] : []))));
  return found.filter(([name], index) => found.findIndex(([other]) => other === name) === index);
}

/** Options whose value is one of the names that the coordinator knows. */
function namedOptions(nouns: readonly Noun[]): string[] {
  const all = nouns.flatMap((noun) => noun.commands.flatMap((command) => Object.entries<Option>(command.options).filter(([, option]) => option.kind !== 'flag' && option.names === 'hosts').map(([name]) => name)));
  return [...new Set(all)].sort();
}

/** Options whose value is free: nothing is offered after them. */
function freeOptions(nouns: readonly Noun[]): string[] {
  const closed = [...choicesOf(nouns).map(([name]) => name), ...namedOptions(nouns)];
  const all = nouns.flatMap((noun) => noun.commands.flatMap((command) => Object.entries<Option>(command.options).filter(([, option]) => option.kind !== 'flag').map(([name]) => name)));
  return [...new Set(all)].filter((name) => !closed.includes(name)).sort();
}

/** Letters that stand for options with a value. */
function shortOptions(nouns: readonly Noun[]): string[] {
  const all = nouns.flatMap((noun) => noun.commands.flatMap((command) => Object.values<Option>(command.options).flatMap((option) => (option.kind === 'value' && option.short !== undefined ? [`-${option.short}`] : []))));
  return [...new Set(all)].sort();
}

function verbsOf(noun: Noun): string[] {
  return noun.commands.flatMap((command) => (command.path === noun.name ? [] : [command.path.slice(noun.name.length + 1)]));
}

/** The completion script for bash, without dependencies on bash-completion. */
export function renderBash(nouns: readonly Noun[]): string {
  const cases = nouns.flatMap((noun) => {
    const verbs = verbsOf(noun);
    const start = verbs.length === 0 ? [] : [`    '${noun.name} ') words='${verbs.join(' ')} --help' ;;`];
    return [...start, ...noun.commands.map((command) => `    '${command.path}${command.path === noun.name ? ' ' : ''}'*) words='${wordsOf(command).join(' ')}'${bashNames(command)} ;;`)];
  });
  return [
    '# Completion of reeve(1) for bash. Generated from the command tree by packaging/completion/generate.ts.',
    '_reeve() {',
    '  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} path= words= word skip= depth=0',
    '  local -a said=() names=()',
    '  COMPREPLY=()',
    '  case $previous in',
    ...choicesOf(nouns).map(([name, values]) => `    --${name}) COMPREPLY=($(compgen -W '${values.join(' ')}' -- "$current")); return ;;`),
    '    --socket) COMPREPLY=($(compgen -f -- "$current")); return ;;',
    `    ${namedOptions(nouns).map((name) => `--${name}`).join('|')}) COMPREPLY=($(compgen -W "$(reeve completion hosts 2>/dev/null)" -- "$current")); return ;;`,
    `    ${freeOptions(nouns).map((name) => `--${name}`).join('|')}) return ;;`,
    '  esac',
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    if [[ $skip ]]; then skip=; continue; fi',
    `    case $word in ${['socket', ...choicesOf(nouns).map(([name]) => name), ...namedOptions(nouns), ...freeOptions(nouns)].map((name) => `--${name}`).concat(shortOptions(nouns)).join('|')}) skip=1 ;; -*) ;; *) path="$path$word " ;; esac`,
    '  done',
    '  case $path in',
    `    '') words='${nouns.map((noun) => noun.name).join(' ')} --help --version' ;;`,
    ...cases,
    '  esac',
    '  read -ra said <<< "$path"',
    '  if [[ $current != -* ]]; then case ${names[${#said[@]}-depth]-} in',
    '    hosts) words="$words $(reeve completion hosts 2>/dev/null)" ;;',
    '    backups) words="$words $(reeve completion backups 2>/dev/null)" ;;',
    '    forwards) words="$words $(reeve completion forwards "${said[depth]}" 2>/dev/null)" ;;',
    '    vhosts) words="$words $(reeve completion vhosts "${said[${#said[@]}-1]}" 2>/dev/null)" ;;',
    '    certs) words="$words $(reeve completion certs "${said[${#said[@]}-1]}" 2>/dev/null)" ;;',
    '    containers) words="$words $(reeve completion containers "${said[${#said[@]}-1]}" 2>/dev/null)" ;;',
    '  esac; fi',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '}',
    'complete -F _reeve reeve',
    '',
  ].join('\n');
}

/** What the positionals of a command are names of, for the case of the command; `depth` is how many words stand before them. */
function bashNames(command: Command): string {
  const names = Object.values(command.positionals).map((positional: Positional) => positional.names ?? '-');
  return names.every((name) => name === '-') ? '' : ` depth=${String(command.path.split(' ').length)} names=(${names.join(' ')})`;
}

/** The completion script for zsh. `*::` makes words begin with the noun; one shift more and they begin with the verb, as _arguments wants it. */
export function renderZsh(nouns: readonly Noun[]): string {
  return [
    '#compdef reeve',
    '# Completion of reeve(1) for zsh. Generated from the command tree by packaging/completion/generate.ts.',
    "_reeve_hosts() { local -a found=(${(f)\"$(reeve completion hosts 2>/dev/null)\"}); _describe host found }",
    "_reeve_backups() { local -a found=(${(f)\"$(reeve completion backups 2>/dev/null)\"}); _describe job found }",
    "_reeve_forwards() { local -a found=(${(f)\"$(reeve completion forwards $line[1] 2>/dev/null)\"}); _describe forward found }",
    "_reeve_vhosts() { local -a found=(${(f)\"$(reeve completion vhosts $words[CURRENT-1] 2>/dev/null)\"}); _describe site found }",
    "_reeve_certs() { local -a found=(${(f)\"$(reeve completion certs $words[CURRENT-1] 2>/dev/null)\"}); _describe certificate found }",
    "_reeve_containers() { local -a found=(${(f)\"$(reeve completion containers $words[CURRENT-1] 2>/dev/null)\"}); _describe container found }",
    '_reeve() {',
    "  local context state state_descr line ret=1",
    '  typeset -A opt_args',
    "  local -a every=('--help[Show help]' " + Object.entries<Option>(globalOptions).map(([name, option]) => zshOption(name, option)).join(' ') + ')',
    "  _arguments -C $every '--version[Show the version]' '1: :->noun' '*:: :->rest' && ret=0",
    '  case $state in',
    `    noun) local -a nouns=(${nouns.map((noun) => zshQuote(`${noun.name}:${zshEscape(noun.summary)}`)).join(' ')}); _describe noun nouns && ret=0 ;;`,
    '    rest) case $line[1] in',
    ...nouns.flatMap(zshNoun),
    '    esac ;;',
    '  esac',
    '  return ret',
    '}',
    '_reeve "$@"',
    '',
  ].join('\n');
}

function zshNoun(noun: Noun): string[] {
  const [only] = noun.commands;
  if (only !== undefined && only.path === noun.name) return [`      ${noun.name}) _arguments $every ${zshArguments(only)} && ret=0 ;;`];
  const verbs = noun.commands.map((command) => zshQuote(`${command.path.slice(noun.name.length + 1)}:${zshEscape(command.summary)}`)).join(' ');
  return [
    `      ${noun.name})`,
    `        if (( CURRENT == 2 )); then local -a verbs=(${verbs}); _describe verb verbs && ret=0`,
    '        else shift words; (( CURRENT-- )); case $words[1] in',
    ...noun.commands.map((command) => `          ${command.path.slice(noun.name.length + 1)}) _arguments $every ${zshArguments(command)} && ret=0 ;;`),
    '        esac; fi ;;',
  ];
}

function zshArguments(command: Command): string {
  const positionals = Object.entries<Positional>(command.positionals).map(([name, { choices, optional, many, rest, names }]) => zshQuote(`${many === true || rest === true ? '*' : optional === true ? ':' : ''}:${name}:${zshAction(choices, names)}`));
  return [...Object.entries<Option>(command.options).map(([name, option]) => zshOption(name, option)), ...positionals].join(' ').trim();
}

function zshOption(name: string, option: Option): string {
  const text = `--${name}[${zshEscape(option.text).replaceAll('[', '\\[').replaceAll(']', '\\]')}]`;
  switch (option.kind) {
    case 'flag':
      return zshQuote(text);
    case 'list':
      return zshQuote(`*${text}:${option.value.toLowerCase().replaceAll(':', ' ')}:${zshAction(undefined, option.names)}`);
    case 'value': {
      const values = name === 'socket' ? '_files' : zshAction(option.choices, option.names);
      return zshQuote(`${text}:${option.value.toLowerCase().replaceAll(':', ' ')}:${values}`);
    }
  }
}

function zshAction(choices: readonly string[] | undefined, names: Names | undefined): string {
  if (names !== undefined) return `_reeve_${names}`;
  return choices === undefined ? ' ' : `(${choices.join(' ')})`;
}

function zshEscape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll(':', '\\:');
}

function zshQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
