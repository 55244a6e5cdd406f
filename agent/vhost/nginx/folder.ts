import type { FolderRoute, PhpRoute } from '../../../shared/model/vhost-route.js';
import type { Vhost } from '../../../shared/model/vhost.js';
import { clientGuards, type Serving } from './access.js';
import { gatewayAddress, hidden, parameters, timeouts } from './gateway.js';
import { noAnswer } from './page.js';
import { below, escapeRegex } from './prefix.js';
import { block, directive, plain, returnIf, text, variable, type Directive, type Part } from './serialize.js';

/** Where the folder stands for the prefix: with "/" nothing has to be taken away from a path. */
function place({ prefix, folder }: FolderRoute | PhpRoute): Directive {
  return prefix === '/' ? directive('root', text(folder)) : directive('alias', text(`${folder}/`));
}

/** What begins with a dot is nobody's business (.git, .env, .htpasswd), but for what RFC 8615 is about. */
function hiddenFiles(prefix: string): Directive {
  return returnIf('uri', '~', plain(`(?s)^${escapeRegex(below(prefix))}(?:.*/)?\\.(?!well-known(?:/|\\z))`), 403);
}

/** The path of the prefix itself leads to the one with a slash, so that what a page names beside it is found. */
export function toFolder(prefix: string): readonly Directive[] {
  return [directive('return', 301, text(below(prefix), variable('is_args'), variable('args')))];
}

/** What is below the prefix of a folder, or of a folder with its index.html for all that is no file. */
export function folderDirectives(route: FolderRoute): readonly Directive[] {
  // A name without variables is looked for in the folder of an alias as it stands.
  const index = route.prefix === '/' ? '/index.html' : 'index.html';
  const fallback = route.kind === 'spa' ? [directive('try_files', '$uri', index, '=404')] : [];
  return [hiddenFiles(route.prefix), place(route), directive('index', 'index.html'), directive('autoindex', 'off'), ...fallback];
}

/**
 * What is below the prefix of a folder with PHP. Scripts have a location inside, which repeats what nginx does not inherit. `front`: the named location of the front controller; a path
 * would be cut by try_files where the folder is an alias.
 */
export function phpDirectives(serving: Serving, route: PhpRoute, front: string): readonly Directive[] {
  const script = route.frontController === undefined ? undefined : scriptPath(route, route.frontController);
  const refused = [hiddenFiles(route.prefix), ...route.denied.map((path) => returnIf('uri', '~', plain(`^${escapeRegex(below(route.prefix) + path.slice(1))}(?:/|\\z)`), 403))];
  const last = script === undefined ? '=404' : front;
  return [
    ...refused,
    place(route),
    directive('index', 'index.php', 'index.html', ...(script === undefined ? [] : [text(script)])),
    directive('autoindex', 'off'),
    directive('try_files', '$uri', '$uri/', last),
    block('location', ['~*', plain('\\.php\\z')], [...clientGuards(serving), ...refused, directive('try_files', '$uri', last), ...run(serving.site, route, [variable('document_uri')], [variable('request_filename')])]),
  ];
}

/** The front controller itself; none: there is none. */
export function frontDirectives(site: Vhost, route: PhpRoute): readonly Directive[] {
  const { frontController: script, folder } = route;
  return script === undefined ? [] : run(site, route, [scriptPath(route, script)], [`${folder}${script}`]);
}

function run(site: Vhost, route: PhpRoute, name: readonly Part[], file: readonly Part[]): readonly Directive[] {
  const own = [['SCRIPT_NAME', name], ['SCRIPT_FILENAME', file], ['DOCUMENT_ROOT', [route.folder]], ['GATEWAY_INTERFACE', ['CGI/1.1']], ['REDIRECT_STATUS', ['200']]] as const;
  return [
    directive('fastcgi_pass', text(gatewayAddress({ kind: 'socket', path: route.socket }))),
    ...parameters(site, route, own, 'fastcgi'),
    ...hidden(site, route, 'fastcgi'),
    ...timeouts(route.timeoutS, 'fastcgi'),
    ...noAnswer,
  ];
}

const scriptPath = ({ prefix }: PhpRoute, script: string): string => `${below(prefix)}${script.slice(1)}`;
