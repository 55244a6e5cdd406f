import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildDeb } from './deb.js';
import { parseBuildOptions } from './options.js';
import { buildRepository, type RepositoryOptions } from './repository.js';

const EPOCH = 1_700_000_000;

describe('the apt repository', () => {
  const folder = mkdtempSync(join(tmpdir(), 'reeve-repository-'));
  const developmentKey = join(folder, 'key/development.asc');
  const deb = (name: string, version: string): string =>
    buildDeb({ name, depends: [], section: 'admin', description: ['One', 'Two'], contents: [{ kind: 'text', path: `usr/share/${name}/version`, text: version }] },
      { version, architecture: 'amd64', epoch: EPOCH, maintainer: 'Ada <ada@example.org>', work: join(folder, 'work'), out: join(folder, 'debs', version) });
  const options = (out: string, debs: readonly string[]): RepositoryOptions => ({ debs, out: join(folder, out), signingKey: undefined, developmentKey, url: 'https://packages.example.org/reeve', epoch: EPOCH });
  let debs: string[];

  beforeAll(() => {
    debs = [deb('reeve-one', '0.1.0'), deb('reeve-one', '0.2.0'), deb('reeve-two', '0.2.0')];
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('lists every package of the pool with its size and digest, and is signed twice by the key beside it', () => {
    const { fingerprint, development, packages } = buildRepository(options('first', debs));
    expect({ development, packages }).toEqual({ development: true, packages: 3 });
    const dists = join(folder, 'first/dists/stable');
    const index = readFileSync(join(dists, 'main/binary-amd64/Packages'), 'utf8');
    expect(index.match(/^Package: .*$/gm)).toEqual(['Package: reeve-one', 'Package: reeve-one', 'Package: reeve-two']);
    for (const [, path = '', size, digest] of index.matchAll(/^Filename: (.*)\nSize: (.*)\nSHA256: (.*)$/gm)) {
      const bytes = readFileSync(join(folder, 'first', path));
      expect([String(bytes.length), createHash('sha256').update(bytes).digest('hex')]).toEqual([size, digest]);
    }
    const verify = (...files: string[]): string => execFileSync('gpgv', ['--status-fd', '1', '--keyring', join(folder, 'first/reeve-archive-keyring.gpg'), ...files], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    expect(verify(join(dists, 'InRelease'))).toContain(`VALIDSIG ${fingerprint}`);
    expect(verify(join(dists, 'Release.gpg'), join(dists, 'Release'))).toContain(`VALIDSIG ${fingerprint}`);
    expect(statSync(developmentKey).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(folder, 'first/reeve.sources'), 'utf8')).toContain(`# Key ${fingerprint}, made for development`);
  });

  test('is the same bytes when made again, but for the signatures, and keeps what the pool had', () => {
    buildRepository(options('again', debs.slice(0, 1)));
    buildRepository(options('again', debs.slice(1)));
    const signed = ['InRelease', 'Release.gpg'];
    const digests = (name: string): string[] => readdirSync(join(folder, name), { recursive: true, encoding: 'utf8' })
      .filter((path) => statSync(join(folder, name, path)).isFile() && !signed.some((end) => path.endsWith(end))).sort()
      .map((path) => `${path} ${createHash('sha256').update(readFileSync(join(folder, name, path))).digest('hex')}`);
    expect(digests('again')).toEqual(digests('first'));
  });

  test('is signed by the key that is given, and says when that cannot be used', () => {
    const given = join(folder, 'given.asc');
    writeFileSync(given, readFileSync(developmentKey));
    expect(buildRepository({ ...options('given', debs), signingKey: given }).development).toBe(false);
    expect(() => buildRepository({ ...options('given', debs), signingKey: join(folder, 'nowhere') })).toThrow(/"[^"]*nowhere" is not there: REEVE_SIGNING_KEY names/);
    writeFileSync(given, 'no key');
    expect(() => buildRepository({ ...options('given', debs), signingKey: given })).toThrow(/cannot be read: wanted an armoured OpenPGP private key/);
  });

  test('leaves no GnuPG home and no agent behind', () => {
    const left = spawnSync('pgrep', ['--full', '--list-full', 'gpg-agent --homedir .*reeve-gnupg-'], { encoding: 'utf8' }).stdout.split('\n').filter((line) => line.includes(`${tmpdir()}/reeve-gnupg-`));
    expect(left).toEqual([]);
  });
});

test('what a build is told is checked: the maintainer, the address, the arguments', () => {
  expect(() => parseBuildOptions([], { REEVE_MAINTAINER: 'nobody' })).toThrow(/REEVE_MAINTAINER "nobody" is not allowed: wanted "Name </);
  expect(() => parseBuildOptions([], { REEVE_REPOSITORY_URL: 'ftp:x' })).toThrow(/REEVE_REPOSITORY_URL "ftp:x" is not allowed/);
  expect(() => parseBuildOptions(['--repo'], {})).toThrow(/Unknown argument "--repo"/);
  const plain = parseBuildOptions([], { SOURCE_DATE_EPOCH: '1' });
  expect(plain).toMatchObject({ maintainer: 'The Reeve developers <reeve@localhost>', repositoryUrl: 'https://packages.example.org/reeve' });
  expect(plain.repository).toMatch(/build\/repository$/);
  expect(parseBuildOptions(['--out', 'x'], {}).repository).toBeUndefined();
});
