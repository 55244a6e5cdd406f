import { parseDuration } from '../../shared/model/duration.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseHostName } from '../../shared/model/host.js';
import { parseSiteName } from '../../shared/model/vhost-name.js';
import { mostVhost } from '../../shared/model/vhost.js';
import { answer } from './answer.js';
import { requireDecided, runChange } from './change.js';
import { changeExclusive, changeOptions, defineCommand, hostPositional, on, type Noun } from './command.js';
import { selectorText } from './selector.js';
import { vhostService } from './service.js';
import { adopt } from './vhost-adopt.js';
import { parseSite, parseSiteEdit, readClientCert, type Read } from './vhost-input.js';
import { routeOptions, routeUndoOptions, siteOptions, siteUndoOptions, targetOptions, undoExclusive, vhostExclusive } from './vhost-option.js';
import { readUsers } from './vhost-password.js';
import { route } from './vhost-route.js';
import { parseNewRoute, parseRouteEdit } from './vhost-target-input.js';
import { renderForeignVhosts, renderManagedVhosts, renderShownVhost } from './vhost-text.js';

const site = { text: 'Name of the site: its first one', names: 'vhosts' } as const;

/** Nobody is asked and nothing is read while a line is looked at. */
const nothingRead: Read = { users: [], clientCert: null };

/** Who may enter the path of a site itself: whoever may enter the site. */
const noBounds = { allow: [], users: [], open: false };

const add = defineCommand({
  path: 'vhost add',
  summary: 'Add a site to the web front of a host',
  text:
    'The first name is the one it is known by; "*.example.org" stands for a whole domain where the policy of the host allows that. The host tests the site in a sandbox with all others, makes it live in one step, and asks for it by name; ' +
    'a site that does not pass is refused, the others are served all the time. More paths: reeve vhost route.',
  positionals: { host: hostPositional, name: { text: 'Name of the site, e.g. www.example.org' } },
  options: { ...targetOptions, ...routeOptions, ...siteOptions, ...changeOptions },
  exclusive: vhostExclusive,
  examples: [
    { line: 'reeve vhost add web1 app.example.org --to http://127.0.0.1:8080 --hsts 1y', text: 'A program of web1, with TLS by a self-signed certificate' },
    { line: 'reeve vhost add web1 shop.example.org --alias www.shop.example.org --to http://app1:8080 --websocket --cert shop', text: 'A program on another host of the inventory, whose address is followed' },
    { line: 'reeve vhost add web1 wiki.example.org --php /srv/wiki --php-socket /run/php/php8.2-fpm.sock --front-controller /index.php --deny /private', text: 'PHP' },
    { line: 'reeve vhost add web1 old.example.org --redirect https://new.example.org --keep-path --code 308 --no-tls', text: 'A site that has moved' },
    { line: 'reeve vhost add web1 intern.example.org --spa /srv/intern --allow 10.0.0.0/8 --user ada', text: 'For those inside, with a password that is asked for' },
  ],
  run: async (context, args) => {
    const host = parseHostName(args.host);
    const first = parseNewRoute('/', args, noBounds);
    parseSite(args.name, args, first, nothingRead);
    requireDecided(context, args);
    const vhost = parseSite(args.name, args, first, { users: await readUsers(context, args), clientCert: readClientCert(args) });
    return runChange(context, args, (api, options) => api.stream(vhostService, 'AddVhost', { options, host, vhost }));
  },
});

const set = defineCommand({
  path: 'vhost set',
  summary: 'Alter a site',
  text: 'What is not named stays. Options of a target and of a route are about the path "/"; for others: reeve vhost route set. --listen and --allow take the place of those before, --alias, --user, --snippet and --header are added.',
  positionals: { host: hostPositional, name: site },
  options: { ...targetOptions, ...routeOptions, ...routeUndoOptions, ...siteOptions, ...siteUndoOptions, ...changeOptions },
  exclusive: undoExclusive,
  examples: [
    { line: 'reeve vhost set web1 app.example.org --to http://127.0.0.1:8081 --timeout 5m', text: 'Another program' },
    { line: 'reeve vhost set web1 app.example.org --alias www.app.example.org --no-alias old.example.org', text: 'Other names' },
    { line: 'reeve vhost set web1 app.example.org --title App --overwrite', text: 'Also where somebody altered its file on the host' },
  ],
  run: async (context, args) => {
    const host = parseHostName(args.host);
    const name = parseSiteName('name', args.name);
    const own = parseRouteEdit('/', args);
    const edit = (read: Read) => ({ ...parseSiteEdit(args, read), ...(own === undefined ? {} : { setRoutes: [own] }) });
    const asked = args.user.length > 0 || args['client-ca'] !== undefined;
    if (!asked && Object.keys(edit(nothingRead)).length === 0) throw fieldMissing('what is to be altered', 'at least one option');
    requireDecided(context, args);
    const whole = edit({ users: await readUsers(context, args), clientCert: readClientCert(args) });
    return runChange(context, args, (api, options) => api.stream(vhostService, 'SetVhost', { options, host, name, edit: whole }));
  },
});

const remove = defineCommand({
  path: 'vhost remove',
  summary: 'Remove a site',
  positionals: { host: hostPositional, name: site },
  options: changeOptions,
  exclusive: changeExclusive,
  examples: [{ line: 'reeve vhost remove web1 app.example.org', text: 'web1 serves it no more' }],
  run: async (context, args) => {
    const request = { host: parseHostName(args.host), name: parseSiteName('name', args.name) };
    return runChange(context, args, (api, options) => api.stream(vhostService, 'RemoveVhost', { options, ...request }));
  },
});

const list = defineCommand({
  path: 'vhost list',
  summary: 'List sites as they should be, and what stands in their way',
  positionals: { host: { text: 'Name of a host; or --on', optional: true, names: 'hosts' } },
  options: { on },
  examples: [
    { line: 'reeve vhost list', text: 'All sites of the fleet' },
    { line: 'reeve vhost list web1', text: 'Those of web1' },
  ],
  run: async (context, args) => {
    if (args.host !== undefined && args.on !== undefined) throw fieldInvalid('--on', args.on, 'it cannot stand with the name of a host');
    const selector = args.host === undefined ? selectorText(args.on) : parseHostName(args.host);
    const response = await (await context.api()).call(vhostService, 'ListVhosts', { selector });
    return answer(context, response, () => renderManagedVhosts(context.terminal, response.rows, 'No sites. To add one: reeve vhost add HOST NAME --to URL'));
  },
});

const show = defineCommand({
  path: 'vhost show',
  summary: 'Show a site as it should be, and its file on the host, asked of it now',
  positionals: { host: hostPositional, name: site },
  options: {},
  examples: [{ line: 'reeve vhost show web1 app.example.org', text: 'What does web1 serve as app.example.org, and how?' }],
  run: async (context, args) => {
    const request = { host: parseHostName(args.host), name: parseSiteName('name', args.name) };
    const response = await (await context.api()).call(vhostService, 'ShowVhost', request);
    return answer(context, response, () => renderShownVhost(context.terminal, response));
  },
});

const foreign = defineCommand({
  path: 'vhost foreign',
  summary: 'List the sites of a host that others configured, asked of it now',
  text: 'Files of others are never touched, until "reeve vhost adopt" takes them over.',
  positionals: { host: hostPositional },
  options: {},
  examples: [{ line: 'reeve vhost foreign web1', text: 'What does web1 serve without Reeve?' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(vhostService, 'ObserveVhosts', { host: parseHostName(args.host) });
    return answer(context, response, () => renderForeignVhosts(context.terminal, response));
  },
});

const maintenance = defineCommand({
  path: 'vhost maintenance',
  summary: 'Answer all requests of a site with a page that says it is closed for maintenance, or end that',
  positionals: { state: { text: 'Whether it is closed', choices: ['on', 'off'] }, host: hostPositional, name: site },
  options: { 'retry-after': { kind: 'value', value: 'TIME', text: 'With on: when clients may come again, 1s to 1d (default: 30s)' }, ...changeOptions },
  exclusive: changeExclusive,
  examples: [
    { line: 'reeve vhost maintenance on web1 shop.example.org --retry-after 5m', text: 'The shop is closed for five minutes' },
    { line: 'reeve vhost maintenance off web1 shop.example.org', text: 'It is open again' },
  ],
  run: async (context, args) => {
    const closed = args.state === 'on';
    const text = args['retry-after'];
    if (text !== undefined && !closed) throw fieldInvalid('--retry-after', text, 'it goes with on');
    const retryAfterS = text === undefined ? 0 : parseDuration('--retry-after', text) / 1000;
    if (text !== undefined && retryAfterS > mostVhost.retryAfterS) throw fieldInvalid('--retry-after', text, '1s to 1d');
    const request = { host: parseHostName(args.host), name: parseSiteName('name', args.name), on: closed, retryAfterS };
    return runChange(context, args, (api, options) => api.stream(vhostService, 'SetMaintenance', { options, ...request }));
  },
});

/** `reeve vhost`. */
export const vhostNoun: Noun = { name: 'vhost', summary: 'Sites of the web front', commands: [add, set, route, remove, list, show, foreign, adopt, maintenance] };
