import type { ChangeEventInput } from '../../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { HostResultInput } from '../../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import type { ManagedVhostInput } from '../../../shared/gen/proto/reeve/coordinator/v1/ManagedVhost.js';
import type { VhostInput } from '../../../shared/gen/proto/reeve/type/v1/Vhost.js';
import { toTimestamp } from '../../../shared/rpc/time.js';
import type { Handlers } from './coordinator.js';
import { nowMs } from './terminal.js';

const hostId = '01930000-0000-7000-8000-000000000001';

const diff = [
  '--- /dev/null', '+++ /etc/nginx/reeve/current/app.example.org.conf', '@@ -0,0 +1,4 @@', '+# Managed by Reeve', '+server {', '+    server_name "app.example.org";', '+}', '',
].join('\n');

/** A host that would make a site. */
export const served: HostResultInput = {
  hostId, hostName: 'web1', outcome: 'OUTCOME_OK', noun: 'vhost',
  changes: [{ kind: 'CHANGE_KIND_CREATE', noun: 'vhost', subject: 'app.example.org', fields: [{ field: 'to', to: 'http://127.0.0.1:8080' }], diff }],
};

/** A host that would alter one, and has another that it parks. */
const altered: HostResultInput = {
  ...served,
  changes: [
    {
      kind: 'CHANGE_KIND_UPDATE', noun: 'vhost', subject: 'app.example.org', fields: [{ field: 'title', to: 'App' }],
      diff: '--- /etc/nginx/reeve/current/app.example.org.conf\n+++ /etc/nginx/reeve/current/app.example.org.conf\n@@ -1,3 +1,3 @@\n server {\n-    # title app.example.org\n+    # title App\n }\n',
    },
  ],
  notes: ['site "bad.example.org" stays out: host not found in upstream "nowhere"'],
};

/** A host that refuses one. */
const parked: HostResultInput = {
  ...served, outcome: 'OUTCOME_FAILED', changes: [],
  errors: [{ code: 'VHOST_PARKED', fields: { host: 'web1', value: 'app.example.org', rule: 'line 12: "root" directive is duplicate' } }],
};

const app: VhostInput = {
  name: 'app.example.org', aliases: ['www.app.example.org'], listens: [{ port: 80 }, { port: 443, tls: true }], redirectHttps: true, hstsS: 31_536_000, cert: 'app', bodyLimitBytes: 104_857_600,
  routes: [
    { prefix: '/', proxy: { to: { host: 'app1', port: 8080 } }, websocket: true, timeout: { seconds: 300, nanos: 0 }, headers: [{ name: 'X-Frame-Options', value: 'DENY' }] },
    { prefix: '/api', proxy: { to: { address: '2001:db8::5', port: 8443 }, tls: true, hostHeader: 'api.example.org' }, stripPrefix: true, keepEncoded: true, bodyLimitBytes: 1024 },
    { prefix: '/docs', static: { folder: '/srv/docs' }, open: true, allow: ['10.0.0.0/8'] },
    { prefix: '/sock', uwsgi: { socket: '/run/uwsgi/app.sock' }, unbuffered: true, users: [{ name: 'bob' }] },
  ],
  users: [{ name: 'ada' }], clientCert: { mandatory: true, caPem: 'x', crlPem: 'y' }, title: 'The App', snippets: ['extra'],
};
const rows: ManagedVhostInput[] = [
  { hostName: 'web1', vhost: app, addedAt: toTimestamp(nowMs - 60_000), addedBy: 'ada' },
  {
    hostName: 'web1', vhost: { name: 'bad.example.org', listens: [{ address: '192.0.2.1', port: 8080 }], routes: [{ prefix: '/', php: { folder: '/srv/bad', socket: '/run/php/fpm.sock', frontController: '/index.php', denied: ['/private'] } }] },
    addedBy: 'bob', pending: true, pendingReason: 'x', parked: { name: 'bad.example.org', problem: 'line 3: unknown directive', servesBefore: true },
  },
  { hostName: 'web2', vhost: { name: 'old.example.org', listens: [{ port: 443, tls: true }], routes: [{ prefix: '/', redirect: { to: 'https://new.example.org', code: 308, keepPath: true } }], maintenance: true, retryAfterS: 300 }, addedBy: 'bob', pending: true, pendingReason: 'connection refused' },
];

const misfits = [
  { line: 12, text: 'auth_basic "inside";', reason: 'passwords of others are not read', matters: true },
  { line: 3, text: 'access_log /var/log/nginx/a.log;', reason: 'Reeve has a way of its own for it', matters: false },
  { line: 14, text: 'charset utf-8;', reason: 'the model has no word for it', matters: true, givenUp: true },
];

/** What the canned coordinator answers about sites. */
export function vhostAnswers(changeEvents: (results: readonly HostResultInput[]) => (request: { options: { mode: string; operationId: string } }) => ChangeEventInput[]): Handlers {
  return {
    'VhostService.AddVhost': changeEvents([served]),
    'VhostService.SetVhost': changeEvents([altered]),
    'VhostService.RemoveVhost': changeEvents([{ ...served, changes: [{ kind: 'CHANGE_KIND_REMOVE', noun: 'vhost', subject: 'app.example.org', diff: '--- a\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-server {}\n' }] }]),
    'VhostService.AdoptVhost': changeEvents([{ ...served, notes: ['app.example.org /: old 200, new 301'] }]),
    'VhostService.SetMaintenance': changeEvents([parked]),
    'VhostService.ListVhosts': () => ({ rows }),
    'VhostService.ShowVhost': () => ({ row: rows[0], state: 'edited', path: '/etc/nginx/reeve/current/app.example.org.conf', text: '# Managed by Reeve\nserver {\n    server_name "app.example.org";\n}\n' }),
    'VhostService.ObserveVhosts': () => ({
      engine: 'nginx 1.22.1', running: true, vhosts: [{ name: 'app.example.org', state: 'ok' }, { name: 'bad.example.org', state: 'edited' }], parked: [{ name: 'worse.example.org', problem: 'no', servesBefore: false }],
      foreign: [{ file: '/etc/nginx/sites-enabled/default', line: 21, names: ['_'], listens: ['80 default_server', '[::]:80 default_server'] }], truncated: true,
    }),
    'VhostService.ExamineSite': () => ({ vhosts: [app], misfits }),
    'VhostService.ReloadProxy': () => ({ engine: 'nginx 1.22.1' }),
  };
}
