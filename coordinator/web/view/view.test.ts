import { describe, expect, it } from 'vitest';
import { chart } from './chart.js';
import { csvCell } from './host-export.js';
import { parseHostQuery } from './host-list.js';
import { offsetOf, pager } from './pager.js';
import { renderDocument } from './layout.js';
import { html } from '../html.js';
import { away, bytes, span, time, utc } from './text.js';

const now = Date.UTC(2026, 0, 31, 9, 5, 0);

describe('text', () => {
  it.each([
    [0, '0 s'], [999, '0 s'], [5_000, '5 s'], [65_000, '1 min 5 s'], [3_600_000, '1 h'], [90_061_000, '1 d 1 h'],
  ])('says %i ms as %s', (ms, said) => {
    expect(span(ms)).toBe(said);
  });
  it('says times in full, and how far they are beside', () => {
    expect(utc(now)).toBe('2026-01-31 09:05:00 UTC');
    expect(away(now - 60_000, now)).toBe('1 min ago');
    expect(away(now + 86_400_000, now)).toBe('in 1 d');
    expect(time({ seconds: (now - 3_600_000) / 1000, nanos: 0 }, now).text).toBe('<time datetime="2026-01-31T08:05:00.000Z" title="1 h ago">2026-01-31 08:05:00 UTC</time>');
    expect(time(null, now, 'never').text).toContain('never');
    expect(time({ seconds: 9e15, nanos: 0 }, now).text).toContain('not a time');
  });
  it.each([[0, '0 B'], [1023, '1023 B'], [1536, '1.5 KiB'], [2 ** 40, '1.0 TiB'], [200 * 2 ** 20, '200 MiB']])('says %i bytes as %s', (value, said) => {
    expect(bytes(value)).toBe(said);
  });
});

describe('cells of CSV', () => {
  it.each([
    ['web1', 'web1'], ['a,b', '"a,b"'], ['say "x"', '"say ""x"""'], ['=1+1', `"'=1+1"`], ['+1', `"'+1"`], ['-1', `"'-1"`], ['@a', `"'@a"`], ['  =1', `"'  =1"`], ['\t=1', '\\u{9}=1'], ['a\r\nb', 'a\\u{d}\\u{a}b'], ['', ''], [' a', '" a"'],
  ])('%j is written as %s', (text, cell) => {
    expect(csvCell(text)).toBe(cell);
  });
});

describe('charts', () => {
  const draw = (points: readonly { atMs: number; value: number | undefined }[]): string =>
    chart({ title: 'Load', points, fromMs: now - 86_400_000, toMs: now, top: 1, format: (value) => value.toFixed(2) }).text;

  it('say in words what they show', () => {
    const drawn = draw([{ atMs: now - 1_200_000, value: 0.25 }, { atMs: now - 600_000, value: 4 }, { atMs: now, value: 1 }]);
    expect(drawn).toContain('aria-label="Load: 1.00 at 09:05:00 UTC; between 0.25 and 4.00 since 2026-01-31 08:45:00 UTC"');
    expect(drawn).toContain('points="235.7,59.1 236.7,59.1 238.3,1.0 240.0,47.5"');
  });
  it('do not join what was apart, and leave out what is no number', () => {
    expect(draw([{ atMs: now - 7_200_000, value: 1 }, { atMs: now - 6_600_000, value: 1 }, { atMs: now - 600_000, value: NaN }, { atMs: now, value: 1 }]).match(/<polyline/g)).toHaveLength(2);
    expect(draw([{ atMs: now, value: undefined }])).toContain('not known');
    expect(draw([])).toContain('not known');
  });
});

describe('addresses of lists', () => {
  it('are read as far as they mean something', () => {
    const query = parseHostQuery(new URLSearchParams('search=+web+&label=a%3Db+c%3Dd&state=lost&health=x&flag=held&sort=seen&order=descending&tree=1&offset=120'));
    expect(query).toEqual({ search: 'web', labels: ['a=b', 'c=d'], state: 'lost', health: '', flag: 'held', sort: 'seen', descending: true, tree: true, offset: 100 });
    expect(offsetOf(new URLSearchParams('offset=-1'))).toBe(0);
    expect(offsetOf(new URLSearchParams('offset=1e9'))).toBe(0);
  });
  it('lead to the pages before and behind', () => {
    const links = (offset: number, total: number): string[] => [...pager({ what: 'hosts', offset, shown: Math.min(50, total - offset), total, link: (at) => `/host?offset=${String(at)}` }).text.matchAll(/offset=(\d+)">(\w+)/g)].map(([, at, title]) => `${title ?? ''} ${at ?? ''}`);
    expect(links(0, 50)).toEqual([]);
    expect(links(0, 120)).toEqual(['Next 50', 'Last 100']);
    expect(links(100, 120)).toEqual(['First 0', 'Previous 50']);
  });
});

describe('a document', () => {
  it('shows who is not an operator no page but their own', () => {
    const viewer = { name: 'ada', role: '', labels: [], person: true, formToken: 't' } as const;
    const page = renderDocument({ title: 'Ada', main: html`<h1>Ada</h1>` }, { base: '/reeve', path: '/self', viewer, live: false });
    expect(page).not.toContain('aria-label="Pages"');
    expect(page).not.toContain('<script');
    expect(page).toContain('href="/reeve/self" aria-current="page"');
    expect(page).toContain('action="/reeve/logout"');
  });
  it('has nothing of a session where there is none', () => {
    const page = renderDocument({ title: 'Log in', main: html`` }, { base: '', path: '/login', viewer: undefined, live: false });
    expect(page).not.toContain('logout');
    expect(page).not.toContain('<nav');
  });
});
