import { describe, expect, it } from 'vitest';
import { renderTable, widthOf } from './table.js';

describe('tables', () => {
  it('are aligned after escaping and before colours', () => {
    const rows = [['a', { text: 'x\u001b', tone: 'red' as const }, 'end'], ['bb', '', ''], ['日本', 'e\u0301', 'end']];
    expect(renderTable({ color: false }, ['one', 'two', 'three'], rows, 'none')).toBe('ONE   TWO      THREE\na     x\\u{1b}  end\nbb\n日本  e\u0301        end\n');
    expect(renderTable({ color: true }, ['one', 'two', 'three'], rows, 'none')).toContain('a     \u001b[31mx\\u{1b}\u001b[0m  end\n');
    expect(renderTable({ color: true }, ['one'], [], 'none')).toBe('none\n');
  });

  it.each([['', 0], ['abc', 3], ['日本', 4], ['e\u0301', 1], ['🙂', 2]])('"%s" takes %i columns', (text, width) => {
    expect(widthOf(text)).toBe(width);
  });
});
