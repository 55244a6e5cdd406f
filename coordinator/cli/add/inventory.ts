import type { ErrorItem } from '../../../shared/errors/error.js';
import { collect, problem, type Entry, type Read } from './entry.js';
import { expandRange } from './range.js';

/** One group of an Ansible inventory, as its file has it. */
export interface Group {
  readonly name: string;
  /** Patterns of hosts with what stands beside them. */
  readonly hosts: { readonly pattern: string; readonly where: string; readonly values: ReadonlyMap<string, string> }[];
  readonly vars: Map<string, string>;
  readonly children: { readonly name: string; readonly where: string }[];
}

/** Groups by name. */
export type Groups = Map<string, Group>;

/** The group of that name, made when it is new. */
export function groupOf(groups: Groups, name: string): Group {
  const known = groups.get(name) ?? { name, hosts: [], vars: new Map<string, string>(), children: [] };
  groups.set(name, known);
  return known;
}

/** Most hosts of one file. */
const most = 10_000;

/**
 * The hosts of an inventory with their variables as Ansible merges them: `all` first, then groups from parent to child (those of one depth by name), then
 * the host's own.
 */
export function resolveInventory(groups: Groups, before: readonly ErrorItem[]): Read {
  const problems = [...before];
  const depths = depthsOf(groups, problems);
  const found = new Map<string, { where: string; own: Map<string, string>; groups: Set<string> }>();
  for (const group of groups.values()) {
    for (const { pattern, where, values } of group.hosts) {
      for (const name of collect(problems, where, () => expandRange(pattern, 'host')) ?? []) {
        const host = found.get(name) ?? { where, own: new Map<string, string>(), groups: new Set<string>() };
        for (const [key, value] of values) host.own.set(key, value);
        for (const above of ancestorsOf(groups, group.name)) host.groups.add(above);
        found.set(name, host);
      }
    }
  }
  if (found.size > most) return { entries: [], problems: [problem('file', 'hosts', String(found.size), `at most ${String(most)}`)] };
  const entries = [...found].map(([name, host]): Entry => {
    const order = [...host.groups].sort((a, b) => (depths.get(a) ?? 0) - (depths.get(b) ?? 0) || (a < b ? -1 : 1));
    const values = new Map(['all', ...order].flatMap((group) => [...(groups.get(group)?.vars ?? [])]));
    for (const [key, value] of host.own) values.set(key, value);
    return { name, where: host.where, values, labels: [], groups: order.filter((group) => group !== 'all' && group !== 'ungrouped') };
  });
  return { entries, problems };
}

/** A group and all that it stands in. */
function ancestorsOf(groups: Groups, name: string, seen = new Set<string>()): Set<string> {
  if (seen.has(name)) return seen;
  seen.add(name);
  for (const group of groups.values()) if (group.children.some((child) => child.name === name)) ancestorsOf(groups, group.name, seen);
  return seen;
}

/** How far a group is below the top; a ring of groups and a child that is nowhere are problems. */
function depthsOf(groups: Groups, problems: ErrorItem[]): Map<string, number> {
  const depths = new Map<string, number>();
  const visit = (name: string, depth: number, path: readonly string[]): void => {
    if ((depths.get(name) ?? -1) >= depth) return;
    depths.set(name, depth);
    for (const child of groups.get(name)?.children ?? []) {
      if ([...path, name].includes(child.name)) problems.push(problem(child.where, 'group', child.name, 'it cannot be below itself'));
      else if (!groups.has(child.name)) problems.push(problem(child.where, 'group', child.name, 'a group that is in the file'));
      else visit(child.name, depth + 1, [...path, name]);
    }
  };
  for (const name of [...groups.keys()]) visit(name, 0, []);
  return depths;
}
