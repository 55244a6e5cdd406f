import { reeveError } from '../../shared/errors/error.js';
import type { ManifestServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/ManifestService.js';
import { sha256 } from '../../shared/kit/digest.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { getHost } from '../inventory/host.js';
import { manifestOf } from '../inventory/key-list.js';
import { raiseKeys } from '../inventory/key-touched.js';
import { writing } from '../inventory/write.js';
import type { Office } from '../office.js';
import { timedManifest } from '../reconcile/key.js';
import type { AgentCaller } from './identity.js';

/** What agents pull on their own. */
export function manifestService(office: Office): Service<AgentCaller> {
  return defineService<ManifestServiceDefinition, AgentCaller>('reeve.coordinator.v1.ManifestService', {
    GetManifest: {
      roles: ['agent'],
      risk: 'read',
      rate: { perSecond: 1 / 10, burst: 10 },
      maxBytes: 1_024,
      deadlineMs: 10_000,
      handle: (request, { principal }) => {
        const { db, clock, epoch } = office;
        const now = clock.now();
        if (manifestOf(db, principal.hostId)?.moved === true) {
          // The inventory has become another without this host having been told: a version never changes, so it gets the next one.
          writing(db, () => raiseKeys(db, [principal.hostId], { now }));
          office.converge(principal.hostId);
        }
        const found = manifestOf(db, principal.hostId);
        if (found === undefined) throw reeveError('KEY_UNMANAGED', { host: getHost(db, principal.hostId)?.name ?? principal.hostId });
        const { manifest } = found;
        const bytes = request.version === manifest.version ? Buffer.alloc(0) : codec().encode(timedManifest(manifest, now));
        return Promise.resolve({ manifest: bytes, sha256: sha256(bytes), epoch, time: toTimestamp(now) });
      },
    },
  });
}

const codec = () => messageCodec<ReturnType<typeof timedManifest>, never>('reeve.type.v1.KeyManifest');
