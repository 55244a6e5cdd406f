import { describe, expect, it } from 'vitest';
import { mailOf } from './mail.js';
import { renderJson, renderSubject, renderText, type Entry, type Message, type ToldAlert } from './message.js';

const at = Date.UTC(2026, 0, 31, 12, 8);
const lost: ToldAlert = {
  id: 7, kind: 'host-lost', severity: 'error', hostName: 'web1', subject: '', title: 'cannot be reached', text: 'connection refused; see: reeve doctor web1', sinceMs: at - 5 * 60_000, openedAtMs: at, endedAtMs: undefined, folded: [],
};
const full: ToldAlert = { ...lost, id: 8, kind: 'disk', severity: 'warning', subject: '/', title: '/ will be full soon', text: '', sinceMs: at - 86_400_000 };
const entry = (what: Entry['what'], alert: ToldAlert, openedIn?: string): Entry => ({ what, alert, openedIn });
const message = (...entries: Entry[]): Message => ({ id: '01900000-0000-7000-8000-000000000001', fleetId: 'f1', routeId: 3, madeAtMs: at, entries, link: 'https://status.example.org/' });

describe('a message', () => {
  it.each([
    ['an alert', message(entry('open', lost)), '[reeve] web1: cannot be reached (since 12:03 UTC)'],
    ['one that still stands', message(entry('remind', full)), '[reeve] web1: still: / will be full soon (since 2026-01-30 12:08 UTC)'],
    ['one that is over', message(entry('end', { ...lost, endedAtMs: at })), '[reeve] web1: over: cannot be reached (12:03 UTC to 12:08 UTC)'],
    ['one of the coordinator', message(entry('open', { ...lost, hostName: undefined, title: 'its disk is full' })), '[reeve] coordinator: its disk is full (since 12:03 UTC)'],
    ['several', message(entry('open', lost), entry('open', full), entry('end', { ...full, endedAtMs: at })), '[reeve] 3 alerts: 2 new, 1 over'],
    ['none: a test', message(), '[reeve] test: alerts of this route arrive here'],
  ])('of %s has a subject', (_what, told, subject) => {
    expect(renderSubject(told)).toBe(subject);
  });

  it('says what is, since when, what to do, and how to mute it', () => {
    expect(renderText(message(entry('open', lost), entry('end', { ...full, endedAtMs: at })))).toBe(
      [
        'error: web1: cannot be reached',
        '  since 12:03 UTC (host-lost, alert 7)',
        '  connection refused; see: reeve doctor web1',
        '  to mute it: reeve alert mute web1 --kind host-lost --for 2h --reason TEXT',
        '',
        'over: web1: / will be full soon',
        '  since 2026-01-30 12:08 UTC, over 12:08 UTC (disk, alert 8)',
        '',
        '-- ',
        'https://status.example.org/',
        'To see all: reeve alert list',
        'Message 01900000-0000-7000-8000-000000000001 of fleet f1, route 3',
        '',
      ].join('\n'),
    );
  });

  it('is one object for programs', () => {
    expect(JSON.parse(renderJson(message(entry('end', { ...lost, endedAtMs: at, folded: ['guest1'] }))))).toEqual({
      version: 1, id: '01900000-0000-7000-8000-000000000001', fleet: 'f1', route: 3, at: '2026-01-31T12:08:00Z', test: false, link: 'https://status.example.org/', more: 0,
      alerts: [{
        event: 'ended', id: 7, kind: 'host-lost', severity: 'error', host: 'web1', subject: '', title: 'cannot be reached', text: 'connection refused; see: reeve doctor web1',
        since: '2026-01-31T12:03:00Z', openedAt: '2026-01-31T12:08:00Z', endedAt: '2026-01-31T12:08:00Z', foldedHosts: ['guest1'],
      }],
    });
  });

  it('of very many spells out some, and says how many more there are', () => {
    const many = message(...Array.from({ length: 10_000 }, (_, index) => entry('open', { ...lost, id: index })));
    expect(renderSubject(many)).toBe('[reeve] 10000 alerts: 10000 new');
    expect(renderText(many).match(/^error: /gm)).toHaveLength(200);
    expect(renderText(many)).toContain('\nand 9800 more\n');
    expect(JSON.parse(renderJson(many))).toMatchObject({ more: 9800, alerts: { length: 200 } });
  });

  it('has no line of a header that a host wrote', () => {
    const hostile = { ...lost, title: 'x\r\nBcc: eve@example.org\r\n\r\nhello \u202e\u0000', text: 'a\nfrom: eve' };
    const told = message(entry('open', hostile));
    expect(renderSubject(told)).not.toMatch(/[\r\n\0\u202e]/);
    expect(renderText(told).split('\n').filter((line) => line.startsWith('Bcc') || line.startsWith('from'))).toEqual([]);
    expect(renderSubject(message(entry('open', { ...lost, title: 'y'.repeat(1400) }))).length).toBeLessThan(260);
  });

  it('refers to the mail of the opening, so that it is shown below it', () => {
    const opened = '01900000-0000-7000-8000-00000000000a';
    const over = mailOf(message(entry('end', { ...lost, endedAtMs: at }, opened), entry('end', { ...full, endedAtMs: at }, opened)), 'reeve@example.org');
    expect(over).toMatchObject({ messageId: '<01900000-0000-7000-8000-000000000001@example.org>', references: [`<${opened}@example.org>`], inReplyTo: `<${opened}@example.org>`, headers: { 'Auto-Submitted': 'auto-generated' } });
    expect(mailOf(message(entry('open', lost, '01900000-0000-7000-8000-000000000001')), 'reeve@example.org').references).toEqual([]);
  });
});
