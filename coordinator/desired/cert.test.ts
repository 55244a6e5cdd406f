import { describe, expect, it } from 'vitest';
import type { Cert, CertState } from '../../shared/model/cert.js';
import { byEnd, certProblems, desiredCerts, editCert, isCertDue, type CertEdit, type CertRow } from './cert.js';

const now = Date.UTC(2026, 5, 1);
const dayMs = 86_400_000;
const own: Cert = { name: 'mail', source: { kind: 'self-signed', names: ['mail.example'], days: 90 }, group: 'ssl-cert', units: ['postfix.service'], overwrite: false };
const supplied: Cert = { ...own, name: 'shop', source: { kind: 'supplied', chainPem: 'chain' }, group: undefined, units: [] };
const row = (cert: Cert, days: number | undefined, state: CertState['state'] = 'ok'): CertRow => ({
  hostId: 'h', cert, by: 'ada', addedAtMs: now, generation: 1,
  state: { name: cert.name, kind: cert.source.kind, state, seenAtMs: now - 1000, facts: days === undefined ? undefined : { names: [], notBefore: 0, notAfter: (now + days * dayMs) / 1000, fingerprint: '', spki: '', issuer: '' } },
});
const none: CertEdit = { chainPem: undefined, names: undefined, days: undefined, group: undefined, units: undefined, overwrite: false };

describe('certificates of the inventory', () => {
  it.each<[string, Cert, Partial<CertEdit>, Partial<Cert>]>([
    ['nothing', own, {}, {}],
    ['another chain', own, { chainPem: 'new' }, { source: { kind: 'supplied', chainPem: 'new' } }],
    ['names', own, { names: ['a.example'] }, { source: { kind: 'self-signed', names: ['a.example'], days: 90 } }],
    ['names of one that was supplied', supplied, { names: ['a.example'] }, { source: { kind: 'self-signed', names: ['a.example'], days: 365 } }],
    ['days', own, { days: 30 }, { source: { kind: 'self-signed', names: ['mail.example'], days: 30 } }],
    ['no group and no units', own, { group: '', units: [] }, { group: undefined, units: [] }],
    ['that it is written over', own, { overwrite: true }, { overwrite: true }],
  ])('an edit alters %s and leaves the rest', (_what, cert, edit, over) => {
    expect(editCert(cert, { ...none, ...edit })).toEqual({ ...cert, ...over });
  });

  it('are wanted by name, and listed by their ends', () => {
    const rows = [row({ ...supplied, name: 'z' }, 5), row(supplied, undefined), row({ ...supplied, name: 'a' }, 30)];
    expect(desiredCerts(rows).map(({ name }) => name)).toEqual(['a', 'shop', 'z']);
    expect(rows.map((one) => ({ ...one, hostName: 'web1' })).sort(byEnd).map(({ cert }) => cert.name)).toEqual(['z', 'a', 'shop']);
  });

  it('are due when less than a third is left, and only where the host makes them itself', () => {
    expect([isCertDue(row(own, 31), now), isCertDue(row(own, 29), now), isCertDue(row(supplied, 1), now), isCertDue({ ...row(own, 1), state: undefined }, now)]).toEqual([false, true, false, false]);
  });

  it.each<[string, CertRow, string[]]>([
    ['that is good', row(supplied, 11), []],
    ['of which nothing is known', { ...row(supplied, 1), state: undefined }, []],
    ['that ends in 9 days', row(supplied, 9), ['CERT_ENDS warning']],
    ['that ends in 2 days', row(supplied, 2), ['CERT_ENDS error']],
    ['that has ended', row(supplied, -1), ['CERT_EXPIRED error']],
    ['that was altered', row(supplied, 90, 'edited'), ['CERT_EDITED warning']],
    ['that was altered and ends soon', row(supplied, 2, 'edited'), ['CERT_ENDS error', 'CERT_EDITED warning']],
    ['that is gone', row(own, undefined, 'missing'), ['CERT_MISSING error']],
  ])('people have to know of one %s', (_what, one, told) => {
    const problems = certProblems(one, 'web1', now);
    expect(problems.map(({ code, severity }) => `${code} ${severity}`)).toEqual(told);
    for (const { text } of problems) expect(text).toContain('web1');
  });
});
