import { expect, it } from 'vitest';
import { formatVhost, mostVhost, parseVhost, type Vhost } from '../../../shared/model/vhost.js';
import { nginx } from './engine.js';
import { randomSite } from './testing/random-site.js';
import { readSite } from './testing/read-site.js';

const models = 100_000;
const sha = 'ab'.repeat(32);

/** What of a model can be seen in its files, in the form of readSite. */
function visible(site: Vhost): object {
  const { overwrite: _overwrite, title, snippets, routes, maintenance, clientCert, ...rest } = site;
  const shown = title ?? site.name;
  if (maintenance !== undefined) return { ...rest, redirectHttps: false, clientCert: clientCert && { ...clientCert, mandatory: undefined }, maintenance, title: shown };
  const pages = routes.some(({ kind }) => kind === 'proxy' || kind === 'uwsgi' || kind === 'fastcgi' || kind === 'php');
  const cut = routes.map((route) => {
    // The path that is appended begins with a slash.
    if (route.kind === 'redirect' && route.keepPath && route.to !== '/') return { ...route, to: route.to.replace(/\/$/, '') };
    // Without a prefix there is nothing to strip, and nothing to keep as it was.
    return route.prefix !== '/' ? route : { ...route, ...('stripPrefix' in route ? { stripPrefix: false } : {}), ...('keepEncoded' in route ? { keepEncoded: false } : {}) };
  });
  return { ...rest, clientCert, snippets, maintenance, routes: cut, ...(pages ? { title: shown } : {}) };
}

it(`${String(models)} random sites with hostile texts are read back from their files by another reader as they were`, { timeout: 1_200_000 }, () => {
  let accepted = 0;
  for (let seed = 0; seed < models; seed += 1) {
    let site: Vhost;
    try {
      site = parseVhost(randomSite(seed));
    } catch (error) {
      // The one rule that a random site may break: that on all of its networks and texts together.
      if (error instanceof Error && error.message.includes('in a site')) continue;
      throw new Error(`seed ${String(seed)}: ${String(error)}`, { cause: error });
    }
    accepted += 1;
    const files = nginx(true).render(site, sha);
    let read: object;
    try {
      read = readSite(files, sha);
    } catch (error) {
      throw new Error(`seed ${String(seed)}: ${String(error)}\n${files[0]?.text ?? ''}`, { cause: error });
    }
    // Deep comparison by vitest is slow; it is asked only to show a difference.
    if (!same(read, visible(site))) expect(read, `seed ${String(seed)}`).toEqual(visible(site));
  }
  expect(accepted).toBeGreaterThan(models * 0.95);
});

it('a site from the wire, for the wire and back is the same', () => {
  for (let seed = 0; seed < 2000; seed += 1) {
    const wire = randomSite(seed);
    if (wire.routes.reduce((sum, { allow }) => sum + allow.length, wire.allow.length) > mostVhost.networks) continue;
    const site = parseVhost(wire);
    expect(parseVhost(formatVhost(site)), `seed ${String(seed)}`).toEqual(site);
  }
});

/** Whether two values are alike; what is undefined is not there. */
function same(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  for (const key in left) if (!same(left[key], right[key])) return false;
  for (const key in right) if (right[key] !== undefined && left[key] === undefined) return false;
  return true;
}
