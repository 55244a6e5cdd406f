import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

/** Where Debian's package has it. */
export const chromiumPath = '/usr/bin/chromium';

/** Why a test with a browser cannot run here; undefined: it can. */
export function noBrowser(): string | undefined {
  return existsSync(chromiumPath) ? undefined : `${chromiumPath} is missing: npm run setup`;
}

/** Starts a real Chromium, without a window; `path`: a program that starts it elsewhere. */
export function startBrowser(path = chromiumPath): Promise<Browser> {
  return chromium.launch({ executablePath: path, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
}

/** What a page must never do. */
export interface Mischief {
  /** Texts of dialogs that opened. */
  readonly dialogs: string[];
  /** Reports of the policy for content, and errors of scripts. */
  readonly reports: string[];
  /** Addresses outside the page's own server that were asked for. */
  readonly elsewhere: string[];
}

/** Notes what no page of a context may do, from now on. */
export async function watchMischief(context: BrowserContext, url: string): Promise<Mischief> {
  const seen: Mischief = { dialogs: [], reports: [], elsewhere: [] };
  await context.exposeFunction('reeveReport', (text: string) => void seen.reports.push(text));
  await context.addInitScript(`addEventListener('securitypolicyviolation', (event) => reeveReport(event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample))`);
  context.on('page', (page) => {
    page.on('dialog', (dialog) => {
      seen.dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    page.on('pageerror', (error) => seen.reports.push(error.message));
    page.on('console', (message) => {
      // A connection that breaks because the server was stopped is no fault of the page.
      if (message.type() === 'error' && !/ERR_|Failed to load resource/.test(message.text())) seen.reports.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(url)) seen.elsewhere.push(request.url());
    });
  });
  return seen;
}

/** Logs in by the form, as a person does. */
export async function logIn(page: Page, url: string, name: string, password: string): Promise<void> {
  await page.goto(`${url}/login`);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.waitForURL((address) => !address.pathname.endsWith('/login'));
}

/** What axe-core finds wrong with a page as it is, by WCAG 2.2 AA and its own best practices: "rule: what, at which element". */
export async function findViolations(page: Page): Promise<string[]> {
  const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  // Evaluated by the debugger: the page's own policy for scripts holds for the page, not for what examines it.
  await page.evaluate(source);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; help: string; nodes: { html: string; failureSummary?: string }[] }[] }> } };
    const { violations } = await axe.run();
    return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.html.slice(0, 200)} ${node.failureSummary ?? ''}`));
  });
}

/** Keeps a picture of a page in the folder that REEVE_SCREENSHOTS names, or in one for temporary files. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = process.env['REEVE_SCREENSHOTS'] ?? join(tmpdir(), 'reeve-screenshots');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
