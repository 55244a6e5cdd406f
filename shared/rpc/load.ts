import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MethodDefinition as GrpcMethod, ServiceDefinition } from '@grpc/grpc-js';
import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader';
import type { ErrorDetails, ErrorDetailsInput } from './type.js';

/** Files of the contract, each loaded with what it imports. */
const files = [
  'agent/v1/fact.proto', 'agent/v1/operation.proto', 'agent/v1/status.proto', 'agent/v1/user.proto',
  'coordinator/v1/audit.proto', 'coordinator/v1/enrol.proto', 'coordinator/v1/fleet.proto', 'coordinator/v1/host.proto', 'coordinator/v1/identity.proto',
  'coordinator/v1/operation.proto', 'coordinator/v1/operator.proto', 'coordinator/v1/plan.proto', 'coordinator/v1/user.proto',
] as const;

let loaded: PackageDefinition | undefined;

/** The folder `proto`: beside the bundle in a package, at the top of the tree in development. The wire contract is never loaded from the wire. */
function protoRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (const candidate of [join(here, 'proto'), join(here, '..', '..', 'proto')]) {
    if (existsSync(join(candidate, 'reeve'))) return candidate;
  }
  throw new Error('The folder "proto" is missing from this installation');
}

/** The whole contract, loaded once. */
export function contract(): PackageDefinition {
  loaded ??= loadSync(files.map((file) => join('reeve', file)), {
    includeDirs: [protoRoot()],
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  return loaded;
}

/** A service of the contract by its full name, e.g. `reeve.agent.v1.UserService`. */
export function serviceDefinition(name: string): ServiceDefinition {
  const found = contract()[name];
  if (found === undefined || 'format' in found) throw new Error(`The contract has no service ${name}`);
  return found;
}

/** One method of a service. */
export function methodDefinition(service: string, method: string): GrpcMethod<unknown, unknown> {
  const found = serviceDefinition(service)[method];
  if (found === undefined) throw new Error(`Service ${service} has no method ${method}`);
  return found as GrpcMethod<unknown, unknown>;
}

/** The codec of a message of the contract by its full name; the caller names the generated types. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- nothing to infer them from: the name is text
export function messageCodec<Input, Output>(name: string): { encode: (value: Input) => Buffer; decode: (bytes: Buffer) => Output } {
  const found = contract()[name] as MessageTypeDefinition<object, object> | undefined;
  if (found?.format !== 'Protocol Buffer 3 DescriptorProto') throw new Error(`The contract has no message ${name}`);
  return { encode: (value) => found.serialize(value as object), decode: (bytes) => found.deserialize(bytes) as Output };
}

/** The codec of the error trailer. */
export function errorDetailsCodec(): { encode: (value: ErrorDetailsInput) => Buffer; decode: (bytes: Buffer) => ErrorDetails } {
  return messageCodec<ErrorDetailsInput, ErrorDetails>('reeve.type.v1.ErrorDetails');
}
