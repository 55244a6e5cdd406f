import type { WriteVhostsRequest, WriteVhostsRequestInput } from '../../shared/gen/proto/reeve/agent/v1/WriteVhostsRequest.js';
import type { WriteVhostsResponse, WriteVhostsResponseInput } from '../../shared/gen/proto/reeve/agent/v1/WriteVhostsResponse.js';
import type { ErrorItem } from '../../shared/errors/error.js';
import { sha256 } from '../../shared/kit/digest.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { formatChange } from '../../shared/model/change.js';
import { formatVhost, vhostDigestModel, type Vhost } from '../../shared/model/vhost.js';
import { formatHeld } from '../../shared/rpc/hold.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { callHelper } from '../engine/apply.js';
import { parseIntent } from '../engine/intent.js';
import type { Circumstances, NounWork } from '../engine/noun.js';
import type { Plan } from '../engine/step.js';
import { policyProblem, type UsablePolicy } from '../policy/policy.js';
import type { Deny } from '../user/plan.js';
import { siteRefusals } from './ask.js';
import { decideFrom, decideNow, diffsOf, engineProblem, observeNow, oldModels, takeProblems, type Decided, type FrontOptions } from './look.js';
import type { ObservedVhosts } from './observe.js';
import { planVhostRelease, planVhosts } from './plan.js';
import { keepVhosts, restoreVhosts } from './restore.js';
import { beginRound, parkedOf, type Round } from './round.js';
import { parseModelText, type ParkedSite } from './store.js';
import { createSiteReader, nameModels, nothingWanted, parseSitePath, type SiteReader, type WantedVhosts } from './wanted.js';

/** The host as a plan sees it. */
export interface VhostsSeen {
  readonly now: ObservedVhosts;
  /** What was decided and tried; undefined: nothing is wanted. */
  readonly decided: (Decided & Pick<Round, 'differs' | 'refused' | 'skipped'>) | undefined;
  /** The change that is in place and unsettled is this very operation's. */
  readonly resumed: boolean;
  readonly old: ReadonlyMap<string, Vhost>;
  readonly diffs: ReadonlyMap<string, string>;
  /** Sites that are not as wanted, by name. */
  readonly parked: readonly ParkedSite[];
}

/** The work of WriteVhosts. */
export type VhostWork = NounWork<WriteVhostsRequest, WantedVhosts, VhostsSeen, WriteVhostsResponseInput>;

/** WriteVhosts, as the engine runs it. */
export function vhostWork(front: FrontOptions, seen: (now: ObservedVhosts) => void): VhostWork {
  const { host, hostName, store } = front;
  const codec = messageCodec<WriteVhostsRequestInput, WriteVhostsRequest>('reeve.agent.v1.WriteVhostsRequest');
  const reader = createSiteReader();
  let round: Round | undefined;
  const known = (now: ObservedVhosts): ReadonlyMap<string, string> => store.texts(new Set([...now.sites.values()].map(({ modelSha }) => modelSha)));
  return {
    noun: 'vhost',
    part: 'vhost',
    method: 'reeve.agent.v1.VhostService/WriteVhosts',
    request: codec,
    response: messageCodec<WriteVhostsResponseInput, WriteVhostsResponse>('reeve.agent.v1.WriteVhostsResponse'),
    parse: (wire) => parseRequest(wire, reader),
    observe: async (wanted, operationId) => {
      const found = await look(front, wanted, operationId, round);
      round = found.round;
      seen(found.seen.now);
      return found.seen;
    },
    model: modelOf,
    plan: (wanted, found, policy, how) => planWanted(front, { wanted, found, policy, how }),
    removalOnly: (wanted) => ({ ...wanted, removalsOnly: true }),
    release: ({ now }, policy) => planVhostRelease(now, items(policyProblem(policy, hostName, 'vhost.release', {}))),
    refused: ({ sites, takeOver }, policy) => {
      const deny = denyOf(policy, hostName);
      // Which snippets the host has does not matter here.
      return [...sites.flatMap(({ site }) => siteRefusals(site, deny, () => undefined)), ...(takeOver === undefined ? [] : items(deny('vhost.adopt', {})))];
    },
    undo: {
      keep: (names, { now }) => keepVhosts(names, now, known(now)),
      restore: (saved, { now }) => {
        const { wanted, notes } = restoreVhosts(saved, now, known(now), (model) => parseModelText(JSON.stringify(model)));
        return { wanted: { ...nothingWanted, purpose: 'make', sites: nameModels(wanted.sites), about: new Set(wanted.about) }, notes };
      },
      format: (intent, { sites, about }) => codec.decode(codec.encode({ intent, vhosts: sites.map(({ site }) => formatVhost(site)), about: [...about] })),
      nothing: nothingWanted,
    },
    perform: async (step, operationId) => {
      if (round?.operationId !== operationId) await callHelper(host.helper, operationId, step);
      else {
        const making = round;
        try {
          await making.perform(step);
        } catch (error) {
          // All that could be made was: nobody looks at it any more.
          if (making.ended) round = undefined;
          throw error;
        }
      }
      if (step.verb === 'vhost.release') store.forget();
    },
    respond: ({ observed: { parked, decided }, changes, held, digestBefore, digest, policyDigest }) => ({
      changes: changes.map(formatChange), digestBefore, digest, policyDigest, held: formatHeld(held),
      parked: parked.map(({ name, problem, before }) => ({ name, problem, servesBefore: before })),
      differences: [...(decided?.skipped ?? [])],
    }),
    stepDone: () => failpoint('agent.vhost.step'),
  };
}

/** The digest model of what was observed. */
export function modelOf({ now }: { readonly now: Pick<ObservedVhosts, 'sites'> }): ReturnType<VhostWork['model']> {
  return vhostDigestModel([...now.sites.values()]);
}

function parseRequest(wire: WriteVhostsRequest, reader: SiteReader): ReturnType<VhostWork['parse']> {
  const intent = parseIntent(wire.intent);
  // Letting go asks for nothing.
  if (intent.release) return { intent, wanted: nothingWanted };
  const takeOver = wire.takeOver === '' ? undefined : parseSitePath('take over', wire.takeOver);
  const wanted = { purpose: 'make', mode: intent.mode, sites: reader.read(wire.vhosts), about: new Set(wire.about), takeOver, acceptDifferences: wire.acceptDifferences, removalsOnly: false } as const;
  return { intent, wanted };
}

/** Looks at the host; the first look of an operation also tries what is to be made. */
async function look(front: FrontOptions, wanted: WantedVhosts, operationId: string, before: Round | undefined): Promise<{ readonly seen: VhostsSeen; readonly round: Round | undefined }> {
  if (wanted.purpose === 'look') return { seen: bare(await observeNow(front, operationId)), round: undefined };
  const decided = await decideNow(front, wanted, operationId);
  const { now, decisions } = decided;
  const resumed = now.unsettled === operationId;
  const after = before?.operationId === operationId && before.ended;
  const todo = decided.take !== undefined || decisions.some(({ kind }) => kind === 'make' || kind === 'go');
  const tries = todo && !after && !resumed && engineProblem(now, front.hostName) === undefined;
  const round = after ? before : await beginRound(front, wanted, { operationId, decided, tries });
  const old = todo && !after ? oldModels(front, decided) : new Map<string, Vhost>();
  const parked = parkedOf(decisions, round.refused);
  if (wanted.mode === 'apply') {
    front.store.setParked(parked);
    // What was tried has been settled, although a crash kept it from being noted.
    if (now.unsettled === undefined) front.store.setTrial(undefined);
  }
  return {
    seen: {
      now, resumed, old, parked,
      decided: { ...decided, differs: round.differs, refused: round.refused, skipped: round.skipped },
      diffs: wanted.mode === 'plan' && todo ? await diffsOf(front, operationId, decided, old) : new Map(),
    },
    // Models of many sites are not kept longer than they are needed.
    round: wanted.mode === 'apply' && !after ? round : undefined,
  };
}

function bare(now: ObservedVhosts): VhostsSeen {
  return { now, decided: undefined, resumed: false, old: new Map(), diffs: new Map(), parked: [] };
}

function planWanted(front: FrontOptions, of: { wanted: WantedVhosts; found: VhostsSeen; policy: UsablePolicy; how: Circumstances }): Plan {
  const { wanted, found: { now, decided, resumed, old, diffs }, policy, how } = of;
  const { hostName } = front;
  if (decided === undefined) return { steps: [], changes: [], problems: [] };
  const { removalsOnly, about } = wanted;
  const decisions = removalsOnly ? decideFrom(front, wanted, now) : decided.decisions;
  const refused = removalsOnly ? new Map<string, ParkedSite>() : decided.refused;
  const take = removalsOnly ? undefined : decided.take;
  return planVhosts({
    decisions, refused, observed: now, old, diffs, take, resumed, removalsOnly, hostName,
    about: removalsOnly ? new Set() : about,
    parts: removalsOnly ? [[]] : decided.parts,
    differs: removalsOnly ? decisions.some(({ kind }) => kind === 'go') : decided.differs,
    front: engineProblem(now, hostName),
    takeProblems: take === undefined ? [] : [...items(denyOf(policy, hostName)('vhost.adopt', {})), ...takeProblems(decided, refused, hostName)],
    mode: how.mode,
    sweeps: how.resumed && now.unsettled === undefined && now.set !== '',
    fingerprint: (text) => sha256(text).toString('hex').slice(0, 8),
  });
}

function denyOf(policy: UsablePolicy, hostName: string): Deny {
  return (operation, args) => policyProblem(policy, hostName, operation, args);
}

function items(denied: ReturnType<Deny>): readonly ErrorItem[] {
  return denied === undefined ? [] : [{ code: denied.code, fields: denied.fields }];
}
