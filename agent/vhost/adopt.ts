import { listenKey } from '../../shared/model/vhost-listen.js';
import type { Vhost } from '../../shared/model/vhost.js';
import type { Host } from '../host/host.js';
import type { SiteAnswer } from '../host/web.js';
import { askedName } from './probe.js';

/** A site that takes the place of one of somebody else, and the same site where only this host reaches it, so that both can be asked. */
export interface Shadow {
  readonly site: Vhost;
  readonly shadow: Vhost;
  /** Its port for each place where the site is to listen, by listenKey. */
  readonly ports: ReadonlyMap<string, number>;
}

/** How two sites compare. */
export interface Comparison {
  /** Where the new one answers otherwise. */
  readonly differences: readonly string[];
  /** What could not be compared. */
  readonly skipped: readonly string[];
}

/** Where shadows listen. */
const shadowAddress = '127.0.0.1';

/** Most routes of a site that are compared, and most lines that are told. */
const most = { routes: 8, lines: 100 } as const;

/** How much of a body is read, bytes, and how long an answer may take, ms. */
const asked = { bodyBytes: 65_536, timeoutMs: 10_000 } as const;

/** A path that hardly anybody has. */
const nowhere = 'reeve-compares-what-is-not-there';

/** How many ports shadows of sites need. */
export function shadowPorts(sites: readonly Vhost[]): number {
  return sites.reduce((sum, { listens }) => sum + listens.length, 0);
}

/** Shadows of sites on these free ports of loopback; there are at least shadowPorts of them. */
export function shadowSites(sites: readonly Vhost[], free: readonly number[]): readonly Shadow[] {
  let next = 0;
  return sites.map((site) => {
    const ports = new Map(site.listens.map((listen) => [listenKey(listen), free[next++] ?? 0]));
    const listens = site.listens.map((listen) => ({ ...listen, address: shadowAddress, port: ports.get(listenKey(listen)) ?? 0 }));
    // A default server would answer for others, and where it is one is not where it listens now.
    return { site, ports, shadow: { ...site, defaultServer: false, listens: listens.sort((a, b) => a.port - b.port) } };
  });
}

/** Asks old and new for the same paths: those of each route, what lies below, and what is not there. */
export async function compareSites(host: Host, shadows: readonly Shadow[]): Promise<Comparison> {
  const differences: string[] = [];
  const skipped: string[] = [];
  for (const { site, ports } of shadows) {
    if (site.clientCert !== undefined) {
      skipped.push(`${site.name}: what it answers to clients with certificates is not compared`);
      continue;
    }
    for (const listen of site.listens) {
      for (const path of pathsOf(site)) {
        const ask = (address: string, port: number): Promise<SiteAnswer> => host.askSite({ address, port, tls: listen.tls, name: askedName(site.name), path, ...asked });
        const old = await ask(listen.address ?? shadowAddress, listen.port);
        const again = await ask(listen.address ?? shadowAddress, listen.port);
        const now = await ask(shadowAddress, ports.get(listenKey(listen)) ?? 0);
        const where = `${listen.tls ? 'https' : 'http'}://${site.name}${listen.port === (listen.tls ? 443 : 80) ? '' : `:${String(listen.port)}`}${path}`;
        if (old.kind === 'none' || old.status >= 500) skipped.push(`${where}: ${old.kind === 'none' ? old.reason : `status ${String(old.status)}`}; it is not compared`);
        else differences.push(...differencesOf(site.name, listen.tls, path, { old, again, now }).map((text) => `${where}: ${text}`));
      }
    }
  }
  return { differences: differences.slice(0, most.lines), skipped: skipped.slice(0, most.lines) };
}

function pathsOf(site: Vhost): readonly string[] {
  const prefixes = site.routes.slice(0, most.routes).map(({ prefix }) => prefix);
  return [...new Set(prefixes.flatMap((prefix) => (prefix === '/' ? ['/', `/${nowhere}`, '/favicon.ico'] : [prefix, `${prefix}/`, `${prefix}/${nowhere}`])))];
}

/** What differs; the length of a body only where it does not change by itself. */
function differencesOf(name: string, tls: boolean, path: string, of: { old: Answered; again: SiteAnswer; now: SiteAnswer }): readonly string[] {
  const { old, again, now } = of;
  if (now.kind === 'none') return [`no answer (${now.reason})`];
  const at = (answer: Answered): string => locationOf(answer.location, `${tls ? 'https' : 'http'}://${askedName(name)}${path}`);
  const rows: readonly (readonly [what: string, from: string, to: string])[] = [
    ['status', String(old.status), String(now.status)],
    ['Location', at(old), at(now)],
    ['Content-Type', mediaType(old), mediaType(now)],
    ...(again.kind === 'answer' && lengthOf(again) === lengthOf(old) ? [['body', lengthOf(old), lengthOf(now)] as const] : []),
  ];
  return rows.filter(([, from, to]) => from !== to).map(([what, from, to]) => `${what} ${from === '' ? 'none' : from} before, ${to === '' ? 'none' : to} after`);
}

type Answered = Extract<SiteAnswer, { kind: 'answer' }>;

/** Where it leads, whatever way it is said; ports are other ones in a shadow. */
function locationOf(location: string, base: string): string {
  if (location === '') return '';
  try {
    const url = new URL(location, base);
    url.port = '';
    return url.href;
  } catch {
    return location.slice(0, 200);
  }
}

/** Without its parameters. */
function mediaType({ contentType }: Answered): string {
  return (contentType.split(';')[0] ?? '').trim().toLowerCase();
}

function lengthOf({ body, cut }: Answered): string {
  return `${cut ? 'more than ' : ''}${String(body.length)} bytes`;
}
