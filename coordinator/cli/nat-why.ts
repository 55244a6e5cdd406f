import type { ExplainNatResponse } from '../../shared/gen/proto/reeve/coordinator/v1/ExplainNatResponse.js';
import { vis } from '../../shared/model/vis.js';
import { answer } from './answer.js';
import { defineCommand } from './command.js';
import { renderForeignRules } from './nat-foreign-text.js';
import { parseHostPort } from './nat-input.js';
import { protocolText } from './nat-rule-text.js';
import { renderManagedNat } from './nat-text.js';
import { natService } from './service.js';
import { renderTable } from './table.js';
import type { Terminal } from './terminal.js';
import { formatTime } from './time.js';

/** `reeve why nat`. */
export const whyNat = defineCommand({
  path: 'why nat',
  summary: 'Why a port of a host is forwarded, or why not',
  text: 'What the inventory has of the port and who put it there, whether the host has it, and what others made there that claims the port. The way of a packet: reeve nat trace',
  positionals: { where: { text: 'HOST:tcp/PORT or HOST:udp/PORT' } },
  options: {},
  examples: [{ line: 'reeve why nat web1:tcp/8080', text: 'Why does port 8080 of web1 lead elsewhere?' }],
  run: async (context, args) => {
    const request = parseHostPort(args.where);
    const response = await (await context.api()).call(natService, 'ExplainNat', request);
    return answer(context, response, () => renderWhyNat(context.terminal, request, response));
  },
});

/** The port that was asked about. */
type Asked = ReturnType<typeof parseHostPort>;

function renderWhyNat(terminal: Pick<Terminal, 'color'>, asked: Asked, found: ExplainNatResponse): string {
  const rows = found.rows.length === 0 ? '' : renderManagedNat(terminal, found.rows, '');
  const records = found.records.map((record) => [formatTime(record.at), record.by, record.action, record.phase]);
  const parts = [
    `${verdictOf(asked, found)}\n${rows}`,
    ...(records.length === 0 ? [] : [renderTable(terminal, ['when', 'who', 'what', 'how it ended'], records, '')]),
    ...(found.foreign.length === 0 ? [] : [`Rules that Reeve did not make claim the port:\n${renderForeignRules(terminal, found.foreign, '')}`]),
  ];
  return parts.join('\n');
}

/** Whether the port is forwarded, as one or two sentences. */
function verdictOf({ host, protocol, port }: Asked, found: ExplainNatResponse): string {
  const name = `${protocolText(protocol)}/${String(port)}`;
  const what = `${name} of host "${host}"`;
  const apply = `To put it right: reeve apply --on ${host} --noun nat`;
  if (found.rows.length === 0) return `${what} is not forwarded by Reeve: the inventory has no forward of it.`;
  if (!found.rows.some((row) => row.enabled)) return `${what} is not forwarded by Reeve: its forward is disabled. To enable it: reeve nat enable ${host} ${name}`;
  if (found.rows.some((row) => row.enabled && row.pending)) return `${what} should be forwarded by Reeve, but the host still has to be told. See: reeve pending --on ${host}`;
  switch (found.state) {
    case 'confirmed':
      return `${what} is forwarded by Reeve.`;
    case 'pending':
      return `${what} is forwarded by Reeve, but the change is not confirmed yet; the host takes it back unless it is.`;
    case 'altered':
      return `${what} should be forwarded by Reeve, but somebody altered table inet reeve of the host. ${apply}`;
    case 'absent':
      return `${what} should be forwarded by Reeve, but the host has no table inet reeve. ${apply}`;
    case 'unknown':
      return `${what} should be forwarded by Reeve; whether it is, is not known: the host did not answer.`;
    default:
      return `${what} should be forwarded by Reeve; the host says of its table: ${vis(found.state)}.`;
  }
}
