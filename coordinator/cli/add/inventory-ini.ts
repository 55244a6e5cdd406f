import type { ErrorItem } from '../../../shared/errors/error.js';
import { problem, splitWords, type Read } from './entry.js';
import { groupOf, resolveInventory, type Groups } from './inventory.js';

/** Reads an Ansible inventory in INI form: hosts before any section, `[group]`, `[group:vars]`, `[group:children]`; `#` and `;` begin comments. */
export function readIni(text: string): Read {
  const groups: Groups = new Map();
  const problems: ErrorItem[] = [];
  let section = { group: 'ungrouped', kind: 'hosts' };
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const where = `line ${String(index + 1)}`;
    const line = raw.trim();
    if (line === '' || /^[#;]/.test(line)) continue;
    const head = /^\[([^\]:]+)(?::([a-z]+))?\]\s*(?:[#;].*)?$/.exec(line);
    if (head?.[1] !== undefined) {
      section = { group: head[1], kind: head[2] ?? 'hosts' };
      groupOf(groups, head[1]);
      if (!['hosts', 'vars', 'children'].includes(section.kind)) problems.push(problem(where, 'section', line, '[GROUP], [GROUP:vars] or [GROUP:children]'));
      continue;
    }
    const group = groupOf(groups, section.group);
    if (section.kind === 'vars') {
      const [, key, value] = /^([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/.exec(line) ?? [];
      const word = value === undefined ? undefined : splitWords(value)?.join(' ');
      if (key === undefined || word === undefined) problems.push(problem(where, 'variable', line, 'NAME=VALUE'));
      else group.vars.set(key, word);
      continue;
    }
    const words = splitWords(line);
    const [pattern, ...rest] = words ?? [];
    if (pattern === undefined) problems.push(problem(where, 'line', line, 'quotes in pairs'));
    else if (section.kind === 'children') group.children.push({ name: pattern, where });
    else {
      const values = new Map<string, string>();
      for (const word of rest) {
        const [, key, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(word) ?? [];
        if (key === undefined || value === undefined) problems.push(problem(where, 'word', word, 'NAME=VALUE behind the host'));
        else values.set(key, value);
      }
      group.hosts.push({ pattern, where, values });
    }
  }
  return resolveInventory(groups, problems);
}
