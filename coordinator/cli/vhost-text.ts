import type { ManagedVhost } from '../../shared/gen/proto/reeve/coordinator/v1/ManagedVhost.js';
import type { ObserveVhostsResponse } from '../../shared/gen/proto/reeve/coordinator/v1/ObserveVhostsResponse.js';
import type { ShowVhostResponse } from '../../shared/gen/proto/reeve/coordinator/v1/ShowVhostResponse.js';
import type { SiteMisfit } from '../../shared/gen/proto/reeve/coordinator/v1/SiteMisfit.js';
import type { Vhost } from '../../shared/gen/proto/reeve/type/v1/Vhost.js';
import type { VhostListen } from '../../shared/gen/proto/reeve/type/v1/VhostListen.js';
import type { VhostParked } from '../../shared/gen/proto/reeve/type/v1/VhostParked.js';
import type { VhostRoute } from '../../shared/gen/proto/reeve/type/v1/VhostRoute.js';
import type { VhostUpstream } from '../../shared/gen/proto/reeve/type/v1/VhostUpstream.js';
import { formatListen } from '../../shared/model/vhost-listen.js';
import { vis } from '../../shared/model/vis.js';
import { renderFields, renderTable, type Cell } from './table.js';
import type { Terminal } from './terminal.js';

function listenText({ address, port, tls }: VhostListen): string {
  return formatListen({ address: address === '' ? undefined : address, port, tls });
}

function upstreamText({ address, port, socket, host }: VhostUpstream): string {
  if (socket !== '') return `unix:${socket}`;
  const where = host === '' ? address : host;
  return `${where.includes(':') ? `[${where}]` : where}:${String(port)}`;
}

/** Where a route leads, in a few words. */
export function targetText(route: VhostRoute): string {
  const { proxy, uwsgi, fastcgi, php, static: files, spa, redirect, status } = route;
  if (proxy) {
    const to = proxy.to === null ? '?' : upstreamText(proxy.to);
    return proxy.to !== null && proxy.to.socket !== '' ? `${proxy.tls ? 'https+' : ''}${to}` : `${proxy.tls ? 'https' : 'http'}://${to}`;
  }
  if (uwsgi) return `uwsgi:${uwsgi.socket === '' ? upstreamText(uwsgi) : uwsgi.socket}`;
  if (fastcgi) return `fastcgi:${fastcgi.socket === '' ? upstreamText(fastcgi) : fastcgi.socket}`;
  if (php) return `php ${php.folder}`;
  if (files) return `files of ${files.folder}`;
  if (spa) return `application in ${spa.folder}`;
  if (redirect) return `${String(redirect.code)} to ${redirect.to}${redirect.keepPath ? ' with the path' : ''}`;
  return status ? `always ${String(status.code)}` : '?';
}

function parkedText({ problem, servesBefore }: VhostParked): string {
  return `${servesBefore ? 'served as before' : 'not served'}: ${problem}`;
}

/** What is to be known of a site at a glance. */
function stateCell({ vhost, pending, pendingReason, parked }: ManagedVhost): Cell {
  const closed = vhost?.maintenance === true ? ['maintenance'] : [];
  if (parked !== null) return { text: [...closed, parkedText(parked)].join(', '), tone: 'red' };
  if (pending) return { text: [...closed, `pending${pendingReason === '' ? '' : `: ${pendingReason}`}`].join(', '), tone: 'yellow' };
  return closed.length === 0 ? '' : { text: 'maintenance', tone: 'yellow' };
}

function counted(first: string, more: number, word: string): string {
  return more === 0 ? first : `${first} (+${String(more)} ${word}${more === 1 ? '' : 's'})`;
}

/** Sites of the inventory as a table. */
export function renderManagedVhosts(terminal: Pick<Terminal, 'color'>, rows: readonly ManagedVhost[], none: string): string {
  const cells = rows.map((row): Cell[] => {
    const { vhost } = row;
    if (vhost === null) return [row.hostName];
    const whole = vhost.routes.find(({ prefix }) => prefix === '/') ?? vhost.routes[0];
    const to = whole === undefined ? '' : counted(targetText(whole), vhost.routes.length - 1, 'route');
    return [row.hostName, counted(vhost.name, vhost.aliases.length, 'name'), vhost.listens.map(listenText).join(' '), certText(vhost), to, stateCell(row)];
  });
  return renderTable(terminal, ['host', 'site', 'listens', 'cert', 'to', 'state'], cells, none);
}

function certText({ listens, cert }: Vhost): string {
  if (!listens.some(({ tls }) => tls)) return '';
  return cert === '' ? 'self-signed' : cert;
}

/** What the states of a site's file mean. */
const states: Readonly<Record<string, Cell>> = {
  ok: { text: 'as Reeve wrote it', tone: 'green' },
  edited: { text: 'altered by hand', tone: 'red' },
  missing: { text: 'taken away by hand', tone: 'red' },
  expiring: { text: 'as Reeve wrote it; its self-signed certificate is about to be made anew', tone: 'yellow' },
  absent: 'there is none',
  unknown: { text: 'not known', tone: 'yellow' },
};

/** One site: as it should be, and its file. */
export function renderShownVhost(terminal: Pick<Terminal, 'color'>, { row, state, path, text, problem }: ShowVhostResponse): string {
  if (row === null) return '';
  const known = Object.hasOwn(states, state) ? states[state] : undefined;
  const file = renderFields(terminal, [
    ['file', path],
    ['file is', known ?? state],
    ['not asked', problem === '' ? undefined : { text: problem, tone: 'yellow' }],
  ]);
  const lines = text === '' ? '' : `\n${text.replace(/\n$/, '').split('\n').map((line) => `  ${vis(line)}\n`).join('')}`;
  return `${renderVhost(terminal, row)}\n${file}${lines}`;
}

function renderVhost(terminal: Pick<Terminal, 'color'>, row: ManagedVhost): string {
  const { vhost } = row;
  if (vhost === null) return '';
  const { clientCert, users, hstsS } = vhost;
  const state = stateCell(row);
  const fields = renderFields(terminal, [
    ['host', row.hostName],
    ['site', vhost.name],
    ['other names', vhost.aliases.join(' ')],
    ['listens', vhost.listens.map(listenText).join(' ')],
    ['default server', vhost.defaultServer ? 'yes' : ''],
    ['cert', certText(vhost)],
    ['without TLS', vhost.redirectHttps ? 'sent to TLS' : ''],
    ['HSTS', hstsS === 0 ? '' : `${String(hstsS)} s`],
    ['body limit', vhost.bodyLimitBytes === 0 ? 'none' : `${String(vhost.bodyLimitBytes)} bytes`],
    ['only from', vhost.allow.join(' ')],
    ['users', users.map(({ name }) => name).join(' ')],
    ['client certificates', clientCert === null ? '' : `${clientCert.mandatory ? 'mandatory' : 'optional'}${clientCert.crlPem === '' ? '' : ', with a revocation list'}`],
    ['title', vhost.title],
    ['snippets', vhost.snippets.join(' ')],
    ['maintenance', vhost.maintenance ? { text: `yes; clients may come again after ${String(vhost.retryAfterS)} s`, tone: 'yellow' } : ''],
    ['state', state === '' ? { text: 'as wanted, as far as is known', tone: 'green' } : state],
    ['added by', row.addedBy],
  ]);
  return `${fields}\n${renderTable(terminal, ['path', 'to', 'how'], vhost.routes.map((route): Cell[] => [route.prefix, targetText(route), howText(route)]), 'No routes.')}`;
}

/** What is said of a route besides where it leads. */
function howText(route: VhostRoute): string {
  const { timeout, headers, allow, users, php, proxy } = route;
  return [
    ...(route.stripPrefix ? [route.keepEncoded ? 'strip prefix, keep encoded' : 'strip prefix'] : []),
    ...(route.websocket ? ['websocket'] : []),
    ...(route.unbuffered ? ['unbuffered'] : []),
    ...(timeout === null ? [] : [`timeout ${String(timeout.seconds)} s`]),
    ...(proxy && proxy.hostHeader !== '' ? [`Host ${proxy.hostHeader}`] : []),
    ...(php ? [`socket ${php.socket}`, ...(php.frontController === '' ? [] : [`front ${php.frontController}`]), ...php.denied.map((path) => `deny ${path}`)] : []),
    ...headers.map(({ name, value }) => `${name}: ${value}`),
    ...(allow.length === 0 ? [] : [`only from ${allow.join(' ')}`]),
    ...(users.length === 0 ? [] : [`users ${users.map(({ name }) => name).join(' ')}`]),
    ...(route.open ? ['open'] : []),
    ...(route.bodyLimitBytes === undefined ? [] : [`body limit ${String(route.bodyLimitBytes)} bytes`]),
  ].join('; ');
}

/** The web server of a host, its own sites that are not as wanted, and those of others. */
export function renderForeignVhosts(terminal: Pick<Terminal, 'color'>, found: ObserveVhostsResponse): string {
  const server = found.engine === '' ? { text: 'there is none', tone: 'red' as const } : found.running ? found.engine : { text: `${found.engine}, which does not run`, tone: 'red' as const };
  const altered = found.vhosts.filter(({ state }) => state !== 'ok').map(({ name, state }): Cell[] => [name, (Object.hasOwn(states, state) ? states[state] : undefined) ?? state]);
  const parked = found.parked.map((row): Cell[] => [row.name, { text: parkedText(row), tone: 'red' }]);
  const rows = found.foreign.map(({ file, line, names, listens }): Cell[] => [file, String(line), names.join(' '), listens.join(', ')]);
  return [
    renderFields(terminal, [['web server', server], ['sites of Reeve', String(found.vhosts.length)]]),
    altered.length + parked.length === 0 ? '' : `\n${renderTable(terminal, ['site', 'state'], [...altered, ...parked], '')}`,
    '\n',
    renderTable(terminal, ['file', 'line', 'names', 'listens'], rows, 'No sites of others.'),
    found.truncated ? 'There is more than is shown.\n' : '',
  ].join('');
}

/** What of a file is left out, but for what nothing is done before it is given up: errors tell of that. */
export function renderMisfits(terminal: Pick<Terminal, 'color'>, misfits: readonly SiteMisfit[]): string {
  const shown = misfits.filter(({ matters, givenUp }) => !matters || givenUp);
  if (shown.length === 0) return '';
  const rows = shown.map(({ line, text, reason, givenUp }): Cell[] => [String(line), text, reason, givenUp ? { text: 'given up', tone: 'yellow' } : { text: 'no difference', tone: 'dim' }]);
  return `Left out:\n${renderTable(terminal, ['line', 'directive', 'why', ''], rows, '')}`;
}
