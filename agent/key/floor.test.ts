import { describe, expect, it } from 'vitest';
import { testKey, testLine } from '../../test/support/test-key.js';
import { fingerprintOf } from './fingerprint.js';
import { floorProblems, type UserLines } from './floor.js';

const print = (number: number): string => fingerprintOf(testKey(number));
const user = (name: string, before: readonly number[], after: readonly number[]): UserLines => ({
  user: name, uid: name === 'root' ? 0 : 20001, before: before.map((number) => testLine(number)), after: after.map((number) => testLine(number)),
});
const ask = (users: readonly UserLines[], { removed = [], breakGlass = [] }: { removed?: readonly number[]; breakGlass?: readonly number[] } = {}): string[] =>
  floorProblems({ users, removed: new Set(removed.map(print)), breakGlass: new Set(breakGlass.map(print)), fingerprint: fingerprintOf, hostName: 'web1' }).map(({ code, fields }) => `${code} ${fields['value'] ?? ''}: ${fields['rule'] ?? ''}`);

describe('the floors of keys', () => {
  it.each<[string, UserLines, string[]]>([
    ['half of four keys', user('ada', [1, 2, 3, 4], [1, 2]), []],
    ['more than half of four keys', user('ada', [1, 2, 3, 4], [1]), ['KEY_FLOOR ada: 3 of 4 would go at once']],
    ['all of three keys', user('ada', [1, 2, 3], []), []],
    ['an empty set', user('ada', [1, 2, 3, 4, 5], []), ['KEY_FLOOR ada: 5 of 5 would go at once']],
    ['others in their place', user('ada', [1, 2, 3, 4], [5, 6, 7, 8]), ['KEY_FLOOR ada: 4 of 4 would go at once']],
    ['the only key of root', user('root', [1], []), ['KEY_FLOOR root: 1 of 1 would go at once']],
    ['one of two keys of root', user('root', [1, 2], [2]), []],
    ['nothing', user('root', [], []), []],
  ])('of %s', (_name, users, expected) => {
    expect(ask([users])).toEqual(expected);
  });

  it('do not count what is taken away by name', () => {
    expect(ask([user('ada', [1, 2, 3, 4], [])], { removed: [1, 2] })).toEqual([]);
    expect(ask([user('root', [1], [])], { removed: [1] })).toEqual([]);
    expect(ask([user('ada', [1, 2, 3, 4], [])], { removed: [1] })).toEqual(['KEY_FLOOR ada: 3 of 4 would go at once']);
  });

  it('guard each break-glass key unless it is taken away by name, and the last one always', () => {
    const lost = /^KEY_FLOOR ada: break-glass key SHA256:.{12} would get in nowhere any more$/;
    const last = /^KEY_FLOOR ada: SHA256:.{12} is the last break-glass key that gets in on this host$/;
    expect(ask([user('ada', [1, 2], [2])], { breakGlass: [1, 2] })).toEqual([expect.stringMatching(lost)]);
    expect(ask([user('ada', [1, 2], [2])], { breakGlass: [1, 2], removed: [1] })).toEqual([]);
    expect(ask([user('ada', [1, 2], [2])], { breakGlass: [1] })).toEqual([expect.stringMatching(last)]);
    expect(ask([user('ada', [1, 2], [2])], { breakGlass: [1], removed: [1] })).toEqual([expect.stringMatching(last)]);
    expect(ask([user('ada', [1], []), user('bob', [], [1])], { breakGlass: [1] }), 'it gets in elsewhere').toEqual([]);
    expect(ask([user('ada', [2], [])], { breakGlass: [1] }), 'it never got in').toEqual([]);
  });
});
