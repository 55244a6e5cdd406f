import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server as NetServer } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Server } from 'ssh2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { looking } from './command.js';
import { readIdentity } from './credential.js';
import { fingerprintOf } from './host-key.js';
import { noKnownKeys } from './known-hosts.js';
import { becomeRoot } from './root.js';
import { openSession, type SessionOptions } from './session.js';

const password = 'canary-0b5e1c';
let folder: string;
const hostKeys = new Map<string, { pem: string; blob: Buffer }>();
const open: { close: () => void }[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reeve-ssh-'));
  for (const type of ['ed25519', 'ecdsa', 'client']) {
    const file = join(folder, type);
    execFileSync('ssh-keygen', ['-q', '-t', type === 'client' ? 'ed25519' : type, '-N', '', '-f', file]);
    hostKeys.set(type, { pem: readFileSync(file, 'utf8'), blob: Buffer.from(readFileSync(`${file}.pub`, 'utf8').split(' ')[1] ?? '', 'base64') });
  }
});
afterEach(() => {
  for (const { close } of open.splice(0)) close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Fake {
  readonly port: number;
  /** Every attempt to authenticate, with what it carried. */
  readonly attempts: string[];
  /** All bytes that the client sent, as the network saw them. */
  readonly received: Buffer[];
  /** Commands that were started, with what came on their standard input. */
  readonly commands: { command: string; input: string }[];
}

/** A server that records; `answers` is what a command's shell does. */
async function fakeServer(types: readonly string[], answers: (command: string, channel: { stdout: (text: string) => void; stderr: (text: string) => void; exit: (code: number) => void; say: (text: string) => void; input: (tell: (text: string) => void) => void }) => void = (_command, channel) => channel.exit(0)): Promise<Fake> {
  const fake: { port: number; attempts: string[]; received: Buffer[]; commands: { command: string; input: string }[] } = { port: 0, attempts: [], received: [], commands: [] };
  const server: Server = new ssh2.Server({ hostKeys: types.map((type) => hostKeys.get(type)?.pem ?? '') }, (client) => {
    client.on('error', () => undefined);
    client.on('authentication', (context) => {
      fake.attempts.push(context.method === 'password' ? `password ${context.password}` : context.method);
      if (context.method === 'password' && context.password === password) context.accept();
      else context.reject(['password', 'keyboard-interactive', 'publickey']);
    });
    client.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => {
        const channel = acceptExec();
        const entry = { command, input: '' };
        fake.commands.push(entry);
        const listeners: ((text: string) => void)[] = [];
        channel.on('data', (chunk: Buffer) => {
          entry.input += chunk.toString();
          for (const tell of listeners) tell(entry.input);
        });
        answers(command, {
          stdout: (text) => void channel.write(text),
          stderr: (text) => void channel.stderr.write(text),
          exit: (code) => {
            channel.exit(code);
            channel.end();
          },
          say: (text) => {
            channel.write(text);
            channel.exit(0);
            channel.end();
          },
          input: (tell) => void listeners.push(tell),
        });
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const inner = (server.address() as AddressInfo).port;
  const relay: NetServer = createServer((socket) => {
    const onward = connect(inner, '127.0.0.1');
    socket.on('data', (chunk) => fake.received.push(chunk));
    for (const end of [socket, onward]) end.on('error', () => undefined);
    socket.pipe(onward).pipe(socket);
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => server.close() }, { close: () => relay.close() });
  fake.port = (relay.address() as AddressInfo).port;
  return fake;
}

const fingerprint = (type: string): string => fingerprintOf(hostKeys.get(type)?.blob ?? Buffer.alloc(0));

function options(fake: Fake, over: Partial<SessionOptions> = {}): SessionOptions {
  return {
    login: { user: 'root', address: '127.0.0.1', port: fake.port },
    credentials: { password },
    hostKey: { expected: undefined, known: noKnownKeys },
    confirm: () => Promise.resolve(false),
    signal: new AbortController().signal,
    ...over,
  };
}

describe('a host key', () => {
  it.each<[string, Partial<SessionOptions>, string]>([
    ['is unknown and nobody says yes', {}, 'SSH_HOST_KEY_UNKNOWN'],
    ['is not the one that was given', { hostKey: { expected: `SHA256:${'A'.repeat(43)}`, known: noKnownKeys } }, 'SSH_HOST_KEY_WRONG'],
    ['is not the one that is known', { hostKey: { expected: undefined, known: { keys: [Buffer.from('\0\0\0\x0bssh-ed25519other')], revoked: [] } } }, 'SSH_HOST_KEY_WRONG'],
  ])('that %s: the server gets no attempt to log in, and not one byte of a secret', async (_name, over, code) => {
    const fake = await fakeServer(['ed25519']);
    const identity = await readIdentity(join(folder, 'client'), () => Promise.reject(new Error('no passphrase')));
    await expect(openSession(options(fake, { credentials: { password, identity }, ...over }))).rejects.toMatchObject({ code });
    expect(fake.attempts).toEqual([]);
    const bytes = Buffer.concat(fake.received);
    expect(bytes.length).toBeGreaterThan(100);
    expect(bytes.includes(password)).toBe(false);
    // A request for the service that authenticates is what would come next (RFC 4252 4): after the key exchange everything is encrypted, so count what is plain.
    expect(bytes.includes('ssh-userauth')).toBe(false);
    expect(bytes.includes(hostKeys.get('client')?.blob.subarray(-32) ?? 'x')).toBe(false);
  });

  it('that is known by any of its kinds lets the login go on, and the password is sent once', async () => {
    const fake = await fakeServer(['ed25519', 'ecdsa']);
    const session = await openSession(options(fake, { hostKey: { expected: fingerprint('ecdsa'), known: noKnownKeys } }));
    session.close();
    expect(fake.attempts).toEqual([`password ${password}`]);
    expect(Buffer.concat(fake.received).includes(password)).toBe(false);
  });

  it('that a person confirms is shown with fingerprint and type before anything is sent', async () => {
    const fake = await fakeServer(['ed25519']);
    const asked: unknown[] = [];
    const confirm = (question: unknown): Promise<boolean> => {
      asked.push(question, fake.attempts.length);
      return Promise.resolve(true);
    };
    (await openSession(options(fake, { confirm }))).close();
    expect(asked).toEqual([{ host: `[127.0.0.1]:${String(fake.port)}`, fingerprint: fingerprint('ed25519'), type: 'ed25519' }, 0]);
  });
});

describe('a login', () => {
  it('that is refused names the account; one to nobody says so', async () => {
    const fake = await fakeServer(['ed25519']);
    const trusted = { hostKey: { expected: fingerprint('ed25519'), known: noKnownKeys } };
    await expect(openSession(options(fake, { ...trusted, credentials: { password: 'wrong' } }))).rejects.toMatchObject({ code: 'SSH_LOGIN_REFUSED', fields: { value: 'root' } });
    await expect(openSession({ ...options(fake), login: { user: 'root', address: '127.0.0.1', port: 1 } })).rejects.toMatchObject({ code: 'SSH_UNREACHABLE', fields: { reason: 'connection refused' } });
    const mute = createServer((socket) => socket.end('220 smtp\r\n'));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    open.push({ close: () => mute.close() });
    await expect(openSession({ ...options(fake), login: { user: 'root', address: '127.0.0.1', port: (mute.address() as AddressInfo).port } })).rejects.toMatchObject({ code: 'SSH_UNREACHABLE' });
  });

  it('ends when the command is cancelled', async () => {
    const fake = await fakeServer(['ed25519']);
    const abort = new AbortController();
    const waiting = openSession(options(fake, { signal: abort.signal, confirm: () => new Promise(() => abort.abort()) }));
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(fake.attempts).toEqual([]);
  });
});

describe('sudo', () => {
  const login = { user: 'admin', address: '127.0.0.1', port: 22 };
  const trusted = { hostKey: { expected: '', known: noKnownKeys } };
  const start = async (answers: Parameters<typeof fakeServer>[1]): Promise<{ fake: Fake; session: Awaited<ReturnType<typeof openSession>> }> => {
    const fake = await fakeServer(['ed25519'], answers);
    return { fake, session: await openSession(options(fake, { hostKey: { ...trusted.hostKey, expected: fingerprint('ed25519') } })) };
  };

  it('gets the password at its own question, and the command gets what follows', async () => {
    const { fake, session } = await start((command, channel) => {
      if (command === looking.uid) {
        channel.say('1000\n');
        return;
      }
      if (command.startsWith('sudo -n ')) {
        channel.exit(1);
        return;
      }
      channel.stderr('reeve-sudo-password:');
      channel.input((text) => {
        if (!text.startsWith(`${password}\n`)) {
          channel.exit(1);
          return;
        }
        if (command.endsWith(looking.uid)) channel.stdout('0\n');
        else if (!text.endsWith('token\n')) return;
        channel.exit(0);
      });
    });
    const root = await becomeRoot(session, { host: 'web1', login, sudo: true, password });
    expect(await root.run('/usr/bin/reeve-agent join', { input: 'token\n' })).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(fake.commands.at(-1)).toEqual({ command: 'sudo -k -S -p reeve-sudo-password: /usr/bin/reeve-agent join', input: `${password}\ntoken\n` });
    expect(fake.commands.map(({ command }) => command).join('\n')).not.toContain(password);
    session.close();
  });

  it('that asks again does not accept the password; one that is not wanted is never used', async () => {
    const wrong = await start((command, channel) => {
      if (command === looking.uid) {
        channel.say('1000\n');
        return;
      }
      if (command.startsWith('sudo -n ')) {
        channel.exit(1);
        return;
      }
      channel.stderr('reeve-sudo-password:');
      channel.input((text) => {
        if (text === `${password}\n`) channel.stderr('Sorry, try again.\nreeve-sudo-password:');
      });
    });
    await expect(becomeRoot(wrong.session, { host: 'web1', login, sudo: true, password })).rejects.toMatchObject({ code: 'SUDO_REFUSED', fields: { reason: 'sudo does not accept this password' } });
    wrong.session.close();
    const plain = await start((_command, channel) => {
      channel.stdout('1000\n');
      channel.exit(0);
    });
    await expect(becomeRoot(plain.session, { host: 'web1', login, sudo: false, password })).rejects.toMatchObject({ code: 'SUDO_REFUSED', fields: { reason: 'it is not root' } });
    expect(plain.fake.commands).toEqual([{ command: looking.uid, input: '' }]);
    plain.session.close();
  });
});

describe('a private key', () => {
  it('with a passphrase is opened with it, and with nothing else', async () => {
    const file = join(folder, 'locked');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'open sesame', '-f', file]);
    expect((await readIdentity(file, () => Promise.resolve('open sesame'))).isPrivateKey()).toBe(true);
    await expect(readIdentity(file, () => Promise.resolve('wrong'))).rejects.toMatchObject({ code: 'SSH_KEY_UNUSABLE', fields: { rule: 'this is not its passphrase' } });
    await expect(readIdentity(`${file}.pub`, () => Promise.resolve(''))).rejects.toMatchObject({ code: 'SSH_KEY_UNUSABLE' });
    await expect(readIdentity(join(folder, 'none'), () => Promise.resolve(''))).rejects.toMatchObject({ code: 'SSH_KEY_UNUSABLE', fields: { rule: 'ENOENT' } });
    writeFileSync(join(folder, 'text'), 'no key');
    await expect(readIdentity(join(folder, 'text'), () => Promise.resolve(''))).rejects.toMatchObject({ code: 'SSH_KEY_UNUSABLE' });
  });
});
