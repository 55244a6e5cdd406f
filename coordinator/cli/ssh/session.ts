import type { Duplex } from 'node:stream';
import ssh2, { type Client, type ClientChannel } from 'ssh2';
import { reeveError, ReeveError } from '../../../shared/errors/error.js';
import { authMethods, type Credentials } from './credential.js';
import { algorithmsFor, fingerprintOf, judgeHostKey, shortType, withoutFamily, type HostKeyRule, type KeyAlgorithm } from './host-key.js';
import { nameOfLogin, type Login } from './login.js';

/** How to log in to one machine. */
export interface SessionOptions {
  readonly login: Login;
  readonly credentials: Credentials;
  readonly hostKey: HostKeyRule;
  /** Whether a person says yes to a key that nobody knows; asked before anything secret is sent. */
  readonly confirm: (question: { host: string; fingerprint: string; type: string }) => Promise<boolean>;
  /** The way there, when it is not a connection of this machine's own. */
  readonly through?: Duplex;
  readonly signal: AbortSignal;
}

/** What a command on the other side answered. */
export interface Answer {
  /** Exit code; undefined when it was killed. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running command. */
export interface Running {
  /** Its standard input. */
  readonly input: ClientChannel;
  /** Called with what it wrote to standard error so far, whenever it wrote. */
  onStderr(listener: (soFar: string) => void): void;
  /** Errors: SSH_UNREACHABLE when the connection breaks or the time is over. */
  readonly answer: Promise<Answer>;
}

/** A login to one machine. */
export interface Session {
  /** Starts a command of the table in command.ts: the other side's login shell reads it, so it is never made of anything from outside. */
  start(command: string, deadlineMs: number): Promise<Running>;
  /** Opens a connection from there to somewhere else. */
  forward(to: Pick<Login, 'address' | 'port'>): Promise<Duplex>;
  close(): void;
}

/** Longest time until a login stands, ms. A person who is asked about a key in between is not hurried. */
const connectMs = 20_000;

/** How much of a command's output is kept, characters. */
const mostOutput = 64 * 1024;

/**
 * Logs in. The host's key is judged in the key exchange, before any credential is used. When only a fingerprint is known, the host is asked for its other
 * kinds of keys before it is refused. Errors: SSH_HOST_KEY_UNKNOWN, SSH_HOST_KEY_WRONG, SSH_UNREACHABLE, SSH_LOGIN_REFUSED, CANCELLED.
 */
export async function openSession(options: SessionOptions): Promise<Session> {
  let algorithms = algorithmsFor(options.hostKey);
  for (;;) {
    const attempt: { key?: Buffer; refused?: ReeveError } = {};
    try {
      return await connect(options, algorithms, attempt);
    } catch (error) {
      if (attempt.refused === undefined || attempt.key === undefined) throw error;
      const others = withoutFamily(algorithms, attempt.key);
      // Through a jump host the way there is used up.
      if (attempt.refused.code !== 'SSH_HOST_KEY_WRONG' || options.hostKey.expected === undefined || others.length === 0 || options.through !== undefined) throw attempt.refused;
      algorithms = others;
      try {
        return await connect(options, algorithms, {});
      } catch (second) {
        // A host without another kind of key: what it showed first is what is told.
        throw second instanceof ReeveError && second.code === 'SSH_LOGIN_REFUSED' ? second : attempt.refused;
      }
    }
  }
}

function connect(options: SessionOptions, algorithms: readonly KeyAlgorithm[], attempt: { key?: Buffer; refused?: ReeveError }): Promise<Session> {
  const { login, signal, through } = options;
  const client = new ssh2.Client();
  return new Promise((resolve, reject) => {
    const stop = (): void => fail(reeveError('CANCELLED'));
    const fail = (error: ReeveError): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      client.destroy();
      reject(attempt.refused ?? error);
    };
    let timer = setTimeout(() => fail(reeveError('SSH_UNREACHABLE', { host: nameOfLogin(login), reason: 'no answer in time' })), connectMs);
    if (signal.aborted) {
      stop();
      return;
    }
    signal.addEventListener('abort', stop, { once: true });
    client.on('error', (error) => fail(translate(error, login)));
    client.on('close', () => fail(reeveError('SSH_UNREACHABLE', { host: nameOfLogin(login), reason: 'the connection was closed' })));
    client.on('ready', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      resolve(makeSession(client, login, signal));
    });
    const judge = async (key: Buffer): Promise<boolean> => {
      attempt.key = key;
      const refusal = await refusalOf(key, options, () => clearTimeout(timer));
      if (refusal !== undefined) attempt.refused = refusal;
      clearTimeout(timer);
      timer = setTimeout(() => fail(reeveError('SSH_UNREACHABLE', { host: nameOfLogin(login), reason: 'no answer in time' })), connectMs);
      return refusal === undefined;
    };
    client.connect({
      ...(through === undefined ? { host: login.address, port: login.port } : { sock: through }),
      username: login.user,
      hostVerifier: (key: Buffer, verify: (accepted: boolean) => void) => {
        judge(key).then(verify, (error: unknown) => {
          attempt.refused = error instanceof ReeveError ? error : reeveError('CANCELLED', {}, { cause: error });
          verify(false);
        });
      },
      algorithms: { serverHostKey: [...algorithms] },
      authHandler: authMethods(login.user, options.credentials),
      agentForward: false,
      readyTimeout: 0,
      keepaliveInterval: 15_000,
      keepaliveCountMax: 3,
    });
  });
}

/** Why a key is not accepted; undefined: it is. */
async function refusalOf(key: Buffer, options: SessionOptions, asking: () => void): Promise<ReeveError | undefined> {
  const host = nameOfLogin(options.login);
  const verdict = judgeHostKey(key, options.hostKey);
  const fingerprint = fingerprintOf(key);
  if (verdict.kind === 'accepted') return undefined;
  if (verdict.kind === 'wrong') return reeveError('SSH_HOST_KEY_WRONG', { host, value: fingerprint, wanted: verdict.wanted });
  asking();
  if (await options.confirm({ host, fingerprint, type: shortType(key) })) return undefined;
  return reeveError('SSH_HOST_KEY_UNKNOWN', { host, value: fingerprint, type: shortType(key) });
}

/** An error of the library as one of the catalogue; its texts may hold what the other side said, so only ours are shown. */
function translate(error: Error & { level?: string; code?: string }, login: Login): ReeveError {
  const host = nameOfLogin(login);
  if (error.level === 'client-authentication') return reeveError('SSH_LOGIN_REFUSED', { host, value: login.user, reason: 'none of the keys and passwords that were offered is accepted' }, { cause: error });
  const reasons: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'connection refused', EHOSTUNREACH: 'no route', ENETUNREACH: 'no route', ETIMEDOUT: 'connection timed out', ENOTFOUND: 'its name is not known', EAI_AGAIN: 'no name server answers',
    ECONNRESET: 'the connection was reset',
  };
  const known = error.code === undefined ? undefined : reasons[error.code];
  const reason = known ?? (error.level === 'handshake' || error.level === 'protocol' ? 'it does not speak SSH as we do' : error.level === 'agent' ? 'the ssh-agent does not answer' : 'the connection broke');
  return reeveError('SSH_UNREACHABLE', { host, reason }, { cause: error });
}

function makeSession(client: Client, login: Login, signal: AbortSignal): Session {
  const host = nameOfLogin(login);
  const broken = (reason: string): ReeveError => (signal.aborted ? reeveError('CANCELLED') : reeveError('SSH_UNREACHABLE', { host, reason }));
  let lost: ReeveError | undefined;
  const waiting = new Set<(error: ReeveError) => void>();
  const lose = (reason: string): void => {
    lost ??= broken(reason);
    for (const tell of waiting) tell(lost);
    client.destroy();
  };
  const abort = (): void => lose('cancelled');
  signal.addEventListener('abort', abort, { once: true });
  client.on('error', () => lose('the connection broke'));
  client.on('close', () => lose('the connection was closed'));

  return {
    start: (command, deadlineMs) =>
      new Promise((resolve, reject) => {
        if (lost !== undefined) {
          reject(lost);
          return;
        }
        waiting.add(reject);
        client.exec(command, (error, channel) => {
          waiting.delete(reject);
          if (error !== undefined) reject(lost ?? broken('it refused to start a command'));
          else resolve(follow(channel, { deadlineMs, waiting, late: () => broken('a command did not end in time') }));
        });
      }),
    forward: (to) =>
      new Promise((resolve, reject) => {
        if (lost !== undefined) {
          reject(lost);
          return;
        }
        waiting.add(reject);
        client.forwardOut('127.0.0.1', 0, to.address, to.port, (error, channel) => {
          waiting.delete(reject);
          if (error === undefined) resolve(channel);
          else reject(lost ?? reeveError('SSH_UNREACHABLE', { host: nameOfLogin(to), reason: `${host} could not connect to it` }, { cause: error }));
        });
      }),
    close() {
      signal.removeEventListener('abort', abort);
      lost ??= broken('the session was closed');
      client.end();
      client.destroy();
    },
  };
}

function follow(channel: ClientChannel, options: { deadlineMs: number; waiting: Set<(error: ReeveError) => void>; late: () => ReeveError }): Running {
  let stdout = '';
  let stderr = '';
  let code: number | undefined;
  let listener = (_soFar: string): void => undefined;
  const answer = new Promise<Answer>((resolve, reject) => {
    const end = (error?: ReeveError): void => {
      clearTimeout(timer);
      options.waiting.delete(end);
      if (error === undefined) resolve({ code, stdout, stderr });
      else reject(error);
    };
    const timer = setTimeout(() => {
      channel.close();
      end(options.late());
    }, options.deadlineMs);
    options.waiting.add(end);
    channel.on('data', (chunk: Buffer) => void (stdout = (stdout + chunk.toString('utf8')).slice(0, mostOutput)));
    channel.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString('utf8')).slice(-mostOutput);
      listener(stderr);
    });
    channel.on('exit', (status: number | null) => void (code = status ?? undefined));
    channel.on('error', () => undefined);
    channel.on('close', () => end());
  });
  // Whoever started the command may not have come to wait for it when the connection breaks.
  answer.catch(() => undefined);
  return { input: channel, onStderr: (tell) => {
    listener = tell;
    if (stderr !== '') tell(stderr);
  }, answer };
}
