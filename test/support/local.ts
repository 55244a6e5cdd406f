import { spawn, spawnSync, type ChildProcess, type SpawnSyncReturns } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './port.js';
import { until } from './until.js';

/** Top of the tree. */
export const top = join(import.meta.dirname, '..', '..');

/** Coordinator and agents as plain processes of the caller on loopback, from the source tree. What needs root fails as it would on a host. */
export interface LocalFleet {
  readonly folder: string;
  /** Runs the command line. */
  reeve(args: readonly string[]): SpawnSyncReturns<string>;
  /** The socket to give to `reeve --socket`. */
  readonly socketPath: string;
  close(): void;
}

const node = (program: string, ...args: string[]): string[] => ['--import', 'tsx', join(top, program), ...args];

/** Starts a coordinator and `count` agents with the observe policy (or another preset), joins them. Everything lies in one new folder under the temporary one. */
export async function startLocal(options: { count: number; policy: string; log: 'inherit' | 'ignore' }): Promise<LocalFleet> {
  const folder = mkdtempSync(join(tmpdir(), 'reeve-'));
  const children: ChildProcess[] = [];
  const start = (file: string, args: readonly string[]): ChildProcess => {
    const child = spawn(file, args, { cwd: top, stdio: ['ignore', options.log, options.log] });
    children.push(child);
    return child;
  };
  const socketPath = join(folder, 'api.sock');
  const reeve = (args: readonly string[]): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, node('coordinator/cli/main.ts', ...args, '--socket', socketPath), { cwd: top, encoding: 'utf8', timeout: 60_000 });
  const close = (): void => {
    for (const child of children.reverse()) child.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    start(process.execPath, node('coordinator/main.ts', 'serve', '--state', join(folder, 'reeved'), '--socket', socketPath, '--config', join(folder, 'reeved.conf')));
    await until(() => existsSync(socketPath), { timeoutMs: 30_000, what: 'the coordinator to listen' });
    const [agentsPort, enrolmentPort, operatorsPort] = await Promise.all([freePort(), freePort(), freePort()]);
    const init = reeve(['init', '--address', '127.0.0.1', '--agents-port', String(agentsPort), '--enrolment-port', String(enrolmentPort), '--operators-port', String(operatorsPort)]);
    if (init.status !== 0) throw new Error(`reeve init failed: ${init.stderr}`);
    for (let index = 1; index <= options.count; index += 1) await startAgent(`host${String(index)}`);
    return { folder, reeve, socketPath, close };
  } catch (error) {
    close();
    throw error;
  }

  async function startAgent(name: string): Promise<void> {
    const home = join(folder, name);
    mkdirSync(home, { recursive: true, mode: 0o700 });
    const policy = join(home, 'policy');
    copyFileSync(join(top, 'packaging', 'policy', options.policy), policy);
    const helperSocket = join(home, 'priv.sock');
    const uid = String(process.getuid?.() ?? 0);
    start(join(top, 'build/reeve-privd/reeve-privd'), ['--listen', helperSocket, '--caller-uid', uid, '--state', join(home, 'privd'), '--policy', policy]);
    await until(() => existsSync(helperSocket), { timeoutMs: 10_000, what: 'the helper to listen' });
    const port = await freePort();
    const flags = ['--state', join(home, 'agent'), '--policy', policy, '--helper', helperSocket, '--config', join(home, 'agent.conf')];
    const invited = reeve(['host', 'invite', name, '--address', `127.0.0.1:${String(port)}`, '--json']);
    if (invited.status !== 0) throw new Error(`reeve host invite failed: ${invited.stderr}`);
    const { token } = JSON.parse(invited.stdout) as { token: string };
    const joined = spawnSync(process.execPath, node('agent/main.ts', 'join', ...flags), { cwd: top, input: token, encoding: 'utf8', timeout: 60_000 });
    if (joined.status !== 0) throw new Error(`reeve-agent join failed: ${joined.stderr}`);
    start(process.execPath, node('agent/main.ts', 'serve', '--listen', `127.0.0.1:${String(port)}`, ...flags));
    await until(
      () => {
        const listed = reeve(['host', 'list', '--json']);
        return listed.status === 0 && (JSON.parse(listed.stdout) as { hosts: { name: string; state: string }[] }).hosts.some((host) => host.name === name && host.state === 'connected');
      },
      { timeoutMs: 60_000, everyMs: 200, what: `${name} to be connected` },
    );
  }
}
