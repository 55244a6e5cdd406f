import { ReeveError, type ErrorItem } from '../../shared/errors/error.js';
import { sha256 } from '../../shared/kit/digest.js';
import { fileBase } from '../../shared/model/vhost-name.js';
import type { Vhost } from '../../shared/model/vhost.js';
import { siteCertDue } from '../cert/site.js';
import type { Host } from '../host/host.js';
import { policyProblem, readHostPolicy, usablePolicy } from '../policy/policy.js';
import { renderSites, type Rendered } from './check.js';
import { decideSites, type Decision } from './decide.js';
import { unifiedDiff } from './diff.js';
import type { Engine } from './engine.js';
import { namesOf } from './foreign.js';
import { currentFolder } from './nginx/access.js';
import { observeVhosts, readSiteFile, type CertEnds, type ObservedVhosts } from './observe.js';
import type { ProbeLimits } from './probe.js';
import { partsOf } from './set.js';
import { parseModelText, type ParkedSite, type VhostStore } from './store.js';
import type { WantedVhosts } from './wanted.js';

/** What managing the sites of a host needs. */
export interface FrontOptions {
  readonly host: Host;
  readonly hostName: string;
  /** What makes the files of sites. */
  readonly web: Engine;
  readonly store: VhostStore;
  readonly limits: ProbeLimits;
  /** What is known of self-signed certificates. */
  readonly ends: CertEnds;
}

/** What was decided of the sites of a host, before anything is tried. */
export interface Decided {
  readonly now: ObservedVhosts;
  readonly decisions: readonly Decision[];
  readonly rendered: Rendered;
  /** Names of the sites that are made, in the parts in which the helper takes them; at least one part. */
  readonly parts: readonly (readonly string[])[];
  /** A file of somebody else that goes in the same step; undefined: none, or it has gone. */
  readonly take: string | undefined;
}

/** Most diffs of a plan, and how long they are in all, characters: an answer has an end. */
const mostDiffs = { files: 50, characters: 262_144 } as const;

/** The sites as they are. Errors: those of observeVhosts. */
export function observeNow({ host, ends }: FrontOptions, operationId: string): Promise<ObservedVhosts> {
  return observeVhosts({ helper: host.helper, now: host.clock.now(), ends }, operationId);
}

/** Looks at the host and decides what becomes of each site. Errors: those of observeVhosts. */
export async function decideNow(front: FrontOptions, wanted: WantedVhosts, operationId: string): Promise<Decided> {
  const now = await observeNow(front, operationId);
  const decisions = decideFrom(front, wanted, now);
  const rendered = renderSites(front.web, wanted.sites);
  const take = now.foreign.some(({ file }) => file === wanted.takeOver) ? wanted.takeOver : undefined;
  return { now, decisions, rendered, parts: partsOf(decisions, rendered.sizeOf), take: wanted.removalsOnly ? undefined : take };
}

/** What becomes of each site of a host that was looked at. */
export function decideFrom({ host, hostName }: FrontOptions, { sites, takeOver, removalsOnly }: WantedVhosts, observed: ObservedVhosts): readonly Decision[] {
  const policy = usablePolicy(readHostPolicy(host), hostName);
  return decideSites({
    wanted: sites, removalsOnly, observed, take: takeOver, hostName,
    deny: (operation, args) => policyProblem(policy, hostName, operation, args),
    pairDue: (certPem, names) => siteCertDue(certPem, names, host.clock.now()),
  });
}

/** Why the web server of the host cannot be used; undefined: it can. */
export function engineProblem({ engine, included, running }: ObservedVhosts, host: string): ErrorItem | undefined {
  const problem = (rule: string, remedy: string): ErrorItem => ({ code: 'VHOST_ENGINE', fields: { host, rule, remedy } });
  if (engine === '') return problem('nginx is not installed', 'On the host: apt-get install nginx');
  if (included !== '') return problem(included.slice(0, 400), 'Put "include /etc/nginx/conf.d/*.conf;" into "http" of /etc/nginx/nginx.conf on the host.');
  return running ? undefined : problem('nginx does not run', 'See on the host: systemctl status nginx');
}

/** What stands in the way of taking a file over: its sites would be nobody's where one of those that take them over is not made. */
export function takeProblems({ now, decisions, take }: Decided, refused: ReadonlyMap<string, ParkedSite>, hostName: string): readonly ErrorItem[] {
  if (take === undefined) return [];
  const names = new Set(now.foreign.filter(({ file }) => file === take).flatMap(namesOf));
  return decisions.flatMap((decision): ErrorItem[] => {
    if (decision.kind !== 'make' && decision.kind !== 'stay') return [];
    const { name, wanted: { site } } = decision;
    if (![site.name, ...site.aliases].some((one) => names.has(one))) return [];
    if (decision.kind === 'stay') return [...decision.problems];
    const why = refused.get(name)?.problem;
    return why === undefined ? [] : [{ code: 'VHOST_ADOPT', fields: { host: hostName, value: take, rule: `site "${name}": ${why}`.slice(0, 1000) } }];
  });
}

/** The models of the sites that change as they are, by name, as far as they are known. */
export function oldModels({ store }: FrontOptions, { now, decisions }: Decided): ReadonlyMap<string, Vhost> {
  const changing = decisions.flatMap(({ kind, name }) => {
    const sha = kind === 'make' || kind === 'go' ? (now.sites.get(name)?.modelSha ?? '') : '';
    return sha === '' ? [] : [[name, sha] as const];
  });
  const texts = store.texts(new Set(changing.map(([, sha]) => sha)));
  return new Map(changing.flatMap(([name, sha]) => {
    const model = modelIn(texts.get(sha));
    return model === undefined ? [] : [[name, model] as const];
  }));
}

/** undefined: it is not known, or of a release that took what this one does not: what was before must not stand in the way of what is wanted. */
function modelIn(text: string | undefined): Vhost | undefined {
  try {
    return text === undefined ? undefined : parseModelText(text);
  } catch (error) {
    if (error instanceof ReeveError) return undefined;
    throw error;
  }
}

/** Diffs of the configuration of sites that change, by their names, as many as an answer holds. Errors: those of observeVhosts. */
export async function diffsOf(front: FrontOptions, operationId: string, { now, decisions, rendered }: Decided, old: ReadonlyMap<string, Vhost>): Promise<ReadonlyMap<string, string>> {
  const diffs = new Map<string, string>();
  let characters = 0;
  for (const { kind, name } of decisions) {
    if (kind !== 'make' && kind !== 'go') continue;
    const file = `${fileBase(name)}.conf`;
    const after = kind === 'make' ? rendered.files(name).find((other) => other.name === file)?.text : undefined;
    const diff = unifiedDiff(`${currentFolder}/${file}`, await textNow(front, operationId, { now, name, file, model: old.get(name) }), after);
    characters += diff.length;
    if (diffs.size === mostDiffs.files || characters > mostDiffs.characters) break;
    diffs.set(name, diff);
  }
  return diffs;
}

/** The configuration of a site as it is; rendered again where that gives exactly what was written, else asked for. */
async function textNow({ host, web }: FrontOptions, operationId: string, of: { now: ObservedVhosts; name: string; file: string; model: Vhost | undefined }): Promise<string | undefined> {
  const site = of.now.sites.get(of.name);
  const file = site?.files.find(({ name }) => name === of.file);
  if (site === undefined || file === undefined || file.state === 'missing') return undefined;
  const again = of.model === undefined || file.state !== 'ok' ? undefined : web.render(of.model, site.modelSha).find(({ name }) => name === of.file)?.text;
  if (again !== undefined && sha256(again).toString('hex') === file.sha256) return again;
  return (await readSiteFile(host.helper, operationId, of.file)).text;
}
