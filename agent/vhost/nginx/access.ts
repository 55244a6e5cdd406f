import type { VhostRoute } from '../../../shared/model/vhost-route.js';
import type { VhostUser } from '../../../shared/model/vhost-user.js';
import { fileBase } from '../../../shared/model/vhost-name.js';
import type { Vhost } from '../../../shared/model/vhost.js';
import type { SiteFile } from '../engine.js';
import { directive, plain, returnIf, text, variable, type Directive } from './serialize.js';

/** The folder of the set in place, as nginx sees it. */
export const currentFolder = '/etc/nginx/reeve/current';

/** A server block of a site that answers. */
export interface Serving {
  readonly site: Vhost;
  /** It speaks nothing but TLS. */
  readonly tls: boolean;
}

/** Who may enter a route: its own, else those of the site; none: nobody is asked. */
export function usersOf(site: Vhost, route: VhostRoute): readonly VhostUser[] {
  if (route.open) return [];
  return route.users.length > 0 ? route.users : site.users;
}

/** Whether a route is for some networks or people only. nginx looks at them after its `return`. */
export function isRestricted(site: Vhost, route: VhostRoute): boolean {
  return usersOf(site, route).length > 0 || route.allow.length > 0 || site.allow.length > 0;
}

/** What the site says about access for all of its paths. */
export function siteAccess(site: Vhost): readonly Directive[] {
  return [...(site.allow.length + site.users.length > 0 ? [directive('satisfy', 'all')] : []), ...networks(site.allow), ...passwords(site, site.users, '')];
}

/** What a route says instead of the site; what it does not say is inherited. */
export function routeAccess(site: Vhost, route: VhostRoute): readonly Directive[] {
  const own = route.allow.length + route.users.length > 0 ? [directive('satisfy', 'all')] : [];
  return [...own, ...networks(route.allow), ...(route.open ? [directive('auth_basic', 'off')] : passwords(site, route.users, authNumber(site, route)))];
}

/**
 * What comes before everything else in each location but the probe of a site that asks for certificates of clients, where it speaks TLS. nginx checks them against the authorities
 * of the site that was named when the connection began, which has to be the one that is asked now: else the certificate of another site's client would count.
 */
export function clientGuards({ site, tls }: Serving): readonly Directive[] {
  if (site.clientCert === undefined || !tls) return [];
  const named = returnIf('ssl_server_name', '!=', text(variable('host')), 421);
  return site.clientCert.mandatory ? [returnIf('ssl_client_verify', '!=', plain('SUCCESS'), 403), named] : [named];
}

/** The files of names and hashes: of the site, and of each route that has its own. */
export function authFiles(site: Vhost): readonly SiteFile[] {
  const lists = [{ number: '', users: site.users }, ...site.routes.map((route) => ({ number: authNumber(site, route), users: route.users }))];
  return lists.filter(({ users }) => users.length > 0).map(({ number, users }) => ({ name: authFile(site, number), kind: 'auth', text: users.map(({ name, hash }) => `${name}:${hash}\n`).join('') }));
}

function networks(allow: readonly string[]): readonly Directive[] {
  return allow.length === 0 ? [] : [...allow.map((network) => directive('allow', plain(network))), directive('deny', 'all')];
}

function passwords(site: Vhost, users: readonly VhostUser[], number: string): readonly Directive[] {
  return users.length === 0 ? [] : [directive('auth_basic', text(site.name)), directive('auth_basic_user_file', text(`${currentFolder}/${authFile(site, number)}`))];
}

const authFile = (site: Vhost, number: string): string => `${fileBase(site.name)}.auth${number}`;

/**
 * The number of a route's file of users: made from its prefix, so that no other route has it when routes come and go. nginx opens these files with every request, and workers of
 * the configuration before still do for a while.
 */
function authNumber(site: Vhost, route: VhostRoute): string {
  const taken = new Set<number>();
  for (const { prefix } of site.routes) {
    let number = hashOf(prefix);
    while (taken.has(number)) number = (number % 0xffff_ffff) + 1;
    taken.add(number);
    if (prefix === route.prefix) return String(number);
  }
  return '';
}

/** FNV-1a with 32 bits, from 1. */
function hashOf(prefix: string): number {
  let hash = 0x811c9dc5;
  for (const character of prefix) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return ((hash >>> 0) % 0xffff_ffff) + 1;
}
