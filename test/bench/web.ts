import { randomBytes } from 'node:crypto';
import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { startProgram } from '../support/bench-process.js';
import type { WebStart } from '../support/bench-web.js';
import type { Figure } from './report.js';

const hosts = 10_000;
const rounds = 15;

/** Most that a page may take and weigh. */
const bars = { ms: 300, kB: 500 } as const;

const measured = [
  { id: 'overview', title: 'the overview', path: '/' },
  { id: 'host', title: 'the list of hosts, first page', path: '/host' },
  { id: 'search', title: '  searched, and sorted by when they were seen', path: '/host?search=example.org&sort=seen&order=descending' },
  { id: 'health', title: '  those with errors', path: '/host?health=error' },
  { id: 'tree', title: '  as a tree', path: '/host?tree=1' },
] as const;

/** Pages of a fleet of 10,000 hosts, from the request to the last byte, with coordinator and status page in processes of their own. */
export async function benchWeb(programs: string, folder: string): Promise<Figure[]> {
  if (!existsSync(join(programs, 'asset'))) symlinkSync(join(import.meta.dirname, '../../coordinator/web/asset'), join(programs, 'asset'));
  const coordinator = startProgram(programs, 'test/support/bench-web.ts');
  const page = startProgram(programs, 'test/support/bench-web-page.ts');
  try {
    const socketPath = await coordinator.ask<string>({ stateDir: join(folder, 'state'), hosts } satisfies WebStart);
    const port = await page.ask<number>(socketPath);
    const headers = { cookie: `__Host-reeve=${randomBytes(32).toString('base64url')}` };
    const figures: Figure[] = [];
    for (const { id, title, path } of measured) {
      const values: number[] = [];
      let bytes = 0;
      // The first one compiles.
      for (let round = 0; round <= rounds; round += 1) {
        const at = performance.now();
        const response = await fetch(`http://localhost:${String(port)}${path}`, { headers });
        const text = await response.text();
        if (response.status !== 200 || !text.includes('</html>')) throw new Error(`${path} ended with ${String(response.status)}`);
        if (round > 0) values.push(performance.now() - at);
        bytes = Buffer.byteLength(text);
      }
      figures.push({ id: `web/${id}`, title: `${title}, of ${hosts.toLocaleString('en')} hosts`, unit: 'ms', values, bar: { most: bars.ms } });
      figures.push({ id: `web/${id}-size`, title: '  size', unit: 'kB', values: [bytes / 1000], bar: { most: bars.kB } });
    }
    return figures;
  } finally {
    await page.close();
    await coordinator.close();
  }
}
