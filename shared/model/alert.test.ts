import { describe, expect, it } from 'vitest';
import { alertKinds, isAtLeast, parseAlertKinds, parseAlertSeverity, parseHookName, parseMuteLength, parseWebhook, webhookOrigin } from './alert.js';

describe('words of alerts', () => {
  it('are kinds of the table, each once, in its order', () => {
    expect(parseAlertKinds(['drift', 'host-lost', 'drift'])).toEqual(['host-lost', 'drift']);
    expect(parseAlertKinds([])).toEqual([]);
    for (const name of alertKinds) expect(name).toMatch(/^[a-z]+(?:-[a-z]+)*$/);
    for (const bad of ['', 'Drift', 'toString', 'host_lost']) expect(() => parseAlertKinds([bad])).toThrow(expect.objectContaining({ code: 'FIELD_INVALID' }) as Error);
  });

  it('are severities, of which one is at least as bad as another', () => {
    expect([parseAlertSeverity(''), parseAlertSeverity('error')]).toEqual(['info', 'error']);
    expect([isAtLeast('error', 'warning'), isAtLeast('warning', 'warning'), isAtLeast('info', 'warning')]).toEqual([true, true, false]);
    expect(() => parseAlertSeverity('fatal')).toThrow();
  });

  it('are lengths of mutes from a minute to 30 days', () => {
    expect([parseMuteLength(60_000), parseMuteLength(2_592_000_000)]).toEqual([60_000, 2_592_000_000]);
    for (const bad of [undefined, 0, 59_999, 2_592_000_001, NaN, -60_000]) expect(() => parseMuteLength(bad)).toThrow();
  });
});

describe('where alerts go', () => {
  it.each(['pager', 'send-sms', 'page.sh', 'a_b', '9'])('is a program %s', (name) => {
    expect(parseHookName(name)).toBe(name);
  });

  it.each(['', '.', '..', '.hidden', 'a/b', '../a', 'a..b', 'a.', 'Pager', '-a', 'a b', 'a\0', 'a\n', 'ä', 'x'.repeat(65)])('is no program %j', (name) => {
    expect(() => parseHookName(name)).toThrow();
  });

  it.each([
    ['https://chat.example.org/hooks/x?y=1', 'https://chat.example.org/hooks/x?y=1'], ['https://example.org', 'https://example.org/'], ['HTTPS://Example.org:8443/a', 'https://example.org:8443/a'],
    ['http://127.0.0.1:8080/x', 'http://127.0.0.1:8080/x'], ['http://[::1]/x', 'http://[::1]/x'],
  ])('is the URL %s', (text, href) => {
    expect(parseWebhook(text)).toBe(href);
  });

  it.each([
    '', 'example.org', 'http://example.org/', 'http://localhost/', 'http://127.0.0.1.example.org/', 'http://[::ffff:192.0.2.1]/', 'ftp://example.org/', 'file:///etc/passwd', 'javascript:alert(1)', 'https://ada:topsecret@example.org/',
    'https://example.org/#x', 'https://example.org/a b', 'https://example.org/\u202e', `https://example.org/${'x'.repeat(1000)}`, 'https://',
  ])('is not the URL %j', (text) => {
    expect(() => parseWebhook(text)).toThrow(/FIELD_(?:INVALID|MISSING)|not allowed|missing/);
  });

  it('is shown without what may be secret', () => {
    expect(webhookOrigin('https://chat.example.org:8443/hooks/topsecret?a=b')).toBe('https://chat.example.org:8443/…');
    expect(webhookOrigin('https://ada:topsecret@example.org/x')).toBe('https://example.org/…');
    for (const text of ['ftp://ada:topsecret@example.org/topsecret', 'https://ada:topsecret@example.org/', 'https://example.org/topsecret and more', `https://example.org/${'topsecret'.repeat(200)}`]) {
      try {
        parseWebhook(text);
        expect.unreachable();
      } catch (error) {
        expect(JSON.stringify(error) + String(error)).not.toContain('topsecret');
      }
    }
  });
});
