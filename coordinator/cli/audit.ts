import { vis } from '../../shared/model/vis.js';
import { answer } from './answer.js';
import { defineCommand, type Noun } from './command.js';
import { limitNumber } from './number.js';
import { auditService } from './service.js';
import { renderTable } from './table.js';
import { formatTime } from './time.js';

const list = defineCommand({
  path: 'audit list',
  summary: 'List the newest audit records',
  positionals: {},
  options: { limit: { kind: 'value', value: 'N', text: 'How many, 1 to 1000 (default: 50)' } },
  examples: [{ line: 'reeve audit list --limit 100', text: 'The last hundred' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(auditService, 'ListAudit', { limit: limitNumber(args.limit) });
    const rows = response.records.map((row) => [String(row.seq), formatTime(row.time), row.principal, row.phase, row.code, row.action, row.arguments]);
    return answer(context, response, () => renderTable(context.terminal, ['seq', 'time', 'who', 'phase', 'code', 'what', 'arguments'], rows, 'No records.'));
  },
});

const verify = defineCommand({
  path: 'audit verify',
  summary: 'Check the whole audit chain',
  text: 'Exit code 1 when a record was altered, or is missing.',
  positionals: {},
  options: {},
  examples: [{ line: 'reeve audit verify', text: 'Check every record' }],
  run: async (context) => {
    const response = await (await context.api()).call(auditService, 'VerifyAudit', {});
    const records = `${String(response.records)} ${response.records === 1 ? 'record' : 'records'}`;
    const where = response.firstBadSeq === 0 ? '' : ` at record ${String(response.firstBadSeq)}`;
    answer(context, response, () => (response.intact ? `The audit chain is whole: ${records}.\n` : `The audit chain is broken${where}: ${vis(response.reason)} (${records} checked)\n`));
    return response.intact ? 0 : 1;
  },
});

/** `reeve audit`. */
export const auditNoun: Noun = { name: 'audit', summary: 'Audit: every decision, in a hash chain', commands: [list, verify] };
