import type { ReleaseServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ReleaseService.js';
import { defineService, type MethodRow, type Service } from '../../shared/rpc/server.js';
import type { Coordinator } from '../access.js';
import type { Engine } from '../engine/engine.js';
import type { ReleaseWork } from './apply.js';
import type { ReleaseState } from './state.js';

/** reeve.agent.v1.ReleaseService. */
export function releaseService(options: { engine: Engine; work: ReleaseWork }): Service<Coordinator> {
  const { engine, work } = options;
  return defineService<ReleaseServiceDefinition, Coordinator>('reeve.agent.v1.ReleaseService', {
    ApplyRelease: {
      roles: ['coordinator'], risk: 'change', rate: { perSecond: 1, burst: 10 }, maxBytes: 1024, deadlineMs: 120_000,
      handle: (request, context) => engine.run(work, request, context.signal),
    },
  });
}

/** Whether an intent may begin: a released host lets go of things, which is no change there, and does nothing else. Errors: HOST_RELEASED, BUSY. */
export function admitIntent(state: ReleaseState, noun: string, intent: { readonly release: boolean }): void {
  if (noun !== 'host' && !intent.release) state.requireManaged();
}

/** A service of a noun, of which a released host only offers letting go: HOST_RELEASED. */
export function whileManaged(service: Service<Coordinator>, state: ReleaseState): Service<Coordinator> {
  const guard = (row: MethodRow<never, unknown, Coordinator>): MethodRow<never, unknown, Coordinator> => ({
    ...row,
    handle: (request, context, rest) => {
      const { intent } = request as { readonly intent?: { readonly release: boolean } | null };
      if (intent?.release !== true) state.requireManaged();
      return row.handle(request, context, rest);
    },
  });
  return { name: service.name, rows: Object.fromEntries(Object.entries(service.rows).map(([method, row]) => [method, guard(row)])) };
}
