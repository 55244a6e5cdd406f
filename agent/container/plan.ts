import { formatMessage, type ErrorItem } from '../../shared/errors/error.js';
import type { Change, FieldChange } from '../../shared/model/change.js';
import type { Container, ContainerSpec } from '../../shared/model/container.js';
import { isContainerUp, type ObservedContainer } from '../../shared/model/container-state.js';
import { formatContainerText } from '../../shared/model/container-text.js';
import type { Plan, Step } from '../engine/step.js';
import type { Deny } from '../user/plan.js';
import { isSameSpec, settledSpec, specDifferences, type SpecDifference } from './diff.js';
import type { ObservedContainers } from './observe.js';
import { denied } from './permit.js';
import { placeOf, placeProblems, type ContainerPlanInput, type Place } from './place.js';

/** What is done to a container once its record is written. */
export type ContainerAction = 'none' | 'limit' | 'start' | 'restart' | 'stop';

/**
 * What there was before a change, to which it goes back when it fails. `fallen`: it was down although its record says that it runs, perhaps because an agent died while it went
 * back. `unknown`: the record that is put back says whether it ran.
 */
export type ContainerBefore = 'absent' | 'foreign' | 'up' | 'down' | 'fallen' | 'unknown';

/** How a container is made what is wanted. */
interface Making {
  readonly name: string;
  readonly spec: ContainerSpec;
  readonly adopt: boolean;
  /** What it is started from is made, too. */
  readonly build: boolean;
  readonly action: ContainerAction;
  readonly before: ContainerBefore;
}

interface Draft {
  readonly steps: readonly Step[];
  readonly changes: readonly Change[];
  readonly problems: readonly ErrorItem[];
}

type Present = Extract<Container, { presence: 'present' }>;

const nothing: Draft = { steps: [], changes: [], problems: [] };
const final = { undo: undefined, final: true } as const;

/**
 * From what is to what is wanted, a container at a time: what goes, then what gives up a port that another one gets, then the others. `notes`: why one for whose sake it is
 * not planned stays as it is.
 */
export function planContainers(input: ContainerPlanInput): Plan & { readonly notes: readonly string[] } {
  const place = placeOf(input);
  const notes: string[] = [];
  const drafts = inOrder(input).map((row) => {
    const draft = planRow(input, place, row);
    if (row.presence !== 'present' || row.aside !== true || draft.problems.length === 0) return draft;
    notes.push(`container "${row.name}" stays as it is: ${draft.problems.map(formatMessage).join('; ')}`);
    return nothing;
  });
  const steps = drafts.flatMap((draft) => draft.steps);
  return {
    // One that fails keeps the others from nothing: what failed is told at the end.
    steps: steps.map((step, index) => ({ ...step, request: { ...step.request, last: index === steps.length - 1 } })),
    changes: drafts.flatMap(({ changes }) => changes),
    problems: drafts.flatMap(({ problems }) => problems),
    notes,
  };
}

/** The one that a row is about: ours, otherwise one of others of this name. */
export function containerOf(containers: readonly ObservedContainer[], name: string, engine?: string): ObservedContainer | undefined {
  const all = containers.filter((container) => container.name === name);
  return all.find(({ managed }) => managed) ?? all.find((container) => container.engine === engine) ?? all[0];
}

function inOrder({ wanted, observed }: ContainerPlanInput): readonly Container[] {
  const going = wanted.filter(({ presence }) => presence !== 'present');
  const staying = wanted.filter((row): row is Present => row.presence === 'present');
  const wantedPorts = (except: string): Set<string> => new Set(staying.filter(({ name }) => name !== except).flatMap(({ spec }) => spec.ports.map(portText)));
  const gives = ({ name }: Present): boolean => {
    const ports = containerOf(observed.containers, name)?.spec?.ports ?? [];
    const others = wantedPorts(name);
    return ports.some((port) => others.has(portText(port)));
  };
  const first = staying.filter(gives);
  return [...going, ...first, ...staying.filter((row) => !first.includes(row))];
}

function portText({ protocol, port }: ContainerSpec['ports'][number]): string {
  return `${String(port)}/${protocol}`;
}

function planRow(input: ContainerPlanInput, place: Place, row: Container): Draft {
  const { observed: { containers } } = input;
  const now = containerOf(containers, row.name, row.presence === 'present' ? row.spec.engine : undefined);
  switch (row.presence) {
    case 'absent':
      return now?.managed === true ? planRemoval(input, now, row.removeVolumes) : nothing;
    case 'released':
      return now?.managed === true ? planLettingGo(input.deny, now) : nothing;
    case 'present':
      if (now === undefined) return planNew(input, place, row);
      return now.managed ? planOurs(input, place, row, now) : planForeign(input, place, row, now);
  }
}

function planRemoval({ deny }: ContainerPlanInput, { name, state, spec }: ObservedContainer, volumes: boolean): Draft {
  const gone = volumes ? (spec?.volumes ?? []).map(({ folder, target }): FieldChange => ({ field: `volume ${target}`, from: folder, to: '' })) : [];
  return {
    steps: [{ verb: 'container.remove', request: { name, volumes }, ...final, removesAccess: true }],
    changes: [{ kind: 'remove', noun: 'container', subject: name, fields: [{ field: 'state', from: state, to: '' }, ...gone] }],
    problems: denied(deny, [['container.remove', { name, volumes: volumes ? 'yes' : 'no' }]]),
  };
}

/** Lets go of one: it stays as it is. */
function planLettingGo(deny: Deny, { name }: ObservedContainer): Draft {
  return {
    steps: [{ verb: 'container.release', request: { name }, ...final, removesAccess: false }],
    changes: [{ kind: 'update', noun: 'container', subject: name, fields: [{ field: 'presence', from: 'present', to: 'released' }] }],
    problems: denied(deny, [['container.release', {}]]),
  };
}

/** Lets go of everything: containers go on as they are. */
export function planContainerRelease({ containers }: ObservedContainers, deny: Deny): Plan {
  const drafts = containers.filter(({ managed }) => managed).map((container) => planLettingGo(deny, container));
  return { steps: drafts.flatMap(({ steps }) => steps), changes: drafts.flatMap(({ changes }) => changes), problems: drafts[0]?.problems ?? [] };
}

function planNew(input: ContainerPlanInput, place: Place, { name, spec }: Present): Draft {
  const making: Making = { name, spec: settledSpec(spec, undefined), adopt: false, build: true, action: spec.running ? 'start' : 'none', before: 'absent' };
  const keys = spec.sshKeys.length === 0 ? [] : [{ field: 'SSH keys', from: '', to: String(spec.sshKeys.length) }];
  return make(input, place, making, { kind: 'create', fields: [...plain(specDifferences(undefined, spec)), ...keys, { field: 'state', from: '', to: stateText(spec) }] });
}

function planForeign(input: ContainerPlanInput, place: Place, { name, spec, adopt }: Present, now: ObservedContainer): Draft {
  const { hostName } = input;
  if (!adopt) return problem({ code: 'CONTAINER_FOREIGN', fields: { host: hostName, value: name } });
  if (now.engine !== spec.engine) return problem({ code: 'CONTAINER_ADOPT', fields: { host: hostName, value: name, rule: `it is one of ${now.engine}, and not of ${spec.engine}` } });
  const up = isContainerUp(now.state);
  // One of podman becomes another container with the same data, which taking it over begins or ends; the others keep running.
  const replaces = spec.engine === 'podman';
  const action = replaces || up === spec.running ? 'none' : spec.running ? 'start' : 'stop';
  const making: Making = { name, spec: settledSpec(spec, undefined), adopt: true, build: false, action, before: 'foreign' };
  const fields = [{ field: 'presence', from: 'made by others', to: 'managed' }, ...stateChange(now.state, spec, up), ...(replaces && up ? interruption('restart', spec) : [])];
  const draft = make(input, place, making, { kind: 'update', fields }, now);
  return { ...draft, problems: [...draft.problems, ...denied(input.deny, [['container.adopt', { name }]])] };
}

function planOurs(input: ContainerPlanInput, place: Place, row: Present, now: ObservedContainer): Draft {
  const { hostName } = input;
  const { name, overwrite } = row;
  const before = now.spec;
  const spec = settledSpec(row.spec, before);
  const up = isContainerUp(now.state);
  const missing = now.state === 'missing';
  const edited = before === undefined ? 'its record' : now.edited;
  const differences = before === undefined ? [] : specDifferences(before, spec);
  const same = before !== undefined && isSameSpec(before, spec);
  if (same && up === spec.running && !missing && !now.pending && (edited === '' || !overwrite)) return nothing;
  if (now.engine !== spec.engine) return fixed(hostName, name, 'Engine', `it is one of ${now.engine}`);
  // What is not there any more is not written over.
  if (edited !== '' && !overwrite && !missing) return problem({ code: 'CONTAINER_DRIFT', fields: { host: hostName, value: name, rule: edited } });
  const barred = before === undefined ? [] : fixedFields(before, spec, differences);
  if (barred.length > 0) return { ...nothing, problems: barred.flatMap(({ field, rule }) => fixed(hostName, name, field, rule).problems) };
  const anew = now.pending || edited !== '' || differences.some(({ effect }) => effect === 'restart');
  const action = actionOf(spec, { up, anew, missing, state: now.state, limits: differences.some(({ effect }) => effect === 'limit') });
  const build = missing || now.pending || differences.some(({ field }) => field === 'image');
  const was = before === undefined || before.running === spec.running ? now.state : before.running ? 'running' : 'stopped';
  const fields = [
    ...plain(differences), ...stateChange(was, spec, isContainerUp(was)),
    ...(edited === '' ? [] : [{ field: 'files', from: `altered by hand: ${edited}`, to: 'as wanted' }]),
    ...(now.pending ? [{ field: 'last change', from: 'neither kept nor taken back', to: 'made' }] : []),
    ...interruption(action, spec),
  ];
  return make(input, place, { name, spec, adopt: false, build, action, before: beforeOf(now) }, { kind: 'update', fields }, now);
}

function beforeOf({ fresh, pending, state, spec }: ObservedContainer): ContainerBefore {
  if (fresh) return 'absent';
  if (pending) return 'unknown';
  if (isContainerUp(state)) return 'up';
  return spec?.running === true ? 'fallen' : 'down';
}

function actionOf(spec: ContainerSpec, is: { up: boolean; anew: boolean; missing: boolean; state: ObservedContainer['state']; limits: boolean }): ContainerAction {
  if (!spec.running) return is.up || is.state === 'stopping' ? 'stop' : 'none';
  if (is.missing || !is.up) return 'start';
  return is.anew ? 'restart' : is.limits ? 'limit' : 'none';
}

/** Fields that differ and can only be said when a container is made, with the rule. */
function fixedFields(before: ContainerSpec, spec: ContainerSpec, differences: readonly SpecDifference[]): readonly { readonly field: string; readonly rule: string }[] {
  const shrinks = (spec.limits.disk ?? 0) < (before.limits.disk ?? 0);
  return [
    ...differences.filter(({ effect }) => effect === 'fixed').map(({ field, from, to }) => ({ field: capital(field), rule: `it is said when the container is made, and is "${from}" and not "${to}"` })),
    ...(shrinks ? [{ field: 'Disk', rule: 'a disk only grows' }] : []),
  ];
}

function capital(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}

function stateText(spec: ContainerSpec): string {
  return spec.running ? 'running' : 'stopped';
}

function stateChange(from: string, spec: ContainerSpec, up: boolean): FieldChange[] {
  return up === spec.running && from !== 'missing' ? [] : [{ field: 'state', from, to: stateText(spec) }];
}

/** What people notice of a change. */
function interruption(action: ContainerAction, { engine }: ContainerSpec): FieldChange[] {
  return action === 'restart' ? [{ field: 'interruption', from: '', to: engine === 'podman' ? 'it is replaced' : 'it is restarted' }] : [];
}

function plain(differences: readonly SpecDifference[]): FieldChange[] {
  return differences.map(({ field, from, to }) => ({ field, from, to }));
}

function make(input: ContainerPlanInput, place: Place, making: Making, change: Pick<Change, 'kind' | 'fields'>, now?: ObservedContainer): Draft {
  const { name, spec, action } = making;
  const request = { name, spec: formatContainerText(spec), adopt: making.adopt, build: making.build, action, before: making.before, pending: now?.pending === true };
  return {
    steps: [{ verb: 'container.make', request, ...final, removesAccess: false }],
    changes: [{ noun: 'container', subject: name, ...change }],
    problems: [
      ...placeProblems(place, { name, spec, now }),
      ...(action === 'none' ? [] : denied(input.deny, [['container.control', { name }]])),
    ],
  };
}

function problem(item: ErrorItem): Draft {
  return { ...nothing, problems: [item] };
}

function fixed(host: string, name: string, field: string, rule: string): Draft {
  return problem({ code: 'CONTAINER_FIXED', fields: { host, value: name, field, rule } });
}
