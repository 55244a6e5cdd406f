import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../shared/kit/digest.js';
import type { Cert, CertFacts } from '../../shared/model/cert.js';
import { formatNote, parseNote } from './note.js';
import type { ObservedCert, ObservedCerts } from './observe.js';
import { certRefusals, isDue, planCertRelease, planCerts, type CertPlanInput } from './plan.js';
import type { WantedCert } from './wanted.js';

const now = Date.UTC(2026, 5, 1);
const dayS = 86_400;
const hex = (text: string): string => sha256(text).toString('hex');
const facts = (text: string, days = 90): CertFacts => ({ names: [`${text}.example`], notBefore: now / 1000 - dayS, notAfter: now / 1000 + days * dayS, fingerprint: hex(`fingerprint ${text}`), spki: hex(`key ${text}`), issuer: 'Test' });

/** A supplied certificate; its chain is a word that stands for it. */
const supplied = (name: string, chain = name, over: Partial<Cert> = {}): Cert => ({ name, source: { kind: 'supplied', chainPem: chain }, group: undefined, units: [], overwrite: false, ...over });
const own = (name: string, over: Partial<Cert> = {}, days = 90): Cert => ({ name, source: { kind: 'self-signed', names: [`${name}.example`], days }, group: undefined, units: [], overwrite: false, ...over });
const wantedOf = (cert: Cert, over: Partial<WantedCert> = {}): WantedCert => {
  const { source } = cert;
  const chain = source.kind === 'supplied' ? source.chainPem : undefined;
  return { cert, note: formatNote(source, hex), facts: chain === undefined ? undefined : facts(chain), sha256: chain === undefined ? '' : hex(chain), problem: undefined, ...over };
};
/** The certificate as it is once it was written. */
const written = (cert: Cert, over: Partial<ObservedCert> = {}): ObservedCert => {
  const { source } = cert;
  const text = source.kind === 'supplied' ? source.chainPem : cert.name;
  const noteText = formatNote(source, hex);
  const found = facts(text, source.kind === 'supplied' ? 90 : source.days);
  return { name: cert.name, kind: source.kind, facts: found, state: 'ok', noteText, note: parseNote(noteText), group: cert.group, units: cert.units, pem: text, sha256: hex(text), keySpki: found.spki, owed: false, ...over };
};
const observedOf = (certs: readonly ObservedCert[], kept: readonly string[] = []): ObservedCerts => ({ certs, kept: new Set(kept.map((text) => hex(`key ${text}`))) });
const input = (wanted: readonly WantedCert[], observed: ObservedCerts, over: Partial<CertPlanInput> = {}): CertPlanInput => ({
  wanted, observed, groups: new Set(['ssl-cert']), coming: new Set(), deny: () => undefined, hostName: 'web1', now, ...over,
});
const told = (plan: ReturnType<typeof planCerts>): unknown[] => [plan.steps.map(({ verb, request }) => `${verb} ${String(request['cert'])}`), plan.changes.map(({ kind, subject, fields }) => [kind, subject, ...fields.map(({ field }) => field)]), plan.problems.map(({ code, fields }) => `${code} ${fields['value'] ?? ''}`)];

describe('the plan of certificates', () => {
  const site = supplied('site');
  it.each<[string, readonly WantedCert[], ObservedCerts, unknown[]]>([
    ['that come, one with its key and one that is made', [wantedOf(own('mail', { group: 'ssl-cert', units: ['postfix.service'] })), wantedOf(site)], observedOf([], ['site']),
      [['cert.make mail', 'cert.put site'], [['create', 'mail', 'source', 'names', 'days', 'group', 'units'], ['create', 'site', 'source', 'names', 'ends', 'fingerprint']], []]],
    ['without its key', [wantedOf(site)], observedOf([]), [['cert.put site'], [['create', 'site', 'source', 'names', 'ends', 'fingerprint']], ['CERT_KEY site']]],
    ['that are there', [wantedOf(own('mail')), wantedOf(site)], observedOf([written(own('mail')), written(site)]), [[], [], []]],
    ['that go', [], observedOf([written(site)]), [['cert.remove site'], [['remove', 'site', 'source', 'names', 'ends', 'fingerprint']], []]],
    ['that are others, by a key that is kept', [wantedOf(supplied('site', 'new'))], observedOf([written(site)], ['new']), [['cert.put site'], [['update', 'site', 'names', 'fingerprint']], []]],
    ['that another group may read', [wantedOf(supplied('site', 'site', { group: 'ssl-cert' }))], observedOf([written(site)]), [['cert.put site'], [['update', 'site', 'group']], []]],
    ['with a group that is not there', [wantedOf(own('mail', { group: 'mail' }))], observedOf([]), [['cert.make mail'], [['create', 'mail', 'source', 'names', 'days', 'group']], ['GROUP_ABSENT mail']]],
    ['that cannot be used', [wantedOf(site, { problem: 'it expired' })], observedOf([], ['site']), [[], [['create', 'site', 'source', 'names', 'ends', 'fingerprint']], ['CERT_CONTENT site']]],
    ['that cannot be read', [wantedOf(site, { problem: 'block 1', facts: undefined })], observedOf([], ['site']), [[], [['create', 'site', 'source']], ['CERT_CONTENT site']]],
    ['that have expired where they are', [wantedOf(site, { problem: 'it expired' })], observedOf([written(site)]), [[], [], []]],
    ['that were altered by hand', [wantedOf(site)], observedOf([written(site, { state: 'edited' })]), [[], [], []]],
    ['that were altered by hand, and others are wanted', [wantedOf(supplied('site', 'new'))], observedOf([written(site, { state: 'edited' })], ['new']), [[], [], ['CERT_DRIFT site']]],
    ['that are written over', [wantedOf(supplied('site', 'site', { overwrite: true }))], observedOf([written(site, { state: 'edited' })]), [['cert.put site'], [['update', 'site', 'state']], []]],
    ['that are written over without their key', [wantedOf(supplied('site', 'site', { overwrite: true }))], observedOf([written(site, { state: 'edited', keySpki: '' })]), [['cert.put site'], [['update', 'site', 'state']], ['CERT_KEY site']]],
    ['that were taken away, with their key', [wantedOf(site)], observedOf([written(site, { state: 'missing', keySpki: '' })]), [[], [], []]],
    ['that were taken away, and the key is kept', [wantedOf(site)], observedOf([written(site, { state: 'missing', keySpki: '' })], ['site']), [['cert.put site'], [['update', 'site', 'state']], []]],
    ['that were taken away with all that was known of them', [wantedOf(own('mail'))], observedOf([written(own('mail'), { state: 'missing', noteText: '', note: undefined, facts: undefined, sha256: '', keySpki: '' })]), [['cert.make mail'], [['update', 'mail', 'state']], []]],
    ['that are self-signed and have less than a third of their time left', [wantedOf(own('mail'))], observedOf([written(own('mail'), { facts: facts('mail', 29) })]), [['cert.make mail'], [['update', 'mail', 'made anew']], []]],
    ['of which a reload is owed', [wantedOf(site)], observedOf([written(site, { owed: true })]), [['cert.put site'], [['update', 'site', 'reload']], []]],
  ])('%s', (_what, wanted, observed, expected) => {
    const plan = planCerts(input(wanted, observed));
    expect(told(plan)).toEqual(expected);
    expect(plan.steps.every((step) => step.final && !step.removesAccess && step.undo === undefined)).toBe(true);
  });

  it('counts a key that is going to come', () => {
    expect(planCerts(input([wantedOf(supplied('site'))], observedOf([]), { coming: new Set([hex('key site')]) })).problems).toEqual([]);
  });

  it('asks the policy for each certificate and each unit', () => {
    const asked: string[] = [];
    const deny: CertPlanInput['deny'] = (operation, args) => {
      asked.push(`${operation} ${JSON.stringify(args)}`);
      return { code: 'POLICY_DENIED', fields: { op: operation }, verdict: 'none' };
    };
    const mail = own('mail', { group: 'ssl-cert', units: ['dovecot.service', 'postfix.service'] });
    expect(planCerts(input([wantedOf(mail)], observedOf([written(supplied('site'))]), { deny })).problems).toHaveLength(4);
    expect(asked).toEqual(['cert.write {"name":"mail","group":"ssl-cert"}', 'cert.unit {"unit":"dovecot.service"}', 'cert.unit {"unit":"postfix.service"}', 'cert.write {"name":"site"}']);
    expect(certRefusals([mail], deny)).toHaveLength(3);
  });

  it('lets go of all in one step, and of nothing in none', () => {
    expect(planCertRelease(observedOf([written(supplied('site'))]), [])).toMatchObject({ steps: [{ verb: 'cert.release', final: true }], changes: [{ subject: 'site' }] });
    expect(planCertRelease(observedOf([]), [{ code: 'POLICY_DENIED', fields: {} }])).toEqual({ steps: [], changes: [], problems: [] });
  });

  it('makes what is so into what is wanted, and then has nothing to do', () => {
    const cert = fc.record({ name: fc.constantFrom('a', 'b', 'c'), kind: fc.constantFrom('x', 'y', 'own 30', 'own 90'), group: fc.constantFrom(undefined, 'ssl-cert') }).map(({ name, kind, group }) => (kind.startsWith('own') ? own(name, { group }, Number(kind.slice(4))) : supplied(name, kind, { group })));
    const set = fc.uniqueArray(cert, { selector: ({ name }) => name }).map((certs) => [...certs].sort((a, b) => (a.name < b.name ? -1 : 1)));
    fc.assert(
      fc.property(set, set, (before, after) => {
        const wanted = after.map((one) => wantedOf(one));
        const plan = planCerts(input(wanted, observedOf(before.map((one) => written(one)), ['x', 'y'])));
        expect(plan.problems).toEqual([]);
        const present = new Map(before.map((one) => [one.name, one]));
        for (const { verb, request } of plan.steps) {
          const name = String(request['cert']);
          const made = after.find((one) => one.name === name);
          if (verb === 'cert.remove' || made === undefined) present.delete(name);
          else present.set(name, made);
        }
        expect([...present.values()].sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual(after);
        expect(planCerts(input(wanted, observedOf(after.map((one) => written(one))))).steps).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('has a self-signed one due when less than a third is left', () => {
    expect(isDue(facts('a', 31), 90, now)).toBe(false);
    expect(isDue(facts('a', 29), 90, now)).toBe(true);
    expect(isDue(undefined, 90, now)).toBe(true);
  });
});
