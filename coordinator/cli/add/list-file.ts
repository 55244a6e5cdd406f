import type { ErrorItem } from '../../../shared/errors/error.js';
import { problem, splitWords, type Entry, type Read } from './entry.js';

/** What a line of a plain list may say behind its host. */
const keys = ['identity', 'host-key', 'jump', 'jump-host-key', 'sudo', 'policy', 'label', 'address', 'parent', 'link'];

/** Reads a plain list: `NAME USER@ADDRESS[:PORT] KEY=VALUE...`, `#` begins a comment. `ssh` is what stands second; a list of names alone has none. */
export function readList(text: string): Read {
  const entries: Entry[] = [];
  const problems: ErrorItem[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const where = `line ${String(index + 1)}`;
    const words = splitWords(line);
    if (words === undefined) {
      problems.push(problem(where, 'line', line.trim(), 'quotes in pairs'));
      continue;
    }
    const [name, ...rest] = words;
    if (name === undefined) continue;
    const values = new Map<string, string>();
    const labels: string[] = [];
    if (rest[0] !== undefined && !rest[0].includes('=')) values.set('ssh', rest.shift() ?? '');
    for (const word of rest) {
      const at = word.indexOf('=');
      const key = word.slice(0, Math.max(at, 0));
      if (!keys.includes(key)) problems.push(problem(where, 'word', word, `KEY=VALUE with a key of ${keys.join(', ')}`));
      else if (key === 'label') labels.push(word.slice(at + 1));
      else if (values.has(key)) problems.push(problem(where, key, word.slice(at + 1), 'it can be given once'));
      else values.set(key, word.slice(at + 1));
    }
    entries.push({ name, where, values, labels, groups: [] });
  }
  return { entries, problems };
}
