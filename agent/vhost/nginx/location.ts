import type { VhostRoute } from '../../../shared/model/vhost-route.js';
import { probePath } from '../../../shared/model/vhost-path.js';
import type { Vhost } from '../../../shared/model/vhost.js';
import { clientGuards, isRestricted, routeAccess } from './access.js';
import { redirectDirectives, statusDirectives } from './fixed.js';
import { folderDirectives, frontDirectives, phpDirectives, toFolder } from './folder.js';
import { gatewayDirectives } from './gateway.js';
import { maintenancePage, noAnswerPages } from './page.js';
import { below } from './prefix.js';
import { proxyDirectives } from './proxy.js';
import { block, directive, plain, returnIf, text, word, type Directive } from './serialize.js';

/** Where the host learns which model a site was made from, by asking it; others are told that there is nothing. */
export function probeLocation(modelSha: string): Directive {
  return block('location', ['=', plain(probePath)], [returnIf('reeve_local', '=', word(0), 404), directive('default_type', 'text/plain'), directive('return', 200, text(modelSha))]);
}

/** Strict-Transport-Security, where a server speaks TLS only. */
export function strictTransport(site: Vhost, tls: boolean): readonly Directive[] {
  return tls && site.hstsS > 0 ? [directive('add_header', 'Strict-Transport-Security', text(`max-age=${String(site.hstsS)}`), 'always')] : [];
}

/** All locations of a server but the probe. `tls`: it speaks nothing else. */
export function locations(site: Vhost, tls: boolean): readonly Directive[] {
  // A location with a header of its own does not inherit that of the server.
  if (site.maintenance !== undefined) return [block('location', [plain('/')], [...strictTransport(site, tls), ...maintenancePage(site, site.maintenance.retryAfterS)])];
  const rest = site.routes.some(({ prefix }) => prefix === '/') ? [] : [block('location', [plain('/')], [...clientGuards(site), directive('return', 404)])];
  const pages = site.routes.some(({ kind }) => kind === 'proxy' || kind === 'uwsgi' || kind === 'fastcgi' || kind === 'php') ? noAnswerPages(site) : [];
  return [...site.routes.flatMap((route, index) => routeLocations(site, route, index, tls)), ...rest, ...pages];
}

/** `/app` is one location for the path itself and one for all below: "/apple" is neither. The longest one is taken, whatever the order; "^~" keeps regular expressions of snippets out. */
function routeLocations(site: Vhost, route: VhostRoute, index: number, tls: boolean): readonly Directive[] {
  const named = `@reeve_r${String(index)}`;
  const headers = [...(route.headers.length === 0 ? [] : strictTransport(site, tls)), ...route.headers.map(({ name, value }) => directive('add_header', name, text(value), 'always'))];
  const limit = route.bodyLimitBytes === undefined ? [] : [directive('client_max_body_size', route.bodyLimitBytes)];
  const common = [...clientGuards(site), ...routeAccess(site, route), ...limit, ...headers];
  const { exact, inside, apart } = answersOf(site, route, named);
  return [
    ...(route.prefix === '/' ? [] : [block('location', ['=', plain(route.prefix)], exact === undefined ? [...clientGuards(site), ...toFolder(route.prefix)] : [...common, ...exact])]),
    block('location', route.prefix === '/' ? [plain('/')] : ['^~', plain(below(route.prefix))], [...common, ...inside]),
    ...(apart.length === 0 ? [] : [block('location', [named], [...common, ...apart])]),
  ];
}

/** What a route answers: for the prefix itself (undefined: it leads to the path with a slash), for what is below it, and in a location that only others lead to. */
interface Answers {
  readonly exact: readonly Directive[] | undefined;
  readonly inside: readonly Directive[];
  readonly apart: readonly Directive[];
}

function answersOf(site: Vhost, route: VhostRoute, named: string): Answers {
  switch (route.kind) {
    case 'proxy':
      return { exact: proxyDirectives(site, route, true), inside: proxyDirectives(site, route, false), apart: [] };
    case 'uwsgi':
    case 'fastcgi':
      return { exact: gatewayDirectives(site, route, true), inside: gatewayDirectives(site, route, false), apart: [] };
    case 'php':
      return { exact: undefined, inside: phpDirectives(site, route, named), apart: frontDirectives(site, route) };
    case 'static':
    case 'spa':
      return { exact: undefined, inside: folderDirectives(route), apart: [] };
    case 'redirect':
    case 'status': {
      const fixed = route.kind === 'redirect' ? redirectDirectives(route) : statusDirectives(route);
      if (!isRestricted(site, route)) return { exact: fixed, inside: fixed, apart: [] };
      // nginx answers with "return" before it looks at networks and passwords; try_files comes after both. There is nothing below a device.
      const later = [directive('try_files', '/dev/null/none', named)];
      return { exact: later, inside: later, apart: fixed };
    }
  }
}
