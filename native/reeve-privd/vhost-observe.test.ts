/** What is told of a web server: sites of others as nginx would meet them, managed files as they are, and nothing that is secret or not part of its configuration. */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PrivdReply } from '../../shared/gen/privd.js';
import { failsWith, isRoot, startPrivd, state, type Privd } from './testing/namespace.js';

const model = 'ab'.repeat(32);
const conf = `# Managed by Reeve: changes made here are told and not overwritten. model ${model}\nserver { }\n`;
const sum = (text: string): string => createHash('sha256').update(text).digest('hex');
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const string = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const set = `set-${'0123456789abcdef'.repeat(2)}`;

/** As Debian has it, with what people add. */
const main = `user www-data;
include /etc/nginx/modules-enabled/*.conf;
events { worker_connections 768; }
http {
  types { text/html html; }
  map $http_upgrade $connection { default upgrade; '' close; }
  upstream back { server 127.0.0.1:8080; }
  include /etc/nginx/conf.d/*.conf;
  include sites-enabled/*;
}
stream { server { listen 5432; proxy_pass 10.0.0.1:5432; } }
`;

describe.skipIf(!isRoot)('observe.vhost', () => {
  let privd: Privd;
  beforeAll(async () => { privd = await startPrivd({ network: true }); }, 300_000);
  afterAll(() => privd.close(), 60_000);
  beforeEach(() => {
    for (const path of ['/etc/nginx', '/etc/reeve/snippets', `${state}/vhost`]) rmSync(privd.root + path, { recursive: true, force: true });
    mkdirSync(`${privd.root}${state}/vhost`, { mode: 0o700 });
    privd.writePolicy('version 1\nallow observe.vhost\n');
    put('/usr/sbin/nginx', '\x7fELF\0nginx version: nginx/1.22.1\0', 0o755);
    put('/etc/nginx/nginx.conf', main);
  });
  const put = (path: string, text: string, mode = 0o644): void => {
    mkdirSync(dirname(privd.root + path), { recursive: true });
    rmSync(privd.root + path, { force: true });
    writeFileSync(privd.root + path, text);
    chmodSync(privd.root + path, mode);
  };
  const observe = (scope: 'managed' | 'foreign' | 'file' | 'site' = 'managed', file?: string): Promise<PrivdReply<'observe.vhost'>> => privd.call('observe.vhost', { scope, ...(file === undefined ? {} : { file }) });
  /** A set in place, with what was written and what is there now. */
  const place = (files: Readonly<Record<string, string>>, now: Readonly<Record<string, string | undefined>> = {}): void => {
    put(`${state}/vhost/${set}.list`, Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, text]) => `${name} ${sum(text)}\n`).join(''), 0o600);
    for (const [name, text] of Object.entries({ ...files, ...now })) if (text !== undefined) put(`/etc/nginx/reeve/${set}/${name}`, text);
    symlinkSync(set, `${privd.root}/etc/nginx/reeve/current`);
  };

  test('the engine is known by its file, no program is started', async () => {
    put('/usr/sbin/nginx', '#!/bin/sh\ntouch /run/started\n# nginx version: nginx/9.8.7 (a)\n', 0o755);
    expect(await observe()).toMatchObject({ engine: 'nginx 9.8.7', running: false, included: '', file: [], foreign: [], truncated: false });
    expect(existsSync(`${privd.root}/run/started`)).toBe(false);
    rmSync(`${privd.root}/usr/sbin/nginx`);
    rmSync(`${privd.root}/etc/nginx`, { recursive: true });
    expect(await observe()).toMatchObject({ engine: '', running: false, file: [], foreign: [] });
  });

  test('a process that is not the master of nginx does not make it run', async () => {
    for (const text of [`${String(process.pid)}\n`, '1\n', '0\n', '-1\n', '999999\n', 'x', '']) {
      put('/run/nginx.pid', text);
      expect((await observe('foreign')).running, JSON.stringify(text)).toBe(false);
    }
    rmSync(`${privd.root}/run/nginx.pid`);
  });

  test('server blocks of others are told as nginx meets them, those of other kinds and managed ones are not', async () => {
    put('/etc/nginx/conf.d/a.conf', '# one\nserver {\n  listen 80 default_server; listen [::]:80;\n  server_name A.example.org "b.example.org" ~^c\\.;\n  location / { return 200 "server { listen 1; }"; }\n}\n');
    put('/etc/nginx/names', 'server_name d.example.org;\n');
    put('/etc/nginx/sites-available/d', 'server { include names; listen unix:/run/d.sock; }\nserver\n{\n}\n');
    mkdirSync(`${privd.root}/etc/nginx/sites-enabled`);
    symlinkSync('../sites-available/d', `${privd.root}/etc/nginx/sites-enabled/d`);
    put('/etc/nginx/conf.d/reeve.conf', 'include /etc/nginx/reeve/current/*.conf;\n');
    place({ 'm.example.org.conf': conf.replace('server { }', 'server { listen 80; server_name m.example.org; }') });
    for (const scope of ['managed', 'foreign'] as const) {
      const { foreign, truncated } = await observe(scope);
      expect(truncated).toBe(false);
      expect(foreign).toEqual([
        { file: '/etc/nginx/conf.d/a.conf', line: 2, name: ['A.example.org', 'b.example.org', '~^c\\.'], listen: ['80 default_server', '[::]:80'] },
        { file: '/etc/nginx/sites-enabled/d', line: 1, name: ['d.example.org'], listen: ['unix:/run/d.sock'] },
        { file: '/etc/nginx/sites-enabled/d', line: 2, name: [], listen: [] },
      ]);
    }
  });

  test('a configuration that does not read our folder says so; what cannot be read, or goes in circles, is told as left out', async () => {
    put('/etc/nginx/nginx.conf', 'http { include sites-enabled/*; }\n');
    expect(await observe()).toMatchObject({ included: '/etc/nginx/nginx.conf does not include /etc/nginx/conf.d/*.conf', truncated: false });
    put('/etc/nginx/nginx.conf', 'http { include sites-enabled/*; }\nstream { include conf.d/*.conf; }\n');
    expect((await observe()).included).not.toBe('');
    for (const include of ['/etc/nginx/conf.d/*.conf', '"/etc/nginx/conf.d/*.conf"', 'conf.d/*.conf', 'conf.d/*', '/etc/nginx/conf.d/reeve.conf']) {
      put('/etc/nginx/nginx.conf', `http { include ${include}; }\n`);
      put('/etc/nginx/conf.d/reeve.conf', '# nobody’s\n');
      expect((await observe()).included, include).toBe('');
    }
    put('/etc/nginx/nginx.conf', 'init_by_lua_block { a = "}" }\nhttp { server { content_by_lua_block { b({}) } listen 81; } include conf.d/*.conf; }\n');
    put('/etc/nginx/conf.d/reeve.conf', '# nobody’s\n');
    expect(await observe()).toMatchObject({ included: '', truncated: false, foreign: [{ line: 2, listen: ['81'] }] });
    for (const text of ['http { include gone.conf; server { listen 80; } }', 'http { include nginx.conf; }', 'http { server { listen 80; }', 'http { } }', 'http { a "b; }', `${'a { '.repeat(40)}${'} '.repeat(40)}`]) {
      put('/etc/nginx/nginx.conf', text);
      expect((await observe()).truncated, text).toBe(true);
    }
    expect((await observe('foreign')).foreign).toEqual([]);
  });

  test('managed files are ok, edited or missing; of a certificate the text is told, of secrets never', async () => {
    const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
    // Without it the web server reads no site.
    put('/etc/nginx/conf.d/reeve.conf', '# Managed by Reeve: changes made here are undone. See reeve-agent(8).\ninclude /etc/nginx/reeve/current/*.conf;\n');
    place(
      { '_.b.example.conf': conf, 'a.example.conf': conf, 'a.example.crt': pem, 'a.example.key': 'secret key', 'a.example.auth': 'ada:secret', 'c.example.conf': conf },
      { 'a.example.auth': 'eve:secret', 'c.example.conf': undefined, '_.b.example.conf': `${conf}# by hand\n` },
    );
    const reply = await observe();
    expect(reply.file.map(({ name, state: word, model: of, text }) => [name, word, hex(of), string(text)])).toEqual([
      ['_.b.example.conf', 'edited', model, ''], ['a.example.auth', 'edited', '', ''], ['a.example.conf', 'ok', model, ''], ['a.example.crt', 'ok', '', pem], ['a.example.key', 'ok', '', ''], ['c.example.conf', 'missing', '', ''],
    ]);
    expect(reply.file.map(({ sha256 }) => hex(sha256))).toEqual([sum(conf), sum('ada:secret'), sum(conf), sum(pem), sum('secret key'), sum(conf)]);
    expect(hex(reply.set)).toBe(sum(reply.file.map(({ name, sha256 }) => `${name} ${hex(sha256)}\n`).join('')));
    expect(hex(reply.operation)).toBe('');
    expect(JSON.stringify(reply)).not.toContain(Buffer.from('secret').toString('hex'));
  });

  test('the text of a managed file is told, of one that is secret or not ours it is not', async () => {
    place({ 'a.example.conf': conf, 'a.example.key': 'secret', 'a.example.auth': 'secret' }, { 'a.example.conf': `${conf}# by hand\n`, 'own.conf': 'x' });
    const reply = await observe('file', 'a.example.conf');
    expect([string(reply.text), hex(reply.sha256)]).toEqual([`${conf}# by hand\n`, sum(`${conf}# by hand\n`)]);
    for (const file of ['a.example.key', 'a.example.auth', 'own.conf', 'b.example.conf']) await failsWith(observe('file', file), 'VHOST_UNKNOWN');
    for (const file of ['../../nginx.conf', '/etc/shadow', 'a.example', '', `${set}/a.example.conf`]) await failsWith(observe('file', file), 'FIELD_INVALID', { field: 'file' });
    await failsWith(observe('file'), 'FIELD_INVALID');
    await failsWith(observe('managed', 'a.example.conf'), 'FIELD_INVALID');
  });

  test('a file of others is told as directives, and only one that nginx reads', async () => {
    put('/etc/nginx/conf.d/a.conf', 'server { # one\n  listen 80;\n  location ~ "\\.php$" {\n    include snippets/php.conf;\n    fastcgi_param A "b c";\n  }\n}\n');
    const reply = await observe('site', '/etc/nginx/conf.d/a.conf');
    expect(reply.directive.map(({ line, depth, word, block }) => [line, depth, word.join('|'), block])).toEqual([
      [1, 0, 'server', true], [2, 1, 'listen|80', false], [3, 1, 'location|~|\\.php$', true], [4, 2, 'include|snippets/php.conf', false], [5, 2, 'fastcgi_param|A|b c', false],
    ]);
    expect(hex(reply.sha256)).toHaveLength(64);
    put('/etc/nginx/sites-available/off', 'server { }\n');
    for (const file of ['/etc/shadow', '/etc/nginx/sites-available/off', '/etc/nginx/conf.d/none.conf']) await failsWith(observe('site', file), 'VHOST_FOREIGN_FILE', { value: file });
    for (const file of ['/etc/nginx/../shadow', 'conf.d/a.conf', '/etc//nginx/nginx.conf', '/']) await failsWith(observe('site', file), 'FIELD_INVALID', { field: 'file' });
    put('/etc/nginx/conf.d/reeve.conf', 'include /etc/nginx/reeve/current/*.conf;\n');
    place({ 'm.example.org.conf': conf });
    await failsWith(observe('site', '/etc/nginx/reeve/current/m.example.org.conf'), 'VHOST_FOREIGN_FILE');
    put('/etc/nginx/conf.d/b.conf', 'server {\n  listen 80;\n  a "b\n}\n');
    await failsWith(observe('site', '/etc/nginx/conf.d/b.conf'), 'VHOST_FOREIGN_FILE', { rule: expect.stringMatching(/^line \d: /) as unknown });
  });

  test('snippets are those that nobody but root can write', async () => {
    put('/etc/reeve/snippets/good_1.conf', 'a b;\n');
    put('/etc/reeve/snippets/wide.conf', 'a b;\n', 0o664);
    put('/etc/reeve/snippets/other.txt', 'a b;\n');
    put('/etc/reeve/snippets/no.dots.conf', 'a b;\n');
    symlinkSync('/etc/passwd', `${privd.root}/etc/reeve/snippets/link.conf`);
    const told = async (): Promise<string[]> => (await observe()).snippet.map(({ name, sha256 }) => `${name} ${hex(sha256)}`);
    expect(await told()).toEqual([`good_1 ${sum('a b;\n')}`]);
    chmodSync(`${privd.root}/etc/reeve/snippets`, 0o777);
    expect(await told()).toEqual([]);
  });

  test('the policy has to allow it', async () => {
    privd.writePolicy('version 1\nallow vhost.write\n');
    await failsWith(observe(), 'POLICY_DENIED', { op: 'observe.vhost' });
  });
});
