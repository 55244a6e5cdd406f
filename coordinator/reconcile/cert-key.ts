import type { CertServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/CertService.js';
import { newId } from '../../shared/kit/id.js';
import { serviceName } from '../../shared/rpc/client.js';
import type { Fleet } from '../fleet/fleet.js';
import type { HostRow } from '../inventory/host.js';
import type { World } from '../world.js';
import { requireAble } from './able.js';
import { certNoun } from './cert.js';

const service = serviceName<CertServiceDefinition>('reeve.agent.v1.CertService');
const deadlineMs = 30_000;

/** Passes a private key on to its host, which keeps it for a day. Errors: HOST_UNREACHABLE, HOST_NOT_JOINED, VERSION_UNSUPPORTED, what the agent says. */
export async function sendKey({ world, fleet, host }: { readonly world: Pick<World, 'clock'>; readonly fleet: Fleet; readonly host: HostRow }, name: string, keyPem: Buffer): Promise<void> {
  requireAble(fleet.live(host.id), certNoun);
  await fleet.call(host, service, 'PutCertKey', { operationId: newId(world.clock.now()), name, keyPem }, { deadlineMs });
}
