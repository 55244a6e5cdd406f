import { expect, it } from 'vitest';
import { testSite } from '../../test/support/test-site.js';
import type { Decision } from './decide.js';
import { formatSet, partsOf } from './set.js';
import { nameModels } from './wanted.js';

const make = (n: number, pair: 'none' | 'made' = 'none'): Decision => {
  const [wanted] = nameModels([testSite(`s${String(n)}.example.org`)]);
  if (wanted === undefined) throw new Error('no site');
  return { kind: 'make', name: wanted.site.name, wanted, why: 'new', pair };
};

it('a set is what stays by its digest and what is written with its bytes', () => {
  const set = formatSet([{ name: 'a.example.org.conf', keep: 'ab'.repeat(32) }, { name: 'b.example.org.conf', put: 'title "ä"\n' }, { name: 'c.example.org.ca', put: '' }]);
  expect(set.toString()).toBe(`keep a.example.org.conf ${'ab'.repeat(32)}\nput b.example.org.conf 11\ntitle "ä"\n\nput c.example.org.ca 0\n\n`);
});

it('sites go in one part while that can be sent at once, each in some part, and none makes a part without a need', () => {
  const sites: readonly Decision[] = [make(1), { kind: 'same', name: 'x.example.org' }, make(2), make(3), { kind: 'go', name: 'y.example.org' }];
  expect(partsOf(sites, () => 1000)).toEqual([['s1.example.org', 's2.example.org', 's3.example.org']]);
  expect(partsOf(sites, () => 1_500_000)).toEqual([['s1.example.org', 's2.example.org'], ['s3.example.org']]);
  expect(partsOf(sites, () => 4_000_000)).toEqual([['s1.example.org'], ['s2.example.org'], ['s3.example.org']]);
  expect(partsOf([{ kind: 'go', name: 'y.example.org' }], () => 0)).toEqual([[]]);
  // Certificates count, too.
  expect(partsOf([make(1, 'made'), make(2, 'made')], () => 1_572_000)).toHaveLength(2);
});
