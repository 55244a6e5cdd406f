import { createHmac } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMailServer, type MailServer, type MailServerOptions } from '../../test/support/mail-server.js';
import { makeTestAuthority, type TestAuthority } from '../../test/support/test-cert.js';
import { until } from '../../test/support/until.js';
import { noNotify, type NotifyConfig } from './config.js';
import { runHook } from './hook.js';
import type { Message } from './message.js';
import { createSend } from './send.js';

const message: Message = {
  id: '01900000-0000-7000-8000-000000000001', fleetId: 'f1', routeId: 3, madeAtMs: Date.UTC(2026, 0, 31, 12, 8), link: undefined,
  entries: [{
    what: 'open', openedIn: undefined,
    alert: { id: 7, kind: 'disk', severity: 'error', hostName: 'web1', subject: '/srv', title: '/srv is nearly full – “ä” ☃', text: 'x\r\nBcc: eve@example.org', sinceMs: Date.UTC(2026, 0, 31, 12), openedAtMs: Date.UTC(2026, 0, 31, 12, 2), endedAtMs: undefined, folded: [] },
  }],
};

let folder: string;
let authority: TestAuthority;
let caFile: string;
const secret = 'correct horse battery staple';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reeve-notify-'));
  authority = makeTestAuthority();
  caFile = join(folder, 'ca.pem');
  writeFileSync(caFile, authority.root);
  writeFileSync(join(folder, 'secret'), `${secret}\n`, { mode: 0o640 });
});

afterAll(() => rmSync(folder, { recursive: true }));

const chain = (names: readonly string[]): { cert: string; key: string } => {
  const { cert, key } = authority.issue(names);
  return { cert: `${cert}${authority.intermediate}`, key };
};

describe('mail', () => {
  async function withServer<T>(options: MailServerOptions, task: (server: MailServer) => Promise<T>): Promise<T> {
    const server = await startMailServer(options);
    try {
      return await task(server);
    } finally {
      await server.close();
    }
  }
  const smtp = (port: number, security: 'tls' | 'starttls' | 'plain', more: Partial<NotifyConfig['smtp']> = {}): NotifyConfig => ({ ...noNotify, caFile, smtp: { host: 'localhost', port, security, from: 'reeve@example.org', login: undefined, ...more } });
  const login = { user: 'reeve', passwordFile: '' };
  const to = { way: 'mail', address: 'ada@example.org' } as const;

  it('arrives at a real server, with its headers and its text', async () => {
    await withServer({ tls: 'plain' }, async (server) => {
      expect(await createSend(smtp(server.port, 'plain'))(to, message)).toMatchObject({ ok: true });
      const [mail] = await server.wait(1);
      expect(mail?.headers.get('message-id')).toBe(`<${message.id}@example.org>`);
      expect(mail?.headers.get('auto-submitted')).toBe('auto-generated');
      expect(mail?.headers.get('from')).toBe('reeve@example.org');
      expect(mail?.headers.get('to')).toBe('ada@example.org');
      expect(mail?.headers.get('date')).toBe('Sat, 31 Jan 2026 12:08:00 +0000');
      expect(mail?.headers.has('bcc')).toBe(false);
      expect(mail?.headers.get('content-type')).toMatch(/^text\/plain/);
      expect(mail?.text).toContain('error: web1: /srv is nearly full – “ä” ☃');
      expect(server.dialogue()).toEqual(['tls=no login= to=ada@example.org']);
    });
  });

  it.each(['starttls', 'tls'] as const)('goes by %s with a login, and to no server that cannot prove who it is', async (security) => {
    const password = { user: 'reeve', password: secret };
    await withServer({ tls: security, pair: chain(['localhost']), login: password }, async (server) => {
      const config = smtp(server.port, security, { login: { ...login, passwordFile: join(folder, 'secret') } });
      expect(await createSend(config)(to, message)).toMatchObject({ ok: true });
      expect(server.dialogue()).toEqual(['tls=yes login=reeve to=ada@example.org']);
      // Without the authority nobody knows the server.
      const stranger = await createSend({ ...config, caFile: undefined })(to, message);
      expect(stranger).toMatchObject({ ok: false, permanent: false });
      expect(JSON.stringify(stranger)).toMatch(/certificate/);
      writeFileSync(join(folder, 'wrong'), 'wrong-password-of-the-test', { mode: 0o600 });
      const refused = await createSend({ ...config, smtp: { ...smtp(server.port, security).smtp, login: { ...login, passwordFile: join(folder, 'wrong') } } as NotifyConfig['smtp'] })(to, message);
      expect(refused).toMatchObject({ ok: false, permanent: false });
      expect(JSON.stringify(refused)).not.toContain('wrong-password-of-the-test');
      expect(server.mails()).toHaveLength(1);
    });
    await withServer({ tls: security, pair: chain(['mail.example.org']) }, async (server) => {
      expect(await createSend(smtp(server.port, security))(to, message)).toMatchObject({ ok: false });
      expect(server.mails()).toEqual([]);
    });
  });

  it('does not go in the clear where STARTTLS is wanted and not offered', async () => {
    await withServer({ tls: 'plain' }, async (server) => {
      expect(await createSend(smtp(server.port, 'starttls'))(to, message)).toMatchObject({ ok: false });
      expect(server.mails()).toEqual([]);
    });
  });

  it('tells a refusal for now from one for good', async () => {
    await withServer({ tls: 'plain' }, async (server) => {
      const send = createSend(smtp(server.port, 'plain'));
      server.refuse('451 4.3.0 come back later');
      expect(await send(to, message)).toMatchObject({ ok: false, permanent: false, problem: expect.stringContaining('come back later') as string });
      server.refuse('550 5.1.1 no such mailbox');
      expect(await send(to, message)).toMatchObject({ ok: false, permanent: true });
      server.refuse('');
      expect(await send(to, message)).toMatchObject({ ok: true });
    });
  });

  it('does not use a password that others may read', async () => {
    await withServer({ tls: 'plain' }, async (server) => {
      writeFileSync(join(folder, 'open'), secret);
      chmodSync(join(folder, 'open'), 0o644);
      const sent = await createSend(smtp(server.port, 'plain', { login: { ...login, passwordFile: join(folder, 'open') } }))(to, message);
      expect(sent).toMatchObject({ ok: false, problem: expect.stringContaining('may be read or altered by others') as string });
      expect(JSON.stringify(sent)).not.toContain(secret);
    });
  });
});

describe('a webhook', () => {
  const listen = (server: Server): Promise<number> => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
  const bodyOf = async (request: IncomingMessage): Promise<string> => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    return Buffer.concat(parts).toString('utf8');
  };

  it('gets a signed body over TLS, and only where the server proves who it is', async () => {
    const seen: { url: string | undefined; headers: IncomingMessage['headers']; body: string }[] = [];
    const server = createServer(chain(['localhost']), (request, response) => {
      void bodyOf(request).then((body) => {
        seen.push({ url: request.url, headers: request.headers, body });
        response.end('thanks');
      });
    });
    const port = await listen(server);
    const config: NotifyConfig = { ...noNotify, caFile, webhookSecretFile: join(folder, 'secret') };
    const to = { way: 'webhook', url: `https://localhost:${String(port)}/a/b?c=d` } as const;
    expect(await createSend(config)(to, message)).toEqual({ ok: true, answer: '200 thanks' });
    const [call] = seen;
    expect(call?.url).toBe('/a/b?c=d');
    expect(call?.headers['x-reeve-message']).toBe(message.id);
    expect(call?.headers['x-reeve-signature']).toBe(`sha256=${createHmac('sha256', secret).update(call?.body ?? '').digest('hex')}`);
    expect(JSON.parse(call?.body ?? '')).toMatchObject({ id: message.id, alerts: [{ event: 'opened', host: 'web1' }] });
    expect(await createSend({ ...config, caFile: undefined })(to, message)).toMatchObject({ ok: false, permanent: false });
    expect(seen).toHaveLength(1);
    server.close();
  });

  it('is not followed elsewhere, is tried again when the server is busy, and is not waited for without end', async () => {
    const asked: string[] = [];
    const server = createPlainServer((request, response) => {
      asked.push(request.url ?? '');
      if (request.url === '/moved') response.writeHead(302, { location: '/elsewhere' }).end();
      else if (request.url === '/busy') response.writeHead(503).end('busy');
      else if (request.url === '/gone') response.writeHead(410).end();
      else if (request.url === '/flood') response.end('x'.repeat(10_000_000));
    });
    const port = await listen(server);
    const send = createSend(noNotify);
    const to = (path: string) => ({ way: 'webhook', url: `http://127.0.0.1:${String(port)}${path}` }) as const;
    expect(await send(to('/moved'), message)).toMatchObject({ ok: false, permanent: true });
    expect(asked).toEqual(['/moved']);
    expect(await send(to('/busy'), message)).toEqual({ ok: false, permanent: false, problem: 'it answered 503 busy' });
    expect(await send(to('/gone'), message)).toMatchObject({ ok: false, permanent: true });
    expect(await send(to('/flood'), message)).toMatchObject({ ok: true });
    expect(await send(to('/never'), message)).toEqual({ ok: false, permanent: false, problem: 'no answer within 10 s' });
    server.closeAllConnections();
    server.close();
  }, 30_000);
});

describe.skipIf(process.getuid?.() !== 0)('a hook (as root, who owns the folder)', () => {
  let hooks: string;
  const put = (name: string, script: string, mode = 0o755): void => {
    writeFileSync(join(hooks, name), `#!/usr/bin/env -S ${process.execPath}\n${script}`);
    chmodSync(join(hooks, name), mode);
  };
  const send = (hook: string, more: Partial<NotifyConfig> = {}) => createSend({ ...noNotify, hookDir: hooks, ...more })({ way: 'hook', hook }, message);

  beforeAll(() => {
    hooks = join(folder, 'hooks.d');
    mkdirSync(hooks, { mode: 0o755 });
    chmodSync(hooks, 0o755);
  });

  it('gets the message on stdin, and nothing of this process in its environment', async () => {
    process.env['REEVE_SECRET_OF_TEST'] = 'x';
    put('tell', `
      let text = '';
      process.stdin.on('data', (part) => (text += part)).on('end', () => {
        const { id, alerts } = JSON.parse(text);
        console.log(id, alerts[0].title.length, process.argv.length, process.cwd(), Object.keys(process.env).sort().join());
      });`);
    const title = message.entries[0]?.alert.title.length ?? 0;
    expect(await send('tell')).toEqual({ ok: true, answer: `${message.id} ${String(title)} 2 / LANG,PATH` });
    delete process.env['REEVE_SECRET_OF_TEST'];
  });

  it('that fails is told with what it said, cut', async () => {
    put('fail', `console.error('no route to pager'); console.log('x'.repeat(100000)); process.exitCode = 3;`);
    const sent = await send('fail');
    expect(sent).toMatchObject({ ok: false, permanent: false, problem: expect.stringMatching(/^it ended with exit code 3: .*no route to pager/) as string });
    expect(JSON.stringify(sent).length).toBeLessThan(500);
    put('deaf', `process.stdin.destroy();`);
    expect(await send('deaf')).toMatchObject({ ok: true });
  });

  it('that does not end is killed with all that it started', async () => {
    const beat = join(folder, 'beat');
    put('hang', `
      require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => require("node:fs").writeFileSync(${JSON.stringify(beat)}, String(process.pid)), 20)'], { stdio: 'inherit' });
      setInterval(() => {}, 1000);`);
    expect(await runHook(hooks, 'hang', message, 1500)).toEqual({ ok: false, permanent: false, problem: 'it did not end within 1.5 s' });
    const pid = Number(readFileSync(beat, 'utf8'));
    await until(() => !isAlive(pid), { timeoutMs: 5_000, everyMs: 20, what: 'what the hook started to end' });
  });

  it.each([
    ['is not there', 'missing', () => undefined],
    ['others may alter', 'loose', () => put('loose', '', 0o777)],
    ['is not executable', 'plain', () => put('plain', '', 0o644)],
    ['is a link', 'link', () => symlinkSync('/usr/bin/true', join(hooks, 'link'))],
    ['is a folder', 'folder', () => mkdirSync(join(hooks, 'folder'))],
  ])('that %s is not run', async (_what, name, make) => {
    make();
    expect(await send(name)).toMatchObject({ ok: false, permanent: false });
  });

  it('is run from no folder that others may alter', async () => {
    const open = join(folder, 'open.d');
    mkdirSync(open);
    chmodSync(open, 0o777);
    writeFileSync(join(open, 'tell'), '#!/bin/false\n', { mode: 0o755 });
    expect(await send('tell', { hookDir: open })).toMatchObject({ ok: false, problem: expect.stringContaining('others than root may alter') as string });
    await expect(send('../x')).rejects.toMatchObject({ code: 'FIELD_INVALID' });
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
