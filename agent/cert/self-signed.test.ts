import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:tls';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeSelfSigned } from './self-signed.js';

const now = Date.now();
const folder = mkdtempSync(join(tmpdir(), 'reeve-self-signed-'));
afterAll(() => rmSync(folder, { recursive: true }));

const openssl = (...args: readonly string[]): string => execFileSync('/usr/bin/openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

describe('a self-signed certificate', () => {
  const names = ['example.org', 'www.example.org', '*.apps.example.org', 'xn--bcher-kva.example'];
  const { certPem, keyPem } = makeSelfSigned({ names, days: 90, now });
  const certificate = new X509Certificate(certPem);

  it('has the names, the times, the use and a signature that node:crypto takes', () => {
    expect(certificate.subjectAltName).toBe(names.map((name) => `DNS:${name}`).join(', '));
    expect(certificate.subject).toBe('O=Self-signed by Reeve\nCN=example.org');
    expect(certificate.issuer).toBe(certificate.subject);
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.checkPrivateKey(createPrivateKey(keyPem))).toBe(true);
    expect(certificate.checkHost('x.apps.example.org')).toBe('*.apps.example.org');
    expect(Date.parse(certificate.validFrom)).toBe(Math.floor((now - 3_600_000) / 1000) * 1000);
    expect(Date.parse(certificate.validTo)).toBe(Math.floor((now + 90 * 86_400_000) / 1000) * 1000);
    expect(createPublicKey(keyPem).asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
  });

  it('is read and verified by openssl, strictly', () => {
    const file = join(folder, 'cert.pem');
    writeFileSync(file, certPem);
    expect(openssl('verify', '-x509_strict', '-purpose', 'sslserver', '-verify_hostname', 'www.example.org', '-CAfile', file, file)).toBe(`${file}: OK\n`);
    const text = openssl('x509', '-in', file, '-noout', '-text');
    for (const wanted of ['Version: 3 (0x2)', 'ecdsa-with-SHA256', 'CA:FALSE', 'Digital Signature', 'TLS Web Server Authentication', 'DNS:xn--bcher-kva.example', 'NIST CURVE: P-256']) expect(text).toContain(wanted);
  });

  it('serves TLS to a client that trusts it', async () => {
    const server = createServer({ cert: certPem, key: keyPem }, (socket) => socket.end('hello'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const client = connect({ host: '127.0.0.1', port, ca: certPem, servername: 'www.example.org', checkServerIdentity: (_name, peer) => (peer.subjectaltname === certificate.subjectAltName ? undefined : new Error('another certificate')) });
    const chunks: Buffer[] = [];
    for await (const chunk of client) chunks.push(chunk as Buffer);
    expect(client.authorized).toBe(true);
    expect(Buffer.concat(chunks).toString()).toBe('hello');
    server.close();
  });

  it('never is the same twice, and its serial number is positive and of 16 bytes', () => {
    const serials = Array.from({ length: 40 }, () => new X509Certificate(makeSelfSigned({ names: ['a.example'], days: 1, now }).certPem).serialNumber);
    expect(new Set(serials).size).toBe(40);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  });

  it.each([
    ['a name that is too long for a subject', [`${'a'.repeat(63)}.example.org`], 30],
    ['as many names as there may be', Array.from({ length: 64 }, (_, index) => `n${String(index)}.${'b'.repeat(60)}.${'c'.repeat(60)}.example.org`), 3650],
    ['one name and one day', ['a.example'], 1],
  ])('is good with %s', (_what, list, days) => {
    const made = new X509Certificate(makeSelfSigned({ names: list, days, now }).certPem);
    expect(made.subjectAltName).toBe(list.map((name) => `DNS:${name}`).join(', '));
    expect(made.verify(made.publicKey)).toBe(true);
    expect(made.subject.length).toBeLessThan(100);
  });

  it('may end after 2049', () => {
    const made = new X509Certificate(makeSelfSigned({ names: ['a.example'], days: 3650, now: Date.UTC(2045, 0, 1) }).certPem);
    expect(Date.parse(made.validTo)).toBe(Date.UTC(2045, 0, 1) + 3650 * 86_400_000);
    expect(Date.parse(made.validFrom)).toBe(Date.UTC(2044, 11, 31, 23));
  });
});
