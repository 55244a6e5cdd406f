/**
 * The test build of the helper, as root, where it can do no harm: in a mount namespace whose /etc, /home and /var are copies and a process namespace of its
 * own, so accounts and processes of this machine stay as they are. Everything in it ends with close().
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { createPrivdClient, type PrivdClient } from '../../../agent/host/privd.js';
import type { PrivdReply, PrivdRequest, PrivdVerbName } from '../../../shared/gen/privd.js';

/** Folder of the C sources. */
export const sources = join(dirname(fileURLToPath(import.meta.url)), '..');
const build = join(sources, '../../build/reeve-privd');
/** The package build; undefined when REEVE_PRIVD_TEST names the binary to test instead. */
export const packageBinary = process.env['REEVE_PRIVD_TEST'] === undefined ? join(build, 'reeve-privd') : undefined;
/** The build with failpoints. */
export const testBinary = resolve(process.env['REEVE_PRIVD_TEST'] ?? join(build, 'reeve-privd-test'));
/** State folder of the helper, as it sees it. */
export const state = '/var/lib/reeve-privd';
/** These tests need it. */
export const isRoot = process.getuid?.() === 0;
/** A policy that allows what the tests do; line 11 denies names that begin with zz-. */
export const allowAll = `version 1
allow observe.user
allow user.add
allow user.set
allow user.lock
allow user.unlock
allow user.remove
allow user.release
allow user.adopt
allow group.member group=games,users
deny user.add name=zz-*
`;

const setup = `set -e
mount -t tmpfs -o mode=755 none "$1"
for d in etc var home; do mkdir "$1/$d-up" "$1/$d-work"; done
mount -t overlay none -o lowerdir=/etc,upperdir="$1/etc-up",workdir="$1/etc-work" /etc
mount -t tmpfs -o mode=755 none /home
for d in lib log mail spool; do mount -t tmpfs -o mode=755 none /var/$d; done
mkdir -m 755 -p /etc/reeve
if [ "$2" = network ]; then
  for d in bin sbin; do mkdir "$1/$d-up" "$1/$d-work"; mount -t overlay none -o lowerdir=/usr/$d,upperdir="$1/$d-up",workdir="$1/$d-work" /usr/$d; done
  mount -t tmpfs -o mode=755 none /run
  mkdir -m 755 /run/reeve /run/sshd
fi
echo ready
exec sleep 3600`;

/** Resolves when a child has ended. */
export const ends = (child: ChildProcess): Promise<void> => new Promise((done) => {
  if (child.exitCode !== null || child.signalCode !== null) done();
  else child.once('exit', () => { done(); });
});

/** Expects a call to fail with this code, and with at least these fields. */
export const failsWith = (promise: Promise<unknown>, code: string, fields: Record<string, unknown> = {}): Promise<void> =>
  expect(promise).rejects.toMatchObject({ code, fields });

/** Children of a process, as this machine numbers them. */
const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8').split(' ').filter((text) => text !== '').map(Number);

const canConnect = (path: string): Promise<boolean> => new Promise((done) => {
  const socket = connect(path, () => { socket.destroy(); done(true); });
  socket.on('error', () => { done(false); });
});

/** A helper that listens at `path`. */
export interface Helper {
  readonly path: string;
  /** As this machine numbers it. */
  readonly pid: number;
  /** SIGTERM lets it finish the changes under way. */
  readonly stop: (signal: 'SIGTERM' | 'SIGKILL') => Promise<void>;
  readonly hasEnded: () => boolean;
}

/** Bytes over a new connection, and no more when `end`; the answer's status, or undefined when it was closed without one. */
export const sendRaw = (path: string, bytes: Buffer, end = true): Promise<number | undefined> => new Promise((done) => {
  let got = Buffer.alloc(0);
  const socket = connect({ path, allowHalfOpen: true }, () => { if (end) socket.end(bytes); else socket.write(bytes); });
  socket.on('data', (chunk) => { got = Buffer.concat([got, chunk]); });
  socket.on('error', () => undefined);
  socket.on('end', () => { socket.end(); });
  socket.on('close', () => { done(got.length >= 26 ? got.readUInt16BE(24) : undefined); });
});

/** Enters the namespaces of process `pid`. */
const enter = (pid: number, command: readonly string[]): string[] => ['-t', String(pid), '-m', '-p', '-n', '--', ...command];

/** What the namespace holds, read from outside. */
export interface Readers {
  /** Fields of an entry; undefined when there is none. */
  readonly passwd: (name: string) => readonly string[] | undefined;
  readonly shadow: (name: string) => readonly string[] | undefined;
  /** Members of a group, or "absent". */
  readonly members: (name: string) => string;
  /** Text of a marker; empty when there is none. */
  readonly marker: (name: string) => string;
  /** Records of the audit log. */
  readonly audit: () => Record<string, unknown>[];
  /** Everything about accounts that the helper could change, to compare. */
  readonly accounts: () => string;
}

function readersOf(root: string): Readers {
  const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8');
  const textOf = (path: string): string => existsSync(`${root}${path}`) ? read(path) : '';
  const rowOf = (file: string, name: string): string[] | undefined =>
    read(`/etc/${file}`).split('\n').map((line) => line.split(':')).find((parts) => parts[0] === name);
  return {
    passwd: (name) => rowOf('passwd', name),
    shadow: (name) => rowOf('shadow', name),
    members: (name) => rowOf('group', name)?.[3] ?? 'absent',
    marker: (name) => textOf(`${state}/owned/user/${name}`),
    audit: () => textOf(`${state}/audit/audit.log`).split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>),
    accounts: () => [
      ...['passwd', 'shadow', 'group', 'gshadow'].map((file) => read(`/etc/${file}`)),
      readdirSync(`${root}/home`).join(), readdirSync(`${root}${state}/owned/user`).join(),
    ].join('\n---\n'),
  };
}

async function startNamespace(folder: string, network: boolean): Promise<{ readonly pid: number; readonly close: () => Promise<void> }> {
  const holder = spawn('unshare', ['--mount', '--pid', ...(network ? ['--net'] : []), '--fork', '--mount-proc', 'sh', '-c', setup, 'sh', folder, network ? 'network' : ''],
    { stdio: ['ignore', 'pipe', 'pipe'] });
  let problems = '';
  holder.stderr.on('data', (chunk: Buffer) => { problems += chunk.toString(); });
  await new Promise<void>((done, reject) => {
    holder.stdout.once('data', () => { done(); });
    holder.once('exit', () => { reject(new Error(`the namespace could not be set up: ${problems}`)); });
  });
  const [pid] = childrenOf(holder.pid ?? 0);
  if (pid === undefined) throw new Error('the namespace has no first process');
  return { pid, close: () => { process.kill(pid, 'SIGKILL'); return ends(holder); } };
}

async function startHelper(namespace: number, path: string, callerUid: number): Promise<Helper> {
  rmSync(path, { force: true });
  const command = [testBinary, '--listen', path, '--caller-uid', String(callerUid), '--state', state];
  const entered = spawn('nsenter', enter(namespace, command), { stdio: ['ignore', 'ignore', 'pipe'] });
  entered.stderr.on('data', (chunk: Buffer) => { if (process.env['REEVE_SHOW_LOG'] !== undefined) process.stderr.write(chunk); });
  const deadline = Date.now() + 5000;
  while (!await canConnect(path)) {
    if (Date.now() > deadline) throw new Error('the helper does not listen');
    await new Promise((done) => { setTimeout(done, 10); });
  }
  const [pid] = childrenOf(entered.pid ?? 0);
  if (pid === undefined) throw new Error('the helper has ended');
  return {
    path, pid,
    stop: (signal) => {
      if (entered.exitCode === null && entered.signalCode === null) process.kill(pid, signal);
      return ends(entered);
    },
    hasEnded: () => entered.exitCode !== null || entered.signalCode !== null,
  };
}

/** Namespaces with the helper in them. */
export interface Privd extends Readers {
  /** A folder for the test's own files, and the root folder of the namespace, both as seen from outside. */
  readonly dir: string;
  readonly root: string;
  /** First process of the namespaces, as this machine numbers it. */
  readonly firstPid: number;
  readonly helper: () => Helper;
  /** Another helper beside the first, with its socket at `name` in `dir`. */
  readonly startHelper: (name: string, callerUid: number) => Promise<Helper>;
  /** Stops the helper and starts it again. */
  readonly restart: () => Promise<void>;
  readonly writePolicy: (text: string) => void;
  /** Runs a program in the namespace; its output. */
  readonly inside: (...command: string[]) => string;
  /** A process of user `uid` in the namespace; the signal that ends it is seen on it. */
  readonly spawnAs: (uid: number, ...command: string[]) => ChildProcess;
  readonly call: <V extends PrivdVerbName>(verb: V, request: PrivdRequest<V>, operation?: string) => Promise<PrivdReply<V>>;
  /** user.add with a home and /bin/sh, and what `more` changes in that. */
  readonly add: (name: string, more?: Partial<PrivdRequest<'user.add'>>, operation?: string) => Promise<PrivdReply<'user.add'>>;
  /** Children of the helper, one for each request under way. */
  readonly children: () => number[];
  readonly raw: (bytes: Buffer) => Promise<number | undefined>;
  /** The next child that comes to failpoint `point` is killed there; gives the file that is gone then. */
  readonly armFailpoint: (point: string) => string;
  /** Ends the helper and everything else in the namespace. */
  readonly close: () => Promise<void>;
}

type Calls = Pick<Privd, 'call' | 'add'>;

function callsOf(client: PrivdClient): Calls {
  const call: Calls['call'] = (verb, request, operation = randomUUID()) => client.call(verb, operation, request);
  return { call, add: (name, more = {}, operation) => call('user.add', { name, shell: '/bin/sh', kind: 'home', ...more }, operation) };
}

type Programs = Pick<Privd, 'inside' | 'spawnAs'>;

function programsOf(namespace: number): Programs {
  return {
    inside: (...command) => execFileSync('nsenter', enter(namespace, command), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 << 20 }),
    spawnAs: (uid, ...command) => {
      const asUser = ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--', ...command];
      return spawn('nsenter', enter(namespace, asUser), { stdio: ['ignore', 'pipe', 'ignore'], cwd: '/' });
    },
  };
}

/** What a test needs beside. */
export interface PrivdOptions {
  /** A network namespace of its own too, an empty /run, and copies of /usr/bin and /usr/sbin. */
  readonly network?: boolean;
}

/** Compiles the helper where that is needed and starts it in namespaces of its own; it answers root and has the policy `allowAll`. */
export async function startPrivd({ network = false }: PrivdOptions = {}): Promise<Privd> {
  /* The test files start at the same time: one of them compiles, the others wait. */
  if (packageBinary !== undefined) {
    execFileSync('flock', [sources, 'make', '-s', '-C', sources, 'all', 'test-build'], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  const dir = mkdtempSync(join(tmpdir(), 'privd-'));
  chmodSync(dir, 0o755);
  mkdirSync(join(dir, 'over'));
  const namespace = await startNamespace(join(dir, 'over'), network);
  const root = `/proc/${String(namespace.pid)}/root`;
  const writePolicy = (text: string): void => {
    rmSync(`${root}/etc/reeve/policy`, { force: true, recursive: true });
    writeFileSync(`${root}/etc/reeve/policy`, text, { mode: 0o644 });
  };
  writePolicy(allowAll);
  let helper = await startHelper(namespace.pid, join(dir, 'sock'), 0).catch(async (error: unknown) => {
    await namespace.close();
    throw error;
  });
  const client = createPrivdClient({ socketPath: helper.path, timeoutMs: 40_000 });
  const calls = callsOf(client);
  return {
    ...readersOf(root), ...calls, ...programsOf(namespace.pid), dir, root, firstPid: namespace.pid, writePolicy,
    helper: () => helper,
    startHelper: (name, callerUid) => startHelper(namespace.pid, join(dir, name), callerUid),
    restart: async () => {
      await helper.stop('SIGTERM');
      helper = await startHelper(namespace.pid, helper.path, 0);
      await calls.call('status.get', {}); // it listens a little before it has looked at the audit log
    },
    children: () => childrenOf(helper.pid),
    raw: (bytes) => sendRaw(helper.path, bytes),
    armFailpoint: (point) => {
      const file = `${root}${state}/failpoint.${point}`;
      writeFileSync(file, '');
      return file;
    },
    close: async () => {
      client.close();
      await helper.stop('SIGTERM');
      await namespace.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
