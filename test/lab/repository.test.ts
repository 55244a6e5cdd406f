import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildRepository } from '../../packaging/repository.js';
import { apt, aptOk, KEYRING, serveRepository, type TestRepository } from '../support/apt.js';
import { debs } from '../support/packages.js';
import { labAvailable, startLab, type Lab, type LabHost } from './lab.js';

const available = labAvailable();

describe.skipIf(!available.ok)('the apt repository, by http', () => {
  let lab: Lab;
  let host: LabHost;
  let repository: TestRepository;
  let files: ReadonlyMap<string, string>;
  const folder = mkdtempSync(join(tmpdir(), 'reeve-other-'));
  const pooled = (): string => join(repository.folder, 'pool/main/r/reeve', (files.get('reeve-agent') ?? '').split('/').at(-1) ?? '');
  const installed = async (name: string): Promise<string> => (await host.exec(['dpkg-query', '--show', '--showformat=${db:Status-Status}', name])).stdout;

  beforeAll(async () => {
    files = await debs('normal');
    lab = await startLab({ name: 'repository' });
    [host, repository] = await Promise.all([lab.boot('host'), serveRepository(lab, [...files.values()])]);
  });
  afterAll(() => {
    repository.close();
    lab.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('is refused by apt when it is signed by a key that the host does not have', async () => {
    await repository.use(host);
    buildRepository({ debs: [], out: join(folder, 'other'), signingKey: undefined, developmentKey: join(folder, 'other.asc'), url: 'file:/x', epoch: 1 });
    await host.put(join(folder, 'other/reeve-archive-keyring.gpg'), KEYRING);
    const refused = await apt(host, ['update', '-o', 'APT::Update::Error-Mode=any']);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/NO_PUBKEY|not signed|couldn't be verified/);
    await host.run(['sh', '-c', 'rm -rf /var/lib/apt/lists/*']);
    await apt(host, ['update']);
    const install = await apt(host, ['install', 'reeve-agent']);
    expect(install.code).not.toBe(0);
    expect(await installed('reeve-agent')).not.toBe('installed');
  });

  test('gives no package that is not the one of the index: tampered with, or cut off', async () => {
    await repository.use(host);
    copyFileSync(pooled(), join(folder, 'whole.deb'));
    const bytes = readFileSync(pooled());
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 100) ^ 1, bytes.length - 100);
    writeFileSync(pooled(), bytes);
    const tampered = await apt(host, ['install', 'reeve-agent']);
    expect(tampered.code).not.toBe(0);
    expect(tampered.stderr).toMatch(/Hash Sum mismatch/);
    truncateSync(pooled(), 50_000);
    const cut = await apt(host, ['install', 'reeve-agent']);
    expect(cut.code).not.toBe(0);
    expect(cut.stderr).toMatch(/unexpected size|Size mismatch|Hash Sum mismatch/i);
    expect(await installed('reeve-agent')).not.toBe('installed');
    copyFileSync(join(folder, 'whole.deb'), pooled());
  });

  test('installs agent and runtime, which are verified whole, and purges them', async () => {
    await repository.use(host);
    await aptOk(host, ['install', 'reeve-agent']);
    expect(await host.run(['dpkg', '--verify', 'reeve-agent', 'reeve-runtime'])).not.toMatch(/usr\/lib\/reeve/);
    expect(await host.run(['dpkg', '--audit'])).toBe('');
    expect(await host.run(['reeve-agent', '--version'])).toMatch(/^reeve-agent \d+\.\d+\.\d+/);
    await aptOk(host, ['purge', 'reeve-agent', 'reeve-runtime']);
    expect((await host.run(['find', '/etc', '/usr', '/var/lib', '/run', '-xdev', '-name', '*reeve*', '-not', '-path', '/var/lib/dpkg/*', '-not', '-path', '/etc/apt/*', '-not', '-path', '/usr/share/keyrings/*', '-not', '-path', '/var/lib/apt/*'])).trim()).toBe('');
  });
});
