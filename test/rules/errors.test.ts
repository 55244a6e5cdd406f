import { expect, test } from 'vitest';
import { catalogue, type ErrorCode } from '../../shared/errors/catalogue.js';
import { projectFiles, shippedFiles, textOf } from './tree.js';

const codes = Object.keys(catalogue) as ErrorCode[];

test('numbers are unique and fit the helper’s u16', () => {
  const numbers = codes.map((code) => catalogue[code].number);
  expect(new Set(numbers).size).toBe(numbers.length);
  for (const number of numbers) expect(number > 0 && number < 65_536).toBe(true);
});

test('every code of the catalogue is used, and every code used is in the catalogue', () => {
  const sources = [...shippedFiles().filter((file) => file !== 'shared/errors/catalogue.ts'), ...projectFiles('.c', '.h').filter((file) => file.startsWith('native/'))];
  const text = sources.map(textOf).join('\n');
  const unused = codes.filter((code) => !new RegExp(`['"\`]${code}['"\`]|REEVE_E_${code}\\b`).test(text));
  expect(unused, 'use it, or take it out of the catalogue').toEqual([]);
  const thrown = [...text.matchAll(/reeveError\(\s*'([A-Z_]+)'/g)].map((match) => match[1] ?? '');
  expect(thrown.filter((code) => !codes.includes(code as ErrorCode)), 'add it to the catalogue').toEqual([]);
});

test('messages begin with a capital or a value, and have no stray braces or trailing space', () => {
  for (const code of codes) {
    const { message, remedy } = catalogue[code];
    expect(message, code).toMatch(/^[A-Z{]/);
    expect(`${message}${remedy}`, code).not.toMatch(/\{[^a-z}]|\s$/);
  }
});
