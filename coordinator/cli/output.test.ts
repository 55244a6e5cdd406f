import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reeveError } from '../../shared/errors/error.js';
import { answers } from './testing/answer.js';
import { startCoordinator, type CannedCoordinator } from './testing/coordinator.js';
import { runCaptured, transcript } from './testing/terminal.js';

/** Every command that shows an answer. */
const lines: readonly (readonly string[])[] = [
  ['init', '--address', 'fleet.example.org'],
  ['status'],
  ['doctor', 'web1'],
  ['policy', 'check', '--on', 'all'],
  ['host', 'add', 'web1', '--ssh', 'root@192.0.2.1', '--identity', '/nowhere/key'],
  ['fleet', 'show'],
  ['fleet', 'set', '--address', 'fleet.example.org', '--address', '192.0.2.7'],
  ['fleet', 'moved'],
  ['fleet', 'rekey', '--yes'],
  ['host', 'invite', 'web1', '--policy', 'web', '--label', 'site=ams', '--ttl', '2h'],
  ['host', 'list'],
  ['host', 'show', 'web1'],
  ['host', 'set', 'web1', '--label', 'site=ams'],
  ['host', 'release', 'web1', '--yes'],
  ['host', 'retire', 'web1', '--yes'],
  ['host', 'revoke', 'web1', '--yes'],
  ['host', 'readmit', '--all'],
  ['host', 'hold', 'web1', '--for', '4h', '--reason', 'disk swap'],
  ['host', 'hold', 'web1', '--end'],
  ['user', 'list'],
  ['user', 'observe', 'web1'],
  ['person', 'add', 'ada', '--name', 'Ada Lovelace', '--mail', 'ada@example.org', '--yes'],
  ['person', 'set', 'ada', '--inactive', '--yes'],
  ['person', 'remove', 'ada', '--plan'],
  ['person', 'list'],
  ['person', 'show', 'ada'],
  ['key', 'remove', 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU', '--yes'],
  ['key', 'list'],
  ['key', 'show', 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU'],
  ['key', 'foreign', 'web1'],
  ['key', 'adopt', 'web1', 'deploy', '--yes'],
  ['group', 'add', 'ops', '--person', 'ada', '--yes'],
  ['group', 'remove', 'ops', '--person', 'ada', '--yes'],
  ['group', 'list'],
  ['group', 'show', 'ops'],
  ['grant', 'add', 'ada', '--on', 'role=web', '--user', 'ada', '--create', '--for', '8h', '--reason', 'disk swap', '--plan'],
  ['grant', 'set', '12', '--until', '2030-01-01', '--yes'],
  ['grant', 'remove', '12', '--yes'],
  ['grant', 'list'],
  ['grant', 'show', '12'],
  ['access', 'ada'],
  ['why', 'access', 'ada', 'web1:ada'],
  ['revoke', 'ada', '--report'],
  ['nat', 'add', 'web1', '--proto', 'tcp', '--port', '8080', '--to', 'web2:80', '--comment', 'the site', '--yes'],
  ['nat', 'masquerade', 'web1', '--source', '198.19.200.0/24', '--interface', 'eth0', '--yes'],
  ['nat', 'remove', 'web1', 'tcp/8080', '--yes'],
  ['nat', 'enable', 'web1', '7', '--stage'],
  ['nat', 'disable', 'web1', 'udp/5000', '--plan'],
  ['nat', 'list', 'web1'],
  ['nat', 'show', 'web1'],
  ['nat', 'adopt', 'web1', '--yes'],
  ['nat', 'trace', 'web1', 'tcp/8080', '--from', '203.0.113.9'],
  ['nat', 'confirm', 'web1'],
  ['why', 'nat', 'web1:tcp/8080'],
  ['vhost', 'add', 'web1', 'app.example.org', '--to', 'http://127.0.0.1:8080', '--yes'],
  ['vhost', 'set', 'web1', 'app.example.org', '--title', 'App', '--plan'],
  ['vhost', 'route', 'remove', 'web1', 'app.example.org', '/api', '--yes'],
  ['vhost', 'remove', 'web1', 'app.example.org', '--yes'],
  ['vhost', 'list', 'web1'],
  ['vhost', 'show', 'web1', 'app.example.org'],
  ['vhost', 'foreign', 'web1'],
  ['vhost', 'adopt', 'web1', '/etc/nginx/sites-enabled/app', '--without', '14', '--yes'],
  ['vhost', 'maintenance', 'on', 'web1', 'app.example.org', '--yes'],
  ['proxy', 'reload', 'web1'],
  ['cert', 'add', 'web1', 'shop', '--self-signed', '--name', 'shop.example.org', '--yes'],
  ['cert', 'set', 'web1', 'shop', '--group', 'ssl-cert', '--plan'],
  ['cert', 'remove', 'web1', 'shop', '--yes'],
  ['cert', 'list', 'web1'],
  ['cert', 'show', 'web1', 'shop'],
  ['backup', 'add', 'shop', '--from', 'web1:/srv/shop,/etc', '--to', 'big1:/srv/backup/shop', '--yes'],
  ['backup', 'set', 'shop', '--keep', 'daily=14', '--plan'],
  ['backup', 'remove', 'shop', '--yes'],
  ['backup', 'list'],
  ['backup', 'show', 'shop'],
  ['backup', 'run', 'shop'],
  ['backup', 'log', 'shop'],
  ['backup', 'cancel', 'shop'],
  ['backup', 'snapshots', 'shop'],
  ['backup', 'ls', 'shop', '/srv/shop'],
  ['backup', 'find', 'shop', '*shop*'],
  ['backup', 'restore', 'shop', '--to', 'web1:/srv/restored', '--yes'],
  ['backup', 'verify', 'shop'],
  ['backup', 'prune', 'shop', '--plan'],
  ['backup', 'adopt', 'shop', '--rsnapshot', '/srv/rsnapshot', '--point', 'web1', '--yes'],
  ['container', 'add', 'web1', 'shop', '--image', 'docker.io/library/nginx:1.27', '--publish', '8080:80', '--memory', '512M', '--yes'],
  ['container', 'set', 'web1', 'shop', '--memory', '1G', '--plan'],
  ['container', 'start', 'web1', 'shop', '--yes'],
  ['container', 'stop', 'web1', 'shop', '--stage'],
  ['container', 'restart', 'web1', 'shop'],
  ['container', 'remove', 'web1', 'shop', '--plan'],
  ['container', 'adopt', 'big1', 'old', '--yes'],
  ['container', 'list'],
  ['container', 'show', 'web1', 'shop'],
  ['container', 'logs', 'web1', 'shop'],
  ['container', 'stats', '--once'],
  ['container', 'snapshot', 'create', 'web1', 'mail', 'before-update'],
  ['container', 'image', 'list', 'web1'],
  ['unit', 'status', '--on', 'role=web', 'nginx.service'],
  ['unit', 'restart', '--on', 'role=web', 'nginx.service', '--yes'],
  ['pending'],
  ['alert', 'list', '--all'],
  ['alert', 'mute', 'web1', '--kind', 'host-lost', '--for', '2h', '--reason', 'new disks'],
  ['alert', 'unmute', '3'],
  ['alert', 'mutes'],
  ['alert', 'route', 'list'],
  ['alert', 'test', 'ada'],
  ['operation', 'list'],
  ['operation', 'show', '01930000-0000-7000-8000-000000000099'],
  ['metrics', 'token'],
  ['operator', 'add', 'ada', '--role', 'operator'],
  ['operator', 'set', 'ada', '--role', 'viewer'],
  ['operator', 'enable', 'ada'],
  ['operator', 'disable', 'ada'],
  ['operator', 'invite', 'ada'],
  ['operator', 'revoke', 'ada', '--yes'],
  ['operator', 'remove', 'ada', '--yes'],
  ['operator', 'list'],
  ['web', 'login', 'list'],
  ['whoami'],
  ['audit', 'list'],
  ['audit', 'verify'],
];

describe('what commands show', () => {
  let coordinator: CannedCoordinator;
  beforeAll(async () => {
    process.env['TZ'] = 'UTC';
    coordinator = await startCoordinator();
  });
  afterAll(() => coordinator.close());

  it.each(lines.map((line) => [line.join(' '), line] as const))('%s', async (_name, line) => {
    coordinator.answers = answers;
    const people = await runCaptured(coordinator.socket, line);
    const program = await runCaptured(coordinator.socket, [...line, '--json']);
    JSON.parse(program.out);
    const name = line.includes('--end') ? 'host-hold-end' : line.slice(0, ['init', 'status', 'doctor', 'pending', 'whoami', 'access', 'revoke'].includes(line[0] ?? '') ? 1 : 2).join('-');
    const shown = `${transcript(line, people)}\n${transcript([...line, '--json'], program)}`.replaceAll(coordinator.socket, '/run/reeved/api.sock');
    await expect(shown).toMatchFileSnapshot(`golden/output/${name}.txt`);
  });

  it('sends what was typed', async () => {
    coordinator.answers = answers;
    coordinator.requests.length = 0;
    await runCaptured(coordinator.socket, ['host', 'invite', 'web1', '--address', '192.0.2.7', '--ttl', '90s', '--label', 'b=2', '--label', 'a=1', '--parent', 'big', '--rejoin']);
    await runCaptured(coordinator.socket, ['host', 'set', 'web1', '--no-parent', '--unlabel', 'old', '--name', 'web2']);
    await runCaptured(coordinator.socket, ['user', 'add', 'svc', '--on', 'all', '--system', '--groups', 'www-data,adm', '--uid', '20001', '--plan']);
    expect(coordinator.requests.map(({ request }) => request)).toMatchObject([
      { name: 'web1', address: '192.0.2.7:7420', ttl: { seconds: 90 }, labels: ['b=2', 'a=1'], parent: 'big', rejoin: true },
      { host: 'web1', name: 'web2', parent: '', removeLabels: ['old'] },
      { options: { mode: 'CHANGE_MODE_PLAN' }, selector: 'all', user: { name: 'svc', kind: 'USER_KIND_SYSTEM', uid: 20001, shell: '/usr/sbin/nologin', groups: ['adm', 'www-data'] } },
    ]);
    expect(coordinator.requests[1]?.request).not.toHaveProperty('address');
  });

  it('says so when there is nothing to list', async () => {
    coordinator.answers = { 'HostService.ListHost': () => ({}), 'UserService.ListUser': () => ({}), 'PlanService.ListPending': () => ({}), 'OperationService.ListOperation': () => ({}), 'AuditService.ListAudit': () => ({}) };
    const out = [];
    for (const line of [['host', 'list'], ['user', 'list'], ['pending'], ['operation', 'list'], ['audit', 'list']]) out.push((await runCaptured(coordinator.socket, line)).out);
    expect(out).toEqual(['No hosts. To invite one: reeve host invite NAME\n', 'No managed users.\n', 'Nothing is pending.\n', 'No operations.\n', 'No records.\n']);
  });

  it('says that a broken audit chain is a failure', async () => {
    coordinator.answers = { 'AuditService.VerifyAudit': () => ({ intact: false, records: 12, firstBadSeq: 9, reason: 'the hash does not fit' }) };
    expect(await runCaptured(coordinator.socket, ['audit', 'verify'])).toMatchObject({ exit: 1, out: 'The audit chain is broken at record 9: the hash does not fit (12 records checked)\n' });
  });

  it('asks before it retires a host, and does nothing at a no', async () => {
    coordinator.answers = answers;
    coordinator.requests.length = 0;
    expect(await runCaptured(coordinator.socket, ['host', 'retire', 'web1'], { answer: 'n' })).toMatchObject({ exit: 1, asked: ['Retire host "web1" for ever? [y/N] '] });
    expect(await runCaptured(coordinator.socket, ['host', 'retire', 'web1'])).toMatchObject({ exit: 2 });
    expect(coordinator.requests).toEqual([]);
    expect(await runCaptured(coordinator.socket, ['host', 'retire', 'web1'], { answer: 'yes' })).toMatchObject({ exit: 0, out: 'Host "web1" is retired.\n' });
  });

  it('shows the errors of the coordinator with their remedies', async () => {
    coordinator.answers = {
      'HostService.GetHost': () => {
        throw reeveError('HOST_UNKNOWN', { value: 'web1' });
      },
      'HostService.ListHost': () => {
        throw new Error('a bug');
      },
    };
    const known = await runCaptured(coordinator.socket, ['host', 'show', 'web1']);
    const json = await runCaptured(coordinator.socket, ['host', 'show', 'web1', '--json']);
    const away = await runCaptured('/nowhere/api.sock', ['whoami']);
    const typed = await runCaptured('/nowhere/api.sock', ['host', 'show', 'WEB1']);
    const transcripts = [transcript(['host', 'show', 'web1'], known), transcript(['host', 'show', 'web1', '--json'], json), transcript(['whoami'], away), transcript(['host', 'show', 'WEB1'], typed)];
    await expect(transcripts.join('\n')).toMatchFileSnapshot('golden/output/errors.txt');
    const bug = await runCaptured(coordinator.socket, ['host', 'list']);
    expect(bug.exit).toBe(70);
    expect(bug.err).toMatch(/^reeve: Reeve made a mistake; its log has the details under [0-9a-f]{16}\n {2}Please report it with that log\.\n$/);
  });
});
