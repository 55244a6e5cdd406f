import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPackageFolder } from './package-folder.js';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'reeve-folder-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const put = (name: string, text: string, at = 1_000): void => {
  writeFileSync(join(folder, name), text);
  utimesSync(join(folder, name), at, at);
};

async function bytesOf(pieces: AsyncIterable<Buffer>): Promise<{ sizes: number[]; whole: Buffer }> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return { sizes: all.map((piece) => piece.length), whole: Buffer.concat(all) };
}

describe('a folder of packages', () => {
  it('gives what an architecture needs, the newest file of each, in the order to install', async () => {
    put('reeve-agent_0.1.0_amd64.deb', 'old', 1_000);
    put('reeve-agent_0.2.0_amd64.deb', 'new', 2_000);
    put('reeve-runtime_0.2.0_amd64.deb', 'runtime');
    put('reeve-runtime_0.2.0_arm64.deb', 'arm');
    put('reeve-cli_0.2.0_amd64.deb', 'cli');
    put('README', 'x');
    mkdirSync(join(folder, 'reeve-agent_9_amd64.deb'));
    const listed = await openPackageFolder(folder).list('amd64');
    expect(listed.map(({ name, version, sizeBytes, sha256 }) => [name, version, sizeBytes, sha256.toString('hex')])).toEqual([
      ['reeve-runtime', '0.2.0', 7, createHash('sha256').update('runtime').digest('hex')], ['reeve-agent', '0.2.0', 3, createHash('sha256').update('new').digest('hex')],
    ]);
  });

  it('names what is missing; a folder that is not there has nothing', async () => {
    put('reeve-runtime_0.2.0_arm64.deb', 'arm');
    await expect(openPackageFolder(folder).list('arm64')).rejects.toMatchObject({ code: 'PACKAGE_UNKNOWN', fields: { value: '"reeve-agent" for architecture "arm64"' } });
    await expect(openPackageFolder(join(folder, 'none')).list('amd64')).rejects.toMatchObject({ code: 'PACKAGE_UNKNOWN' });
  });

  it('sees a file that was replaced', async () => {
    put('reeve-runtime_1_amd64.deb', 'a');
    put('reeve-agent_1_amd64.deb', 'b');
    const opened = openPackageFolder(folder);
    const before = (await opened.list('amd64'))[1]?.sha256;
    put('reeve-agent_1_amd64.deb', 'c', 3_000);
    expect((await opened.list('amd64'))[1]?.sha256).not.toEqual(before);
  });

  it('reads in pieces of at most 64 KiB, and nothing that it does not list itself', async () => {
    const content = 'x'.repeat(150_000);
    put('reeve-agent_1_amd64.deb', content);
    writeFileSync(join(folder, 'secret'), 'secret');
    const opened = openPackageFolder(folder);
    const { sizes, whole } = await bytesOf(opened.read({ name: 'reeve-agent', version: '1', architecture: 'amd64' }));
    expect(sizes).toEqual([65_536, 65_536, 18_928]);
    expect(whole.toString()).toBe(content);
    for (const wanted of [{ name: 'reeve-agent', version: '2', architecture: 'amd64' }, { name: '../secret', version: '1', architecture: 'amd64' }, { name: 'reeve-agent', version: '1', architecture: 'amd64.deb/../secret' }]) {
      await expect(bytesOf(opened.read(wanted))).rejects.toMatchObject({ code: 'PACKAGE_UNKNOWN' });
    }
  });
});
