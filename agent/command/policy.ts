import { constants, existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { policyOperations } from '../../shared/gen/privd.js';
import { evaluatePolicy, parsePolicy, type PolicyProblem, type PolicyVerdict } from '../../shared/model/policy.js';
import { vis } from '../../shared/model/vis.js';
import { checkPolicyByHelper, chooseEditor, runEditor } from '../host/editor.js';
import { moveWhole, readCapped, removeWhole, setMode, writeWhole } from '../host/file.js';
import { isRoot } from '../host/privilege.js';
import { readPolicyFile } from '../host/system.js';
import { helperProgram } from '../paths.js';
import type { AgentOptions } from './options.js';

/** `reeve-agent policy explain OP [key=value...]`: which line allows or denies it, or which line would. True: it is allowed. */
export function runExplain(options: AgentOptions, words: readonly string[]): boolean {
  const [name = '', ...rest] = words;
  const operation = policyOperations.find((row) => row.name === name);
  if (operation === undefined) {
    throw reeveError('FIELD_UNKNOWN', { field: `operation "${vis(name)}"`, rule: `the operations are ${policyOperations.map((row) => row.name).join(', ')}` });
  }
  const args: Record<string, string> = {};
  for (const word of rest) {
    const at = word.indexOf('=');
    const key = operation.keys.find((row) => row.name === word.slice(0, Math.max(at, 0)));
    if (key === undefined) {
      const keys = operation.keys.map((row) => row.name).join(', ');
      throw reeveError('FIELD_UNKNOWN', { field: `"${vis(word)}"`, rule: keys === '' ? `${name} has no keys` : `the keys of ${name} are ${keys}, as key=value` });
    }
    args[key.name] = word.slice(at + 1);
  }
  const file = readPolicyFile(options.paths.policy, options.custom ? [0, process.geteuid?.() ?? 0] : [0]);
  if (file.kind === 'fault') throw reeveError('POLICY_UNUSABLE', { host: hostname(), reason: file.reason });
  const { text } = file;
  const parsed = parsePolicy(text);
  if (parsed.kind === 'problems') throw new ReeveError(parsed.problems.map((problem) => ({ code: 'FIELD_INVALID', fields: { field: `${options.paths.policy} line ${String(problem.line)}`, value: vis(lineOf(text, problem.line)), rule: problem.text } })));
  const verdict = evaluatePolicy(parsed.policy, name, args);
  process.stdout.write(`${vis(describeVerdict(verdict, text))}\n`);
  return verdict.kind === 'allow';
}

function describeVerdict(verdict: PolicyVerdict, text: string): string {
  switch (verdict.kind) {
    case 'allow':
      return `allowed by line ${String(verdict.line)}: ${lineOf(text, verdict.line)}`;
    case 'deny':
      return `denied by line ${String(verdict.line)}: ${lineOf(text, verdict.line)}`;
    case 'none':
      return `not allowed; this line would allow it: ${verdict.wanted}`;
  }
}

function lineOf(text: string, number: number): string {
  return (text.split('\n')[number - 1] ?? '').trim().slice(0, 200);
}

/** `reeve-agent policy edit`: an editor on a copy, checked by both parsers, put in place in one step. True: the policy is another now. */
export async function runEdit(options: AgentOptions): Promise<boolean> {
  const { policy } = options.paths;
  if (!isRoot() && !options.custom) throw reeveError('FIELD_INVALID', { field: 'account', value: String(process.geteuid?.() ?? ''), rule: 'only root edits the policy' });
  const before = existsSync(policy) ? (readCapped(policy, 1024 * 1024, constants.O_RDONLY | constants.O_NOFOLLOW)?.bytes ?? Buffer.alloc(0)) : Buffer.from('version 1\n');
  const copy = join(dirname(policy), `.policy.edit.${String(process.pid)}`);
  writeWhole(copy, before);
  try {
    for (;;) {
      if (!runEditor(chooseEditor(process.env['VISUAL'] ?? process.env['EDITOR']), copy)) {
        process.stderr.write('The editor did not end well; the policy is as it was.\n');
        return false;
      }
      const after = readFileSync(copy);
      if (after.equals(before)) {
        process.stdout.write('Nothing was changed.\n');
        return false;
      }
      const problems = checkBoth(after.toString('utf8'), copy);
      if (problems.length === 0) break;
      for (const problem of problems) process.stderr.write(`line ${String(problem.line)}: ${vis(problem.text)}\n`);
      if (!(await askAgain())) {
        process.stdout.write('The policy is as it was.\n');
        return false;
      }
    }
    setMode(copy, 0o644);
    moveWhole(copy, policy);
    process.stdout.write('The new policy is in force.\n');
    return true;
  } finally {
    removeWhole(copy);
  }
}

function checkBoth(text: string, path: string): readonly PolicyProblem[] {
  const parsed = parsePolicy(text);
  if (parsed.kind === 'problems') return parsed.problems;
  return checkPolicyByHelper(helperProgram, path) ?? [];
}

async function askAgain(): Promise<boolean> {
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await prompt.question('Edit again (e) or discard the changes (d)? [e] ');
    return answer.trim() === '' || answer.trim().toLowerCase().startsWith('e');
  } finally {
    prompt.close();
  }
}
