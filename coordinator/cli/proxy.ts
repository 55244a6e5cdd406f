import { parseHostName } from '../../shared/model/host.js';
import { vis } from '../../shared/model/vis.js';
import { answer } from './answer.js';
import { defineCommand, hostPositional, type Noun } from './command.js';
import { vhostService } from './service.js';

const reload = defineCommand({
  path: 'proxy reload',
  summary: 'Let the web server of a host read its configuration again',
  text: 'It is tested first, and no connection is cut.',
  positionals: { host: hostPositional },
  options: {},
  examples: [{ line: 'reeve proxy reload web1', text: 'After somebody altered a file of his own there' }],
  run: async (context, args) => {
    const host = parseHostName(args.host);
    const response = await (await context.api()).call(vhostService, 'ReloadProxy', { host });
    return answer(context, response, () => `${vis(response.engine)} of host "${host}" has read its configuration again.\n`);
  },
});

/** `reeve proxy`. */
export const proxyNoun: Noun = { name: 'proxy', summary: 'The web server that serves the sites of a host', commands: [reload] };
