import { reeveError } from '../../shared/errors/error.js';
import type { VhostEdit } from '../../shared/gen/proto/reeve/coordinator/v1/VhostEdit.js';
import type { VhostRouteEdit } from '../../shared/gen/proto/reeve/coordinator/v1/VhostRouteEdit.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import type { WireVhostRoute } from '../../shared/model/vhost-route.js';
import type { WireVhost } from '../../shared/model/vhost.js';

/**
 * A site as an edit leaves it. Both are of the wire: whoever stores it parses it. What an edit names that is not there is a mistake, and so is what it adds that is. `host` is
 * for messages. Errors: FIELD_INVALID, VHOST_EXISTS, VHOST_UNKNOWN.
 */
export function editVhost(vhost: WireVhost, edit: VhostEdit, host: string): WireVhost {
  const routes = editRoutes(vhost, edit, host);
  return {
    ...vhost,
    aliases: without('alias', [...vhost.aliases.filter((name) => !edit.addAliases.includes(name)), ...edit.addAliases], edit.removeAliases),
    listens: edit.listens === null ? vhost.listens : edit.listens.listens,
    defaultServer: edit.defaultServer ?? vhost.defaultServer,
    redirectHttps: edit.redirectHttps ?? vhost.redirectHttps,
    hstsS: edit.hstsS ?? vhost.hstsS,
    cert: edit.cert ?? vhost.cert,
    bodyLimitBytes: edit.bodyLimitBytes ?? vhost.bodyLimitBytes,
    allow: edit.allow === null ? vhost.allow : edit.allow.networks,
    users: named('user', vhost.users, edit.setUsers, edit.removeUsers),
    clientCert: clientCertOf(vhost, edit),
    title: edit.title ?? vhost.title,
    snippets: without('snippet', [...vhost.snippets.filter((name) => !edit.addSnippets.includes(name)), ...edit.addSnippets], edit.removeSnippets),
    routes,
    overwrite: edit.overwrite,
  };
}

function clientCertOf(vhost: WireVhost, edit: VhostEdit): WireVhost['clientCert'] {
  if (!edit.noClientCert) return edit.clientCert ?? vhost.clientCert;
  if (edit.clientCert !== null) throw fieldInvalid('client_cert', 'given', 'it cannot stand with no_client_cert');
  return null;
}

function editRoutes(vhost: WireVhost, edit: VhostEdit, host: string): WireVhostRoute[] {
  const routes = new Map(vhost.routes.map((route) => [route.prefix, route]));
  const unknown = (prefix: string): Error => reeveError('VHOST_UNKNOWN', { host, value: `${vhost.name}${prefix}` });
  for (const prefix of edit.removeRoutes) if (!routes.delete(prefix)) throw unknown(prefix);
  for (const route of edit.addRoutes) {
    if (routes.has(route.prefix)) throw reeveError('VHOST_EXISTS', { host, value: `with a route ${route.prefix}`, rule: `to alter it: reeve vhost route set ${host} ${vhost.name} ${route.prefix}` });
    routes.set(route.prefix, route);
  }
  for (const change of edit.setRoutes) {
    const route = routes.get(change.prefix);
    if (route === undefined) throw unknown(change.prefix);
    routes.set(change.prefix, editRoute(route, change));
  }
  return [...routes.values()];
}

/** Options that only some kinds of targets have. */
const options = { stripPrefix: false, keepEncoded: false, websocket: false, unbuffered: false, timeout: null } as const;

type OptionName = keyof typeof options;

const passing: readonly OptionName[] = ['stripPrefix', 'unbuffered', 'timeout'];

/** Kinds of targets, with the options that each has. */
const targets = { proxy: [...passing, 'keepEncoded', 'websocket'], uwsgi: passing, fastcgi: passing, php: ['timeout'], static: [], spa: [], redirect: [], status: [] } as const satisfies Record<string, readonly OptionName[]>;

const kinds = Object.keys(targets) as (keyof typeof targets)[];

function editRoute(route: WireVhostRoute, edit: VhostRouteEdit): WireVhostRoute {
  const { timeout } = edit;
  const silence = timeout === null ? undefined : timeout.seconds === 0 && timeout.nanos === 0 ? null : timeout;
  const bodyLimit = edit.bodyLimitBytes ?? route.bodyLimitBytes;
  const next = retarget(route, edit.target);
  return {
    ...next,
    stripPrefix: edit.stripPrefix ?? next.stripPrefix,
    // It goes with the cutting of a prefix.
    keepEncoded: edit.keepEncoded ?? (next.keepEncoded && edit.stripPrefix !== false),
    websocket: edit.websocket ?? next.websocket,
    unbuffered: edit.unbuffered ?? next.unbuffered,
    timeout: silence === undefined ? next.timeout : silence,
    headers: editHeaders(route, edit),
    allow: edit.allow === null ? route.allow : edit.allow.networks,
    users: named('user', route.users, edit.setUsers, edit.removeUsers),
    open: edit.open ?? route.open,
    ...(bodyLimit === undefined ? {} : { bodyLimitBytes: bodyLimit }),
  };
}

/** A route that leads elsewhere. Of the options that only some targets have those stay that the new one has, too. */
function retarget(route: WireVhostRoute, wanted: WireVhostRoute | null): WireVhostRoute {
  if (wanted === null) return route;
  const kind = kinds.find((name) => wanted[name] !== undefined && wanted[name] !== null);
  if (kind === undefined) throw fieldMissing('target', `one of ${kinds.join(', ')}`);
  const has: readonly string[] = targets[kind];
  const rest = Object.fromEntries(Object.entries(route).filter(([key]) => !kinds.some((name) => name === key))) as unknown as WireVhostRoute;
  const gone = Object.fromEntries(Object.entries(options).filter(([name]) => !has.includes(name)));
  return { ...rest, ...gone, [kind]: wanted[kind] };
}

function editHeaders(route: WireVhostRoute, edit: VhostRouteEdit): WireVhostRoute['headers'] {
  const known = route.headers.map(({ name, value }) => ({ name: name.toLowerCase(), header: { name, value } }));
  const gone = edit.removeHeaders.map((name) => name.toLowerCase());
  const missing = gone.find((name) => !known.some((row) => row.name === name));
  if (missing !== undefined) throw fieldInvalid('header', missing, 'one that the route has');
  const set = edit.setHeaders.map((header) => header.name.toLowerCase());
  return [...known.filter(({ name }) => !gone.includes(name) && !set.includes(name)).map(({ header }) => header), ...edit.setHeaders];
}

function named<T extends { readonly name: string }>(field: string, rows: readonly T[], set: readonly T[], remove: readonly string[]): T[] {
  const missing = remove.find((name) => !rows.some((row) => row.name === name));
  if (missing !== undefined) throw fieldInvalid(field, missing, 'one that is there');
  return [...rows.filter(({ name }) => !remove.includes(name) && !set.some((row) => row.name === name)), ...set];
}

function without(field: string, names: readonly string[], remove: readonly string[]): string[] {
  const missing = remove.find((name) => !names.includes(name));
  if (missing !== undefined) throw fieldInvalid(field, missing, 'one that is there');
  return names.filter((name) => !remove.includes(name));
}
