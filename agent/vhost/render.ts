import type { FieldChange } from '../../shared/model/change.js';
import { formatListen } from '../../shared/model/vhost-listen.js';
import { usualTimeoutS, type VhostRoute } from '../../shared/model/vhost-route.js';
import { formatHeader } from '../../shared/model/vhost-text.js';
import { formatUpstreamText } from '../../shared/model/vhost-upstream.js';
import type { VhostUser } from '../../shared/model/vhost-user.js';
import type { Vhost } from '../../shared/model/vhost.js';

/** A short text that differs where two texts do. */
export type Fingerprint = (text: string) => string;

/** What differs between two models of a site, in a fixed order; undefined: there is none. */
export function renderFields(before: Vhost | undefined, after: Vhost | undefined, fingerprint: Fingerprint): readonly FieldChange[] {
  const [from, to] = [fieldsOf(before, fingerprint), fieldsOf(after, fingerprint)];
  return [...new Set([...from.keys(), ...to.keys()])]
    .map((field): FieldChange => ({ field, from: from.get(field) ?? '', to: to.get(field) ?? '' }))
    .filter((change) => change.from !== change.to);
}

function fieldsOf(site: Vhost | undefined, fingerprint: Fingerprint): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  if (site === undefined) return fields;
  const set = (field: string, text: string): void => {
    if (text !== '') fields.set(field, text);
  };
  set('aliases', site.aliases.join(' '));
  set('listen', site.listens.map(formatListen).join(' '));
  set('default server', yes(site.defaultServer));
  set('redirect to https', yes(site.redirectHttps));
  set('hsts', site.hstsS === 0 ? '' : `${String(site.hstsS)} s`);
  set('certificate', site.listens.some(({ tls }) => tls) ? (site.cert ?? 'self-signed') : '');
  for (const route of site.routes) set(`route ${route.prefix}`, routeText(route, fingerprint));
  set('body limit', limitText(site.bodyLimitBytes));
  set('allow', site.allow.join(' '));
  set('users', usersText(site.users, fingerprint));
  set('client certificates', site.clientCert === undefined ? '' : `${site.clientCert.mandatory ? 'mandatory' : 'optional'} (${fingerprint(`${site.clientCert.caPem}${site.clientCert.crlPem ?? ''}`)})`);
  set('title', site.title ?? '');
  set('maintenance', site.maintenance === undefined ? '' : `retry after ${String(site.maintenance.retryAfterS)} s`);
  set('snippets', site.snippets.join(' '));
  return fields;
}

function routeText(route: VhostRoute, fingerprint: Fingerprint): string {
  const options = [
    ...('stripPrefix' in route ? [word(route.stripPrefix, 'prefix stripped'), word(route.unbuffered, 'unbuffered')] : []),
    ...(route.kind === 'proxy' ? [word(route.keepEncoded, 'encoded as sent'), word(route.websocket, 'websockets'), route.hostHeader === undefined ? '' : `host ${route.hostHeader}`] : []),
    ...('timeoutS' in route && route.timeoutS !== usualTimeoutS ? [`timeout ${String(route.timeoutS)} s`] : []),
    ...route.headers.map((header) => `header ${formatHeader(header)}`),
    route.allow.length === 0 ? '' : `allow ${route.allow.join(' ')}`,
    route.users.length === 0 ? '' : `users ${usersText(route.users, fingerprint)}`,
    word(route.open, 'open'),
    route.bodyLimitBytes === undefined ? '' : `body limit ${limitText(route.bodyLimitBytes)}`,
  ].filter((text) => text !== '');
  return [targetText(route), ...options].join(', ');
}

function targetText(route: VhostRoute): string {
  switch (route.kind) {
    case 'proxy':
      return `${route.tls ? 'https' : 'http'}://${formatUpstreamText(route.to)}`;
    case 'uwsgi':
    case 'fastcgi':
      return `${route.kind} ${formatUpstreamText(route.to)}`;
    case 'php': {
      const denied = route.denied.length === 0 ? '' : `, denied ${route.denied.join(' ')}`;
      return `php ${route.folder} by ${route.socket}${route.frontController === undefined ? '' : `, else ${route.frontController}`}${denied}`;
    }
    case 'static':
    case 'spa':
      return `${route.kind} ${route.folder}`;
    case 'redirect':
      return `${String(route.code)} to ${route.to}${route.keepPath ? ' with the path' : ''}`;
    case 'status':
      return `${String(route.code)}${route.text === '' ? '' : ` "${route.text}"`}`;
  }
}

/** Names, and what tells one password from another. */
function usersText(users: readonly VhostUser[], fingerprint: Fingerprint): string {
  return users.map(({ name, hash }) => `${name} (${fingerprint(hash)})`).join(' ');
}

function limitText(bytes: number): string {
  return bytes === 0 ? 'none' : `${String(bytes)} bytes`;
}

function yes(set: boolean): string {
  return word(set, 'yes');
}

function word(set: boolean, text: string): string {
  return set ? text : '';
}
