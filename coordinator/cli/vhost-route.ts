import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseHostName } from '../../shared/model/host.js';
import { parseSiteName } from '../../shared/model/vhost-name.js';
import { parseRoutePrefix } from '../../shared/model/vhost-path.js';
import { requireDecided, runChange } from './change.js';
import { changeOptions, defineCommand, hostPositional, type Options } from './command.js';
import type { Context } from './context.js';
import { vhostService } from './service.js';
import { parseBoundEdit, parseRouteBounds } from './vhost-input.js';
import { boundOptions, boundUndoOptions, routeOptions, routeUndoOptions, siteOptions, targetOptions, undoExclusive } from './vhost-option.js';
import { readUsers } from './vhost-password.js';
import { flag, parseNewRoute, parseRouteEdit } from './vhost-target-input.js';

const options = {
  ...targetOptions,
  ...routeOptions,
  ...routeUndoOptions,
  ...boundOptions,
  'body-limit': { ...boundOptions['body-limit'], text: 'Largest request body: 50m, 2g; 0: as large as the client likes (default: that of the site)' },
  ...boundUndoOptions,
  open: { kind: 'flag', text: 'Nobody is asked for a password here, whoever the site asks' },
  'no-open': { kind: 'flag', text: 'Who is asked for one by the site is asked here, too' },
  overwrite: siteOptions.overwrite,
  ...changeOptions,
} as const;

/** `reeve vhost route add|set|remove`. */
export const route = defineCommand({
  path: 'vhost route',
  summary: 'Change what a site answers below a path',
  text:
    'The path of a route is for itself and all below it ("/app" for /app and /app/x, never for /apple); of several the longest is for a request. --allow, --user and --body-limit hold here instead of those of the site. ' +
    'With set, what is not named stays, and --allow takes the place of those before.',
  positionals: { action: { text: 'What is done', choices: ['add', 'set', 'remove'] }, host: hostPositional, name: { text: 'Name of the site: its first one', names: 'vhosts' }, prefix: { text: 'The path, without a slash at its end' } },
  options,
  exclusive: [['open', 'no-open'], ...undoExclusive.filter((pair) => pair.every((name) => name in options))],
  examples: [
    { line: 'reeve vhost route add web1 app.example.org /api --to http://app1:8000 --strip-prefix', text: 'The program sees /x for /api/x' },
    { line: 'reeve vhost route set web1 app.example.org /api --timeout 5m --no-strip-prefix', text: 'It may take longer, and sees the whole path' },
    { line: 'reeve vhost route remove web1 app.example.org /api', text: 'The path is for what is above it again' },
  ],
  run: async (context, args) => {
    const prefix = parseRoutePrefix('prefix', args.prefix);
    const overwrite = args.overwrite ? { overwrite: true } : {};
    const edit = { ...(await editOf(context, args.action, prefix, args)), ...overwrite };
    const request = { host: parseHostName(args.host), name: parseSiteName('name', args.name), edit };
    return runChange(context, args, (api, how) => api.stream(vhostService, 'SetVhost', { options: how, ...request }));
  },
});

/** What becomes of a site by a command about one of its routes. */
async function editOf(context: Context, action: string, prefix: string, args: Options<typeof options>) {
  switch (action) {
    case 'add': {
      refuse(args, [...Object.keys(routeUndoOptions), ...Object.keys(boundUndoOptions), 'no-open'], 'it goes with set');
      parseNewRoute(prefix, args, parseRouteBounds(args, args.open, []));
      requireDecided(context, args);
      return { addRoutes: [parseNewRoute(prefix, args, parseRouteBounds(args, args.open, await readUsers(context, args)))] };
    }
    case 'set': {
      const own = { ...parseRouteEdit(prefix, args), ...flag('open', args.open, args['no-open']) };
      const bounds = parseBoundEdit(args, []);
      if (args.user.length === 0 && Object.keys({ ...own, ...bounds }).length === 0) throw fieldMissing('what is to be altered', 'at least one option');
      requireDecided(context, args);
      return { setRoutes: [{ prefix, ...own, ...parseBoundEdit(args, await readUsers(context, args)) }] };
    }
    default:
      refuse(args, Object.keys(options).filter((name) => !(name in changeOptions) && name !== 'overwrite'), 'nothing goes with remove');
      return { removeRoutes: [prefix] };
  }
}

/** Errors: FIELD_INVALID when one of these was given. */
function refuse(args: Readonly<Record<string, unknown>>, names: readonly string[], rule: string): void {
  const given = names.find((name) => {
    const value = args[name];
    return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
  });
  if (given !== undefined) throw fieldInvalid(`--${given}`, 'given', rule);
}
