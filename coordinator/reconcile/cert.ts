import type { CertServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/CertService.js';
import type { WriteCertsResponse } from '../../shared/gen/proto/reeve/agent/v1/WriteCertsResponse.js';
import type { CertState as WireCertState } from '../../shared/gen/proto/reeve/type/v1/CertState.js';
import { ReeveError } from '../../shared/errors/error.js';
import { formatCert, mostCerts, parseCertState, type CertState } from '../../shared/model/cert.js';
import { parseChange } from '../../shared/model/change.js';
import { serviceName } from '../../shared/rpc/client.js';
import { parseHeld } from '../../shared/rpc/hold.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { desiredCerts } from '../desired/cert.js';
import { forgetCerts } from '../inventory/cert-forget.js';
import { certsOf, setCertStates, settleCerts } from '../inventory/cert.js';
import { announcedKeys } from './cert-coming.js';
import type { Applied, Noun } from './noun.js';

const service = serviceName<CertServiceDefinition>('reeve.agent.v1.CertService');
const deadlineMs = 300_000;

/** Most notes of one answer. */
const mostNotes = 100;

/** Noun cert: certificates of a host for its services. Keys are no part of it: see cert-key.ts. */
export const certNoun: Noun = {
  name: 'cert',
  method: 'reeve.agent.v1.CertService/WriteCerts',
  needs: { capability: 'cert', lack: 'it cannot manage certificates yet' },
  deadlineMs,
  desired: (db, hostId) => desiredCerts(certsOf(db, hostId)).map(formatCert),
  nothing: [] satisfies ReturnType<typeof formatCert>[],
  forget({ db }, hostId) {
    forgetCerts(db, hostId);
    return [];
  },
  async send({ fleet, host, world }, intent, desired) {
    const certs = desired as ReturnType<typeof formatCert>[];
    const coming = intent.mode === 'MODE_PLAN' ? announcedKeys(world.db, host.id) : [];
    const response = await fleet.call(host, service, 'WriteCerts', { intent, certs, coming }, { deadlineMs });
    return { ...fromResponse(response), notes: parseCertStates(response.certs).flatMap((state) => noteOf(host.name, state)).slice(0, mostNotes) };
  },
  decode: (response) => fromResponse(messageCodec<never, WriteCertsResponse>('reeve.agent.v1.WriteCertsResponse').decode(response)),
};

function fromResponse(response: WriteCertsResponse): Applied {
  return {
    changes: response.changes.slice(0, 10_000).map(parseChange),
    digest: response.digest,
    policyDigest: response.policyDigest,
    held: parseHeld(response.held),
    settle(db, hostId, generation, now) {
      settleCerts(db, hostId, generation);
      setCertStates(db, hostId, parseCertStates(response.certs), now);
    },
  };
}

/** What a person has to do about a certificate that is not as it was written. */
function noteOf(hostName: string, { name, state }: CertState): string[] {
  const set = `reeve cert set ${hostName} ${name}`;
  switch (state) {
    case 'ok':
      return [];
    case 'edited':
      return [`certificate "${name}" was altered by hand and stays so; to write over it: ${set} --overwrite`];
    case 'missing':
      return [`certificate "${name}" was taken away by hand; to put it back with its key: ${set} --cert FILE --key FILE`];
  }
}

/** What a host says of its certificates. What no agent says is left out. */
export function parseCertStates(wire: readonly WireCertState[]): readonly CertState[] {
  return wire.slice(0, mostCerts.certs).flatMap((state) => {
    try {
      return [parseCertState(state)];
    } catch (error) {
      if (error instanceof ReeveError) return [];
      throw error;
    }
  });
}
