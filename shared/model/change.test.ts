import { describe, expect, it } from 'vitest';
import { changesLeft, type Change } from './change.js';

const update = (subject: string, ...fields: [string, string, string][]): Change => ({ kind: 'update', noun: 'user', subject, fields: fields.map(([field, from, to]) => ({ field, from, to })) });
const create: Change = { kind: 'create', noun: 'user', subject: 'ada', fields: [{ field: 'shell', from: '', to: '/bin/sh' }] };
const remove: Change = { kind: 'remove', noun: 'user', subject: 'eve', fields: [] };

describe('what is left of changes', () => {
  it.each<[string, Change[], Change[], Change[]]>([
    ['nothing was made', [create, remove], [], [create, remove]],
    ['all of it was made', [update('bob', ['presence', 'present', 'locked']), remove], [update('bob', ['presence', 'present', 'locked']), remove], []],
    ['one of two objects', [create, remove], [remove], [create]],
    ['one of two fields', [update('bob', ['presence', 'present', 'locked'], ['shell', 'a', 'b'])], [update('bob', ['presence', 'present', 'locked'])], [update('bob', ['shell', 'a', 'b'])]],
    ['a part of a field', [update('bob', ['groups', 'a,b', 'b,c'])], [update('bob', ['groups', 'a,b', 'b'])], [update('bob', ['groups', 'b', 'b,c'])]],
  ])('when %s', (_when, wanted, made, left) => {
    expect(changesLeft(wanted, made)).toEqual(left);
  });
});
