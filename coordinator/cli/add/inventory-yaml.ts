import { parseDocument } from 'yaml';
import type { ErrorItem } from '../../../shared/errors/error.js';
import { problem, type Read } from './entry.js';
import { groupOf, resolveInventory, type Groups } from './inventory.js';

/** Deepest nesting of groups. */
const deepest = 32;

/** How often aliases may stand for what they name: a file of a few lines must not become gigabytes. */
const mostAliases = 100;

type Table = Readonly<Record<string, unknown>>;

/** Reads an Ansible inventory in YAML form: groups with `hosts`, `vars` and `children`. */
export function readYaml(text: string): Read {
  const document = parseDocument(text, { schema: 'core', merge: false, prettyErrors: false, customTags: [], uniqueKeys: true, stringKeys: true });
  if (document.errors.length > 0) {
    return { entries: [], problems: document.errors.map((error) => problem(`line ${String(text.slice(0, error.pos[0]).split('\n').length)}`, 'YAML', error.code, 'YAML that can be read')) };
  }
  let root: unknown;
  try {
    root = document.toJS({ maxAliasCount: mostAliases });
  } catch {
    return { entries: [], problems: [problem('file', 'aliases', `more than ${String(mostAliases)}`, `at most ${String(mostAliases)} times`)] };
  }
  const groups: Groups = new Map();
  const problems: ErrorItem[] = [];
  if (!isTable(root)) problems.push(problem('file', 'top', typeof root, 'groups by name, as "all:"'));
  else for (const [name, group] of Object.entries(root)) readGroup(groups, problems, { name, group, where: name, depth: 0 });
  return resolveInventory(groups, problems);
}

function readGroup(groups: Groups, problems: ErrorItem[], { name, group, where, depth }: { name: string; group: unknown; where: string; depth: number }): void {
  const into = groupOf(groups, name);
  if (group === null || group === undefined) return;
  if (!isTable(group) || depth > deepest) return void problems.push(problem(where, 'group', typeof group, `a table with hosts, vars and children, at most ${String(deepest)} deep`));
  for (const key of Object.keys(group)) {
    if (!['hosts', 'vars', 'children'].includes(key)) problems.push(problem(where, 'key', key, 'hosts, vars or children'));
  }
  for (const [pattern, about] of tableEntries(problems, `${where}.hosts`, group['hosts'])) {
    const place = `${where}.hosts.${pattern}`;
    into.hosts.push({ pattern, where: place, values: scalars(problems, place, about) });
  }
  for (const [key, value] of scalars(problems, `${where}.vars`, group['vars'])) into.vars.set(key, value);
  for (const [child, about] of tableEntries(problems, `${where}.children`, group['children'])) {
    into.children.push({ name: child, where: `${where}.children.${child}` });
    readGroup(groups, problems, { name: child, group: about, where: `${where}.children.${child}`, depth: depth + 1 });
  }
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function tableEntries(problems: ErrorItem[], where: string, value: unknown): [string, unknown][] {
  if (value === null || value === undefined) return [];
  if (isTable(value)) return Object.entries(value);
  problems.push(problem(where, 'value', typeof value, 'a table: names, each with a colon'));
  return [];
}

/** Variables that are one word; lists and tables are of no use here and are passed over, as are unknown variables. */
function scalars(problems: ErrorItem[], where: string, value: unknown): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, item] of tableEntries(problems, where, value)) {
    if (typeof item === 'string') found.set(key, item);
    else if (typeof item === 'number' || typeof item === 'boolean') found.set(key, String(item));
  }
  return found;
}
