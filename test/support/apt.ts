import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildRepository } from '../../packaging/repository.js';
import type { ExecResult, Lab, LabHost } from '../lab/lab.js';

const PORT = 8480;
/** Where a host keeps what it knows of the repository. */
const SOURCES = '/etc/apt/sources.list.d/reeve.sources';
export const KEYRING = '/usr/share/keyrings/reeve-archive-keyring.gpg';

/** A signed repository that hosts of a lab reach by HTTP, as one on any web server. */
export interface TestRepository {
  /** Its folder on this machine; what is altered there is served at once. */
  readonly folder: string;
  /** Adds packages and signs anew. */
  add(debs: readonly string[]): void;
  /** Gives a host the keyring and the sources file that the build made, and reads the index. */
  use(host: LabHost): Promise<void>;
  close(): void;
}

/** Builds the repository with a key of its own and serves it in the lab's network. */
export async function serveRepository(lab: Lab, debs: readonly string[]): Promise<TestRepository> {
  const folder = mkdtempSync(join(tmpdir(), 'reeve-apt-'));
  const out = join(folder, 'repository');
  const add = (more: readonly string[]): void => {
    const epoch = Math.floor(Date.now() / 1000);
    buildRepository({ debs: more, out, signingKey: undefined, developmentKey: join(folder, 'key.asc'), url: `http://${lab.address}:${String(PORT)}`, epoch });
  };
  add(debs);
  const server = lab.spawn([process.execPath, '--import', 'tsx', join(import.meta.dirname, 'static-server.ts'), out, lab.address, String(PORT)], { cwd: join(import.meta.dirname, '../..') });
  if (server.stdout === null) throw new Error('the server has no output');
  await Promise.race([once(server.stdout, 'data'), once(server, 'exit').then(() => Promise.reject(new Error('the static server ended')))]);
  return {
    folder: out,
    add,
    async use(host) {
      await host.put(join(out, 'reeve-archive-keyring.gpg'), KEYRING);
      await host.write(SOURCES, readFileSync(join(out, 'reeve.sources')));
      await host.run(['apt-get', 'update', '-qq']);
    },
    close() {
      server.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** apt-get on a host, asking nothing; whatever it answers. */
export async function apt(host: LabHost, args: readonly string[], timeoutMs = 240_000): Promise<ExecResult> {
  return host.exec(['apt-get', '--yes', '--quiet', '-o', 'Dpkg::Use-Pty=0', ...args], { timeoutMs, env: { DEBIAN_FRONTEND: 'noninteractive' } });
}

/** apt-get that must succeed. */
export async function aptOk(host: LabHost, args: readonly string[]): Promise<string> {
  const done = await apt(host, args);
  if (done.code !== 0) throw new Error(`apt-get ${args.join(' ')} ended with ${String(done.code)}\n${done.stdout}${done.stderr}`);
  return `${done.stdout}${done.stderr}`;
}
