import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ReeveError } from '../../../shared/errors/error.js';
import type { Context } from '../context.js';
import { readHosts, readTargets, type Named } from './from.js';
import { expandRange } from './range.js';

const shared = { identity: undefined, jump: undefined, jumpHostKey: undefined, sudo: false, policy: undefined, labels: [], parent: undefined, link: undefined };
let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'reeve-from-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(text: string, options: { format?: string; groupLabel?: string; file?: string } = {}): Promise<readonly Named[]> {
  const context = { terminal: { input: () => Promise.resolve(text) } } as unknown as Context;
  const from = options.file === undefined ? '-' : join(folder, options.file);
  if (options.file !== undefined) writeFileSync(from, text);
  return readHosts(context, { from, format: options.format, 'group-label': options.groupLabel }, shared);
}

async function problemsOf(text: string, options: Parameters<typeof read>[1] = {}): Promise<string[]> {
  const error = await read(text, options).then(() => undefined, (thrown: unknown) => thrown);
  if (!(error instanceof ReeveError)) throw error;
  return error.items.map((item) => item.fields['field'] ?? '');
}

const short = (hosts: readonly Named[]): unknown[] => hosts.map((host) => [host.name, host.login === undefined ? '' : `${host.login.user}@${host.login.address}:${String(host.login.port)}`]);

describe('a plain list', () => {
  it('has names, logins, and what is special of a host', async () => {
    const hosts = await read(`# the web\nweb1 root@192.0.2.1\n\nweb2 admin@web2.example.org:2222 sudo=yes policy=web label=site=ams label=role=web host-key=SHA256:${'a'.repeat(43)} identity='/a b/key' # second\n  db1\n`);
    expect(short(hosts)).toEqual([['web1', 'root@192.0.2.1:22'], ['web2', 'admin@web2.example.org:2222'], ['db1', '']]);
    expect(hosts[1]).toMatchObject({ sudo: true, policy: 'web', labels: ['site=ams', 'role=web'], identity: '/a b/key', hostKey: `SHA256:${'a'.repeat(43)}` });
  });

  it('is refused with all that is wrong, each with its line', async () => {
    const text = 'web1 root@192.0.2.1\nweb1 root@192.0.2.2\nWEB3 root@192.0.2.3\nweb4 root@192.0.2.4 colour=blue\nweb5 -oProxyCommand=x@h\nweb6 root@192.0.2.6 policy=all\nweb7 "open\nweb8 root@192.0.2.8 sudo=maybe\nweb9 root@192.0.2.9 label=x';
    expect(await problemsOf(text, { format: 'list' })).toEqual([
      'line 4: word', 'line 5: word', 'line 7: line', 'line 2: host name', 'line 3: host name', 'line 6: policy', 'line 8: sudo', 'line 9: label',
    ]);
    expect(await problemsOf('')).toEqual(['hosts in -']);
  });

  it('needs a login for every host that is to be taken in', async () => {
    const context = { terminal: { input: () => Promise.resolve('web1 root@192.0.2.1\ndb1\n') } } as unknown as Context;
    await expect(readTargets(context, { from: '-', format: undefined, 'group-label': undefined }, shared)).rejects.toThrow(/login of host "db1" is missing/);
  });
});

const ini = `
mail.example.org ansible_user=mailadmin

[web]
web[01:03].example.org
; comment
[web:vars]
ansible_user=deploy
ansible_become=true
[db]
db-[a:b] ansible_host=192.0.2.9 ansible_port=2200 ansible_ssh_private_key_file="~/keys/db key"
[prod:children]
web
db
[prod:vars]
ansible_port=22
ansible_user = root
[all:vars]
ansible_user=nobody
ntp_server=192.0.2.99
`;

const yaml = `
all:
  vars: { ansible_user: nobody, ntp_server: 192.0.2.99, list: [1, 2] }
  hosts:
    mail.example.org: { ansible_user: mailadmin }
  children:
    prod:
      vars: { ansible_port: 22, ansible_user: root }
      children:
        web:
          hosts:
            web[01:03].example.org:
          vars: { ansible_user: deploy, ansible_become: true }
        db:
          hosts:
            db-[a:b]: { ansible_host: 192.0.2.9, ansible_port: 2200, ansible_ssh_private_key_file: ~/keys/db key }
`;

const inventory = [
  ['db-a', 'root@192.0.2.9:2200'], ['db-b', 'root@192.0.2.9:2200'], ['mail.example.org', 'mailadmin@mail.example.org:22'],
  ['web01.example.org', 'deploy@web01.example.org:22'], ['web02.example.org', 'deploy@web02.example.org:22'], ['web03.example.org', 'deploy@web03.example.org:22'],
];

describe('an Ansible inventory', () => {
  it.each([['INI', ini, 'hosts'], ['INI by its name', ini, 'hosts.ini'], ['YAML', yaml, 'hosts'], ['YAML by its name', yaml, 'hosts.yml']])('in %s gives hosts, ranges and variables as Ansible merges them', async (_name, text, file) => {
    const hosts = await read(text, { file, groupLabel: 'group' });
    expect(short(hosts).sort()).toEqual(inventory);
    const byName = new Map(hosts.map((host) => [host.name, host]));
    expect(byName.get('web02.example.org')).toMatchObject({ sudo: true, labels: ['group=web'] });
    expect(byName.get('db-a')).toMatchObject({ sudo: false, identity: '~/keys/db key', labels: ['group=db'] });
    expect(byName.get('mail.example.org')).toMatchObject({ labels: [] });
  });

  it('is refused with all that is wrong, each with its place', async () => {
    expect(await problemsOf('[web]\nweb[1:0]\nweb2 ansible_password=x\nweb3 ansible_connection=local\nweb4 ansible_host="{{ ip }}"\nweb5 ansible_port=99999\nweb6 oops\n[web:wars]\n[a:children]\nb\n', { format: 'ini' })).toEqual([
      'line 7: word', 'line 8: section', 'line 10: group', 'line 2: host', 'line 3: ansible_password', 'line 4: ansible_connection', 'line 5: ansible_host', 'line 6: ansible_port',
    ]);
    expect(await problemsOf('all:\n  hosts: [web1]\n  colour: blue\n  children:\n    web: 7\n', { format: 'yaml' })).toEqual(['all: key', 'all.hosts: value', 'all.children.web: group']);
    expect(await problemsOf('all:\n hosts:\n   a: {ansible_host: 1.2.3.4\n', { format: 'yaml' })).not.toEqual([]);
    expect(await problemsOf('[a:children]\na\n[b:children]\na\n', { format: 'ini' })).toContain('line 2: group');
  });

  it('never makes objects, code or gigabytes of a file', async () => {
    const bomb = `a: &a {x: 1}\n${Array.from({ length: 9 }, (_item, index) => `b${String(index)}: &b${String(index)} {${Array.from({ length: 9 }, (_one, at) => `k${String(at)}: *${index === 0 ? 'a' : `b${String(index - 1)}`}`).join(', ')}}`).join('\n')}\n`;
    expect(await problemsOf(bomb, { format: 'yaml' })).toEqual(['file: aliases']);
    const proto = await read('all:\n  hosts:\n    web1: {__proto__: {ansible_user: evil}, ansible_user: root}\n', { format: 'yaml' });
    expect(short(proto)).toEqual([['web1', 'root@web1:22']]);
    expect(await problemsOf('all:\n  hosts:\n    "a;b": {}\n    web2: {ansible_host: "-oProxyCommand=x"}\n', { format: 'yaml' })).toEqual(['all.hosts.a;b: host name', 'all.hosts.a;b: address', 'all.hosts.web2: address']);
  });
});

describe('a range', () => {
  it.each([
    ['web[01:03]', ['web01', 'web02', 'web03']], ['n[8:12:2].x', ['n8.x', 'n10.x', 'n12.x']], ['[a:c]1', ['a1', 'b1', 'c1']], ['r[1:2]h[1:2]', ['r1h1', 'r1h2', 'r2h1', 'r2h2']], ['plain', ['plain']],
    ['x[09:11]', ['x09', 'x10', 'x11']],
  ])('%s', (pattern, names) => {
    expect(expandRange(pattern, 'host')).toEqual(names);
  });

  it.each(['w[1:0]', 'w[1:99999999]', 'w[a:1]', 'w[1', 'w]1', 'w[]', 'w[1:9999]x[1:9999]', 'w[a:C]'])('%s is refused', (pattern) => {
    expect(() => expandRange(pattern, 'host')).toThrow(ReeveError);
  });
});
