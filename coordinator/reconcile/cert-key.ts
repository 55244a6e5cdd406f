import { reeveError } from '../../shared/errors/error.js';
import type { CertServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/CertService.js';
import { newId } from '../../shared/kit/id.js';
import { serviceName } from '../../shared/rpc/client.js';
import type { Fleet } from '../fleet/fleet.js';
import type { HostRow } from '../inventory/host.js';
import type { World } from '../world.js';
import { certNoun } from './cert.js';

const service = serviceName<CertServiceDefinition>('reeve.agent.v1.CertService');
const deadlineMs = 30_000;

/** Passes a private key on to its host, which keeps it for a day. Errors: HOST_UNREACHABLE, HOST_NOT_JOINED, VERSION_UNSUPPORTED, what the agent says. */
export async function sendKey({ world, fleet, host }: { readonly world: Pick<World, 'clock'>; readonly fleet: Fleet; readonly host: HostRow }, name: string, keyPem: Buffer): Promise<void> {
  const { state, status } = fleet.live(host.id);
  const { needs } = certNoun;
  if (needs !== undefined && state === 'connected' && status?.capabilities.includes(needs.capability) === false) throw reeveError('VERSION_UNSUPPORTED', { value: `${status.agentVersion} of the agent`, rule: needs.lack });
  await fleet.call(host, service, 'PutCertKey', { operationId: newId(world.clock.now()), name, keyPem }, { deadlineMs });
}
