import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Hold } from '../../shared/model/hold.js';
import { routeSubject, type AlertRow, type ItemRow, type MuteRow, type RouteRow } from './alert.js';
import { muteReason } from './alert-mute.js';
import { remindMs, takes, tellAlerts, type Telling } from './alert-tell.js';

const now = Date.UTC(2026, 0, 31, 12);
const hour = 3_600_000;
const alert: AlertRow = { id: 1, kind: 'disk', hostId: 'web1', subject: '/', severity: 'warning', title: 't', text: '', sinceMs: now, openedAtMs: now, endedAtMs: undefined, folded: [] };
const over: AlertRow = { ...alert, endedAtMs: now };
const route: RouteRow = { id: 7, target: { way: 'mail', person: 'ada' }, kinds: [], severity: 'info', selector: '', remind: true, by: 'root', addedAtMs: 0 };
const item = (what: ItemRow['what'], message?: Partial<NonNullable<ItemRow['message']>>): ItemRow => ({
  id: { open: 10, remind: 11, end: 12 }[what], alertId: 1, routeId: 7, what, owedAtMs: now,
  message: message === undefined ? undefined : { id: 'm', tried: true, sentAtMs: undefined, dropped: false, ...message },
});
const tell = (alerts: readonly AlertRow[], items: readonly ItemRow[], more: { muted?: boolean; at?: number; routes?: readonly RouteRow[]; matches?: boolean } = {}): Telling =>
  tellAlerts({ now: more.at ?? now, alerts, items, routes: more.routes ?? [route], isMuted: () => more.muted ?? false, matches: () => more.matches ?? true });
const adds = (telling: Telling): string[] => telling.add.map(({ what }) => what);

describe('what is told', () => {
  it.each([
    ['an opening', [alert], [], {}, ['open'], []],
    ['nothing twice while it waits', [alert], [item('open')], {}, [], []],
    ['nothing twice while it is tried', [alert], [item('open', {})], {}, [], []],
    ['nothing twice when it was sent', [alert], [item('open', { sentAtMs: now })], {}, [], []],
    ['nothing of another host', [alert], [], { matches: false }, [], []],
    ['a reminder a day after it was sent', [alert], [item('open', { sentAtMs: now })], { at: now + remindMs }, ['remind'], []],
    ['none before that', [alert], [item('open', { sentAtMs: now })], { at: now + remindMs - 1 }, [], []],
    ['none while one waits', [alert], [item('open', { sentAtMs: now }), item('remind')], { at: now + remindMs }, [], []],
    ['none where nobody wants it', [alert], [item('open', { sentAtMs: now })], { at: now + remindMs, routes: [{ ...route, remind: false }] }, [], []],
    ['a reminder a day after the opening was given up', [alert], [item('open', { dropped: true })], { at: now + remindMs }, ['remind'], []],
    ['nothing that is muted', [alert], [], { muted: true }, [], []],
    ['nothing that was muted while it waited', [alert], [item('open')], { muted: true }, [], [10]],
    ['the end to those who heard', [over], [item('open', { sentAtMs: now })], {}, ['end'], []],
    ['the end to those who may have heard', [over], [item('open', {})], {}, ['end'], []],
    ['the end although it is muted', [over], [item('open', { sentAtMs: now })], { muted: true }, ['end'], []],
    ['the end once', [over], [item('open', { sentAtMs: now }), item('end')], {}, [], []],
    ['no end to those who did not hear', [over], [], {}, [], []],
    ['neither opening nor end of what was over before anybody was told', [over], [item('open')], {}, [], [10]],
    ['no reminder of what is over', [over], [item('open', { sentAtMs: now }), item('remind')], {}, ['end'], [11]],
  ] as const)('is %s', (_what, alerts, items, more, added, dropped) => {
    const telling = tell(alerts, items, more);
    expect(adds(telling)).toEqual(added);
    expect(telling.drop).toEqual(dropped);
  });

  it('is told when a mute ends and it still stands', () => {
    const muted = tell([alert], [item('open')], { muted: true });
    expect(muted.drop).toEqual([10]);
    expect(adds(tell([alert], []))).toEqual(['open']);
  });

  it.each([
    [{}, {}, true],
    [{ severity: 'error' }, {}, false],
    [{ severity: 'error' }, { severity: 'error' }, true],
    [{ severity: 'warning' }, { severity: 'error' }, true],
    [{ severity: 'warning' }, { severity: 'info' }, false],
    [{ kinds: ['disk'] }, {}, true],
    [{ kinds: ['clock'] }, {}, false],
    [{}, { kind: 'pending' }, false],
    [{}, { kind: 'reboot-required', severity: 'info' }, false],
    [{ kinds: ['pending'] }, { kind: 'pending' }, true],
    [{}, { kind: 'health', subject: routeSubject(7) }, false],
    [{}, { kind: 'health', subject: routeSubject(8) }, true],
  ] as const)('by a route of %j of an alert of %j: %s', (of, about, taken) => {
    expect(takes({ ...route, ...of }, { ...alert, ...about })).toBe(taken);
  });

  it('is told to each once, and its end to exactly those, whatever order sending, mutes and ends come in', () => {
    const step = fc.record({ muted: fc.boolean(), sent: fc.boolean(), open: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let items: ItemRow[] = [];
        let ended = false;
        let id = 100;
        for (const { muted, sent, open } of steps) {
          ended ||= !open;
          const telling = tell([ended ? over : alert], items, { muted });
          items = items.filter((row) => !telling.drop.includes(row.id));
          for (const added of telling.add) items.push({ ...item(added.what), id: (id += 1) });
          // All that waits goes as one message; a try that fails may have arrived.
          items = items.map((row) => (row.message === undefined || row.message.sentAtMs === undefined ? { ...row, message: { id: 'm', tried: true, sentAtMs: sent ? now : undefined, dropped: false } } : row));
          expect(items.filter(({ what }) => what === 'open').length).toBeLessThan(2);
          expect(items.filter(({ what }) => what === 'end').length).toBe(ended && items.some(({ what }) => what === 'open') ? 1 : 0);
        }
      }),
    );
  });
});

describe('a mute', () => {
  const mute: MuteRow = { id: 1, selector: 'web1', kinds: [], scope: undefined, untilMs: now + hour, reason: 'new disks', by: 'ada', sinceMs: now };
  const hold: Hold = { noun: '', untilMs: now + hour, by: 'bob', reason: 'work', sinceMs: now, local: false };
  const reason = (about: Partial<AlertRow>, by: { mutes?: readonly MuteRow[]; holds?: readonly Hold[] }): string =>
    muteReason({ ...alert, ...about }, { mutes: by.mutes ?? [], holds: by.holds ?? [], matches: ({ selector }, hostId) => selector === hostId || (selector === 'all' && hostId === undefined) });

  it.each([
    ['of its host', {}, [mute], 'until 2026-01-31T13:00:00Z by ada: new disks'],
    ['of another host', { hostId: 'web2' }, [mute], ''],
    ['of its kind', {}, [{ ...mute, kinds: ['disk' as const] }], 'until 2026-01-31T13:00:00Z by ada: new disks'],
    ['of another kind', {}, [{ ...mute, kinds: ['clock' as const] }], ''],
    ['of all, about the coordinator', { hostId: undefined }, [{ ...mute, selector: 'all' }], 'until 2026-01-31T13:00:00Z by ada: new disks'],
    ['that lasts longest, of two', {}, [mute, { ...mute, untilMs: now + 2 * hour, by: 'eve' }], 'until 2026-01-31T14:00:00Z by eve: new disks'],
  ])('%s', (_what, about, mutes, wanted) => {
    expect(reason(about, { mutes })).toBe(wanted);
  });

  it.each([
    ['host-lost', '', true], ['reboot', '', true], ['drift', 'user', true], ['pending', 'user', true],
    ['disk', '/', false], ['backup-failed', 'shop', false], ['health', 'AUDIT_BROKEN', false], ['certificate', 'shop', false], ['pressure', 'io', false],
  ] as const)('is a hold of the whole host, of %s %s: %s', (kind, subject, muted) => {
    expect(reason({ kind, subject }, { holds: [hold] }) !== '').toBe(muted);
  });

  it('is a hold of a noun for what that noun owes only', () => {
    const holds = [{ ...hold, noun: 'user' }];
    expect(reason({ kind: 'pending', subject: 'user' }, { holds })).toMatch(/^held until .* by bob: work$/);
    expect(reason({ kind: 'pending', subject: 'nat' }, { holds })).toBe('');
    expect(reason({ kind: 'host-lost', subject: '' }, { holds })).toBe('');
  });
});
