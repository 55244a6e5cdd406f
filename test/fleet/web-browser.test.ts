import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAgentServer, type AgentServer } from '../../agent/server.js';
import { accessApi } from '../support/access-api.js';
import { fillBrowserFleet, type BrowserFleet } from '../support/browser-fleet.js';
import { findViolations, keepPicture, logIn, noBrowser, startBrowser, watchMischief, type Mischief } from '../support/browser.js';
import { startLoopbackFleet, type LoopbackFleet } from '../support/loopback-fleet.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { startWeb, type WebPage } from '../support/web-page.js';

const why = process.getuid?.() === 0 ? noBrowser() : 'only root can become others';

describe.skipIf(why !== undefined)(`the status page in a browser${why === undefined ? '' : ` (${why})`}`, () => {
  let fleet: LoopbackFleet;
  let filled: BrowserFleet;
  let web: WebPage;
  let password: string;
  let browser: Browser;
  let context: BrowserContext;
  let mischief: Mischief;
  let page: Page;

  const contextFor = async (options: Parameters<Browser['newContext']>[0] = {}): Promise<{ context: BrowserContext; mischief: Mischief; page: Page }> => {
    const made = await browser.newContext(options);
    const seen = await watchMischief(made, web.url);
    const first = await made.newPage();
    await first.goto(web.url);
    await logIn(first, web.url, 'grace', password);
    return { context: made, mischief: seen, page: first };
  };
  const inPage = (expression: string): Promise<unknown> => page.evaluate(expression);
  const paths = (): [name: string, path: string][] => [
    ['overview', '/'], ['hosts', '/host'], ['hosts-tree', '/host?tree=1'], ['host-evil', '/host/web1'], ['host-parent', '/host/vm1'], ['host-drift', '/host/web1/drift'], ['persons', '/person'],
    ['person', '/person/ada'], ['operations', '/operation'], ['operation', `/operation/${filled.operationId}`], ['audit', '/audit'], ['backups', '/backup'], ['certs', '/cert'], ['alerts', '/alert'],
    ['self', '/self'], ['missing', '/host/never'],
  ];

  beforeAll(async () => {
    fleet = await startLoopbackFleet();
    filled = await fillBrowserFleet(fleet);
    web = await startWeb(fleet);
    password = await web.allow('grace');
    browser = await startBrowser();
    ({ context, mischief, page } = await contextFor());
  });
  afterAll(async () => {
    await browser.close();
    await web.close();
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });

  it('has every page, each with a heading of its own, and shows what hosts and people wrote as text', async () => {
    for (const [name, path] of paths()) {
      const response = await page.goto(web.url + path);
      expect(response?.status(), path).toBe(name === 'missing' ? 404 : 200);
      expect(await page.locator('h1').count(), path).toBe(1);
      await keepPicture(page, name);
    }
    await page.goto(`${web.url}/host/web1`);
    const text = await page.locator('main').innerText();
    expect(text).toContain(`"><script>alert('reeve-evil')</script>`);
    expect(text).toContain(`' onmouseover=alert(1) x='reeve-evil`);
    expect(text).toContain(`</title></textarea><img src=x onerror=alert('reeve-evil')>`);
    await page.goto(`${web.url}/person/ada`);
    expect(await page.locator('main').innerText()).toContain(`<script>alert('reeve-evil')</script>`);
    expect(await page.locator('main').innerText()).toContain('grant 1 via ops');
    expect(await page.locator('main script, main img').count()).toBe(0);
    expect(mischief).toEqual({ dialogs: [], reports: [], elsewhere: [] });
    // What is not allowed would have been seen.
    await page.evaluate(`document.body.insertAdjacentHTML('beforeend', '<i style="color: red">x</i>')`);
    await expect.poll(() => mischief.reports.join(' ')).toContain('style-src');
    mischief.reports.length = 0;
  });

  it('draws how a host did, says it in words, and leaves out the time in which it was away', async () => {
    await page.goto(`${web.url}/host/web1`);
    const chart = page.getByRole('img', { name: /^Load for each processor: / });
    expect(await chart.getAttribute('aria-label')).toMatch(/^Load for each processor: \d\.\d\d at \d\d:\d\d:\d\d UTC; between 0\.00 and 1\.00 since 20/);
    expect(await chart.locator('polyline').count()).toBe(2);
    expect((await chart.boundingBox())?.height).toBeGreaterThan(40);
    expect(await page.getByRole('figure', { name: /^Memory: / }).innerText()).toMatch(/Memory: \d+\.\d % at .*; between 25\.\d % and 7\d\.\d % since/s);
  });

  it('shows that a host went away and came back without being loaded again', async () => {
    const { db1 } = filled.agents;
    await page.goto(`${web.url}/host`);
    await page.evaluate('globalThis.sameDocument = true');
    await page.locator('#live:text("live")').waitFor();
    await page.getByRole('row', { name: /^db1 connected / }).waitFor();
    // What is typed meanwhile stays, and so does the focus.
    await page.getByLabel('Search').fill('half a wo');
    await db1.server.close(100);
    await page.getByRole('row', { name: /^db1 lost / }).waitFor({ timeout: 30_000 });
    const stateDir = mkdtempSync(join(tmpdir(), 'reeve-agent-'));
    const server: AgentServer = await createAgentServer({ host: db1.host, identity: db1.identity, stateDir, listen: { host: '127.0.0.1', port: db1.port }, log: pino({ level: 'silent' }) });
    try {
      await page.getByRole('row', { name: /^db1 connected / }).waitFor({ timeout: 30_000 });
      expect(await page.getByLabel('Search').inputValue()).toBe('half a wo');
      expect(await inPage(`document.activeElement?.getAttribute('name')`)).toBe('search');
      expect(await inPage(`'sameDocument' in globalThis`)).toBe(true);
    } finally {
      await server.close(100);
      rmSync(stateDir, { recursive: true, force: true });
    }
  });

  it('keeps the focus on what it is on when rows come in front of it', async () => {
    await page.goto(`${web.url}/host`);
    await page.locator('#live:text("live")').waitFor();
    await page.getByRole('link', { name: 'vm1', exact: true }).first().focus();
    await fleet.invite('aaa1');
    await page.getByRole('link', { name: 'aaa1', exact: true }).waitFor({ timeout: 20_000 });
    expect(await inPage('document.activeElement?.textContent')).toBe('vm1');
    expect(await inPage(`[...document.querySelectorAll('tbody th')].map((cell) => cell.innerText).join(' ')`)).toBe('aaa1 db1 new1 store1 store2 vm1 web1');
  });

  it('shows an operation while it runs, and how it ended, without being loaded again', async () => {
    const slow = createSimulatedHost({ helperMs: 1_500 });
    await fleet.addAgent('slow1', { host: slow });
    await page.goto(web.url);
    await page.locator('#live:text("live")').waitFor();
    const ended = accessApi(fleet.api).user('AddUser', 'slow1', 'erin');
    const running = page.getByRole('region', { name: 'Running now' });
    await running.getByRole('row').filter({ hasText: 'user add erin on slow1' }).filter({ hasText: 'running' }).filter({ hasText: '0 of 1' }).waitFor({ timeout: 20_000 });
    expect((await ended).outcome).toBe('ok');
    await page.getByRole('region', { name: 'Last operations' }).getByRole('row', { name: /^user add erin on slow1 ok 1 of 1 / }).waitFor({ timeout: 20_000 });
    expect(await running.count()).toBe(0);
  });

  it('says when it is not told of changes any more', async () => {
    await context.route('**/live', (route) => route.abort('connectionrefused'));
    await page.goto(web.url);
    await page.locator('#live.off').waitFor();
    expect(await page.locator('#live').innerText()).toMatch(/^not connected since \d\d:\d\d:\d\d UTC$/);
    await context.unroute('**/live');
    await page.locator('#live:text("live"):not(.off)').waitFor({ timeout: 30_000 });
  });

  it('can be used with the keyboard alone', async () => {
    await page.goto(`${web.url}/host`);
    const focused = (): Promise<unknown> => inPage('`${document.activeElement?.nodeName} ${document.activeElement?.innerText.trim()}`');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('A Skip to content');
    expect((await page.locator('.skip').boundingBox())?.x).toBeGreaterThanOrEqual(0);
    await page.keyboard.press('Enter');
    expect(await inPage('document.activeElement?.id')).toBe('main');
    await page.keyboard.press('Tab');
    expect(await inPage(`document.activeElement?.getAttribute('name')`)).toBe('search');
    expect(await inPage('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    await page.keyboard.type('web');
    await page.keyboard.press('Tab');
    await page.keyboard.type('site=ams');
    await page.keyboard.press('Enter');
    await page.waitForURL(/search=web.*label=site/);
    expect(await page.locator('tbody th').allInnerTexts()).toEqual(['web1']);
    // Every place that can be used is reached in the order in which it is read, and none is a trap.
    const order: string[] = [];
    for (let count = 0; count < 80; count += 1) {
      await page.keyboard.press('Tab');
      const at = Number(await inPage(`document.activeElement === document.body ? -1 : [...document.querySelectorAll('*')].indexOf(document.activeElement)`));
      if (at === -1) break;
      order.push(String(at).padStart(6, '0'));
    }
    expect(order.length).toBeGreaterThan(20);
    expect(order).toEqual([...order].sort());
    await page.getByRole('link', { name: 'web1', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/host\/web1$/);
  });

  it.each([
    ['light', 1280], ['dark', 1280], ['light', 360], ['dark', 360],
  ] as const)('has nothing that keeps somebody out, by axe-core: %s, %i px wide', async (colorScheme, width) => {
    const other = await contextFor({ colorScheme, viewport: { width, height: 800 } });
    try {
      for (const [name, path] of paths()) {
        await other.page.goto(web.url + path);
        expect(await findViolations(other.page), path).toEqual([]);
        expect(await other.page.evaluate('document.documentElement.scrollWidth <= document.documentElement.clientWidth'), `${path} is not wider than the window`).toBe(true);
        if (colorScheme === 'dark' || width === 360) await keepPicture(other.page, `${name}-${colorScheme}-${String(width)}`);
      }
      expect(other.mischief).toEqual({ dialogs: [], reports: [], elsewhere: [] });
    } finally {
      await other.context.close();
    }
  });

  it('is as readable without JavaScript', async () => {
    const other = await contextFor({ javaScriptEnabled: false });
    try {
      for (const [name, path] of paths().filter(([known]) => known !== 'host-drift')) {
        await other.page.goto(web.url + path);
        const without = await other.page.locator('main').textContent();
        await page.goto(web.url + path);
        const words = (text: string | null): string => (text ?? '').replace(/[0-9:.,-]+/g, '#').replace(/\s+/g, ' ');
        expect(words(without), name).toBe(words(await page.locator('main').textContent()));
      }
      expect(await other.page.locator('#live').isVisible()).toBe(false);
      expect(other.mischief).toEqual({ dialogs: [], reports: [], elsewhere: [] });
    } finally {
      await other.context.close();
    }
  });

  it('gives the list as a file that no spreadsheet takes for formulas', async () => {
    const csv = await context.request.get(`${web.url}/host?format=csv`);
    expect(csv.headers()['content-type']).toBe('text/csv; charset=utf-8');
    const lines = (await csv.text()).split('\r\n');
    expect(lines[0]).toBe('name,id,state,health,address,parent,labels,os,agent_version,last_seen_at,certificate_not_after,pending,drifted,lost_reason');
    expect(lines.find((line) => line.startsWith('web1,'))).toContain(`"""><script>alert('reeve-evil')</script>"`);
    const json = (await (await context.request.get(`${web.url}/host?format=json&label=site%3Dams`)).json()) as { hosts: { name: string }[] };
    expect(json.hosts.map(({ name }) => name)).toEqual(['web1']);
  });
});
