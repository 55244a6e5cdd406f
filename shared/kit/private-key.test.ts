import { execFileSync } from 'node:child_process';
import { createHash, createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { testKey } from '../../test/support/test-cert.js';
import { checkPrivateKey, exportPrivateKey } from './private-key.js';

const openssl = (input: string, ...args: readonly string[]): string => execFileSync('/usr/bin/openssl', args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });

describe('a private key', () => {
  it.each(['rsa:2048', 'rsa:3072', 'ec:P-256', 'ec:P-384', 'ec:P-521', 'ed25519'])('of kind %s is taken, and comes out as openssl has it', (kind) => {
    const pem = testKey(kind);
    const found = checkPrivateKey(Buffer.from(pem));
    if (found.kind === 'bad') throw new Error(found.problem);
    expect(found.spki).toBe(createHash('sha256').update(createPublicKey(pem).export({ type: 'spki', format: 'der' })).digest('hex'));
    expect(exportPrivateKey(found.key).toString()).toBe(pem);
  });

  it('in its traditional form is taken, also with the parameters of its curve before it', () => {
    const traditional = openssl('', 'ecparam', '-name', 'prime256v1', '-genkey');
    expect(traditional).toContain('BEGIN EC PARAMETERS');
    expect(checkPrivateKey(Buffer.from(traditional)).kind).toBe('good');
    const rsa = openssl(testKey('rsa:2048'), 'pkey', '-traditional');
    expect(rsa).toContain('BEGIN RSA PRIVATE KEY');
    expect(checkPrivateKey(Buffer.from(rsa)).kind).toBe('good');
  });

  const good = testKey('ec:P-256');
  it.each<[string, () => string, RegExp]>([
    ['with a passphrase', () => openssl(good, 'pkcs8', '-topk8', '-v2', 'aes-256-cbc', '-passout', 'pass:secret'), /^it has a passphrase/],
    ['with a passphrase in the traditional form', () => openssl(testKey('rsa:2048'), 'rsa', '-aes256', '-passout', 'pass:secret', '-traditional'), /^it has a passphrase/],
    ['of RSA that is too short', () => testKey('rsa:1024'), /^it is RSA of 1024 bits/],
    ['of a curve that browsers do not take', () => testKey('ec:secp256k1'), /^its curve is secp256k1/],
    ['of a kind that nobody uses', () => testKey('x25519'), /^it is of kind "x25519"/],
    ['that is public', () => openssl(good, 'pkey', '-pubout'), /^it is no private key in PEM$/],
    ['that is cut off', () => good.slice(0, 100), /^it is no private key in PEM$/],
    ['that is nothing', () => 'hello', /^it is no private key in PEM$/],
  ])('%s is refused', (_what, make, problem) => {
    const found = checkPrivateKey(Buffer.from(make()));
    expect(found).toEqual({ kind: 'bad', problem: expect.stringMatching(problem) as string });
  });
});
