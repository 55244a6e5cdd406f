import type { FolderRoute, PhpRoute } from '../../../shared/model/vhost-route.js';
import type { Vhost } from '../../../shared/model/vhost.js';
import { clientGuards } from './access.js';
import { gatewayAddress, hidden, parameters, timeouts } from './gateway.js';
import { noAnswer } from './page.js';
import { below, escapeRegex } from './prefix.js';
import { block, directive, plain, returnIf, text, variable, type Argument, type Directive } from './serialize.js';

/** Where the folder stands for the prefix: with "/" nothing has to be taken away from a path. */
function place({ prefix, folder }: FolderRoute | PhpRoute): Directive {
  return prefix === '/' ? directive('root', text(folder)) : directive('alias', text(`${folder}/`));
}

/** What begins with a dot is nobody's business (.git, .env, .htpasswd), but for what RFC 8615 is about. */
function hiddenFiles(prefix: string): Directive {
  return returnIf('uri', '~', plain(`(?s)^${escapeRegex(below(prefix))}(?:.*/)?\\.(?!well-known(?:/|\\z))`), 403);
}

/** The path of the prefix itself leads to the one with a slash, so that what a page names beside it is found. */
export function toFolder(site: Vhost, { prefix }: FolderRoute | PhpRoute): readonly Directive[] {
  return [...clientGuards(site), directive('return', 301, text(below(prefix), variable('is_args'), variable('args')))];
}

/** What is below the prefix of a folder, or of a folder with its index.html for all that is no file. */
export function folderDirectives(route: FolderRoute): readonly Directive[] {
  const { prefix } = route;
  const fallback = route.kind === 'spa' ? [directive('try_files', '$uri', text(`${below(prefix)}index.html`), '=404')] : [];
  return [hiddenFiles(prefix), place(route), directive('index', 'index.html'), directive('autoindex', 'off'), ...fallback];
}

/** What is below the prefix of a folder with PHP. Scripts have a location inside, which repeats what nginx does not inherit. */
export function phpDirectives(site: Vhost, route: PhpRoute): readonly Directive[] {
  const { prefix, frontController, denied } = route;
  const script = frontController === undefined ? undefined : `${below(prefix)}${frontController.slice(1)}`;
  const refused = [hiddenFiles(prefix), ...denied.map((path) => returnIf('uri', '~', plain(`^${escapeRegex(below(prefix) + path.slice(1))}(?:/|\\z)`), 403))];
  const last: Argument | string = script === undefined ? '=404' : text(script, variable('is_args'), variable('args'));
  const run = [
    ...clientGuards(site),
    ...refused,
    directive('try_files', '$uri', last),
    directive('fastcgi_pass', text(gatewayAddress({ kind: 'socket', path: route.socket }))),
    ...parameters(site, route, [
      ['SCRIPT_NAME', [variable('document_uri')]], ['SCRIPT_FILENAME', [variable('request_filename')]], ['DOCUMENT_ROOT', [route.folder]], ['GATEWAY_INTERFACE', ['CGI/1.1']], ['REDIRECT_STATUS', ['200']],
    ], 'fastcgi'),
    ...hidden(site, route, 'fastcgi'),
    ...timeouts(route.timeoutS, 'fastcgi'),
    ...noAnswer,
  ];
  return [
    ...refused,
    place(route),
    directive('index', 'index.php', 'index.html', ...(script === undefined ? [] : [text(script)])),
    directive('autoindex', 'off'),
    directive('try_files', '$uri', '$uri/', last),
    block('location', ['~*', plain('\\.php\\z')], run),
  ];
}
