import { ReeveError, type ErrorItem } from '../../../shared/errors/error.js';

/** One host as a file has it, not judged yet. */
export interface Entry {
  readonly name: string;
  /** Where in the file: `line 3`, or a path of keys; for messages. */
  readonly where: string;
  /** What the file says of it, by the names of the file's kind; the last word of several. */
  readonly values: ReadonlyMap<string, string>;
  /** Labels of a plain list may be several. */
  readonly labels: readonly string[];
  /** Groups it stands in, without `all` and `ungrouped`. */
  readonly groups: readonly string[];
}

/** Entries of a file, and everything that is wrong with it. */
export interface Read {
  readonly entries: readonly Entry[];
  readonly problems: readonly ErrorItem[];
}

/** Runs a check and gives its value; a mistake goes to the list, with the place put before its field. */
export function collect<T>(problems: ErrorItem[], where: string, check: () => T): T | undefined {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    for (const item of error.items) problems.push({ code: item.code, fields: { ...item.fields, field: `${where}: ${item.fields['field'] ?? ''}` } });
    return undefined;
  }
}

/** A problem of a place in a file. */
export function problem(where: string, field: string, value: string, rule: string): ErrorItem {
  return { code: 'FIELD_INVALID', fields: { field: `${where}: ${field}`, value: value.slice(0, 100), rule } };
}

/** Words of a line: separated by white space, quoted as Ansible and shells do; `#` begins a comment where a word could begin. Undefined: a quote is open. */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (const char of line) {
    if (quote !== '') {
      if (char === quote) quote = '';
      else word = `${word ?? ''}${char}`;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === '#' && word === undefined) break;
    else word = `${word ?? ''}${char}`;
  }
  if (quote !== '') return undefined;
  return word === undefined ? words : [...words, word];
}
