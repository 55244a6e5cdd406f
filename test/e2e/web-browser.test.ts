import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, findViolations, keepPicture, logIn, noBrowser, startBrowser, watchMischief, type Mischief } from '../support/browser.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

const why = hosts.ok ? noBrowser() : hosts.reason;
const url = 'http://localhost:8420';

describe.skipIf(why !== undefined)(`the status page of a real coordinator in a browser${why === undefined ? '' : ` (${why})`}`, () => {
  let fleet: TestFleet;
  let folder: string;
  let browser: Browser;
  let context: BrowserContext;
  let mischief: Mischief;
  let page: Page;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'web-browser', hosts: ['web1', 'web2'], policy: 'full' });
    for (const args of [
      ['operator', 'add', 'grace', '--role', 'viewer'], ['person', 'add', 'ada', '--yes'], ['user', 'add', 'deploy', '--on', 'all', '--yes'], ['grant', 'add', 'ada', '--on', 'web1', '--user', 'deploy', '--yes'],
      ['host', 'set', 'web1', '--label', 'site=ams'],
    ]) {
      const { code, stdout, stderr } = await fleet.reeve(args);
      expect(code, `${args.join(' ')}: ${stdout}${stderr}`).toBe(0);
    }
    // The page listens on the coordinator's own loopback: the browser runs in that machine's network, with this machine's files.
    folder = mkdtempSync(join(tmpdir(), 'reeve-browser-'));
    const program = join(folder, 'chromium');
    const net = fleet.hub.outside('').replace(/root$/, 'ns/net');
    writeFileSync(program, `#!/bin/sh\nexec nsenter --net=${net} ${chromiumPath} "$@"\n`);
    chmodSync(program, 0o755);
    browser = await startBrowser(program);
    context = await browser.newContext();
    mischief = await watchMischief(context, url);
    page = await context.newPage();
    await until(async () => (await fleet.hub.exec(['systemctl', 'is-active', 'reeve-web'])).stdout.trim() === 'active', { timeoutMs: 30_000, what: 'the status page to run' });
    const { password } = await fleet.json<{ password: string }>(['web', 'login', 'set', 'grace']);
    await logIn(page, url, 'grace', password);
  });
  afterAll(async () => {
    await browser.close();
    fleet.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const rowOf = (name: string, state: string) => page.getByRole('row', { name: new RegExp(`^${name} ${state} `) });

  test('shows what real hosts say of themselves, on every page', async () => {
    await page.goto(`${url}/host/web1`);
    const text = await page.locator('main').innerText();
    const kernel = (await fleet.host('web1').run(['uname', '-r'])).trim();
    expect(text).toContain(kernel);
    expect(text).toContain('Debian GNU/Linux');
    expect(text).toContain('deploy');
    expect(text).toContain('No containers are known here.');
    await keepPicture(page, 'lab-host');
    for (const path of ['/', '/host', '/host?tree=1', '/host/web2', '/host/web1/drift', '/person', '/person/ada', '/operation', '/audit', '/backup', '/cert', '/alert', '/self']) {
      expect((await page.goto(url + path))?.status(), path).toBe(200);
      expect(await findViolations(page), path).toEqual([]);
    }
    expect(mischief).toEqual({ dialogs: [], reports: [], elsewhere: [] });
  });

  test('shows what was altered by hand on a host, and what an apply would do about it', async () => {
    await fleet.host('web1').run(['usermod', '--shell', '/bin/sh', 'deploy']);
    await page.goto(`${url}/host?flag=drifted`);
    await rowOf('web1', 'connected').waitFor({ timeout: 330_000 });
    await page.getByRole('link', { name: 'web1', exact: true }).click();
    await page.getByRole('link', { name: 'What an apply would change now' }).click();
    await page.waitForURL(/\/drift$/);
    expect(await page.locator('main').innerText()).toMatch(/alter user deploy\s+shell: \/bin\/sh → \/bin\/bash/);
    await keepPicture(page, 'lab-drift');
    expect((await fleet.host('web1').run(['getent', 'passwd', 'deploy'])).trim().endsWith(':/bin/sh')).toBe(true);
  });

  test('shows that a host cannot be reached and came back, without being loaded again', async () => {
    await page.goto(`${url}/host`);
    await page.evaluate('globalThis.sameDocument = true');
    await rowOf('web2', 'connected').waitFor();
    await fleet.host('web2').run(['systemctl', 'stop', 'reeve-agent']);
    await rowOf('web2', 'lost').waitFor({ timeout: 60_000 });
    await fleet.host('web2').run(['systemctl', 'start', 'reeve-agent']);
    await rowOf('web2', 'connected').waitFor({ timeout: 120_000 });
    expect(await page.evaluate('globalThis.sameDocument')).toBe(true);
    expect(mischief).toEqual({ dialogs: [], reports: [], elsewhere: [] });
  });
});
