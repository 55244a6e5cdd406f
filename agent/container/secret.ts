import { reeveError } from '../../shared/errors/error.js';
import type { PutContainerSecretRequest } from '../../shared/gen/proto/reeve/agent/v1/PutContainerSecretRequest.js';
import type { PutContainerSecretResponseInput } from '../../shared/gen/proto/reeve/agent/v1/PutContainerSecretResponse.js';
import { mostContainer, parseContainerName, parseSecretName } from '../../shared/model/container-field.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseId } from '../../shared/model/id.js';
import { askAgain, withHost } from '../engine/apply.js';
import type { WorkPlace } from '../engine/ticket.js';
import { policyProblem, readHostPolicy, usablePolicy } from '../policy/policy.js';

/** Has the helper keep the value of a secret. What came over the wire and what went to the helper is overwritten with zeroes, whatever becomes of it. */
export async function putSecret({ host, hostName }: WorkPlace, request: PutContainerSecretRequest): Promise<PutContainerSecretResponseInput> {
  const { value } = request;
  let bytes: Buffer | undefined;
  try {
    const id = parseId('operation id', request.operationId);
    const name = parseContainerName(request.name);
    const secret = parseSecretName(request.secret);
    const version = parseId('version of a secret', request.version);
    if (value.length === 0) throw fieldMissing('value', 'the value of a secret');
    if (value.length > mostContainer.secretBytes) throw fieldInvalid('value', `${String(value.length)} bytes`, `at most ${String(mostContainer.secretBytes)} bytes`);
    const denied = policyProblem(usablePolicy(readHostPolicy(host), hostName), hostName, 'container.write', { name });
    if (denied !== undefined) throw reeveError(denied.code, denied.fields);
    const kept = Buffer.from(value);
    bytes = kept;
    // It can be repeated, and is lost with the one that it was told to.
    await askAgain(() => host.helper.call('container.secret', id, { name, secret, version, value: kept }));
    return {};
  } catch (error) {
    throw withHost(error, hostName);
  } finally {
    value.fill(0);
    bytes?.fill(0);
  }
}
