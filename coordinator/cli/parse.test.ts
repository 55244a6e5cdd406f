import { describe, expect, it } from 'vitest';
import { ReeveError } from '../../shared/errors/error.js';
import { parseLine } from './parse.js';
import { allCommands, nouns } from './tree.js';

const parse = (text: string) => parseLine(nouns, '1', text === '' ? [] : text.split(' '));
const codeOf = (text: string): string => {
  try {
    parse(text);
    return 'none';
  } catch (error) {
    return error instanceof ReeveError ? `${error.code}: ${error.message}` : 'bug';
  }
};

describe('the command line', () => {
  it.each([
    ['', 'FIELD_MISSING: the noun is missing: one of init, '],
    ['host', 'FIELD_MISSING: the verb is missing: one of add, invite, '],
    ['nonsense', 'FIELD_UNKNOWN: "nonsense" is not known here: see "reeve --help"'],
    ['host nonsense', 'FIELD_UNKNOWN: "nonsense" is not known here: see "reeve host --help"'],
    ['host list extra', 'FIELD_UNKNOWN: "extra" is not known here: see "reeve host list --help"'],
    ['host list -- --json', 'FIELD_UNKNOWN: "--json" is not known'],
    ['host list --yes', 'FIELD_UNKNOWN: "yes" is not known'],
    ['host list --__proto__ x', 'FIELD_UNKNOWN: '],
    ['host show', 'FIELD_MISSING: an argument is missing: see "reeve host show --help"'],
    ['user add ada', 'FIELD_MISSING: --on is missing: see "reeve user add --help"'],
    ['user add ada --on', 'FIELD_MISSING: the value of --on is missing'],
    ['host list --on a --on b', 'FIELD_INVALID: --on "a b" is not allowed: it can be given once'],
    ['user add ada --on all --home --system', 'FIELD_INVALID: --system "given" is not allowed: it cannot stand with --home'],
    ['user add ada --on all --plan --stage', 'FIELD_INVALID: --stage "given" is not allowed: it cannot stand with --plan'],
    ['operator add ada --role root', 'FIELD_INVALID: --role "root" is not allowed: one of viewer, operator, admin'],
    ['completion fish', 'FIELD_INVALID: what "fish" is not allowed: one of bash, zsh'],
    ['nat add web1 --port 80 --to a:1', 'FIELD_MISSING: --proto is missing: see "reeve nat add --help"'],
    ['nat add web1 --proto icmp --port 80 --to a:1', 'FIELD_INVALID: --proto "icmp" is not allowed: one of tcp, udp'],
    ['nat add web1 --proto tcp --port 80 --to a:1 --listen 192.0.2.1 --interface eth0', 'FIELD_INVALID: --interface "given" is not allowed: it cannot stand with --listen'],
    ['nat remove web1 1 --stage --confirm manual', 'FIELD_INVALID: --confirm "given" is not allowed: it cannot stand with --stage'],
    ['nat remove web1 1 2', 'FIELD_UNKNOWN: "2" is not known here'],
    ['nat adopt web1 --confirm never', 'FIELD_INVALID: --confirm "never" is not allowed: one of auto, manual'],
    ['host list --no-json', 'FIELD_UNKNOWN: '],
  ])('"%s" is refused', (line, expected) => {
    expect(codeOf(line)).toContain(expected);
  });

  it('keeps texts as they were typed', () => {
    expect(parse('host invite 007 --label a.b=1 --label c=0x10 --parent 1e3')).toMatchObject({ args: { name: '007', label: ['a.b=1', 'c=0x10'], parent: '1e3' } });
    expect(parse('host list --on=a=b --json')).toMatchObject({ args: { on: 'a=b', retired: false }, json: true });
    expect(parse('whoami --socket /x')).toMatchObject({ socket: '/x', json: false });
  });

  it('takes a lone dash for what it is', () => {
    expect(parse('key add ada -')).toMatchObject({ args: { person: 'ada', file: '-' } });
    expect(parse('key add ada - --plan')).toMatchObject({ args: { file: '-', plan: true } });
    expect(parseLine(nouns, '1', ['key', 'add', 'ada', ''])).toMatchObject({ args: { file: '' } });
  });

  it('takes letters for options, and what stands behind -- as it is', () => {
    expect(parse('container logs web1 shop -f -n 5')).toMatchObject({ args: { follow: true, lines: '5' } });
    expect(parse('container add web1 shop --yes -- sh -f --yes -- 01')).toMatchObject({ args: { yes: true, command: ['sh', '-f', '--yes', '--', '01'] } });
    expect(parse('container add web1 shop')).toMatchObject({ args: { command: [] } });
    expect(codeOf('container add web1 shop sh')).toContain('FIELD_UNKNOWN: "sh" is not known here');
    expect(codeOf('container logs web1 shop -x')).toContain('FIELD_UNKNOWN: "x" is not known');
  });

  it('gives a positional that may be repeated all that is left', () => {
    expect(parse('nat adopt web1')).toMatchObject({ args: { host: 'web1', which: [] } });
    expect(parse('nat adopt web1 tcp/1 --all tcp/2 --json')).toMatchObject({ args: { host: 'web1', which: ['tcp/1', 'tcp/2'], all: true }, json: true });
  });

  it('has a summary that begins with a verb and ends without a full stop, and unique paths', () => {
    const commands = allCommands();
    expect(new Set(commands.map((command) => command.path)).size).toBe(commands.length);
    for (const { path, summary } of commands) expect([path, /^[A-Z][a-z]+ .*[^.]$/.test(summary)]).toEqual([path, true]);
  });
});
