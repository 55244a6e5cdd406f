import type { WireVhostRoute } from '../../shared/model/vhost-route.js';
import { effective, effectiveOne, readTimeout, readUpstream, type LocationScope, type Place, type Surrounding } from './vhost-adopt-pass.js';
import { last, type SiteNode } from './vhost-adopt-tree.js';
import { isGatewayParam, isKnownInclude, isOwnWay } from './vhost-adopt-word.js';

/** What runs the scripts of a server. */
export interface PhpHandler {
  readonly socket: string;
  readonly timeout: WireVhostRoute['timeout'];
  /** Its own root; undefined: that of the server. */
  readonly root: string | undefined;
}

const scriptWords: ReadonlySet<string> = new Set(['fastcgi_pass', 'fastcgi_param', 'fastcgi_read_timeout', 'fastcgi_buffering', 'include', 'try_files', 'root', 'index', 'set']);

/** `location ~ \.php$ { ... }`; undefined: it cannot be said so. */
export function readPhp(node: SiteNode, server: readonly SiteNode[], around: Surrounding): PhpHandler | undefined {
  const { misfits } = around;
  const scope: LocationScope = { own: node.children, server };
  const pass = last(node.children, 'fastcgi_pass');
  if (pass === undefined) {
    misfits.lost(node, 'scripts are run by PHP-FPM, or are not served');
    return undefined;
  }
  for (const child of node.children) {
    if (child.name === 'include' ? !isKnownInclude(child) : child.name === 'fastcgi_param' ? !isGatewayParam(child) : !scriptWords.has(child.name) && !isOwnWay(child)) misfits.lost(child, 'scripts get the usual parameters only');
  }
  const to = readUpstream(pass, pass.args[0] ?? '', 9000, around);
  if (to === undefined) return undefined;
  if (to.socket === '') {
    misfits.lost(pass, 'PHP-FPM is reached by its Unix socket');
    return undefined;
  }
  return { socket: to.socket, timeout: readTimeout(scope, ['fastcgi_read_timeout'], misfits), root: last(node.children, 'root')?.args[0] };
}

/** A location that serves files; undefined: it cannot be said so. `php`: what runs the scripts among them. */
export function readFiles(node: SiteNode, scope: LocationScope, { place, php, around }: { readonly place: Place; readonly php: PhpHandler | undefined; readonly around: Surrounding }): Partial<WireVhostRoute> | undefined {
  const { misfits } = around;
  const { prefix } = place;
  const alias = last(scope.own, 'alias');
  const root = effectiveOne(scope, 'root')?.args[0] ?? php?.root;
  const folder = alias === undefined ? (root === undefined ? undefined : `${root.replace(/\/$/, '')}${prefix === '/' ? '' : prefix}`) : (alias.args[0] ?? '').replace(/\/$/, '');
  if (folder === undefined || folder.includes('$')) {
    misfits.lost(alias ?? node, folder === undefined ? 'nothing says what it answers' : 'a folder has no variables in its path');
    return undefined;
  }
  for (const auto of effective(scope, 'autoindex')) if (auto.args[0] === 'on') misfits.lost(auto, 'folders are not listed');
  const found = effectiveOne(scope, 'try_files');
  const fallback = found?.args.at(-1) ?? '=404';
  const inside = prefix === '/' || !fallback.startsWith(`${prefix}/`) ? fallback : fallback.slice(prefix.length);
  const script = /^(\/[^?$]+\.php)(?:\?.*)?$/.exec(inside)?.[1];
  if (php !== undefined) {
    if (script === undefined && !isNothing(fallback)) misfits.lost(found ?? node, 'paths without a file are for one script, or are not found');
    return { php: { folder, socket: php.socket, frontController: script ?? '', denied: [] }, timeout: php.timeout };
  }
  tellIndex(scope, around);
  if (isNothing(fallback)) return { static: { folder } };
  if (inside === '/index.html' && (prefix === '/' || inside !== fallback)) return { spa: { folder } };
  misfits.lost(found ?? node, 'paths without a file are for index.html of the folder, or are not found');
  return { static: { folder } };
}

/** Whether the last word of try_files only says that there is nothing else. */
function isNothing(fallback: string): boolean {
  return fallback === '=404' || fallback === '$uri' || fallback === '$uri/';
}

function tellIndex(scope: LocationScope, { misfits }: Surrounding): void {
  const index = effectiveOne(scope, 'index');
  if (index !== undefined && index.args.find((name) => !name.endsWith('.php')) !== 'index.html') misfits.lost(index, 'the file of a folder is its index.html');
}
