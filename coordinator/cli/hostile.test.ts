import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reeveError } from '../../shared/errors/error.js';
import { answers } from './testing/answer.js';
import { startCoordinator, type CannedCoordinator, type Handler } from './testing/coordinator.js';
import { runCaptured } from './testing/terminal.js';

/** What must not reach a terminal; the kind of CVE-2021-25743, and what hides or turns text. */
const corpus = [
  '\u001b[2J\u001b[31mred', '\u001b]8;;http://evil.example/\u0007click\u001b]8;;\u0007', '\u001b]0;title\u0007', '\u009b31mC1', 'over\rwritten', 'back\b\b\bspace', 'two\nlines', 'tab\tbed',
  '\u0000nul', '\u007fdel', 'right\u202eto left', 'zero\u200bwidth', '\u2066isolate\u2069', '\u2028separator', '\ufeffmark', '\ue000private',
].join('|');

/** Control, bidirectional, invisible and private-use characters; the newline is ours. */
const unsafe = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ue000-\uf8ff\ufeff]/u;

/** The same answer with the corpus in every text that is not an enum. */
function poison(value: unknown, key = ''): unknown {
  if (typeof value === 'string') return /^(?:OUTCOME|HOST_STATE|HOST_LINK|CHANGE_KIND|USER_KIND|USER_PRESENCE|NAT_PROTOCOL)_/.test(value) || key === 'planId' ? value : `${value}${corpus}`;
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => poison(item, key));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, name === 'code' ? item : poison(item, name)]));
}

const lines: readonly (readonly string[])[] = [
  ['init', '--address', 'a'], ['status'], ['host', 'add', 'web1', '--ssh', 'root@192.0.2.1', '--identity', '/nowhere/key'], ['host', 'invite', 'web1'], ['host', 'list'], ['host', 'show', 'web1'], ['host', 'set', 'web1', '--name', 'b'], ['host', 'readmit', '--all'],
  ['user', 'add', 'ada', '--on', 'all', '--yes'], ['user', 'add', 'ada', '--on', 'all', '--plan'], ['user', 'remove', 'ada', '--on', 'all', '--stage'], ['plan'], ['apply', '--yes'],
  ['nat', 'add', 'web1', '--proto', 'tcp', '--port', '8080', '--to', 'web2:80', '--yes'], ['nat', 'list'], ['nat', 'show', 'web1'], ['nat', 'adopt', 'web1', '--plan'], ['nat', 'trace', 'web1', 'tcp/8080', '--from', '203.0.113.9'],
  ['why', 'nat', 'web1:tcp/8080'], ['vhost', 'add', 'web1', 'app.example.org', '--to', 'http://127.0.0.1:8080', '--plan'], ['vhost', 'set', 'web1', 'app.example.org', '--title', 'x', '--yes'], ['vhost', 'list'],
  ['vhost', 'show', 'web1', 'app.example.org'], ['vhost', 'foreign', 'web1'], ['vhost', 'adopt', 'web1', '/etc/nginx/x', '--plan'], ['proxy', 'reload', 'web1'], ['cert', 'add', 'web1', 'shop', '--self-signed', '--name', 'shop.example.org', '--plan'], ['cert', 'list'], ['cert', 'show', 'web1', 'shop'],
  ['backup', 'add', 'shop', '--from', 'web1:/srv', '--to', 'big1:/srv', '--yes'], ['backup', 'remove', 'shop', '--plan'], ['backup', 'list'], ['backup', 'show', 'shop'], ['backup', 'run', 'shop'], ['backup', 'run', 'shop', '--detach'], ['backup', 'log', 'shop'],
  ['backup', 'log', 'shop', '--list'], ['backup', 'log', 'shop', '--follow'], ['backup', 'cancel', 'shop'], ['backup', 'snapshots', 'shop'], ['backup', 'ls', 'shop'], ['backup', 'find', 'shop', '*'], ['backup', 'restore', 'shop', '--to', 'web1:/srv/x', '--yes'],
  ['backup', 'restore', 'shop', '--to', 'web1:/srv/x', '--plan'], ['backup', 'verify', 'shop'], ['backup', 'prune', 'shop', '--plan'], ['backup', 'adopt', 'shop', '--rsnapshot', '/srv/r', '--point', 'web1', '--yes'],
  ['container', 'add', 'web1', 'shop', '--image', 'localhost/a:1', '--yes'], ['container', 'restart', 'web1', 'shop'], ['container', 'remove', 'web1', 'shop', '--plan'], ['container', 'adopt', 'web1', 'shop', '--yes'], ['container', 'list'],
  ['container', 'show', 'web1', 'shop'], ['container', 'stats', '--once'], ['container', 'snapshot', 'create', 'web1', 'shop', 'a'], ['container', 'snapshot', 'list', 'web1', 'shop'], ['container', 'image', 'list', 'web1'],
  ['container', 'image', 'pull', 'web1', 'example.org/a:1'], ['container', 'image', 'prune', 'web1', '--plan'], ['unit', 'status', '--on', 'all', 'nginx.service'], ['unit', 'restart', '--on', 'all', 'nginx.service', '--plan'], ['unit', 'restart', '--on', 'all', 'nginx.service', '--yes'],
  ['alert', 'list', '--all'], ['alert', 'mute', 'web1', '--for', '2h', '--reason', 'r'], ['alert', 'mutes'], ['alert', 'route', 'add', 'ada'], ['alert', 'route', 'list'], ['alert', 'test', 'ada'],
  ['user', 'list'], ['user', 'observe', 'web1'], ['pending'], ['operation', 'list'], ['operation', 'show', '01930000-0000-7000-8000-000000000099'],
  ['operator', 'list'], ['operator', 'add', 'ada', '--role', 'viewer'], ['whoami'], ['audit', 'list'], ['audit', 'verify'],
];

describe('hostile text', () => {
  let coordinator: CannedCoordinator;
  beforeAll(async () => {
    coordinator = await startCoordinator();
    const broken = { 'AuditService.VerifyAudit': () => ({ intact: false, records: 1, firstBadSeq: 1, reason: 'why' }) };
    coordinator.answers = Object.fromEntries(Object.entries({ ...answers, ...broken }).map(([name, handler]) => [name, (request: never) => poison((handler as Handler)(request))]));
  });
  afterAll(() => coordinator.close());

  it.each(lines.map((line) => [line.join(' '), line] as const))('of a host does not reach the terminal: %s', async (_name, line) => {
    const plain = await runCaptured(coordinator.socket, line);
    expect(plain.out).toContain('\\u{1b}');
    expect(plain.out + plain.err).not.toMatch(unsafe);
    const json = await runCaptured(coordinator.socket, [...line, '--json']);
    expect(json.out + json.err).not.toMatch(unsafe);
    expect(JSON.stringify(JSON.parse(json.out))).toContain('right\u202eto left');
    const colored = await runCaptured(coordinator.socket, line, { color: true });
    expect(colored.out.replaceAll(/\u001b\[(?:[0-9]|3[0-9])m/g, '')).toBe(plain.out);
  });

  it('of an error does not reach the terminal', async () => {
    const before = coordinator.answers;
    coordinator.answers = {
      'OperatorService.WhoAmI': () => {
        throw reeveError('HOST_UNREACHABLE', { host: corpus, reason: corpus });
      },
    };
    const plain = await runCaptured(coordinator.socket, ['whoami']);
    const json = await runCaptured(coordinator.socket, ['whoami', '--json']);
    expect(plain.err).toContain('\\u{1b}');
    expect(plain.err + json.out).not.toMatch(unsafe);
    coordinator.answers = before;
  });

  it('of the command line does not reach the terminal', async () => {
    for (const line of [[corpus], ['host', corpus], ['host', 'show', corpus], ['host', 'list', `--${corpus}`], ['host', 'list', '--on', corpus], ['whoami', '--socket', `/nowhere/${corpus}`]]) {
      const ran = await runCaptured(coordinator.socket, line);
      expect(ran.exit).toBeGreaterThan(1);
      expect(ran.out + ran.err).not.toMatch(unsafe);
    }
  });
});
