import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { policyOperations } from '../gen/privd.js';
import { evaluatePolicy, parsePolicy, type Policy, type PolicyVerdict } from './policy.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const presets = ['observe', 'minimal', 'web', 'standard', 'full'];
const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0', '\\': '\\' };
const unescape = (text: string): string => text.replace(/\\([ntr0\\])/g, (_all, char: string) => escapes[char] ?? '');

/** The answer to one request line, in the form of `reeve-privd --explain`. */
function explain(policy: Policy, request: string): string {
  const [name = '', ...words] = request.split(' ');
  const operation = policyOperations.find((row) => row.name === name);
  const args: Record<string, string> = {};
  for (const word of words) {
    const equals = word.indexOf('=');
    const key = word.slice(0, Math.max(equals, 0));
    if (equals < 0 || operation?.keys.some((row) => row.name === key) !== true || args[key] !== undefined) return 'bad\t0\t';
    args[key] = word.slice(equals + 1);
  }
  if (operation === undefined) return 'bad\t0\t';
  const verdict: PolicyVerdict = evaluatePolicy(policy, name, args);
  switch (verdict.kind) {
    case 'allow': return `allow\t${String(verdict.line)}\t`;
    case 'deny': return `deny\t${String(verdict.line)}\t${verdict.wanted}`;
    case 'none': return `none\t0\t${verdict.wanted}`;
  }
}

/** What `reeve-privd --explain` prints for a policy and its requests. */
function explainAll(text: string, requests: readonly string[]): string[] {
  const parsed = parsePolicy(text);
  if (parsed.kind === 'problems') return parsed.problems.map((problem) => `problem\t${String(problem.line)}\t${problem.text}`);
  return requests.map((request) => explain(parsed.policy, request));
}

const cases = readFileSync(join(root, 'packaging/policy/cases.tsv'), 'utf8').split('\n').slice(1).filter((line) => line !== '')
  .map((line) => line.split('\t')).map(([policy = '', request = '', expected = '']) => ({ policy, request, expected }));

test('the table has at least 200 cases', () => { expect(cases.length).toBeGreaterThanOrEqual(200); });

describe('every case of the table is decided as the table says', () => {
  test.each(cases)('$policy | $request | $expected', ({ policy, request, expected }) => {
    const parsed = parsePolicy(unescape(policy));
    if (parsed.kind === 'problems') {
      expect(`problem ${parsed.problems.map((problem) => String(problem.line)).join(',')}`).toBe(expected);
      return;
    }
    const [kind = '', line = ''] = explain(parsed.policy, request).split('\t');
    expect(kind === 'none' || kind === 'bad' ? kind : `${kind} ${line}`).toBe(expected);
  });
});

test('the line that a refusal shows would allow the request', () => {
  for (const { policy, request, expected } of cases) {
    const parsed = parsePolicy(unescape(policy));
    if (expected !== 'none' || parsed.kind === 'problems' || request.includes(',')) continue;
    const wanted = explain(parsed.policy, request).split('\t')[2] ?? '';
    const again = parsePolicy(`version 1\n${wanted}\n`);
    if (again.kind === 'problems') continue; // values that no policy can name, such as an empty group
    expect(explain(again.policy, request).split('\t')[0]).toBe('allow');
  }
});

test('a text of more than 64 KiB is refused as a whole', () => {
  const parsed = parsePolicy(`version 1\n${'# x\n'.repeat(20_000)}`);
  expect(parsed).toEqual({ kind: 'problems', problems: [{ line: 1, text: 'the file is larger than 65536 bytes' }] });
});

describe('presets', () => {
  const load = (name: string): Policy => {
    const parsed = parsePolicy(readFileSync(join(root, 'packaging/policy', name), 'utf8'));
    if (parsed.kind === 'problems') throw new Error(JSON.stringify(parsed.problems));
    return parsed.policy;
  };
  test('each of them has a comment for every line', () => {
    for (const name of presets) {
      const lines = readFileSync(join(root, 'packaging/policy', name), 'utf8').trimEnd().split('\n');
      lines.forEach((line, at) => { if (line.startsWith('allow')) expect(lines[at - 1], `${name}: ${line}`).toMatch(/^# /); });
    }
  });
  test('observe has no writing operation', () => {
    expect(load('observe').lines.map((line) => line.operation)).toEqual(['fact.read', 'observe.user', 'observe.key', 'observe.nat', 'observe.vhost', 'observe.cert', 'observe.backup', 'observe.container', 'unit.status', 'unit.log', 'reach.check']);
  });
  test('none of them leads to root', () => {
    for (const name of presets) {
      const policy = load(name);
      expect(evaluatePolicy(policy, 'user.adopt', { name: 'root', system: 'yes' }).kind).toBe('none');
      expect(evaluatePolicy(policy, 'key.put', { name: 'root', 'root-keys': 'yes' }).kind).toBe('none');
      for (const group of ['root', 'sudo', 'adm', 'docker', 'disk', 'shadow', 'lxd', 'kvm']) {
        expect(evaluatePolicy(policy, 'group.member', { name: 'a', group }).kind).toBe('none');
      }
      expect(evaluatePolicy(policy, 'user.add', { name: 'a', uid: '999', shell: '/bin/sh', kind: 'system' }).kind).toBe('none');
      expect(evaluatePolicy(policy, 'vhost.snippet', { name: 'a', sha256: 'ab'.repeat(32) }).kind).toBe('none');
      expect(evaluatePolicy(policy, 'vhost.serve', { folder: '/home/a' }).kind).toBe('none');
      expect(evaluatePolicy(policy, 'cert.write', { name: 'a', group: 'shadow' }).kind).toBe('none');
      for (const operation of ['container.host-ids', 'container.host-network']) expect(evaluatePolicy(policy, operation, { name: 'a' }).kind).toBe('none');
      expect(evaluatePolicy(policy, 'container.device', { name: 'a', path: '/dev/sda' }).kind).toBe('none');
      expect(evaluatePolicy(policy, 'container.socket', { name: 'a', path: '/run/docker.sock' }).kind).toBe('none');
      for (const folder of ['/', '/etc', '/srv', '/home/a']) expect(evaluatePolicy(policy, 'container.volume', { folder }).kind).toBe('none');
      for (const unit of ['nginx.service', 'ssh.service', 'reeve-agent.service']) expect(evaluatePolicy(policy, 'unit.restart', { unit }).kind).toBe('none');
    }
  });
});

test('every preset lets Reeve itself be read, and nothing else', () => {
  for (const name of presets) {
    const parsed = parsePolicy(readFileSync(join(root, 'packaging/policy', name), 'utf8'));
    if (parsed.kind === 'problems') throw new Error(JSON.stringify(parsed.problems));
    const folder = join(root, 'packaging/units');
    const units = readdirSync(folder).filter((unit) => /^[^@]*\.(?:service|socket)$/.test(unit) && readFileSync(join(folder, unit), 'utf8').includes('man:reeve-agent(8)'));
    expect(units).toContain('reeve-privd.service');
    for (const operation of ['unit.status', 'unit.log']) {
      for (const unit of units) expect([name, unit, evaluatePolicy(parsed.policy, operation, { unit }).kind]).toEqual([name, unit, 'allow']);
      for (const unit of ['nginx.service', 'ssh.service', 'reeve-container-web.service']) expect(evaluatePolicy(parsed.policy, operation, { unit }).kind).toBe('none');
    }
  }
});

/** Numbers from a seed (mulberry32), so that a disagreement can be repeated. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const helper = process.env['REEVE_PRIVD'] ?? join(root, 'build/reeve-privd/reeve-privd');
const wantedRequests = Number(process.env['REEVE_POLICY_REQUESTS'] ?? '100000');

test.skipIf(!existsSync(helper))('the helper and this module agree on random policies and requests', { timeout: 300_000 }, () => {
  const random = randomFrom(Number(process.env['REEVE_SEED'] ?? '1'));
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const words: Readonly<Record<string, readonly string[]>> = {
    name: ['a', 'ab', 'abc', 'web', 'web1', 'a*', 'web*', '*', '', 'A', 'b-c', 'ab*c', 'root'],
    uid: ['20000', '29999', '20000-20010', '30000', '0', '4294967295', '4294967296', '5-3', '007', '20005-29000', 'x', '1000-60000', '20000*'],
    shell: ['/bin/sh', '/bin/bash', '/bin/zsh', '/bin/false', '/usr/sbin/nologin', '/bin/*', ''],
    kind: ['home', 'system', 'other', 'home*'], system: ['yes', 'no', 'y'], group: ['users', 'www-data', 'sudo', '', 'sud*'],
    'root-keys': ['yes', 'no', 'maybe'], 'max-stale': ['0', '60', '86400', '4294967295', '4294967296', '01', '1-2', 'x'], nope: ['1'],
  };
  const operations = [...policyOperations.map((row) => row.name), 'nope'];
  const keysOf = (operation: string): string[] => policyOperations.find((row) => row.name === operation)?.keys.map((row) => row.name) ?? [];
  const word = (operation: string, careful: boolean): string => {
    const keys = keysOf(operation);
    const key = keys.length > 0 && (careful || random(60) > 0) ? pick(keys) : 'nope';
    const count = random(3) === 0 ? 2 : 1;
    return `${key}${random(200) === 0 ? '' : '='}${Array.from({ length: count }, () => pick(words[key] ?? ['1'])).join(',')}`;
  };
  const policyText = (broken: boolean): string => {
    const lines = ['version 1'];
    for (let i = random(8); i >= 0; i--) {
      const operation = pick(broken ? operations : operations.slice(0, -1));
      const line = [pick(['allow', 'allow', 'deny']), operation, ...Array.from({ length: random(4) }, () => word(operation, !broken))];
      if (!broken && parsePolicy(`version 1\n${line.join(' ')}`).kind !== 'policy') continue;
      lines.push(`${line.join(pick([' ', '  ', '\t']))}${pick(['', '', ' # why', ' #', '\t'])}`);
    }
    if (broken && random(20) === 0) lines.splice(random(lines.length), 0, pick(['\r', 'ä', '#ä', '\x01', '', 'version 1', '#']));
    return lines.join('\n') + pick(['\n', '', '\n\n']);
  };
  const dir = mkdtempSync(join(tmpdir(), 'policy-'));
  let requests = 0;
  let policies = 0;
  let broken = 0;
  try {
    while (requests < wantedRequests) {
      const text = policyText(policies % 4 === 0);
      const asked = Array.from({ length: 250 }, () => {
        const operation = pick(operations);
        return [operation, ...Array.from({ length: random(4) }, () => word(operation, true))].join(' ');
      });
      const file = join(dir, 'policy');
      writeFileSync(file, text);
      let answers: string;
      try {
        answers = execFileSync(helper, ['--explain', file], { input: `${asked.join('\n')}\n`, encoding: 'utf8' });
      } catch (error) {
        answers = String((error as { stdout?: unknown }).stdout);
      }
      const mine = explainAll(text, asked);
      expect(answers.trimEnd().split('\n').map((line) => line.trimEnd()), text).toEqual(mine.map((line) => line.trimEnd()));
      if (mine[0]?.startsWith('problem') === true) broken++;
      else requests += asked.length;
      policies++;
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
  process.stdout.write(`policy: ${String(requests)} requests, ${String(policies)} policies (${String(broken)} with problems), 0 disagreements\n`);
});
