import type { ErrorItem } from '../../shared/errors/error.js';
import { isWildcard } from '../../shared/model/vhost-name.js';
import type { Upstream } from '../../shared/model/vhost-upstream.js';
import type { Vhost } from '../../shared/model/vhost.js';
import type { Deny } from '../user/plan.js';

/** What the host's policy does not allow of a site, each once. `snippetSha` gives the sha256 of a snippet of the host; undefined: it is not there, or not known. */
export function siteRefusals(site: Vhost, deny: Deny, snippetSha: (name: string) => string | undefined): readonly ErrorItem[] {
  const found: ErrorItem[] = [];
  const ask = (operation: string, args: Parameters<Deny>[1]): void => {
    const denied = deny(operation, args);
    if (denied !== undefined) found.push({ code: denied.code, fields: denied.fields });
  };
  const reach = (to: Upstream): void => {
    if (to.kind === 'socket') ask('vhost.socket', { path: to.path });
    else ask('vhost.proxy', { to: to.address, port: String(to.port) });
  };
  // No word of a policy begins with "*": of a wildcard it is asked for what is behind that.
  for (const name of [site.name, ...site.aliases]) {
    const wildcard = isWildcard(name) ? 'yes' : 'no';
    for (const port of new Set(site.listens.map((listen) => listen.port))) ask('vhost.write', { name: name.replace(/^\*\./, ''), port: String(port), wildcard });
  }
  for (const route of site.routes) {
    switch (route.kind) {
      case 'proxy':
      case 'uwsgi':
      case 'fastcgi':
        reach(route.to);
        break;
      case 'php':
        ask('vhost.serve', { folder: route.folder });
        ask('vhost.socket', { path: route.socket });
        break;
      case 'static':
      case 'spa':
        ask('vhost.serve', { folder: route.folder });
        break;
      case 'redirect':
      case 'status':
        break;
    }
  }
  for (const name of site.snippets) ask('vhost.snippet', { name, sha256: snippetSha(name) });
  return [...new Map(found.map((item) => [JSON.stringify(item), item])).values()];
}
