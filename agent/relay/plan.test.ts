import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRelayChildren, type RelayChild } from '../../shared/model/relay.js';
import { formatRelayList, parseRelayList } from './list.js';
import { planRelay } from './plan.js';

const id = (number: number): string => `01930000-0000-7000-8000-${String(number).padStart(12, '0')}`;
const child = (number: number, over: Partial<RelayChild> = {}): RelayChild => ({ hostId: id(number), name: `guest${String(number)}`, address: `10.0.0.${String(number)}`, port: 7420, ...over });

const lists = fc
  .uniqueArray(fc.record({ number: fc.integer({ min: 1, max: 9 }), port: fc.integer({ min: 1, max: 3 }) }), { selector: (each) => each.number, maxLength: 6 })
  .map((each) => parseRelayChildren(each.map(({ number, port }) => child(number, { port }))));
const plan = (wanted: readonly RelayChild[], observed: readonly RelayChild[]) => planRelay({ wanted, observed, deny: () => undefined });
const apply = (made: ReturnType<typeof plan>, observed: readonly RelayChild[]): readonly RelayChild[] =>
  made.steps.reduce((_before, step) => parseRelayChildren(JSON.parse(String(step.request['children'])) as RelayChild[]), observed);

describe('the plan of a relay', () => {
  it('makes the list as wanted, and its undo what it was', () => {
    fc.assert(fc.property(lists, lists, (wanted, observed) => {
      const made = plan(wanted, observed);
      expect(apply(made, observed)).toEqual(wanted);
      for (const step of made.steps) expect(JSON.parse(String(step.undo?.request['children']))).toEqual(observed);
    }));
  });

  it('is empty when the list is as wanted', () => {
    fc.assert(fc.property(lists, (list) => {
      expect(plan(list, list)).toEqual({ steps: [], changes: [], problems: [] });
    }));
  });

  it('names what is new, altered and gone', () => {
    const made = plan([child(1, { port: 7000 }), child(3)], [child(1), child(2)]);
    expect(made.changes.map(({ kind, subject, fields }) => [kind, subject, fields.map(({ field, from, to }) => `${field} ${from} ${to}`)])).toEqual([
      ['update', 'guest1', ['port 7420 7000']], ['create', 'guest3', ['name  guest3', 'address  10.0.0.3', 'port  7420']], ['remove', 'guest2', []],
    ]);
    expect(made.steps.map((step) => step.removesAccess)).toEqual([false]);
    expect(plan([child(1)], [child(1), child(2)]).steps.map((step) => step.removesAccess)).toEqual([true]);
  });

  it('has the policy’s refusal of every child that it does not allow', () => {
    const deny = (each: RelayChild) => (each.port === 22 ? ({ code: 'POLICY_DENIED', fields: { op: 'relay' } } as const) : undefined);
    expect(planRelay({ wanted: [child(1), child(2, { port: 22 })], observed: [], deny }).problems).toEqual([{ code: 'POLICY_DENIED', fields: { op: 'relay' } }]);
  });
});

describe('a list of children', () => {
  it('is read back as it was written', () => {
    fc.assert(fc.property(lists, (list) => {
      expect(parseRelayList(formatRelayList(list))).toEqual(list);
    }));
  });

  it.each([
    [[child(1), child(1)], /each child once/],
    [[child(1, { address: 'localhost' })], /IPv4 or IPv6/],
    [[child(1, { address: '10.0.0.01' })], /IPv4 or IPv6/],
    [[child(1, { port: 0 })], /port of a child "0"/],
    [[child(1, { hostId: 'x' })], /host id of a child/],
    [[child(1, { name: '-x' })], /name of a child/],
  ])('that is not allowed is refused: %#', (list, message) => expect(() => parseRelayChildren(list)).toThrow(message));
});
