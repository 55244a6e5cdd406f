import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key, PEM. */
export interface TestPair {
  readonly cert: string;
  readonly key: string;
}

/** An authority for tests, with one below it, as openssl makes them. */
export interface TestAuthority {
  readonly root: string;
  readonly intermediate: string;
  /** A server's certificate by the lower authority; for another `key` or other days (negative: it has ended) as asked. */
  issue(names: readonly string[], options?: { readonly days?: number; readonly key?: string }): TestPair;
}

const openssl = (folder: string, ...args: readonly string[]): string => execFileSync('/usr/bin/openssl', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** A private key of a kind, PKCS#8 PEM: `rsa:2048`, `ec:P-256`, `ed25519`, ... */
export function testKey(kind: string): string {
  const [algorithm = '', detail = ''] = kind.split(':');
  const options = algorithm === 'rsa' ? ['-pkeyopt', `rsa_keygen_bits:${detail}`] : algorithm === 'ec' ? ['-pkeyopt', `ec_paramgen_curve:${detail}`] : [];
  return openssl('/', 'genpkey', '-algorithm', algorithm, ...options);
}

/** Makes an authority. */
export function makeTestAuthority(): TestAuthority {
  const inFolder = <T>(task: (folder: string) => T): T => {
    const folder = mkdtempSync(join(tmpdir(), 'reeve-test-cert-'));
    try {
      return task(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
  const sign = (request: { name: string; key: string; extensions: string; days: number; by?: TestPair }): string =>
    inFolder((folder) => {
      const { name, key, extensions, days, by } = request;
      writeFileSync(join(folder, 'key.pem'), key);
      writeFileSync(join(folder, 'ext'), extensions);
      openssl(folder, 'req', '-new', '-key', 'key.pem', '-subj', `/O=Test/CN=${name}`, '-out', 'csr.pem');
      const issuer = by === undefined ? ['-signkey', 'key.pem'] : ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', String(Math.floor(Math.random() * 1e12))];
      if (by !== undefined) {
        writeFileSync(join(folder, 'ca.pem'), by.cert);
        writeFileSync(join(folder, 'ca.key'), by.key);
      }
      openssl(folder, 'x509', '-req', '-in', 'csr.pem', ...issuer, '-days', String(days), '-extfile', 'ext', '-out', 'cert.pem');
      return readFileSync(join(folder, 'cert.pem'), 'utf8');
    });
  const authority = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n';
  const rootKey = testKey('ec:P-256');
  const root = sign({ name: 'test root', key: rootKey, extensions: authority, days: 3650 });
  const lowerKey = testKey('ec:P-256');
  const intermediate = sign({ name: 'test lower', key: lowerKey, extensions: `${authority}authorityKeyIdentifier=keyid\n`, days: 3650, by: { cert: root, key: rootKey } });
  return {
    root, intermediate,
    issue(names, { days = 90, key = testKey('ec:P-256') } = {}) {
      const extensions = `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}\nextendedKeyUsage=serverAuth\n`;
      return { cert: sign({ name: names[0] ?? '', key, extensions, days, by: { cert: intermediate, key: lowerKey } }), key };
    },
  };
}
