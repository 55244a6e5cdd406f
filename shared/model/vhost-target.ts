import { fieldInvalid, fieldMissing } from './field.js';
import { parseFolder, parseRoutePrefix, parseScript, parseSocket } from './vhost-path.js';
import { parseStatusCode, type VhostTarget } from './vhost-route.js';
import { parseLine, parseRedirect, parseRedirectCode } from './vhost-text.js';
import { formatUpstreamText, parseUpstreamText } from './vhost-upstream.js';

const rule = 'one of http://ADDRESS:PORT, https://HOST:PORT, unix:/SOCKET, uwsgi:ADDRESS:PORT, uwsgi:/SOCKET, fastcgi:..., php:/FOLDER,socket=/SOCKET, static:/FOLDER, spa:/FOLDER, redirect:URL, status:CODE';

/**
 * Where a route leads, of a person's hand. No form needs quotes in a shell, but for texts with blanks. HOST is a host of the inventory.
 *
 *     http://10.0.0.5:8080   https://web1:8443   http://[fd00::5]:8080   without a port: 80 or 443
 *     unix:/run/app.sock     https+unix:/run/app.sock                    HTTP over a Unix socket
 *     uwsgi:10.0.0.5:3031    uwsgi:/run/uwsgi/app.sock                   fastcgi: likewise
 *     php:/srv/www,socket=/run/php/php8.2-fpm.sock                       then, as wanted: ,front=/index.php and ,deny=/uploads (as often as needed)
 *     static:/srv/www        spa:/srv/app
 *     redirect:https://www.example.org/                                  301; redirect:308:URL, redirect:keep-path:URL, redirect:308,keep-path:URL
 *     status:404             status:410:Gone for good
 *
 * Errors: FIELD_INVALID, FIELD_MISSING.
 */
export function parseTarget(field: string, text: string): VhostTarget {
  if (text === '') throw fieldMissing(field, rule);
  const [scheme, rest] = splitAt(text, ':');
  if (rest === undefined) throw fieldInvalid(field, text, rule);
  switch (scheme) {
    case 'http':
    case 'https': {
      const place = /^\/\/([^/?#@]+)\/?$/.exec(rest)?.[1];
      if (place === undefined) throw fieldInvalid(field, text, `${scheme}://ADDRESS:PORT or ${scheme}://HOST:PORT without a path behind it; what is behind sees the path that the client asked for, or the rest with stripPrefix`);
      return { kind: 'proxy', to: parseUpstreamText(field, place, scheme === 'http' ? 80 : 443), tls: scheme === 'https' };
    }
    case 'unix':
    case 'https+unix':
      return { kind: 'proxy', to: { kind: 'socket', path: parseSocket(field, rest) }, tls: scheme === 'https+unix' };
    case 'uwsgi':
    case 'fastcgi':
      return { kind: scheme, to: rest.startsWith('/') ? { kind: 'socket', path: parseSocket(field, rest) } : parseUpstreamText(field, rest) };
    case 'php':
      return parsePhp(field, text, rest);
    case 'static':
    case 'spa':
      return { kind: scheme, folder: parseFolder(field, rest) };
    case 'redirect':
      return parseRedirectText(field, rest);
    case 'status': {
      const [code, said = ''] = splitAt(rest, ':');
      if (!/^[1-9][0-9]{2}$/.test(code)) throw fieldInvalid(field, text, 'status:CODE or status:CODE:TEXT');
      return { kind: 'status', code: parseStatusCode(field, Number(code)), text: parseLine(field, said, 1000) };
    }
    default:
      throw fieldInvalid(field, text, rule);
  }
}

/** As parseTarget takes it. */
export function formatTarget(target: VhostTarget): string {
  switch (target.kind) {
    case 'proxy':
      if (target.to.kind === 'socket') return `${target.tls ? 'https+' : ''}${formatUpstreamText(target.to)}`;
      return `${target.tls ? 'https' : 'http'}://${formatUpstreamText(target.to)}`;
    case 'uwsgi':
    case 'fastcgi':
      return `${target.kind}:${target.to.kind === 'socket' ? target.to.path : formatUpstreamText(target.to)}`;
    case 'php': {
      const front = target.frontController === undefined ? [] : [`front=${target.frontController}`];
      return [`php:${target.folder}`, `socket=${target.socket}`, ...front, ...target.denied.map((path) => `deny=${path}`)].join(',');
    }
    case 'static':
    case 'spa':
      return `${target.kind}:${target.folder}`;
    case 'redirect': {
      const options = [...(target.code === 301 ? [] : [String(target.code)]), ...(target.keepPath ? ['keep-path'] : [])];
      return `redirect:${options.length === 0 ? '' : `${options.join(',')}:`}${target.to}`;
    }
    case 'status':
      return `status:${String(target.code)}${target.text === '' ? '' : `:${target.text}`}`;
  }
}

function parsePhp(field: string, text: string, rest: string): VhostTarget {
  const [folder = '', ...options] = rest.split(',');
  let socket: string | undefined;
  let frontController: string | undefined;
  const denied: string[] = [];
  for (const option of options) {
    const [name, value = ''] = splitAt(option, '=');
    if (name === 'socket' && socket === undefined) socket = parseSocket(field, value);
    else if (name === 'front' && frontController === undefined) frontController = parseScript(field, value);
    else if (name === 'deny') denied.push(parseRoutePrefix(field, value));
    else throw fieldInvalid(field, text, 'php:/FOLDER,socket=/SOCKET with ",front=/SCRIPT.php" once and ",deny=/PATH" as often as needed');
  }
  if (socket === undefined) throw fieldInvalid(field, text, 'php:/FOLDER,socket=/SOCKET, e.g. php:/srv/www,socket=/run/php/php8.2-fpm.sock');
  return { kind: 'php', folder: parseFolder(field, folder), socket, frontController, denied: [...new Set(denied)].sort() };
}

function parseRedirectText(field: string, rest: string): VhostTarget {
  const match = /^([0-9]{3}|keep-path|[0-9]{3},keep-path):/.exec(rest);
  const options = match?.[1]?.split(',') ?? [];
  const code = options.find((option) => option !== 'keep-path');
  const to = match === null ? rest : rest.slice(match[0].length);
  return { kind: 'redirect', to: parseRedirect(field, to), code: code === undefined ? 301 : parseRedirectCode(field, Number(code)), keepPath: options.includes('keep-path') };
}

function splitAt(text: string, mark: string): [string, string?] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + mark.length)];
}
