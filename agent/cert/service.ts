import { reeveError } from '../../shared/errors/error.js';
import type { CertServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/CertService.js';
import type { ObserveCertsResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ObserveCertsResponse.js';
import type { PutCertKeyRequest } from '../../shared/gen/proto/reeve/agent/v1/PutCertKeyRequest.js';
import type { PutCertKeyResponseInput } from '../../shared/gen/proto/reeve/agent/v1/PutCertKeyResponse.js';
import { nounDigest } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import { checkPrivateKey, exportPrivateKey } from '../../shared/kit/private-key.js';
import { formatCertState, mostCerts, parseCertName } from '../../shared/model/cert.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseId } from '../../shared/model/id.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import type { Coordinator } from '../access.js';
import { withHost } from '../engine/apply.js';
import type { Engine } from '../engine/engine.js';
import type { Host } from '../host/host.js';
import { policyProblem, readHostPolicy, requirePolicy, usablePolicy } from '../policy/policy.js';
import { modelOf, type CertWork } from './apply.js';
import { observeCerts } from './observe.js';

/** What CertService needs. */
export interface CertServiceOptions {
  readonly engine: Engine;
  readonly work: CertWork;
  readonly host: Host;
  readonly hostName: string;
}

/** reeve.agent.v1.CertService. */
export function certService(options: CertServiceOptions): Service<Coordinator> {
  const { engine, work } = options;
  return defineService<CertServiceDefinition, Coordinator>('reeve.agent.v1.CertService', {
    WriteCerts: {
      roles: ['coordinator'], risk: 'change', rate: { perSecond: 20, burst: 40 }, maxBytes: 4 * 1024 * 1024, deadlineMs: 600_000,
      handle: (request, context) => engine.run(work, request, context.signal),
    },
    PutCertKey: {
      roles: ['coordinator'], risk: 'change', rate: { perSecond: 20, burst: 40 }, maxBytes: 32 * 1024, deadlineMs: 60_000,
      handle: (request) => putKey(options, request),
    },
    ObserveCerts: {
      roles: ['coordinator'], risk: 'read', rate: { perSecond: 2, burst: 10 }, maxBytes: 1024, deadlineMs: 60_000,
      handle: () => observeAll(options),
    },
  });
}

/** Has the helper keep a key. What came over the wire and what went to the helper is overwritten with zeroes, whatever becomes of it. */
async function putKey({ host, hostName }: CertServiceOptions, { operationId, name, keyPem }: PutCertKeyRequest): Promise<PutCertKeyResponseInput> {
  let bytes: Buffer | undefined;
  try {
    const id = parseId('operation id', operationId);
    const cert = parseCertName('name', name);
    if (keyPem.length === 0) throw fieldMissing('key', 'a private key in PEM');
    if (keyPem.length > mostCerts.keyBytes) throw fieldInvalid('key', `${String(keyPem.length)} bytes`, `at most ${String(mostCerts.keyBytes)} bytes`);
    const denied = policyProblem(usablePolicy(readHostPolicy(host), hostName), hostName, 'cert.write', { name: cert });
    if (denied !== undefined) throw reeveError(denied.code, denied.fields);
    const found = checkPrivateKey(keyPem);
    if (found.kind === 'bad') throw reeveError('CERT_KEY', { value: cert, host: hostName, rule: found.problem });
    bytes = exportPrivateKey(found.key);
    const spki = Buffer.from(found.spki, 'hex');
    await host.helper.call('cert.key', id, { spki, key: bytes });
    return { spki };
  } catch (error) {
    throw withHost(error, hostName);
  } finally {
    keyPem.fill(0);
    bytes?.fill(0);
  }
}

async function observeAll({ engine, host, hostName }: CertServiceOptions): Promise<ObserveCertsResponseInput> {
  requirePolicy(host, hostName, 'observe.cert');
  try {
    const observed = await engine.read('cert', () => observeCerts(host.helper, newId(host.clock.now())));
    return { certs: observed.certs.map(formatCertState), digest: nounDigest('cert', modelOf(observed)) };
  } catch (error) {
    throw withHost(error, hostName);
  }
}
