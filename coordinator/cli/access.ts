import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseHostName } from '../../shared/model/host.js';
import { parsePersonName } from '../../shared/model/person.js';
import { parseTime } from '../../shared/model/time.js';
import { parseAccountName } from '../../shared/model/user.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { renderAccess, renderExplanation } from './access-text.js';
import { answer } from './answer.js';
import { defineCommand, type Noun } from './command.js';
import { accessService } from './service.js';

const access = defineCommand({
  path: 'access',
  summary: 'Who gets in where by SSH key, now or at a time',
  text: 'As the inventory has it. What else lets in on a host: reeve key foreign HOST',
  positionals: { person: { text: 'Name of a person; or --host', optional: true } },
  options: {
    host: { kind: 'value', value: 'HOST', names: 'hosts', text: 'Who gets in to this host' },
    user: { kind: 'value', value: 'NAME', text: 'With --host: only to this user' },
    at: { kind: 'value', value: 'TIME', text: 'At that time, in UTC: 2026-01-31 or 2026-01-31T09:05Z (default: now)' },
  },
  examples: [
    { line: 'reeve access ada', text: 'Where does ada get in?' },
    { line: 'reeve access --host web1 --user root', text: 'Who gets in as root of web1?' },
    { line: 'reeve access ada --at 2026-01-31T09:05Z', text: 'Where did she get in then?' },
  ],
  run: async (context, args) => {
    if ((args.person === undefined) === (args.host === undefined)) throw fieldMissing('whose access', 'either NAME of a person or --host');
    if (args.user !== undefined && args.host === undefined) throw fieldMissing('--host', 'the host of --user');
    const request = {
      ...(args.person === undefined ? {} : { person: parsePersonName(args.person) }),
      ...(args.host === undefined ? {} : { host: parseHostName(args.host) }),
      ...(args.user === undefined ? {} : { user: parseAccountName(args.user) }),
      ...(args.at === undefined ? {} : { at: toTimestamp(parseTime('--at', args.at)) }),
    };
    const response = await (await context.api()).call(accessService, 'ListAccess', request);
    return answer(context, response, () => renderAccess(context.terminal, response.access));
  },
});

/** `reeve why access`. */
export const whyAccess = defineCommand({
  path: 'why access',
  summary: 'Why a person gets in to a user of a host, or why not',
  positionals: { person: { text: 'Name of the person' }, where: { text: 'HOST:USER' } },
  options: {},
  examples: [{ line: 'reeve why access ada web1:root', text: 'Why does ada get in as root of web1?' }],
  run: async (context, args) => {
    const [host = '', user, more] = args.where.split(':');
    if (user === undefined || more !== undefined) throw fieldInvalid('where', args.where, 'HOST:USER, e.g. web1:root');
    const request = { person: parsePersonName(args.person), host: parseHostName(host), user: parseAccountName(user) };
    const response = await (await context.api()).call(accessService, 'ExplainAccess', request);
    return answer(context, response, () => renderExplanation(context.terminal, request, response));
  },
});

/** `reeve access`. */
export const accessNoun: Noun = { name: 'access', summary: access.summary, commands: [access] };
