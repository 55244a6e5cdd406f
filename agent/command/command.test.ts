import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReeveError } from '../../shared/errors/error.js';
import { parseAgentConfig } from '../config.js';
import { chooseEditor } from '../host/editor.js';
import { readPolicyFile } from '../host/system.js';
import { parseOptions } from './options.js';

const script = join(import.meta.dirname, '..', 'main.ts');
let folder: string;
let policy: string;

const run = (argv: readonly string[], options: { input?: string; env?: Record<string, string> } = {}): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, ['--import', 'tsx', script, ...argv], { encoding: 'utf8', input: options.input ?? '', env: { ...process.env, ...options.env } });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reeve-command-'));
  chmodSync(folder, 0o755);
  policy = join(folder, 'policy');
  writeFileSync(policy, 'version 1\nallow user.add name=web-* uid=20000-20999\ndeny user.add name=web-root\nallow fact.read\n', { mode: 0o644 });
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('reeve-agent', () => {
  it('helps, with examples', () => {
    const { status, stdout } = run(['--help']);
    expect(status).toBe(0);
    expect(stdout).toContain('reeve-agent policy explain user.add name=ada uid=20001');
    expect(run(['--version']).stdout).toMatch(/^reeve-agent [0-9]/);
  });

  it.each([
    [['nonsense'], 2, /command "nonsense" is not known here/],
    [['join', 'reeve1_secret'], 2, /join reads its token from standard input/],
    [['serve', '--nonsense'], 2, /--nonsense is not known here/],
    [['policy', 'explain', 'user.fly'], 2, /operation "user.fly"/],
    [['policy', 'explain', 'user.add', 'shoe=1'], 2, /the keys of user.add are name, uid, shell, kind/],
  ])('refuses %j as the user\'s mistake', (argv, status, message) => {
    const result = run([...argv, '--policy', policy, '--state', folder]);
    expect(result.status).toBe(status);
    expect(result.stderr).toMatch(message);
    expect(result.stderr).not.toContain('reeve1_secret');
    expect(result.stderr).not.toContain('    at ');
  });

  it('never shows a token that it cannot use', () => {
    const result = run(['join', '--state', folder], { input: 'reeve1_c2VjcmV0LXRva2Vu' });
    expect(result.status).toBe(2);
    expect(result.stderr).toContain('join token "(not shown)" is not allowed');
    expect(result.stderr).not.toContain('c2VjcmV0');
  });

  it.each([
    [['user.add', 'name=web-1', 'uid=20001'], 0, 'allowed by line 2: allow user.add name=web-* uid=20000-20999\n'],
    [['user.add', 'name=web-root'], 1, 'denied by line 3: deny user.add name=web-root\n'],
    [['user.add', 'name=ada'], 1, 'not allowed; this line would allow it: allow user.add name=ada\n'],
    [['fact.read'], 0, 'allowed by line 4: allow fact.read\n'],
  ])('explains %j', (words, status, stdout) => {
    expect(run(['policy', 'explain', ...words, '--policy', policy])).toMatchObject({ status, stdout });
  });

  it('tells its status without an identity and without a helper', () => {
    const { status, stdout } = run(['status', '--state', folder, '--policy', policy, '--helper', join(folder, 'none')]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/fleet +not joined/);
    expect(stdout).toMatch(/helper +does not answer: ENOENT/);
    expect(stdout).toMatch(/policy +ok/);
  });
});

describe('policy edit', () => {
  const editor = (text: string): string => {
    const path = join(folder, 'editor');
    writeFileSync(path, `#!/bin/sh\ncat > "$1" <<'E'\n${text}E\n`, { mode: 0o755 });
    return path;
  };

  it('puts a good policy in place in one step, readable by everybody', () => {
    const result = run(['policy', 'edit', '--policy', policy], { env: { VISUAL: editor('version 1\nallow observe.user\n') } });
    expect(result).toMatchObject({ status: 0, stdout: 'The new policy is in force.\n' });
    expect(readFileSync(policy, 'utf8')).toBe('version 1\nallow observe.user\n');
    expect(statSync(policy).mode & 0o777).toBe(0o644);
    expect(readdirSync(folder).filter((name) => name.startsWith('.policy'))).toEqual([]);
  });

  it('shows what is wrong with its line, and leaves the policy as it was', () => {
    const before = readFileSync(policy, 'utf8');
    const result = run(['policy', 'edit', '--policy', policy], { env: { VISUAL: editor('version 1\nallow everything\n') }, input: 'd\n' });
    expect(result.stderr).toContain('line 2: unknown operation "everything"');
    expect(result.stdout).toContain('The policy is as it was.');
    expect(readFileSync(policy, 'utf8')).toBe(before);
    expect(readdirSync(folder).filter((name) => name.startsWith('.policy'))).toEqual([]);
  });

  it.each([
    [undefined, '/usr/bin/editor'],
    ['nano; id', '/usr/bin/editor'],
    ['vim -u /tmp/x', '/usr/bin/editor'],
    ['./here', '/usr/bin/editor'],
    ['-x', '/usr/bin/editor'],
    ['/bin/sh', '/bin/sh'],
    ['no-such-editor', '/usr/bin/editor'],
  ])('takes %j for the editor %s', (wanted, path) => {
    expect(chooseEditor(wanted)).toBe(path);
  });
});

describe('the policy file', () => {
  const me = process.geteuid?.() ?? 0;

  it('is read whole', () => {
    expect(readPolicyFile(policy, [me])).toMatchObject({ kind: 'text' });
  });

  it.each<[string, () => void, string]>([
    ['is missing', () => rmSync(policy), 'missing'],
    ['belongs to somebody else', () => undefined, 'owner'],
    ['can be written by others', () => chmodSync(policy, 0o666), 'mode'],
    ['lies where others can write', () => chmodSync(folder, 0o777), 'mode'],
    ['is too large', () => writeFileSync(policy, 'x'.repeat(65537)), 'size'],
    ['is a link', () => { rmSync(policy); execFileSync('/bin/ln', ['-s', '/etc/passwd', policy]); }, 'type'],
    ['is a pipe', () => { rmSync(policy); execFileSync('/usr/bin/mkfifo', [policy]); }, 'type'],
    ['is a folder', () => { rmSync(policy); execFileSync('/bin/mkdir', [policy]); }, 'type'],
  ])('is refused when it %s', (_name, damage, fault) => {
    damage();
    expect(readPolicyFile(policy, fault === 'owner' ? [me + 1] : [me])).toMatchObject({ kind: 'fault', fault });
  });
});

describe('reeve-agent hold', () => {
  const hold = (...words: string[]): ReturnType<typeof run> => run(['hold', ...words, '--policy', policy, '--state', folder]);

  it('sets holds, lists them, and ends them', () => {
    expect(hold().stdout).toBe('Nothing is held.\n');
    const set = hold('--for', '4h', '--reason', 'disk swap');
    expect(set).toMatchObject({ status: 0, stderr: '' });
    expect(set.stdout).toMatch(/^This host is held until \d{4}-.*Z by [a-z]+ on the host itself: disk swap\n.*reeve-agent hold --end\n$/);
    expect(statSync(join(folder, 'hold')).mode & 0o777).toBe(0o644);
    expect(hold('--noun', 'user', '--for', '1m', '--reason', 'look', '--json').status).toBe(0);
    expect(JSON.parse(hold('--json').stdout)).toMatchObject({ holds: [{ noun: '', reason: 'disk swap' }, { noun: 'user', reason: 'look' }] });
    // Set again, it replaces the one there was.
    hold('--noun', 'user', '--for', '2m', '--reason', 'longer');
    expect(hold().stdout.split('\n')[1]).toMatch(/^noun user: held until .*: longer$/);
    expect(hold('--end', '--noun', 'user').stdout).toMatch(/^The hold has ended/);
    expect(hold().stdout).toMatch(/^all nouns: held until .*: disk swap\n$/);
    expect(JSON.parse(hold('--end', '--json').stdout)).toEqual({ ended: 1 });
    expect(readdirSync(folder)).toEqual(['policy']);
    expect(hold('--end').stdout).toBe('There was no hold to end.\n');
  });

  it.each([
    [['--for', '59s', '--reason', 'x'], /length of the hold "59s" is not allowed: 1m to 30d/],
    [['--for', '31d', '--reason', 'x'], /length of the hold/],
    [['--for', 'soon', '--reason', 'x'], /length of the hold "soon" is not allowed/],
    [['--for', '4h'], /reason is missing/],
    [['--reason', 'x'], /length of the hold is missing/],
    [['--for', '4h', '--reason', 'a\nb'], /reason "a\\u\{a\}b" is not allowed/],
    [['--for', '4h', '--reason', 'x', '--noun', 'nonsense'], /noun "nonsense" is not allowed: one of relay, user/],
    [['--end', '--for', '4h'], /--end/],
    [['--noun', 'user'], /--for is missing/],
    [['now'], /this command takes none/],
  ])('refuses %j, and holds nothing', (words, message) => {
    const refused = hold(...words);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(message);
    expect(readdirSync(folder)).toEqual(['policy']);
  });

  it('does not build on a file that others can write, and --end removes one that cannot be read', () => {
    writeFileSync(join(folder, 'hold'), '{"version":1,"holds":[]}', { mode: 0o644 });
    chmodSync(join(folder, 'hold'), 0o666);
    expect(hold('--for', '4h', '--reason', 'x')).toMatchObject({ status: 2, stderr: expect.stringContaining('others than root can write the hold file') as string });
    expect(hold().stdout).toMatch(/held until it is ended by hand .*the file of holds cannot be used/);
    expect(hold('--end').stdout).toMatch(/^The hold has ended/);
    expect(hold('--for', '4h', '--reason', 'x').status).toBe(0);
  });
});

describe('agent.conf', () => {
  it('has defaults', () => {
    expect(parseAgentConfig('')).toEqual({ listen: undefined, logLevel: 'info' });
  });

  it('takes a listen address and a log level, with comments', () => {
    expect(parseAgentConfig('# settings\nlisten 192.0.2.7   # inner network\n\nlog-level warn\n')).toEqual({ listen: { address: '192.0.2.7', port: 7420 }, logLevel: 'warn' });
    expect(parseAgentConfig('listen [2001:db8::7]:7000').listen).toEqual({ address: '2001:db8::7', port: 7000 });
  });

  it('names all that is wrong with it', () => {
    try {
      parseAgentConfig('listen nowhere\ncolour blue\nlog-level loud\nlog-level info\nlog-level info\n');
      expect.unreachable();
    } catch (error) {
      expect((error as ReeveError).items.map((item) => item.fields['field'])).toEqual(['agent.conf line 1: listen', 'agent.conf line 2: colour', 'agent.conf line 3: log-level', 'agent.conf line 5: log-level']);
    }
  });
});

describe('the command line', () => {
  it('takes places from flags', () => {
    expect(parseOptions(['serve', '--state', '/s', '--listen', '127.0.0.1:0'])).toMatchObject({ words: ['serve'], custom: true, listen: { address: '127.0.0.1', port: 0 }, paths: { state: '/s', policy: '/etc/reeve/policy' } });
    expect(parseOptions(['serve'])).toMatchObject({ custom: false, listen: undefined });
  });

  it('refuses a flag without a value', () => {
    expect(() => parseOptions(['--state'])).toThrow(ReeveError);
  });
});
