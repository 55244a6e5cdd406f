import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { executeOk } from './process.js';

/** Distributions that a lab host can be, by the name of their release. */
export type Suite = 'bookworm' | 'trixie' | 'noble';

/** What is known of each; `mirror` is asked where the machine's own apt has no such sources. */
export const suites: Readonly<Record<Suite, { readonly title: string; readonly mirror: string }>> = {
  bookworm: { title: 'Debian 12', mirror: 'http://deb.debian.org/debian' },
  trixie: { title: 'Debian 13', mirror: 'http://deb.debian.org/debian' },
  noble: { title: 'Ubuntu 24.04', mirror: 'http://archive.ubuntu.com/ubuntu' },
};

/** Ubuntu's archive keys: Debian 12 has no package of them. The file is taken only with this digest. */
const UBUNTU_KEYRING = {
  path: 'pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb',
  sha256: '36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8',
};
const ANSWER_MS = 20_000;

/** Why a distribution cannot be had here: its mirror does not answer. undefined: it can. */
export async function mirrorProblem(suite: Suite): Promise<string | undefined> {
  const url = `${suites[suite].mirror}/dists/${suite}/Release`;
  try {
    const answer = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(ANSWER_MS) });
    return answer.ok ? undefined : `the mirror does not answer: ${url} gave ${String(answer.status)}`;
  } catch {
    return `the mirror does not answer: ${url}`;
  }
}

/** What mmdebstrap needs to know of a distribution: options, and the sources as its last arguments. */
export async function sourceOf(suite: Suite, cache: string): Promise<{ options: readonly string[]; lines: readonly string[] }> {
  const { mirror } = suites[suite];
  if (suite === 'bookworm') return { options: [], lines: machineSources(suite) };
  if (suite === 'trixie') return { options: [], lines: [`deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror} ${suite} main`] };
  const keyring = await ubuntuKeyring(mirror, cache);
  return { options: [], lines: [`deb [signed-by=${keyring}] ${mirror} ${suite} main universe`] };
}

/** This machine's own Debian apt sources, so that a local mirror or snapshot is used; none (mmdebstrap's defaults) elsewhere. */
function machineSources(suite: Suite): string[] {
  const folder = '/etc/apt/sources.list.d';
  const files = ['/etc/apt/sources.list', ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [])];
  return files.filter((file) => {
    if (!/\.(list|sources)$/.test(file) || !existsSync(file)) return false;
    const text = readFileSync(file, 'utf8').replace(/^\s*#.*$/gm, '');
    return text.includes(suite) && /debian(-security)?\b/.test(text) && !/nodesource|google|docker|postgresql/.test(text);
  });
}

async function ubuntuKeyring(mirror: string, cache: string): Promise<string> {
  const folder = join(cache, `ubuntu-keyring-${UBUNTU_KEYRING.sha256.slice(0, 16)}`);
  const keyring = join(folder, 'usr/share/keyrings/ubuntu-archive-keyring.gpg');
  if (existsSync(keyring)) return keyring;
  const url = `${mirror}/${UBUNTU_KEYRING.path}`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const digest = createHash('sha256').update(bytes).digest('hex');
  if (digest !== UBUNTU_KEYRING.sha256) throw new Error(`${url} has sha256 ${digest}, wanted ${UBUNTU_KEYRING.sha256}: Ubuntu's keys are not taken from it`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'keyring.deb'), bytes);
  await executeOk(['dpkg-deb', '--extract', join(folder, 'keyring.deb'), folder]);
  return keyring;
}
