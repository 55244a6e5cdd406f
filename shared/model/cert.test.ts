import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toBase64 } from './bytes.js';
import { certDigestModel, formatCert, formatCertState, mostCerts, parseCert, parseCerts, parseCertState, type Cert, type WireCert } from './cert.js';
import { canonicalJson } from './canonical.js';

/** A block of PEM of a DER sequence of so many bytes. */
const block = (bytes: number): string => {
  const base64 = toBase64(Uint8Array.from([0x30, 0x82, (bytes - 4) >> 8, (bytes - 4) & 0xff, ...Array.from({ length: bytes - 4 }, (_none, at) => at & 0xff)]));
  return `-----BEGIN CERTIFICATE-----\n${(base64.match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`;
};
const own: WireCert = { name: 'mail', chainPem: '', names: ['mail.example.org'], days: 90, group: '', units: [], overwrite: false };
const supplied: WireCert = { ...own, names: [], days: 0, chainPem: block(300) };

describe('a certificate from the wire', () => {
  it('comes out as it went in, in one form', () => {
    const wire: fc.Arbitrary<WireCert> = fc.record({
      name: fc.constantFrom('mail', 'a', '0-._x'), group: fc.constantFrom('', 'ssl-cert'), overwrite: fc.boolean(),
      units: fc.uniqueArray(fc.constantFrom('a.service', 'b@1.service', 'C-d.service'), { maxLength: 3 }),
      source: fc.oneof(fc.constant({ chainPem: block(300), names: [] as string[], days: 0 }), fc.record({ chainPem: fc.constant(''), names: fc.uniqueArray(fc.constantFrom('a.example', '*.a.example', 'xn--bcher-kva.example'), { minLength: 1 }), days: fc.integer({ min: 1, max: 3650 }) })),
    }).map(({ source, ...rest }) => ({ ...rest, ...source }));
    fc.assert(fc.property(wire, (one) => {
      const cert = parseCert(one);
      expect(formatCert(cert)).toEqual({ ...one, units: [...one.units].sort(), names: [...one.names].sort() });
      expect(parseCert(formatCert(cert))).toEqual(cert);
    }));
  });

  it.each<[string, Partial<WireCert>, string]>([
    ['without a name', { name: '' }, 'cert'], ['with a path as its name', { name: '../x' }, 'cert'], ['with a hidden name', { name: '.x' }, 'cert'], ['with capitals', { name: 'Mail' }, 'cert'], ['with a name that is too long', { name: 'a'.repeat(65) }, 'cert'],
    ['without names', { names: [] }, 'names'], ['with a name of one part', { names: ['localhost'] }, 'names'], ['with an address', { names: ['192.0.2.1'] }, 'names'], ['with too many names', { names: Array.from({ length: 65 }, (_none, at) => `n${String(at)}.example`) }, 'names'],
    ['for no day', { days: 0 }, 'days'], ['for more than ten years', { days: 3651 }, 'days'],
    ['with a group that is none', { group: 'a b' }, 'group'],
    ['with a unit of another kind', { units: ['ssh.socket'] }, 'units'], ['with a unit of Reeve', { units: ['reeve-privd.service'] }, 'units'], ['with an option as a unit', { units: ['--root=x.service'] }, 'units'], ['with too many units', { units: Array.from({ length: 9 }, (_none, at) => `u${String(at)}.service`) }, 'units'],
    ['supplied, with names', { ...supplied, names: ['a.example'] }, 'names'], ['supplied, for some days', { ...supplied, days: 3 }, 'days'],
    ['of a key', { ...supplied, chainPem: block(300).replaceAll('CERTIFICATE', 'PRIVATE KEY') }, 'chain'], ['with something before it', { ...supplied, chainPem: ` ${block(300)}` }, 'chain'], ['that is too large', { ...supplied, chainPem: block(60_000) }, 'chain'],
  ])('%s is refused by its field', (_what, over, field) => {
    expect(() => parseCert({ ...own, ...over })).toThrow(expect.objectContaining({ fields: expect.objectContaining({ field }) as object }) as Error);
  });

  it('is one of a set that has an end, each name once', () => {
    expect(parseCerts([{ ...own, name: 'b' }, { ...own, name: 'a' }]).map(({ name }) => name)).toEqual(['a', 'b']);
    expect(() => parseCerts([own, own])).toThrow(/each name once/);
    expect(() => parseCerts(Array.from({ length: mostCerts.certs + 1 }, (_none, at) => ({ ...own, name: `c${String(at)}` })))).toThrow(/at most 500/);
    const large = block(48_000);
    expect(() => parseCerts(Array.from({ length: 49 }, (_none, at) => ({ ...supplied, name: `c${String(at)}`, chainPem: large })))).toThrow(/bytes of PEM in one host/);
  });
});

describe('what was found of a certificate', () => {
  const facts = { names: ['a.example'], notBefore: 1_700_000_000, notAfter: 1_800_000_000, fingerprint: 'ab'.repeat(32), spki: 'cd'.repeat(32), issuer: 'Example CA' };

  it('comes out as it went in', () => {
    for (const state of ['ok', 'edited', 'missing'] as const) {
      for (const found of [{ name: 'a', kind: 'supplied' as const, state, facts }, { name: 'a', kind: '' as const, state, facts: undefined }]) expect(parseCertState(formatCertState(found))).toEqual(found);
    }
  });

  it('is cut to its limits: an agent may say anything', () => {
    const wire = { ...formatCertState({ name: 'a', kind: 'supplied', state: 'ok', facts }), names: Array.from({ length: 100 }, () => 'x'.repeat(300)), notAfter: 1e300, notBefore: -5, issuer: 'y'.repeat(1000), kind: 'odd' };
    const { kind, facts: cut } = parseCertState(wire);
    expect([kind, cut?.names.length, cut?.names[0]?.length, cut?.notAfter, cut?.notBefore, cut?.issuer.length]).toEqual(['', 64, 253, 0, 0, 512]);
    expect(parseCertState({ ...wire, fingerprint: fromHex('ab') }).facts).toBeUndefined();
    expect(() => parseCertState({ ...wire, name: '../x' })).toThrow();
    expect(() => parseCertState({ ...wire, state: 'odd' })).toThrow();
  });

  it('has another digest when anything of it differs', () => {
    const row = { name: 'a', kind: 'supplied' as const, state: 'ok' as const, facts, group: undefined as Cert['group'], units: [] as readonly string[], note: 'supplied', owed: false };
    const rows = [row, { ...row, name: 'b' }, { ...row, state: 'edited' as const }, { ...row, facts: { ...facts, fingerprint: 'ef'.repeat(32) } }, { ...row, group: 'ssl-cert' }, { ...row, units: ['a.service'] }, { ...row, note: 'x' }, { ...row, owed: true }];
    expect(new Set(rows.map((one) => canonicalJson(certDigestModel([one])))).size).toBe(rows.length);
  });
});
