/**
 * The policy language of a host: which operations any coordinator may do there. The same grammar, sentences and decisions as native/reeve-privd/policy.c
 * and policy_match.c, which have the last word; here they give early, friendly errors. packaging/policy/README describes the language for people.
 */
import { policyMaxBytes, policyOperations, type PolicyKeyRow, type PolicyOperationRow } from '../gen/privd.js';
import { utf8Length } from './bytes.js';

/** One `allow` or `deny` line. `values` has the comma-separated text of each key given; keys left out are missing. */
export interface PolicyLine {
  /** Line number in the file, from 1. */
  readonly number: number;
  readonly effect: 'allow' | 'deny';
  readonly operation: string;
  readonly values: Readonly<Record<string, string>>;
}

/** A parsed policy, lines in the order of the file. */
export interface Policy { readonly lines: readonly PolicyLine[] }

/** What is wrong with one line. */
export interface PolicyProblem { readonly line: number; readonly text: string }

/** A policy, or everything that is wrong with its text. */
export type PolicyParse = { readonly kind: 'policy'; readonly policy: Policy } | { readonly kind: 'problems'; readonly problems: readonly PolicyProblem[] };

/** Values of an operation's keys in one request; a missing key was not asked for (no uid: the helper chooses). */
export type PolicyArgs = Readonly<Record<string, string | undefined>>;

/** The decision on one request. */
export type PolicyVerdict =
  /** `line`: the first line that allows it. */
  | { readonly kind: 'allow'; readonly line: number }
  /** `line`: the first line that denies it; `wanted`: what root would change. */
  | { readonly kind: 'deny'; readonly line: number; readonly wanted: string }
  /** Nothing allows it; `wanted`: the line that would. */
  | { readonly kind: 'none'; readonly wanted: string };

const uint32Max = 4_294_967_295;
const valuePattern = /^[A-Za-z0-9_./@:+-]*$/;
const plainWord = /^[A-Za-z0-9_./@:+-]{1,40}$/;
 
const control = /[\0-\x08\x0a-\x1f\x7f]/;

function parseNumber(text: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,9})$/.test(text)) return undefined;
  const value = Number(text);
  return value <= uint32Max ? value : undefined;
}

/** A range `a-b` or a single number; undefined when it is neither. */
function parseRange(text: string): { readonly low: number; readonly high: number } | undefined {
  const dash = text.indexOf('-');
  const low = parseNumber(dash < 0 ? text : text.slice(0, dash));
  const high = dash < 0 ? low : parseNumber(text.slice(dash + 1));
  return low === undefined || high === undefined || low > high ? undefined : { low, high };
}

function isOneNumber(key: PolicyKeyRow): boolean {
  return key.match === 'bound' || key.match === 'least';
}

function valueFits(key: PolicyKeyRow, value: string): boolean {
  if (isOneNumber(key)) return parseNumber(value) !== undefined;
  if (key.match === 'range') return parseRange(value) !== undefined;
  const literal = key.match === 'prefix' && value.endsWith('*') ? value.slice(0, -1) : value;
  return valuePattern.test(literal) && (key.values?.includes(literal) ?? true);
}

const findOperation = (name: string): PolicyOperationRow | undefined => policyOperations.find((operation) => operation.name === name);

/** Words up to a comment: separated by blanks and tabs, a word that begins with # ends the line. */
function wordsOf(line: string): string[] {
  const words = line.split(/[ \t]+/).filter((word) => word !== '');
  const comment = words.findIndex((word) => word.startsWith('#'));
  return comment < 0 ? words : words.slice(0, comment);
}

function parseKey(effect: PolicyLine['effect'], operation: PolicyOperationRow, word: string, values: Record<string, string>): string | undefined {
  const equals = word.indexOf('=');
  if (equals < 0) return 'key=value is wanted';
  const name = word.slice(0, equals);
  const key = operation.keys.find((row) => row.name === name);
  if (key === undefined) return plainWord.test(name) ? `operation "${operation.name}" has no key "${name}"` : 'a key is a plain word';
  if (values[name] !== undefined) return `key "${name}" is given twice`;
  const list = word.slice(equals + 1);
  if (isOneNumber(key) && effect === 'deny') return `key "${name}" is for allow lines only`;
  if (isOneNumber(key) && list.includes(',')) return `key "${name}" has one number`;
  for (const value of list.split(',')) {
    if (value === '') return `key "${name}" has an empty value`;
    if (!valueFits(key, value)) return `key "${name}" has a value that is not allowed`;
  }
  values[name] = list;
  return undefined;
}

function parseLine(number: number, words: readonly string[]): PolicyLine | string {
  const [effect, name, ...keys] = words;
  if (effect !== 'allow' && effect !== 'deny') return 'a line begins with "allow" or "deny"';
  if (name === undefined) return 'an operation is missing';
  const operation = findOperation(name);
  if (operation === undefined) return plainWord.test(name) ? `unknown operation "${name}"` : 'an operation is a plain word';
  const values: Record<string, string> = {};
  for (const word of keys) {
    const problem = parseKey(effect, operation, word, values);
    if (problem !== undefined) return problem;
  }
  return { number, effect, operation: name, values };
}

/** The policy in a text, or all its problems. */
export function parsePolicy(text: string): PolicyParse {
  if (utf8Length(text) > policyMaxBytes) {
    return { kind: 'problems', problems: [{ line: 1, text: `the file is larger than ${String(policyMaxBytes)} bytes` }] };
  }
  const problems: PolicyProblem[] = [];
  const lines: PolicyLine[] = [];
  let begun = false;
  for (const [index, line] of text.split('\n').entries()) {
    const number = index + 1;
    if (control.test(line)) {
      problems.push({ line: number, text: 'control characters are not allowed' });
      continue;
    }
    const words = wordsOf(line);
    if (words.length === 0) continue;
    if (!begun) {
      begun = true;
      if (words.join(' ') === 'version 1') continue;
      problems.push({ line: number, text: 'the first line must be "version 1"' });
      return { kind: 'problems', problems };
    }
    const parsed = parseLine(number, words);
    if (typeof parsed === 'string') problems.push({ line: number, text: parsed });
    else lines.push(parsed);
  }
  if (!begun && problems.length === 0) problems.push({ line: 1, text: 'the first line must be "version 1"' });
  return problems.length > 0 ? { kind: 'problems', problems } : { kind: 'policy', policy: { lines } };
}

function listMatches(key: PolicyKeyRow, list: string, value: string): boolean {
  if (isOneNumber(key)) {
    const [bound, number] = [parseNumber(list), parseNumber(value)];
    return bound !== undefined && number !== undefined && (key.match === 'bound' ? number <= bound : number >= bound);
  }
  return list.split(',').some((pattern) => {
    if (pattern === '') return false;
    if (key.match === 'range') {
      const range = parseRange(pattern);
      const number = parseNumber(value);
      return range !== undefined && number !== undefined && number >= range.low && number <= range.high;
    }
    return key.match === 'prefix' && pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : value === pattern;
  });
}

function lineMatches(line: PolicyLine, operation: PolicyOperationRow, args: PolicyArgs): boolean {
  return operation.keys.every((key) => {
    const given = line.values[key.name];
    const value = args[key.name];
    if (line.effect === 'deny') return given === undefined || (value !== undefined && listMatches(key, given, value));
    return value === undefined || listMatches(key, given ?? key.fallback, value);
  });
}

/**
 * Whether a policy allows an operation with these values. A line that denies wins; what the request leaves out is fine with an `allow` line and not meant
 * by a `deny` line that names that key. Throws a RangeError for an operation that the language does not have.
 */
export function evaluatePolicy(policy: Policy, operationName: string, args: PolicyArgs): PolicyVerdict {
  const operation = findOperation(operationName);
  if (operation === undefined) throw new RangeError(`unknown policy operation "${operationName}"`);
  const given = operation.keys.flatMap((key) => (args[key.name] === undefined ? [] : [` ${key.name}=${String(args[key.name])}`]));
  const wanted = `allow ${operationName}${given.join('')}`;
  const matching = policy.lines.filter((line) => line.operation === operationName && lineMatches(line, operation, args));
  const denying = matching.find((line) => line.effect === 'deny');
  if (denying !== undefined) {
    return { kind: 'deny', line: denying.number, wanted: `${wanted} # and remove line ${String(denying.number)}, which denies it` };
  }
  const allowing = matching[0];
  return allowing === undefined ? { kind: 'none', wanted } : { kind: 'allow', line: allowing.number };
}

/**
 * The decision on every number from `first` to `last` of a key of kind range: that on the first one that is not allowed, with that number as the key's value, or that on
 * `first`. Throws a RangeError for an operation that the language does not have.
 */
export function evaluatePolicyRange(policy: Policy, operationName: string, args: PolicyArgs, range: { readonly key: string; readonly first: number; readonly last: number }): { readonly verdict: PolicyVerdict; readonly args: PolicyArgs } {
  const { key, first, last } = range;
  const fallback = findOperation(operationName)?.keys.find((row) => row.name === key)?.fallback ?? '';
  const lists = policy.lines.filter((line) => line.operation === operationName).map((line) => line.values[key] ?? fallback);
  // Between two ends of ranges all numbers are alike.
  const ends = lists.flatMap((list) => list.split(',')).flatMap((text) => {
    const pattern = parseRange(text);
    return pattern === undefined ? [] : [pattern.low, pattern.high + 1];
  });
  const points = [...new Set([first, ...ends.filter((end) => end > first && end <= last)])].sort((a, b) => a - b);
  const decided = points.map((point) => {
    const asked = { ...args, [key]: String(point) };
    return { verdict: evaluatePolicy(policy, operationName, asked), args: asked };
  });
  const refused = decided.find(({ verdict }) => verdict.kind !== 'allow') ?? decided[0];
  if (refused === undefined) throw new RangeError('a range has a first number');
  return refused;
}

/**
 * The largest value of a key of kind bound with which a policy allows an operation with these other values; undefined: it allows it with none. Throws a
 * RangeError for an operation that the language does not have.
 */
export function policyBound(policy: Policy, operationName: string, keyName: string, args: PolicyArgs): number | undefined {
  const key = findOperation(operationName)?.keys.find((row) => row.name === keyName);
  const bounds = policy.lines.flatMap((line) => (line.operation === operationName && line.effect === 'allow' ? [parseNumber(line.values[keyName] ?? key?.fallback ?? '') ?? 0] : []));
  return bounds.sort((a, b) => b - a).find((bound) => evaluatePolicy(policy, operationName, { ...args, [keyName]: String(bound) }).kind === 'allow');
}
