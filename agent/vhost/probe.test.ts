import { describe, expect, it } from 'vitest';
import { createSimulatedHost } from '../../test/support/simulated-host.js';
import { statusRoute, testSite } from '../../test/support/test-site.js';
import { probePath } from '../../shared/model/vhost-path.js';
import type { Vhost } from '../../shared/model/vhost.js';
import type { Host } from '../host/host.js';
import type { SiteAnswer, SiteAsk } from '../host/web.js';
import { askedName, probeMade, probeWorked, type ProbeLimits } from './probe.js';
import { nameModels } from './wanted.js';

const limits: ProbeLimits = { settleMs: 200, beforeMs: 200, afterMs: 200, allBeforeMs: 500 };
const none = (reason: string, unavailable = false): SiteAnswer => ({ kind: 'none', reason, unavailable });
const answer = (status: number, body = ''): SiteAnswer => ({ kind: 'answer', status, location: '', contentType: '', body, cut: false });

function hostOf(askSite: (ask: SiteAsk) => SiteAnswer | Promise<SiteAnswer>): { host: Host; asks: SiteAsk[] } {
  const asks: SiteAsk[] = [];
  return { host: { ...createSimulatedHost(), askSite: async (ask) => { asks.push(ask); return askSite(ask); } }, asks };
}
const shaOf = (site: Vhost): string => nameModels([site])[0]?.sha ?? '';
const site = testSite('a.example.org', { listens: [{ address: undefined, port: 80, tls: false }, { address: '192.0.2.10', port: 443, tls: true }], routes: [statusRoute('/', 'x'), statusRoute('/app', 'y'), statusRoute('/bad', 'z', 503)] });

describe('a site that was just made', () => {
  it('is asked by name for its model where it listens, IPv4 and IPv6, from loopback', async () => {
    const { host, asks } = hostOf(() => answer(200, shaOf(site)));
    expect(await probeMade(host, nameModels([site]), [], limits)).toBeUndefined();
    expect(asks.map(({ address, port, tls, name, path }) => [address, port, tls, name, path])).toEqual([
      ['127.0.0.1', 80, false, 'a.example.org', probePath], ['::1', 80, false, 'a.example.org', probePath], ['192.0.2.10', 443, true, 'a.example.org', probePath],
    ]);
    expect(askedName('*.example.org')).toBe('reeve-probe.example.org');
  });

  it('is asked again until it answers so, and at another address where somebody else has the first', async () => {
    let tries = 0;
    const { host } = hostOf(({ address }) => {
      tries += 1;
      return tries < 4 ? answer(200, 'old') : address === '127.0.0.1' ? answer(404) : answer(200, shaOf(site));
    });
    expect(await probeMade(host, nameModels([site]), [], limits)).toBeUndefined();
  });

  it('is told where it does not', async () => {
    const { host } = hostOf(({ tls }) => (tls ? answer(200, 'old') : answer(200, shaOf(site))));
    expect(await probeMade(host, nameModels([site]), [], limits)).toEqual({ name: 'a.example.org', rule: '192.0.2.10 port 443 does not answer with its new configuration: it answers with another configuration' });
    const { host: silent } = hostOf(() => none('ECONNREFUSED'));
    expect((await probeMade(silent, nameModels([site]), [], limits))?.rule).toBe('127.0.0.1 port 80 does not answer with its new configuration: ECONNREFUSED');
  });

  it('need not answer over a protocol that the host does not speak', async () => {
    const { host } = hostOf(({ address }) => (address.includes(':') ? none('EADDRNOTAVAIL', true) : answer(200, shaOf(site))));
    expect(await probeMade(host, nameModels([site]), [], limits)).toBeUndefined();
  });
});

describe('routes that worked before', () => {
  it('are those that are answered at all, at most 8 of a site, asked with TLS where there is any', async () => {
    const many = { ...site, routes: Array.from({ length: 12 }, (_none, n) => statusRoute(`/r${String(n)}`, 'x')) };
    const { host, asks } = hostOf(({ path }) => (path === '/r0' ? answer(401) : path === '/r1' ? answer(502) : path === '/r2' ? none('no answer in 200 ms') : answer(200)));
    const worked = await probeWorked(host, [many], limits);
    expect(worked.map(({ prefix, status }) => [prefix, status])).toEqual([['/r0', 401], ['/r3', 200], ['/r4', 200], ['/r5', 200], ['/r6', 200], ['/r7', 200]]);
    expect(asks.every(({ port, address }) => port === 443 && address === '192.0.2.10')).toBe(true);
  });

  it('are not waited for longer than a change may be held up', async () => {
    const { host } = hostOf(async ({ timeoutMs }) => { await new Promise((resolve) => setTimeout(resolve, timeoutMs)); return none('late'); });
    const begun = performance.now();
    expect(await probeWorked(host, Array.from({ length: 100 }, (_none, n) => testSite(`s${String(n)}.example.org`)), limits)).toEqual([]);
    expect(performance.now() - begun).toBeLessThan(1500);
  });

  it('have to go on so, unless they are meant not to', async () => {
    const worked = ['/', '/app', '/bad', '/gone'].map((prefix) => ({ name: site.name, prefix, status: 200 }));
    const ask = (bad: string): Host => hostOf(({ path }) => (path === probePath ? answer(200, shaOf(site)) : path === bad || path === '/bad' ? answer(502) : answer(200))).host;
    expect(await probeMade(ask('none'), nameModels([site]), worked, limits)).toBeUndefined();
    expect(await probeMade(ask('/app'), nameModels([site]), worked, limits)).toEqual({ name: site.name, rule: '"/app" answered with status 200 before, and now: status 502' });
    const closed = { ...site, maintenance: { retryAfterS: 30 } };
    const { host } = hostOf(({ path }) => (path === probePath ? answer(200, shaOf(closed)) : answer(503)));
    expect(await probeMade(host, nameModels([closed]), worked, limits)).toBeUndefined();
  });
});
