import { parseDuration } from '../../shared/model/duration.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseFolder, parseRoutePrefix, parseScript, parseSocket } from '../../shared/model/vhost-path.js';
import { formatWireTarget, parseRoute, parseStatusCode, type VhostTarget, type WireVhostRoute } from '../../shared/model/vhost-route.js';
import { parseTarget } from '../../shared/model/vhost-target.js';
import { parseHeader, parseHostHeader, parseLine, parseRedirect, parseRedirectCode } from '../../shared/model/vhost-text.js';
import { parseUpstreamRef } from '../../shared/model/vhost-upstream.js';
import { parseNumber } from './number.js';
import type { routeOptions, routeUndoOptions, targetOptions } from './vhost-option.js';
import type { Options } from './command.js';

/** What says where a route leads, as it was given. */
export type TargetArguments = Options<typeof targetOptions>;

/** What is said of a route besides, as it was given. */
export type RouteArguments = Options<typeof routeOptions>;

/** What is taken back of it. */
export type RouteUndoArguments = Options<typeof routeUndoOptions>;

const kinds = ['to', 'php', 'static', 'spa', 'redirect', 'status'] as const;

/** Options that go with one kind of target. */
const companions = { 'host-header': 'to', 'php-socket': 'php', 'front-controller': 'php', deny: 'php', code: 'redirect', 'keep-path': 'redirect', text: 'status' } as const;

const isGiven = (value: unknown): boolean => value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);

/** Where a route leads; undefined: nothing says it. Errors: FIELD_INVALID (several do, or something stands without what it goes with). */
export function parseTargetArguments(args: TargetArguments): VhostTarget | undefined {
  const [kind, more] = kinds.filter((name) => args[name] !== undefined);
  if (more !== undefined) throw fieldInvalid(`--${more}`, 'given', `it cannot stand with --${kind ?? ''}: a route leads to one place`);
  for (const [option, wanted] of Object.entries(companions)) {
    if (isGiven(args[option as keyof typeof companions]) && kind !== wanted) throw fieldInvalid(`--${option}`, 'given', `it goes with --${wanted}`);
  }
  const text = kind === undefined ? undefined : args[kind];
  if (kind === undefined || text === undefined) return undefined;
  switch (kind) {
    case 'to':
      return withHost(parseTarget('--to', text), args['host-header']);
    case 'php':
      return parsePhp(text, args);
    case 'static':
    case 'spa':
      return { kind, folder: parseFolder(`--${kind}`, text) };
    case 'redirect':
      return { kind, to: parseRedirect('--redirect', text), code: parseRedirectCode('--code', args.code === undefined ? 301 : parseNumber('--code', args.code, { min: 301, max: 308 })), keepPath: args['keep-path'] };
    case 'status':
      return { kind, code: parseStatusCode('--status', parseNumber('--status', text, { min: 200, max: 599 })), text: parseLine('--text', args.text ?? '', 1000) };
  }
}

function withHost(target: VhostTarget, header: string | undefined): VhostTarget {
  if (header === undefined) return target;
  if (target.kind !== 'proxy') throw fieldInvalid('--host-header', header, 'it goes with --to http://, https:// or unix:');
  return { ...target, hostHeader: parseHostHeader('--host-header', header) };
}

function parsePhp(folder: string, args: TargetArguments): VhostTarget {
  const socket = args['php-socket'];
  if (socket === undefined) throw fieldMissing('--php-socket', 'the socket of PHP-FPM, e.g. /run/php/php8.2-fpm.sock');
  const front = args['front-controller'];
  return {
    kind: 'php',
    folder: parseFolder('--php', folder),
    socket: parseSocket('--php-socket', socket),
    frontController: front === undefined ? undefined : parseScript('--front-controller', front),
    denied: args.deny.map((path) => parseRoutePrefix('--deny', path)),
  };
}

/** Who may enter by a route, as it is said for it instead of for the site. */
export type RouteBounds = Pick<WireVhostRoute, 'allow' | 'users' | 'open' | 'bodyLimitBytes'>;

/** A new route as the API takes it. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseNewRoute(prefix: string, args: TargetArguments & RouteArguments, bounds: RouteBounds): WireVhostRoute {
  const target = parseTargetArguments(args);
  if (target === undefined) throw fieldMissing('where it leads', `one of ${kinds.map((kind) => `--${kind}`).join(', ')}`);
  const route: WireVhostRoute = {
    prefix,
    ...formatWireTarget(target),
    stripPrefix: args['strip-prefix'],
    keepEncoded: args['keep-encoded'],
    websocket: args.websocket,
    unbuffered: args.unbuffered,
    timeout: parseTimeout(args.timeout) ?? null,
    headers: args.header.map((text) => parseHeader('--header', text)),
    ...bounds,
  };
  parseRoute(`route ${prefix}`, route, parseUpstreamRef);
  return route;
}

/** What becomes of a route, as the API takes it; undefined: nothing. Errors: FIELD_INVALID. */
export function parseRouteEdit(prefix: string, args: TargetArguments & RouteArguments & RouteUndoArguments): RouteEditInput | undefined {
  const target = parseTargetArguments(args);
  const timeout = parseTimeout(args.timeout);
  const edit: RouteEditInput = {
    ...(target === undefined ? {} : { target: { prefix, ...formatWireTarget(target) } }),
    ...flag('stripPrefix', args['strip-prefix'], args['no-strip-prefix']),
    ...flag('keepEncoded', args['keep-encoded'], args['no-keep-encoded']),
    ...flag('websocket', args.websocket, args['no-websocket']),
    ...flag('unbuffered', args.unbuffered, args['no-unbuffered']),
    ...(timeout === undefined ? {} : { timeout }),
    ...(args.header.length === 0 ? {} : { setHeaders: args.header.map((text) => parseHeader('--header', text)) }),
    ...(args['no-header'].length === 0 ? {} : { removeHeaders: [...args['no-header']] }),
  };
  return Object.keys(edit).length === 0 ? undefined : { prefix, ...edit };
}

/** An edit of a route, but for who may enter by it. */
export interface RouteEditInput {
  readonly prefix?: string;
  readonly target?: { readonly prefix: string } & ReturnType<typeof formatWireTarget>;
  readonly stripPrefix?: boolean;
  readonly keepEncoded?: boolean;
  readonly websocket?: boolean;
  readonly unbuffered?: boolean;
  readonly timeout?: { readonly seconds: number; readonly nanos: number };
  readonly setHeaders?: { readonly name: string; readonly value: string }[];
  readonly removeHeaders?: string[];
}

/** A field that an option sets or takes back; nothing: neither was given. */
export function flag<N extends string>(name: N, on: boolean, off: boolean): Partial<Record<N, boolean>> {
  return on || off ? ({ [name]: on } as Record<N, boolean>) : {};
}

function parseTimeout(text: string | undefined): { seconds: number; nanos: number } | undefined {
  if (text === undefined) return undefined;
  const seconds = parseDuration('--timeout', text) / 1000;
  if (seconds > 86_400) throw fieldInvalid('--timeout', text, '1s to 1d');
  return { seconds, nanos: 0 };
}
