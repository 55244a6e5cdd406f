import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { command } from './command.js';
import { openSigner } from './signing.js';

/** What a repository is made of. */
export interface RepositoryOptions {
  /** The .deb files to add; what is in the pool already stays, so that the release before this one can still be installed. */
  readonly debs: readonly string[];
  readonly out: string;
  /** File of an armoured private key; undefined: the development key, which is kept in `developmentKey`. */
  readonly signingKey: string | undefined;
  readonly developmentKey: string;
  /** The address that goes into reeve.sources. */
  readonly url: string;
  /** Seconds since 1970: the date of the repository. */
  readonly epoch: number;
}

/** What was made. */
export interface Repository {
  readonly fingerprint: string;
  readonly development: boolean;
  /** How many packages the pool holds. */
  readonly packages: number;
}

const POOL = 'pool/main/r/reeve';
const SUITE = 'stable';
const COMPONENT = 'main';
const ARCHITECTURES = ['amd64'];

/**
 * Writes a signed apt repository: pool, index, signatures, the keyring of its key and a sources file (deb822) for hosts. The same packages and epoch give the
 * same bytes, but for the signatures. `dists` is replaced as a whole; a reader sees the old or the new one.
 */
export function buildRepository(options: RepositoryOptions): Repository {
  const { out } = options;
  const pool = join(out, POOL);
  mkdirSync(pool, { recursive: true });
  for (const deb of options.debs) {
    copyFileSync(deb, join(pool, `${basename(deb)}.new`));
    renameSync(join(pool, `${basename(deb)}.new`), join(pool, basename(deb)));
  }
  const signer = openSigner(options.signingKey, options.developmentKey);
  try {
    const files = readdirSync(pool).filter((file) => file.endsWith('.deb')).sort();
    const fresh = join(out, 'dists.new');
    rmSync(fresh, { recursive: true, force: true });
    const suite = join(fresh, SUITE);
    const stanzas = files.map((file) => stanzaOf(join(pool, file), `${POOL}/${file}`));
    for (const architecture of ARCHITECTURES) {
      const folder = join(suite, COMPONENT, `binary-${architecture}`);
      mkdirSync(folder, { recursive: true });
      const text = stanzas.filter((stanza) => new RegExp(`^Architecture: (?:${architecture}|all)$`, 'm').test(stanza)).join('\n');
      writeFileSync(join(folder, 'Packages'), text);
      writeFileSync(join(folder, 'Packages.gz'), gzipSync(text, { level: 9 }));
      command(['xz', '--keep', '--threads=1', '-9', join(folder, 'Packages')]);
    }
    const release = renderRelease(suite, options.epoch);
    writeFileSync(join(suite, 'Release'), release);
    writeFileSync(join(suite, 'InRelease'), signer.clearSign(release));
    writeFileSync(join(suite, 'Release.gpg'), signer.detachSign(release));
    swap(fresh, join(out, 'dists'));
    writeFileSync(join(out, 'reeve-archive-keyring.gpg'), signer.publicKey());
    writeFileSync(join(out, 'reeve.sources'), renderSources(options.url, signer.fingerprint, signer.development));
    return { fingerprint: signer.fingerprint, development: signer.development, packages: files.length };
  } finally {
    signer.close();
  }
}

/** One package in the index: its control file, where it is, its size and digest. */
function stanzaOf(file: string, path: string): string {
  const control = command(['dpkg-deb', '--field', file]).trimEnd();
  const digest = createHash('sha256').update(readFileSync(file)).digest('hex');
  const where = `Filename: ${path}\nSize: ${String(statSync(file).size)}\nSHA256: ${digest}`;
  return `${control.replace(/^Description:/m, `${where}\nDescription:`)}\n`;
}

/** Release(5): apt checks every index file against it, and it against the signature. */
function renderRelease(suite: string, epoch: number): string {
  const files = readdirSync(suite, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(suite, path)).isFile()).sort();
  const rows = files.map((path) => {
    const bytes = readFileSync(join(suite, path));
    return ` ${createHash('sha256').update(bytes).digest('hex')} ${String(bytes.length)} ${path}`;
  });
  return [
    'Origin: Reeve',
    'Label: Reeve',
    `Suite: ${SUITE}`,
    `Codename: ${SUITE}`,
    `Date: ${new Date(epoch * 1000).toUTCString().replace('GMT', 'UTC')}`,
    `Architectures: ${ARCHITECTURES.join(' ')}`,
    `Components: ${COMPONENT}`,
    'Description: Reeve, a fleet manager',
    'SHA256:',
    ...rows,
    '',
  ].join('\n');
}

function renderSources(url: string, fingerprint: string, development: boolean): string {
  return [
    '# Reeve\'s packages. On a host: this file goes to /etc/apt/sources.list.d/, the keyring to /usr/share/keyrings/.',
    `# Key ${fingerprint}${development ? ', made for development: whoever has this build folder can sign with it' : ''}.`,
    'Types: deb',
    `URIs: ${url}`,
    `Suites: ${SUITE}`,
    `Components: ${COMPONENT}`,
    `Architectures: ${ARCHITECTURES.join(' ')}`,
    'Signed-By: /usr/share/keyrings/reeve-archive-keyring.gpg',
    '',
  ].join('\n');
}

function swap(fresh: string, target: string): void {
  const old = `${target}.old`;
  rmSync(old, { recursive: true, force: true });
  if (existsSync(target)) renameSync(target, old);
  renameSync(fresh, target);
  rmSync(old, { recursive: true, force: true });
}
