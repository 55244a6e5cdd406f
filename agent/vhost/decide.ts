import type { ErrorItem } from '../../shared/errors/error.js';
import type { Vhost } from '../../shared/model/vhost.js';
import type { Deny } from '../user/plan.js';
import { siteRefusals } from './ask.js';
import { usesSelfSigned } from './engine.js';
import { claimOn } from './foreign.js';
import type { ObservedSite, ObservedVhosts } from './observe.js';

/** A site that is wanted, with what stands for it. */
export interface WantedSite {
  readonly site: Vhost;
  /** vhostModelText of it. */
  readonly text: string;
  /** sha256 of that, hexadecimal. */
  readonly sha: string;
}

/** Why a site is made. */
export type MakeReason = 'new' | 'model' | 'edited' | 'missing' | 'expiring';

/** What becomes of one site. */
export type Decision =
  /** It is as wanted. */
  | { readonly kind: 'same'; readonly name: string }
  | {
      readonly kind: 'make';
      readonly name: string;
      readonly wanted: WantedSite;
      readonly why: MakeReason;
      /** Its self-signed certificate: it needs none, the one it has is kept, or another is made. */
      readonly pair: 'none' | 'kept' | 'made';
    }
  /** It cannot be made as wanted: `before` says whether it stays as it is, else nothing of it is there. */
  | { readonly kind: 'stay'; readonly name: string; readonly wanted: WantedSite; readonly problems: readonly ErrorItem[]; readonly before: boolean }
  /** It is not wanted any more. */
  | { readonly kind: 'go'; readonly name: string };

/** What is decided from. */
export interface DecideInput {
  /** By name. */
  readonly wanted: readonly WantedSite[];
  /** Only what takes a site away. */
  readonly removalsOnly: boolean;
  readonly observed: ObservedVhosts;
  /** A file of somebody else that goes in the same step; its sites are in nobody's way. */
  readonly take: string | undefined;
  readonly hostName: string;
  readonly deny: Deny;
  /** Whether a self-signed certificate does for these names no longer. */
  readonly pairDue: (certPem: string, names: readonly string[]) => boolean;
}

/** What becomes of each site, by name. Pure. */
export function decideSites(input: DecideInput): readonly Decision[] {
  const { observed, removalsOnly } = input;
  const names = new Set(input.wanted.map(({ site }) => site.name));
  const gone = [...observed.sites.keys()].filter((name) => !names.has(name)).map((name): Decision => ({ kind: 'go', name }));
  const wanted = input.wanted.flatMap((row): Decision[] => {
    const now = observed.sites.get(row.site.name);
    if (removalsOnly) return now === undefined ? [] : [{ kind: 'same', name: row.site.name }];
    return [decide(input, row, now)];
  });
  return [...wanted, ...gone].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function decide(input: DecideInput, wanted: WantedSite, now: ObservedSite | undefined): Decision {
  const { site, sha } = wanted;
  const { name } = site;
  if (now?.state === 'ok' && now.modelSha === sha) return { kind: 'same', name };
  const problems = problemsOf(input, wanted, now);
  if (problems.length > 0) return { kind: 'stay', name, wanted, problems, before: now !== undefined };
  const why = now === undefined ? 'new' : now.state === 'edited' ? 'edited' : now.modelSha !== sha ? 'model' : now.state === 'missing' ? 'missing' : 'expiring';
  return { kind: 'make', name, wanted, why, pair: pairOf(input, site, now) };
}

function problemsOf({ observed, take, hostName: host, deny }: DecideInput, { site }: WantedSite, now: ObservedSite | undefined): readonly ErrorItem[] {
  if (now?.state === 'edited' && !site.overwrite) {
    const files = now.files.filter(({ state }) => state === 'edited').map((file) => file.name);
    return [{ code: 'VHOST_DRIFT', fields: { host, value: site.name, rule: `${files.slice(0, 5).join(', ')} ${files.length === 1 ? 'is' : 'are'} not as written` } }];
  }
  const claim = claimOn(site, observed.foreign, take);
  if (claim !== undefined) {
    const { block: { file, line }, name, port } = claim;
    return [{ code: 'VHOST_FOREIGN', fields: { host, value: site.name, owner: file, rule: `line ${String(line)} of ${file} answers to "${name}" on port ${String(port)}` } }];
  }
  const absent = site.snippets.find((name) => !observed.snippets.has(name));
  if (absent !== undefined) return [{ code: 'VHOST_SNIPPET', fields: { host, value: absent, rule: 'it is not there, or others than root can write it' } }];
  return siteRefusals(site, deny, (name) => observed.snippets.get(name));
}

/** A pair that somebody altered or took away is never kept. */
function pairOf({ pairDue }: DecideInput, site: Vhost, now: ObservedSite | undefined): 'none' | 'kept' | 'made' {
  if (!usesSelfSigned(site)) return 'none';
  const files = now?.files.filter(({ name }) => /\.(?:crt|key)$/.test(name)) ?? [];
  const whole = files.length === 2 && files.every(({ state }) => state === 'ok');
  return whole && now?.certPem !== undefined && !pairDue(now.certPem, [site.name, ...site.aliases]) ? 'kept' : 'made';
}
