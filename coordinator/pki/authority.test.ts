import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { certificateProblem } from '../../shared/rpc/tls.js';
import { certificateLife, checkPublicKey, createAuthority, openAuthority } from './authority.js';

const fleetId = '3f0c1a52-7d0e-4b55-9a3c-5a8a3f2c9d10';
const hostId = '01936f3e-8c2a-7c4e-9a3c-5a8a3f2c9d10';
const now = Date.UTC(2026, 10, 21);
const publicKey = (): Buffer => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey.export({ type: 'spki', format: 'der' });

test('a host certificate has every field of the profile and nothing else', () => {
  const folder = mkdtempSync(join(tmpdir(), 'reeve-pki-'));
  const authority = createAuthority(folder, fleetId, now);
  const key = publicKey();
  const { certificate, notAfterMs } = authority.issueHost({ hostId, publicKey: key, now });
  const leaf = new X509Certificate(certificate);
  const agents = new X509Certificate(authority.agentsRoot);
  const control = new X509Certificate(authority.controlRoot);
  expect(leaf.subjectAltName).toBe(`URI:reeve://${fleetId}/host/${hostId}`);
  expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1']);
  expect(leaf.ca).toBe(false);
  expect(leaf.serialNumber.length).toBe(40);
  // Far enough back for a clock that is three days behind; the life is counted from now all the same.
  expect(Date.parse(leaf.validFrom)).toBe(now - 4 * 86_400_000);
  expect(Date.parse(leaf.validTo)).toBe(now + certificateLife.agentMs);
  expect(notAfterMs).toBe(Date.parse(leaf.validTo));
  expect(leaf.publicKey.export({ type: 'spki', format: 'der' }).equals(key)).toBe(true);
  expect(leaf.checkIssued(agents) && leaf.verify(agents.publicKey)).toBe(true);
  expect(leaf.verify(control.publicKey)).toBe(false);
  expect(agents.ca && control.ca).toBe(true);
  expect(agents.toString()).not.toBe(control.toString());
});

test('the coordinator certificate is for the coordinator only, and lasts 7 days', () => {
  const authority = createAuthority(mkdtempSync(join(tmpdir(), 'reeve-pki-')), fleetId, now);
  const leaf = new X509Certificate(authority.coordinator().certificate);
  expect(certificateProblem(leaf, { uri: `reeve://${fleetId}/role/coordinator`, usage: 'client', now })).toBeUndefined();
  expect(certificateProblem(leaf, { uri: `reeve://${fleetId}/role/coordinator`, usage: 'client', now: now + 8 * 86_400_000 })).toBe('it has expired');
  expect(certificateProblem(leaf, { uri: `reeve://${fleetId}/host/${hostId}`, usage: 'client', now })).toBe('it is for somebody else');
});

test('opening again keeps the roots and renews only an expired coordinator certificate', () => {
  const folder = mkdtempSync(join(tmpdir(), 'reeve-pki-'));
  const made = createAuthority(folder, fleetId, now);
  const again = openAuthority(folder, fleetId, now + 1000);
  expect(again.coordinator()).toEqual(made.coordinator());
  const later = openAuthority(folder, fleetId, now + 8 * 86_400_000);
  expect(later.controlRoot).toBe(made.controlRoot);
  expect(later.coordinator().certificate).not.toBe(made.coordinator().certificate);
  for (const file of readdirSync(folder)) expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600);
});

test('a coordinator certificate that a clock far ahead has made is replaced when the clock is right again', () => {
  const folder = mkdtempSync(join(tmpdir(), 'reeve-pki-'));
  const made = createAuthority(folder, fleetId, now);
  made.renewCoordinator(now + 30 * 86_400_000);
  const again = openAuthority(folder, fleetId, now);
  expect(again.coordinatorValidity()).toEqual({ fromMs: now - certificateLife.backdateMs, toMs: now + certificateLife.coordinatorMs });
});

test('only uncompressed P-256 keys are accepted', () => {
  const good = publicKey();
  expect(checkPublicKey(publicKey()).length).toBe(91);
  const others = [
    generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey.export({ type: 'spki', format: 'der' }),
    generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }),
    Buffer.alloc(91),
    // A point that is not on the curve.
    Buffer.concat([good.subarray(0, 90), Buffer.from([(good[90] ?? 0) ^ 1])]),
  ];
  for (const other of others) expect(() => checkPublicKey(other)).toThrow(/public_key/);
});
