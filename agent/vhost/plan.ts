import type { ErrorItem } from '../../shared/errors/error.js';
import type { Change, FieldChange } from '../../shared/model/change.js';
import type { Vhost } from '../../shared/model/vhost.js';
import type { Plan, Step } from '../engine/step.js';
import type { Decision, WantedSite } from './decide.js';
import type { ObservedVhosts } from './observe.js';
import { renderFields, type Fingerprint } from './render.js';
import type { ParkedSite } from './store.js';

/** What a plan is made of. */
export interface VhostPlanInput {
  readonly decisions: readonly Decision[];
  /** The sites that are made, in the parts that are laid out one after another. */
  readonly parts: readonly (readonly string[])[];
  /** What the web server refused when it was tried, by name; they are left as they were, or out. */
  readonly refused: ReadonlyMap<string, ParkedSite>;
  readonly observed: ObservedVhosts;
  /** Models of sites as they are, by name, where they are known. */
  readonly old: ReadonlyMap<string, Vhost>;
  /** Diffs of files, by the name of the site; where there is none, none is told. */
  readonly diffs: ReadonlyMap<string, string>;
  /** Why the web server cannot be used; undefined: it can. */
  readonly front: ErrorItem | undefined;
  /** A file of somebody else that goes in the same step. */
  readonly take: string | undefined;
  /** What stands in the way of that. */
  readonly takeProblems: readonly ErrorItem[];
  /** Whether what would be in place is another set than what is. */
  readonly differs: boolean;
  /** What is in place was put there by this very operation before a crash, and is not settled. */
  readonly resumed: boolean;
  /** It began before a crash and is settled, or was never in place: what a set before has left may be there still. */
  readonly sweeps: boolean;
  readonly removalsOnly: boolean;
  /** Names of sites for whose sake it is asked. */
  readonly about: ReadonlySet<string>;
  readonly mode: 'plan' | 'apply';
  readonly hostName: string;
  readonly fingerprint: Fingerprint;
}

/** Most fields of changes in all that are told: an answer has an end. */
const mostFields = 3000;

/** From what is to what is wanted: what can be made is made, part by part, and nothing of it is taken back after it was looked at. */
export function planVhosts(input: VhostPlanInput): Plan {
  const { decisions, parts, front, takeProblems, differs, resumed, sweeps, removalsOnly, mode } = input;
  const changes = changesOf(input);
  if (front !== undefined && decisions.some(({ kind }) => kind === 'make' || kind === 'go')) return { steps: [], changes, problems: [front] };
  if (takeProblems.length > 0) return { steps: [], changes, problems: takeProblems };
  const about = aboutProblems(input);
  if (about.length > 0 && (mode === 'plan' || (!differs && !resumed))) return { steps: [], changes, problems: about };
  const final = { undo: undefined, final: true, removesAccess: removalsOnly || onlyLoses(input) } as const;
  const steps = differs
    ? parts.flatMap((_names, part): Step[] => {
        const last = part === parts.length - 1;
        return [
          { verb: 'vhost.apply', request: { part, removalsOnly, last }, ...final },
          { verb: 'vhost.settle', request: { keep: true, resumed: false, last }, ...final },
        ];
      })
    : [];
  const first: Step[] = resumed || sweeps ? [{ verb: 'vhost.settle', request: { keep: true, resumed, last: steps.length === 0 }, ...final }] : [];
  return { steps: [...first, ...steps], changes, problems: [] };
}

/** Lets go of everything: the sites stay, as plain configuration of the web server. */
export function planVhostRelease(observed: ObservedVhosts, problems: readonly ErrorItem[]): Plan {
  if (observed.set === '' && observed.sites.size === 0) return { steps: [], changes: [], problems: [] };
  const final = { undo: undefined, final: true, removesAccess: false } as const;
  const settle: Step[] = observed.unsettled === undefined ? [] : [{ verb: 'vhost.settle', request: { keep: true, resumed: false, last: false }, ...final }];
  return {
    steps: [...settle, { verb: 'vhost.release', request: {}, ...final }],
    changes: [...observed.sites.keys()].map((subject): Change => ({ kind: 'update', noun: 'vhost', subject, fields: [{ field: 'presence', from: 'present', to: 'released' }] })),
    problems,
  };
}

/** What is to be told to who asks for the sake of these sites. */
export function aboutProblems({ decisions, refused, about, hostName: host }: Pick<VhostPlanInput, 'decisions' | 'refused' | 'about' | 'hostName'>): readonly ErrorItem[] {
  const stays = decisions.flatMap((decision) => (decision.kind === 'stay' && about.has(decision.name) ? decision.problems : []));
  const tried = [...refused.values()].filter(({ name }) => about.has(name)).map((row) => parkedItem(row, host));
  return [...stays, ...tried];
}

/** A parked site as an error. */
export function parkedItem({ name, problem, before }: ParkedSite, host: string): ErrorItem {
  return { code: 'VHOST_PARKED', fields: { host, value: name, rule: problem, before: before ? 'yes' : 'no' } };
}

function onlyLoses({ decisions, take }: VhostPlanInput): boolean {
  return take === undefined && decisions.every(({ kind }) => kind === 'same' || kind === 'go');
}

function changesOf(input: VhostPlanInput): readonly Change[] {
  const { decisions, refused, diffs, take } = input;
  let told = 0;
  const changes = decisions.flatMap((decision): Change[] => {
    const found = changeOf(input, decision, refused.get(decision.name));
    if (found === undefined) return [];
    told += found.fields.length;
    const diff = diffs.get(decision.name);
    return [{ ...found, fields: told > mostFields ? [] : found.fields, ...(diff === undefined || diff === '' ? {} : { diff }) }];
  });
  const taken: Change[] = take === undefined ? [] : [{ kind: 'remove', noun: 'vhost', subject: take, fields: [{ field: 'configuration', from: 'of somebody else', to: 'taken over' }] }];
  return [...changes, ...taken];
}

function changeOf({ observed, old, fingerprint }: VhostPlanInput, decision: Decision, refused: ParkedSite | undefined): Change | undefined {
  const { name: subject } = decision;
  const now = observed.sites.get(subject);
  const change = (kind: Change['kind'], fields: readonly FieldChange[]): Change => ({ kind, noun: 'vhost', subject, fields });
  if (refused !== undefined) return now === undefined || refused.before ? undefined : change('remove', [{ field: 'state', from: now.state, to: 'left out' }]);
  switch (decision.kind) {
    case 'same':
    case 'stay':
      return undefined;
    case 'go':
      return change('remove', now === undefined || now.state === 'ok' ? [] : [{ field: 'state', from: now.state, to: '' }]);
    case 'make': {
      const { wanted, why } = decision;
      if (why === 'new') return change('create', renderFields(undefined, wanted.site, fingerprint));
      const model = renderModel(now?.modelSha ?? '', old.get(subject), wanted, fingerprint);
      return change('update', [...model, ...(now === undefined || now.state === 'ok' ? [] : [{ field: 'state', from: now.state, to: 'as wanted' }])]);
    }
  }
}

/** What differs between models; where the one before is not known any more, only that they do. A site of which the file is gone has none. */
function renderModel(sha: string, before: Vhost | undefined, wanted: WantedSite, fingerprint: Fingerprint): readonly FieldChange[] {
  if (sha === '' || sha === wanted.sha) return [];
  return before === undefined ? [{ field: 'model', from: sha.slice(0, 12), to: wanted.sha.slice(0, 12) }] : renderFields(before, wanted.site, fingerprint);
}
