import type { OperationServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/OperationService.js';
import { reeveError } from '../../shared/errors/error.js';
import { parseId } from '../../shared/model/id.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { toDetail } from '../../shared/rpc/status.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import type { Coordinator } from '../access.js';
import type { Engine } from '../engine/engine.js';
import type { Host } from '../host/host.js';
import type { Journal } from '../journal/journal.js';
import { confirm } from './confirm.js';

/** What the service needs. */
export interface OperationServiceOptions {
  readonly journal: Journal;
  readonly engine: Engine;
  readonly host: Host;
  readonly hostName: string;
  /** When a connection was accepted, by the host's clock. */
  readonly openedAt: (peer: string) => number | undefined;
}

/** reeve.agent.v1.OperationService. */
export function operationService(options: OperationServiceOptions): Service<Coordinator> {
  const { journal, engine, host, hostName, openedAt } = options;
  return defineService<OperationServiceDefinition, Coordinator>('reeve.agent.v1.OperationService', {
    GetOperation: {
      roles: ['coordinator'], risk: 'read', rate: { perSecond: 20, burst: 100 }, maxBytes: 1024, deadlineMs: 10_000,
      handle: async (request) => {
        const id = parseId('operation id', request.operationId);
        const entry = journal.findOperation(id, request.method);
        if (entry === undefined) throw reeveError('OPERATION_UNKNOWN', { value: id });
        const base = { method: entry.method, receivedAt: toTimestamp(entry.receivedAt) };
        if (entry.endedAt === undefined) return { ...base, outcome: engine.isLive(entry) ? 'OUTCOME_RUNNING' : 'OUTCOME_UNKNOWN' };
        const ending = await journal.ending(entry);
        const ended = { ...base, endedAt: toTimestamp(entry.endedAt) };
        if (ending.kind === 'ok') return { ...ended, outcome: 'OUTCOME_OK', response: Buffer.from(ending.response) };
        return { ...ended, outcome: 'OUTCOME_FAILED', errors: ending.errors.map(toDetail) };
      },
    },
    Confirm: {
      roles: ['coordinator'], risk: 'change', rate: { perSecond: 5, burst: 20 }, maxBytes: 1024, deadlineMs: 30_000,
      handle: async (request, { peer }) => {
        await confirm({ journal, host, hostName }, { id: parseId('operation id', request.operationId), noun: request.noun, openedAt: openedAt(peer) });
        return {};
      },
    },
  });
}
