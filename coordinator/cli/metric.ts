import { vis } from '../../shared/model/vis.js';
import { answer } from './answer.js';
import { defineCommand, type Noun } from './command.js';
import { metricService } from './service.js';

const token = defineCommand({
  path: 'metrics token',
  summary: 'Make the token with which Prometheus reads the metrics listener',
  text: 'The listener is opened by a line "metrics-bind" in /etc/reeve/reeved.conf. The token is shown once, reads metrics and nothing else, and replaces the one before.',
  positionals: {},
  options: { revoke: { kind: 'flag', text: 'End the token instead: nobody reads the metrics any more' } },
  examples: [
    { line: 'reeve metrics token > /etc/prometheus/reeve.token', text: 'A new token, into the file that credentials_file in prometheus.yml names' },
    { line: 'reeve metrics token --revoke', text: 'End it' },
  ],
  run: async (context, args) => {
    const api = await context.api();
    if (args.revoke) {
      const response = await api.call(metricService, 'RevokeMetricToken', {});
      return answer(context, response, () => (response.revoked ? 'The token is good for nothing any more.\n' : 'There was no token.\n'));
    }
    const response = await api.call(metricService, 'MakeMetricToken', {});
    // Beside the answer, so that a file it is written to holds the token alone.
    if (!context.json) context.terminal.err(response.listener === '' ? 'The metrics listener is off: add "metrics-bind 127.0.0.1" to /etc/reeve/reeved.conf and restart reeved.\n' : `It reads ${vis(response.listener)}; it is not shown again.\n`);
    return answer(context, response, () => `${vis(response.token)}\n`);
  },
});

/** `reeve metrics ...` */
export const metricNoun: Noun = { name: 'metrics', summary: 'Metrics of the fleet for Prometheus', commands: [token] };
