import { reeveError } from '../../shared/errors/error.js';
import type { AttachRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AttachRequest.js';
import type { AttachResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/AttachResponse.js';
import type { LinkServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/LinkService.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { formatFrame, parseFrame } from '../../shared/rpc/frame.js';
import type { Mux } from '../../shared/rpc/mux.js';
import { defineService, type CallContext, type Service } from '../../shared/rpc/server.js';
import { replacedReason } from '../fleet/attach.js';
import { noteInstance } from '../fleet/duplicate.js';
import { getHost } from '../inventory/host.js';
import type { Office } from '../office.js';
import { speakerOf, type AgentCaller } from './identity.js';

/** Agents that may only dial out. */
export function linkService(office: Office): Service<AgentCaller> {
  return defineService<LinkServiceDefinition, AgentCaller>('reeve.coordinator.v1.LinkService', {
    Attach: {
      roles: ['agent'],
      risk: 'read',
      rate: { perSecond: 1, burst: 20 },
      maxBytes: 64 * 1024 + 64,
      deadlineMs: 0,
      handle: (request, context, rest) => attach(office, request, context, rest),
    },
  });
}

/** Keeps a host attached until its agent goes, a newer one comes, or its right to be here ends. */
async function* attach(office: Office, request: AttachRequest, context: CallContext<AgentCaller>, rest: AsyncIterable<AttachRequest>): AsyncGenerator<AttachResponseInput> {
  const { hostId } = context.principal;
  if (request.hello !== true) throw fieldMissing('hello', 'the first message says that the agent is there');
  const host = getHost(office.db, hostId);
  if (host?.link !== 'dial-out') throw reeveError('LINK_REFUSED', { host: host?.name ?? hostId, value: host?.link ?? 'not known' });
  // Before the older way is closed: only over it can the agent that is watched prove that it lives.
  await noteInstance(office, office.fleet, hostId, speakerOf(request, context.peer, 'dials in'));
  let ended = '';
  const { mux } = office.fleet.attach(hostId, context.peer, (reason) => (ended = reason));
  const stop = (): void => mux.close('its right to be here ended, or it has gone');
  context.signal.addEventListener('abort', stop, { once: true });
  if (context.signal.aborted) stop();
  let problem: unknown;
  void receiveAll(mux, rest).catch((error: unknown) => {
    problem = error;
    mux.close('it broke the rules');
  });
  try {
    yield { connection: 0, hello: true };
    for await (const frame of mux.outgoing) yield formatFrame(frame);
  } finally {
    context.signal.removeEventListener('abort', stop);
    mux.close('its agent has gone');
  }
  if (problem !== undefined) throw problem as Error;
  if (ended === replacedReason) throw reeveError('LINK_REPLACED', { host: host.name });
}

async function receiveAll(mux: Mux, messages: AsyncIterable<AttachRequest>): Promise<void> {
  for await (const message of messages) {
    const frame = parseFrame(message);
    if (frame === undefined) throw fieldInvalid('message', message.message ?? 'none', 'data, end, close or credit of a virtual connection');
    mux.receive(frame);
  }
  mux.close('its agent has gone');
}
