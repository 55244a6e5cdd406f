import type { ErrorItem } from '../../shared/errors/error.js';
import { fromHex, toBase64 } from '../../shared/model/bytes.js';
import type { Cert, CertFacts } from '../../shared/model/cert.js';
import type { Change } from '../../shared/model/change.js';
import type { Plan, Step } from '../engine/step.js';
import type { Deny } from '../user/plan.js';
import type { ObservedCert, ObservedCerts } from './observe.js';
import { certFields, wantedFields } from './render.js';
import type { WantedCert } from './wanted.js';

/** What a plan is made of. */
export interface CertPlanInput {
  /** By name. */
  readonly wanted: readonly WantedCert[];
  readonly observed: ObservedCerts;
  /** Names in group(5). */
  readonly groups: ReadonlySet<string>;
  /** SPKI sha256 of keys that will be there when it is made, hex. */
  readonly coming: ReadonlySet<string>;
  readonly deny: Deny;
  readonly hostName: string;
  /** Unix ms. */
  readonly now: number;
}

/** One certificate of a plan. */
interface Draft {
  readonly steps: readonly Step[];
  readonly changes: readonly Change[];
  readonly problems: readonly ErrorItem[];
}

const nothing: Draft = { steps: [], changes: [], problems: [] };
const final = { undo: undefined, final: true, removesAccess: false } as const;

/** From what is to what is wanted: what is new or other, then what goes. What was altered by hand, or cannot be put right without its key, stays unless something else is wanted there. */
export function planCerts(input: CertPlanInput): Plan {
  const names = new Set(input.wanted.map(({ cert }) => cert.name));
  const present = new Map(input.observed.certs.map((cert) => [cert.name, cert]));
  const drafts = [
    ...input.wanted.map((wanted) => planCert(input, wanted, present.get(wanted.cert.name))),
    ...input.observed.certs.filter(({ name }) => !names.has(name)).map((gone) => planRemoval(input, gone)),
  ];
  return {
    steps: drafts.flatMap(({ steps }) => steps),
    changes: drafts.flatMap(({ changes }) => changes),
    problems: drafts.flatMap(({ problems }) => problems),
  };
}

/** Lets go of everything: certificates and keys stay where they are. */
export function planCertRelease({ certs }: ObservedCerts, problems: readonly ErrorItem[]): Plan {
  if (certs.length === 0) return { steps: [], changes: [], problems: [] };
  const changes = certs.map(({ name }): Change => ({ kind: 'update', noun: 'cert', subject: name, fields: [{ field: 'presence', from: 'present', to: 'released' }] }));
  return { steps: [{ verb: 'cert.release', request: {}, ...final }], changes, problems };
}

/** What the policy would not let be done, as though nothing were there yet. */
export function certRefusals(certs: readonly Cert[], deny: Deny): readonly ErrorItem[] {
  return certs.flatMap((cert) => policyProblems(cert, deny));
}

/** Whether a self-signed certificate has less than a third of its time left. `now`: Unix ms. */
export function isDue(facts: Pick<CertFacts, 'notAfter'> | undefined, days: number, now: number): boolean {
  return facts === undefined || facts.notAfter * 1000 - now < days * 28_800_000;
}

function planCert(input: CertPlanInput, wanted: WantedCert, now: ObservedCert | undefined): Draft {
  const { cert } = wanted;
  if (now === undefined) return put(input, wanted, { kind: 'create', noun: 'cert', subject: cert.name, fields: wantedFields(wanted) });
  const update = (fields: Change['fields']): Draft => put(input, wanted, { kind: 'update', noun: 'cert', subject: cert.name, fields }, now);
  if (!isAsked(wanted, now)) {
    if (now.state === 'edited' && !cert.overwrite) return { ...nothing, problems: [{ code: 'CERT_DRIFT', fields: { value: cert.name, host: input.hostName } }] };
    return update(certFields(wanted, now));
  }
  switch (now.state) {
    case 'edited':
      return cert.overwrite ? update([{ field: 'state', from: 'edited', to: 'as wanted' }]) : nothing;
    case 'missing':
      return cert.source.kind === 'self-signed' || hasKey(input, wanted, now) ? update([{ field: 'state', from: 'missing', to: 'as wanted' }]) : nothing;
    case 'ok':
      if (cert.source.kind === 'self-signed' && isDue(now.facts, cert.source.days, input.now)) return update([{ field: 'made anew', from: '', to: `good for ${String(cert.source.days)} days` }]);
      return now.owed ? reload(input, wanted, now) : nothing;
  }
}

/** Whether what was written last is what is wanted now. */
function isAsked({ cert, note, sha256 }: WantedCert, now: ObservedCert): boolean {
  if (now.noteText === '' && now.state === 'missing') return true;
  const same = now.noteText === note && now.group === cert.group && now.units.join() === cert.units.join();
  return same && (cert.source.kind === 'self-signed' || now.sha256 === sha256);
}

function hasKey({ observed, coming }: CertPlanInput, { facts }: WantedCert, now: ObservedCert | undefined): boolean {
  return facts !== undefined && (observed.kept.has(facts.spki) || coming.has(facts.spki) || now?.keySpki === facts.spki);
}

function put(input: CertPlanInput, wanted: WantedCert, change: Change, now?: ObservedCert): Draft {
  const { cert, facts, problem } = wanted;
  const problems = [...policyProblems(cert, input.deny)];
  if (cert.group !== undefined && !input.groups.has(cert.group)) problems.push({ code: 'GROUP_ABSENT', fields: { value: cert.group, host: input.hostName } });
  if (cert.source.kind === 'self-signed') {
    const { names, days } = cert.source;
    const request = { cert: cert.name, names: names.join(','), days, note: wanted.note, ...beside(cert) };
    return { steps: [{ verb: 'cert.make', request, ...final }], changes: [change], problems };
  }
  if (facts === undefined || (problem !== undefined && now?.sha256 !== wanted.sha256)) {
    problems.push({ code: 'CERT_CONTENT', fields: { value: cert.name, rule: problem ?? 'it cannot be read' } });
    return { steps: [], changes: [change], problems };
  }
  if (!hasKey(input, wanted, now)) problems.push({ code: 'CERT_KEY', fields: { value: cert.name, host: input.hostName, rule: 'it is not on the host; give it again: reeve cert set, with --cert and --key' } });
  return { steps: [putStep(wanted, cert.source.chainPem, facts.spki)], changes: [change], problems };
}

function putStep({ cert, note }: WantedCert, pem: string, spki: string): Step {
  return { verb: 'cert.put', request: { cert: cert.name, pem: toBase64(new TextEncoder().encode(pem)), spki: toBase64(fromHex(spki)), note, ...beside(cert) }, ...final };
}

/** A repeat of what was done last: it reloads what a crash or a failure left unreloaded. */
function reload({ deny }: CertPlanInput, wanted: WantedCert, now: ObservedCert): Draft {
  const change: Change = { kind: 'update', noun: 'cert', subject: now.name, fields: [{ field: 'reload', from: 'owed', to: 'done' }] };
  return { steps: [putStep(wanted, now.pem, now.keySpki)], changes: [change], problems: policyProblems(wanted.cert, deny) };
}

function planRemoval({ deny, hostName }: CertPlanInput, gone: ObservedCert): Draft {
  const denied = deny('cert.write', { name: gone.name });
  return {
    steps: [{ verb: 'cert.remove', request: { cert: gone.name }, ...final }],
    changes: [{ kind: 'remove', noun: 'cert', subject: gone.name, fields: certFields(undefined, gone) }],
    problems: denied === undefined ? [] : [{ code: denied.code, fields: { ...denied.fields, host: hostName } }],
  };
}

function policyProblems({ name, group, units }: Cert, deny: Deny): ErrorItem[] {
  const asked = [deny('cert.write', { name, group }), ...units.map((unit) => deny('cert.unit', { unit }))];
  return asked.flatMap((denied) => (denied === undefined ? [] : [{ code: denied.code, fields: denied.fields }]));
}

function beside({ group, units }: Cert): Record<string, string> {
  return { ...(group === undefined ? {} : { group }), ...(units.length === 0 ? {} : { units: units.join(',') }) };
}
