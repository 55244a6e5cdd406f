import type { VhostRoute } from '../../../shared/model/vhost-route.js';
import { probePath } from '../../../shared/model/vhost-path.js';
import { clientGuards, isRestricted, routeAccess, type Serving } from './access.js';
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
export function strictTransport({ site, tls }: Serving): readonly Directive[] {
  return tls && site.hstsS > 0 ? [directive('add_header', 'Strict-Transport-Security', text(`max-age=${String(site.hstsS)}`), 'always')] : [];
}

/** All locations of a server but the probe. */
export function locations(serving: Serving): readonly Directive[] {
  const { site } = serving;
  // A location with a header of its own does not inherit that of the server.
  if (site.maintenance !== undefined) return [block('location', [plain('/')], [...strictTransport(serving), ...maintenancePage(site, site.maintenance.retryAfterS)])];
  const rest = site.routes.some(({ prefix }) => prefix === '/') ? [] : [block('location', [plain('/')], [...clientGuards(serving), directive('return', 404)])];
  const pages = site.routes.some(({ kind }) => kind === 'proxy' || kind === 'uwsgi' || kind === 'fastcgi' || kind === 'php') ? noAnswerPages(site) : [];
  return [...site.routes.flatMap((route, index) => routeLocations(serving, route, index)), ...rest, ...pages];
}

/** `/app` is one location for the path itself and one for all below: "/apple" is neither. The longest one is taken, whatever the order; "^~" keeps regular expressions of snippets out. */
function routeLocations(serving: Serving, route: VhostRoute, index: number): readonly Directive[] {
  const { site } = serving;
  const named = `@reeve_r${String(index)}`;
  const guards = clientGuards(serving);
  const headers = [...(route.headers.length === 0 ? [] : strictTransport(serving)), ...route.headers.map(({ name, value }) => directive('add_header', name, text(value), 'always'))];
  const limit = route.bodyLimitBytes === undefined ? [] : [directive('client_max_body_size', route.bodyLimitBytes)];
  const common = [...guards, ...routeAccess(site, route), ...limit, ...headers];
  const { exact, inside, apart } = answersOf(serving, route, named);
  return [
    ...(route.prefix === '/' ? [] : [block('location', ['=', plain(route.prefix)], exact === undefined ? [...guards, ...toFolder(route.prefix)] : [...common, ...exact])]),
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

function answersOf(serving: Serving, route: VhostRoute, named: string): Answers {
  const { site } = serving;
  switch (route.kind) {
    case 'proxy':
      return { exact: proxyDirectives(site, route, true), inside: proxyDirectives(site, route, false), apart: [] };
    case 'uwsgi':
    case 'fastcgi':
      return { exact: gatewayDirectives(site, route, true), inside: gatewayDirectives(site, route, false), apart: [] };
    case 'php':
      return { exact: undefined, inside: phpDirectives(serving, route, named), apart: frontDirectives(site, route) };
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
