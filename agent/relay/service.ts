import type { RelayServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/RelayService.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import type { Coordinator } from '../access.js';
import type { Engine } from '../engine/engine.js';
import type { RelayWork } from './apply.js';
import type { Relay } from './relay.js';

/** reeve.agent.v1.RelayService. */
export function relayService(options: { engine: Engine; work: RelayWork; relay: Relay }): Service<Coordinator> {
  const { engine, work, relay } = options;
  return defineService<RelayServiceDefinition, Coordinator>('reeve.agent.v1.RelayService', {
    ApplyRelay: {
      roles: ['coordinator'], risk: 'change', rate: { perSecond: 20, burst: 40 }, maxBytes: 1024 * 1024, deadlineMs: 60_000,
      handle: (request, context) => engine.run(work, request, context.signal),
    },
    Relay: {
      roles: ['coordinator'], risk: 'read', rate: { perSecond: 50, burst: 600 }, maxBytes: 64 * 1024 + 64, deadlineMs: 0,
      handle: (request, context, rest) => relay.pass(request, rest, context.signal),
    },
  });
}
