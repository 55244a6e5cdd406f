import type { Parsed } from './token.js';

/** The directives of a block, taken one after the other: what is never taken is a mistake. */
export class Rows {
  private readonly rows = new Map<string, Parsed[]>();

  constructor(rows: readonly Parsed[]) {
    for (const row of rows) {
      const [name = ''] = row.words;
      const same = this.rows.get(name);
      if (same === undefined) this.rows.set(name, [row]);
      else same.push(row);
    }
  }

  /** Whether a directive of a name is left. */
  has(name: string): boolean {
    return this.rows.has(name);
  }

  /** All directives of a name, in their order, without that name. */
  all(name: string): { words: readonly string[]; block: readonly Parsed[] | undefined }[] {
    const found = this.rows.get(name);
    if (found === undefined) return [];
    this.rows.delete(name);
    return found.map((row) => ({ words: row.words.slice(1), block: row.block }));
  }

  /** The words of the one directive of a name; undefined: there is none. */
  one(name: string): readonly string[] | undefined {
    const found = this.all(name);
    if (found.length > 1) throw new Error(`"${name}" twice`);
    if (found[0]?.block !== undefined) throw new Error(`"${name}" with a block`);
    return found[0]?.words;
  }

  /** The same, of one word. */
  word(name: string): string | undefined {
    const words = this.one(name);
    if (words !== undefined && words.length !== 1) throw new Error(`"${name}" with ${String(words.length)} words`);
    return words?.[0];
  }

  /** Takes a directive that has to be there with these words. */
  must(name: string, ...words: readonly string[]): void {
    const found = this.one(name);
    if (found?.join(' ') !== words.join(' ')) throw new Error(`"${name}" is "${String(found?.join(' '))}", not "${words.join(' ')}"`);
  }

  /** Each `if` as `$variable operator operand -> code`. */
  conditions(): { variable: string; operator: string; operand: string; code: number }[] {
    return this.all('if').map(({ words, block }) => {
      const [open = '', operator = '', ...rest] = words;
      const operand = rest.length === 2 && rest[1] === ')' ? rest[0] : rest.length === 1 && rest[0]?.endsWith(')') ? rest[0].slice(0, -1) : undefined;
      const [only, more] = block ?? [];
      if (!open.startsWith('($') || operand === undefined || more !== undefined || only?.words[0] !== 'return' || only.words.length !== 2) throw new Error(`if ${words.join(' ')}`);
      return { variable: open.slice(2), operator, operand, code: Number(only.words[1]) };
    });
  }

  /** Throws where something was not taken. */
  done(): void {
    const [left] = this.rows.values();
    if (left !== undefined) throw new Error(`unexpected "${left[0]?.words.join(' ') ?? ''}"`);
  }
}
