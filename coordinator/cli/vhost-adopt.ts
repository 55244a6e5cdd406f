import { fieldMissing } from '../../shared/model/field.js';
import { parseHostName } from '../../shared/model/host.js';
import { requireDecided, runChange } from './change.js';
import { changeExclusive, changeOptions, defineCommand, hostPositional } from './command.js';
import { parseNumber } from './number.js';
import { vhostService } from './service.js';
import { boundOptions } from './vhost-option.js';
import { parseUserNames, readUsers } from './vhost-password.js';
import { renderMisfits } from './vhost-text.js';

/** Most lines of one command. */
const mostLines = 5_000;

/** `reeve vhost adopt`. */
export const adopt = defineCommand({
  path: 'vhost adopt',
  summary: 'Take over the sites of a file that somebody else wrote',
  text:
    'What the file says is stored as far as the model goes. Lines that do not fit and change what clients get are told with the reason; nothing is done until each of them is given up with --without. ' +
    'The host asks old and new for the same and tells where the answers differ, then the file goes out of the web server\'s configuration in the same step, and is kept beside it.',
  positionals: { host: hostPositional, file: { text: 'Path of the file; see: reeve vhost foreign HOST' } },
  options: {
    without: { kind: 'value', value: 'LINE,...', text: 'Lines that are given up' },
    cert: { kind: 'value', value: 'NAME', text: 'A cert of the host for its sites with TLS (default: a self-signed one, when the line of the old certificate is given up)' },
    'accept-differences': { kind: 'flag', text: 'Take it over although old and new answer differently; what differs is told' },
    user: { ...boundOptions.user, text: 'Who may enter where the file asks for a password, which is asked for; may be repeated' },
    'password-stdin': boundOptions['password-stdin'],
    ...changeOptions,
  },
  exclusive: changeExclusive,
  examples: [
    { line: 'reeve vhost adopt web1 /etc/nginx/sites-enabled/app --plan', text: 'See what taking it over would do, and what does not fit' },
    { line: 'reeve vhost adopt web1 /etc/nginx/sites-enabled/app --cert app --without 12,30', text: 'Take it over, without two lines' },
  ],
  run: async (context, args) => {
    const host = parseHostName(args.host);
    const without = args.without === undefined ? [] : args.without.split(',').map((text) => parseNumber('--without', text, { min: 1, max: 1_000_000 })).slice(0, mostLines);
    if (!args.file.startsWith('/')) throw fieldMissing('the file', 'its absolute path on the host');
    parseUserNames(args.user);
    requireDecided(context, args);
    const request = { host, file: args.file, without, cert: args.cert ?? '', users: await readUsers(context, args) };
    const { vhosts, misfits } = await (await context.api()).call(vhostService, 'ExamineSite', request);
    if (!context.json) context.terminal.out(renderMisfits(context.terminal, misfits));
    return runChange(context, args, (api, options) => api.stream(vhostService, 'AdoptVhost', { options, ...request, acceptDifferences: args['accept-differences'] }), { vhosts, misfits });
  },
});
