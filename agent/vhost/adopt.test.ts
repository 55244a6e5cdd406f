import { describe, expect, it } from 'vitest';
import { createSimulatedHost } from '../../test/support/simulated-host.js';
import { statusRoute, testSite } from '../../test/support/test-site.js';
import type { Host } from '../host/host.js';
import type { SiteAnswer, SiteAsk } from '../host/web.js';
import { compareSites, shadowPorts, shadowSites } from './adopt.js';

const site = testSite('a.example.org', { listens: [{ address: undefined, port: 80, tls: false }, { address: '192.0.2.10', port: 443, tls: true }], redirectHttps: true, routes: [statusRoute('/', 'x'), statusRoute('/app', 'y')] });
const shadows = shadowSites([site], [40_002, 40_001]);
const answer = (over: Partial<Extract<SiteAnswer, { kind: 'answer' }>> = {}): SiteAnswer => ({ kind: 'answer', status: 200, location: '', contentType: 'text/html', body: 'x', cut: false, ...over });
const isNew = (ask: SiteAsk): boolean => ask.port > 40_000;
const hostOf = (askSite: (ask: SiteAsk) => SiteAnswer): Host => ({ ...createSimulatedHost(), askSite: (ask) => Promise.resolve(askSite(ask)) });

describe('a site and its shadow', () => {
  it('differ in where they listen only', () => {
    expect(shadowPorts([site, site])).toBe(4);
    expect(shadows[0]?.shadow).toEqual({ ...site, listens: [{ address: '127.0.0.1', port: 40_001, tls: true }, { address: '127.0.0.1', port: 40_002, tls: false }] });
  });

  it('are asked for each route, below it, and for what is not there, with TLS and without', async () => {
    const paths = new Set<string>();
    const asked: SiteAsk[] = [];
    expect(await compareSites(hostOf((ask) => { asked.push(ask); paths.add(ask.path); return answer(); }), shadows)).toEqual({ differences: [], skipped: [] });
    expect([...paths]).toEqual(['/', expect.stringMatching(/^\/reeve-/), '/favicon.ico', '/app', '/app/', expect.stringMatching(/^\/app\/reeve-/)]);
    expect(new Set(asked.map(({ address, port, tls }) => `${address} ${String(port)} ${String(tls)}`))).toEqual(new Set(['127.0.0.1 80 false', '127.0.0.1 40002 false', '192.0.2.10 443 true', '127.0.0.1 40001 true']));
  });

  it.each<[string, SiteAnswer, SiteAnswer, string | undefined]>([
    ['another status', answer(), answer({ status: 404 }), 'status 200 before, 404 after'],
    ['another place', answer({ status: 301, location: '/there' }), answer({ status: 301, location: '/here' }), 'Location https://a.example.org/there before, https://a.example.org/here after'],
    ['the same place in other words', answer({ status: 301, location: 'https://a.example.org/there' }), answer({ status: 301, location: 'https://a.example.org:40001/there' }), undefined],
    ['a relative place', answer({ status: 301, location: '/there' }), answer({ status: 301, location: 'https://a.example.org/there' }), undefined],
    ['another type', answer(), answer({ contentType: 'text/plain; charset=utf-8' }), 'Content-Type text/html before, text/plain after'],
    ['a parameter of the type', answer(), answer({ contentType: 'Text/HTML; charset=utf-8' }), undefined],
    ['a longer body', answer(), answer({ body: 'xy' }), 'body 1 bytes before, 2 bytes after'],
    ['no answer', answer(), { kind: 'none', reason: 'ECONNREFUSED', unavailable: false }, 'no answer (ECONNREFUSED)'],
  ])('with %s', async (_what, old, now, difference) => {
    const { differences } = await compareSites(hostOf((ask) => (ask.tls && ask.path === '/app' && isNew(ask) ? now : ask.tls && ask.path === '/app' ? old : answer())), shadows);
    expect(differences).toEqual(difference === undefined ? [] : [`https://a.example.org/app: ${difference}`]);
  });

  it('are not compared where the old one changes by itself, or does not work', async () => {
    let bodies = 0;
    const varying = await compareSites(hostOf(() => answer({ body: 'x'.repeat(bodies += 1) })), shadows);
    expect(varying.differences).toEqual([]);
    const broken = await compareSites(hostOf((ask) => (ask.path === '/app' && !isNew(ask) ? answer({ status: 502 }) : answer())), shadows);
    expect(broken).toEqual({ differences: [], skipped: ['http://a.example.org/app: status 502; it is not compared', 'https://a.example.org/app: status 502; it is not compared'] });
    const known = shadowSites([{ ...site, clientCert: { mandatory: true, caPem: '', crlPem: undefined } }], [1, 2]);
    expect((await compareSites(hostOf(() => answer()), known)).skipped).toHaveLength(1);
  });
});
