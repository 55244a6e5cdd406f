import { setTimeout as sleep } from 'node:timers/promises';
import { forEachLimited } from '../../shared/kit/queue.js';
import { isIpv4 } from '../../shared/model/host.js';
import type { VhostListen } from '../../shared/model/vhost-listen.js';
import { isWildcard } from '../../shared/model/vhost-name.js';
import { probePath } from '../../shared/model/vhost-path.js';
import type { VhostRoute } from '../../shared/model/vhost-route.js';
import type { Vhost } from '../../shared/model/vhost.js';
import type { Host } from '../host/host.js';
import type { SiteAnswer } from '../host/web.js';
import type { WantedSite } from './decide.js';
import type { Trial } from './store.js';

/** How long sites are asked. */
export interface ProbeLimits {
  /** Until a site answers with its new configuration, and until a route that answered before answers again, ms. */
  readonly settleMs: number;
  /** Until one route answers before a change, ms; and after it, when it may be slower. */
  readonly beforeMs: number;
  readonly afterMs: number;
  /** All routes before a change together, ms: what was not asked by then counts as not working. */
  readonly allBeforeMs: number;
}

/** The usual limits. */
export const probeLimits: ProbeLimits = { settleMs: 5_000, beforeMs: 3_000, afterMs: 10_000, allBeforeMs: 20_000 };

/** Sites that are asked at once. */
const atOnce = 16;

/** Most routes of a site that are asked. */
const mostRoutes = 8;

/** Pauses between two tries, ms. */
const pausesMs = [50, 100, 200, 500] as const;

/** Most addresses of this host that are tried where a site listens on all. */
const mostAddresses = 8;

/** What did not answer as it should. */
export interface ProbeProblem {
  readonly name: string;
  readonly rule: string;
}

/** The name that a site is asked by: one below it where it is a wildcard. */
export function askedName(name: string): string {
  return isWildcard(name) ? `reeve-probe${name.slice(1)}` : name;
}

/** The routes of sites as they are that answer now, at most 8 of each, with what they answer. */
export async function probeWorked(host: Host, sites: readonly Vhost[], limits: ProbeLimits): Promise<Trial['worked']> {
  const worked: { name: string; prefix: string; status: number }[] = [];
  const until = host.clock.monotonic() + limits.allBeforeMs;
  await forEachLimited(sites, atOnce, async (site) => {
    for (const { prefix } of site.routes.slice(0, mostRoutes)) {
      const leftMs = until - host.clock.monotonic();
      if (leftMs < limits.beforeMs / 10) return;
      const answer = await askRoute(host, site, prefix, Math.min(limits.beforeMs, leftMs));
      if (works(answer)) worked.push({ name: site.name, prefix, status: answer.status });
    }
  });
  return worked.sort((a, b) => (a.name < b.name || (a.name === b.name && a.prefix < b.prefix) ? -1 : 1));
}

/** The first site that does not answer as it was just made, or of which a route that worked before does not any more; undefined: all is well. */
export async function probeMade(host: Host, sites: readonly WantedSite[], worked: Trial['worked'], limits: ProbeLimits): Promise<ProbeProblem | undefined> {
  const problems: ProbeProblem[] = [];
  await forEachLimited(sites, atOnce, async (wanted) => {
    const { site } = wanted;
    if (problems.length > 0) return;
    const rule = (await probeModel(host, wanted, limits)) ?? (await probeRoutes(host, site, worked.filter(({ name }) => name === site.name), limits));
    if (rule !== undefined) problems.push({ name: site.name, rule });
  });
  return problems[0];
}

/** Whether an answer is one: what is behind a route may well say no. */
function works(answer: SiteAnswer): answer is Extract<SiteAnswer, { kind: 'answer' }> {
  return answer.kind === 'answer' && answer.status < 500;
}

async function probeModel(host: Host, { site, sha }: WantedSite, limits: ProbeLimits): Promise<string | undefined> {
  const ask = async ({ port, tls }: VhostListen, address: string): Promise<{ done: boolean; said: string }> => {
    const answer = await host.askSite({ port, tls, address, name: askedName(site.name), path: probePath, timeoutMs: limits.settleMs, bodyBytes: 256 });
    if (answer.kind === 'none') return { done: answer.unavailable, said: answer.reason };
    return { done: answer.status === 200 && answer.body.trim() === sha, said: answer.status === 200 ? 'it answers with another configuration' : `status ${String(answer.status)}` };
  };
  for (const listen of site.listens) {
    for (const first of listen.address === undefined ? ['127.0.0.1', '::1'] : [listen.address]) {
      let said = '';
      const answered = await retried(host, limits.settleMs, async () => {
        const told = await ask(listen, first);
        ({ said } = told);
        if (told.done || listen.address !== undefined) return told.done;
        // Somebody else may have that address for itself: the site is at the others.
        for (const address of ownAddresses(host, first)) if ((await ask(listen, address)).done) return true;
        return false;
      });
      if (!answered) return `${first} port ${String(listen.port)} does not answer with its new configuration: ${said}`;
    }
  }
  return undefined;
}

/** Addresses of this host, of the same protocol as one of loopback. */
function ownAddresses(host: Host, loopback: string): readonly string[] {
  const own = host.readNetwork().interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => address));
  return own.filter((address) => isIpv4(address) === isIpv4(loopback) && address !== loopback && !address.startsWith('fe80:')).slice(0, mostAddresses);
}

async function probeRoutes(host: Host, site: Vhost, worked: Trial['worked'], limits: ProbeLimits): Promise<string | undefined> {
  if (site.maintenance !== undefined) return undefined;
  for (const { prefix, status } of worked) {
    const route = site.routes.find((other) => other.prefix === prefix);
    if (route === undefined || isMeantToFail(route)) continue;
    let said = '';
    const answered = await retried(host, limits.settleMs, async () => {
      const answer = await askRoute(host, site, prefix, limits.afterMs);
      said = answer.kind === 'answer' ? `status ${String(answer.status)}` : answer.reason;
      return works(answer);
    });
    if (!answered) return `"${prefix}" answered with status ${String(status)} before, and now: ${said}`;
  }
  return undefined;
}

function isMeantToFail(route: VhostRoute): boolean {
  return route.kind === 'status' && route.code >= 500;
}

function askRoute(host: Host, site: Vhost, prefix: string, timeoutMs: number): Promise<SiteAnswer> {
  const listen = site.listens.find(({ tls }) => tls) ?? site.listens[0];
  if (listen === undefined) return Promise.resolve({ kind: 'none', reason: 'it listens nowhere', unavailable: true });
  return host.askSite({ ...listen, address: listen.address ?? '127.0.0.1', name: askedName(site.name), path: prefix, timeoutMs, bodyBytes: 0 });
}

/** Tries until it works, or for so long. */
async function retried(host: Host, forMs: number, attempt: () => Promise<boolean>): Promise<boolean> {
  const until = host.clock.monotonic() + forMs;
  for (let tries = 0; ; tries += 1) {
    if (await attempt()) return true;
    const pauseMs = pausesMs[Math.min(tries, pausesMs.length - 1)] ?? 0;
    if (host.clock.monotonic() + pauseMs >= until) return false;
    await sleep(pauseMs);
  }
}
