import type { Vhost } from '../../shared/model/vhost.js';
import { makeSelfSigned } from '../cert/self-signed.js';
import { siteCert } from '../cert/site.js';
import { shadowPorts, shadowSites, type Shadow } from './adopt.js';
import { renderSites, type CheckInput } from './check.js';
import type { Decision, WantedSite } from './decide.js';
import { namesOf } from './foreign.js';
import type { Decided, FrontOptions } from './look.js';
import type { SitePair } from './set.js';
import { nameModels } from './wanted.js';

/** Makes self-signed certificates of sites; each call makes another one. */
export function pairMaker({ host: { clock } }: FrontOptions): (site: Vhost) => SitePair {
  return (site) => makeSelfSigned({ names: [site.name, ...site.aliases], days: siteCert.days, now: clock.now() });
}

/** The set as it is, and beside it the sites that take those of a file over, where only this host reaches them. */
export async function shadowSet(front: FrontOptions, { now: observed, decisions }: Decided, file: string): Promise<{ readonly shadows: readonly Shadow[]; readonly wanted: readonly WantedSite[]; readonly check: CheckInput }> {
  const names = new Set(observed.foreign.filter((block) => block.file === file).flatMap(namesOf));
  const sites = decisions.flatMap((decision) => (decision.kind === 'make' && [decision.name, ...decision.wanted.site.aliases].some((name) => names.has(name)) ? [decision.wanted.site] : []));
  const shadows = shadowSites(sites, await front.host.freePorts(shadowPorts(sites)));
  const wanted = nameModels(shadows.map(({ shadow }) => shadow));
  const byName = new Map(wanted.map((row) => [row.site.name, row]));
  const instead = decisions.map((decision): Decision => {
    const row = byName.get(decision.name);
    if (decision.kind === 'make' && row !== undefined) return { ...decision, wanted: row };
    return { kind: 'same', name: decision.name };
  });
  return { shadows, wanted, check: { observed, decisions: instead, part: wanted.map(({ site }) => site.name), rendered: renderSites(front.web, wanted), makePair: pairMaker(front), take: undefined } };
}
