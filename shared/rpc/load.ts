import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MethodDefinition as GrpcMethod, ServiceDefinition } from '@grpc/grpc-js';
import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader';
import { version } from '../kit/version.js';
import type { ErrorDetails, ErrorDetailsInput } from './type.js';

/**
 * Files of the contract by who needs them, each loaded with what it imports when the first of its services is asked for: an agent never loads what is for
 * operators.
 */
const groups = {
  agent: ['agent/v1/backup', 'agent/v1/cert', 'agent/v1/container', 'agent/v1/fact', 'agent/v1/key', 'agent/v1/nat', 'agent/v1/operation', 'agent/v1/reach', 'agent/v1/relay', 'agent/v1/release', 'agent/v1/status', 'agent/v1/unit', 'agent/v1/user', 'agent/v1/vhost'],
  join: ['coordinator/v1/enrol', 'coordinator/v1/identity', 'coordinator/v1/link', 'coordinator/v1/manifest'],
  operator: [
    'coordinator/v1/access', 'coordinator/v1/alert', 'coordinator/v1/audit', 'coordinator/v1/backup', 'coordinator/v1/cert', 'coordinator/v1/container', 'coordinator/v1/doctor', 'coordinator/v1/fleet', 'coordinator/v1/grant', 'coordinator/v1/group', 'coordinator/v1/host',
    'coordinator/v1/key', 'coordinator/v1/login', 'coordinator/v1/metric', 'coordinator/v1/nat', 'coordinator/v1/operation', 'coordinator/v1/operator', 'coordinator/v1/package', 'coordinator/v1/person', 'coordinator/v1/plan',
    'coordinator/v1/policy', 'coordinator/v1/unit', 'coordinator/v1/user', 'coordinator/v1/vhost', 'coordinator/v1/web',
  ],
} as const;

type Group = keyof typeof groups;

const loaded = new Map<Group, PackageDefinition>();

/**
 * The contract of this version: beside the bundle in a package, at the top of the tree in development. It has the version in its name there, so that a program
 * that starts while dpkg replaces it never reads half of another's. The wire contract is never loaded from the wire.
 */
function protoRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (const candidate of [join(here, `proto-${version}`), join(here, 'proto'), join(here, '..', '..', 'proto')]) {
    if (existsSync(join(candidate, 'reeve'))) return candidate;
  }
  throw new Error(`The folder "proto-${version}" is missing from this installation`);
}

/** One group of the contract, loaded once. */
function load(group: Group): PackageDefinition {
  const before = loaded.get(group);
  if (before !== undefined) return before;
  const made = loadSync(groups[group].map((file) => join('reeve', `${file}.proto`)), {
    includeDirs: [protoRoot()],
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  loaded.set(group, made);
  return made;
}

/** The group that a service is in. */
function groupOf(service: string): Group {
  if (service.startsWith('reeve.agent.')) return 'agent';
  return /\.(?:Enrol|Identity|Link|Manifest)Service$/.test(service) ? 'join' : 'operator';
}

/** The whole contract. */
export function contract(): PackageDefinition {
  return { ...load('agent'), ...load('join'), ...load('operator') };
}

/** A service of the contract by its full name, e.g. `reeve.agent.v1.UserService`. */
export function serviceDefinition(name: string): ServiceDefinition {
  const found = load(groupOf(name))[name];
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
  // Messages that are shared are in most groups: one that is loaded will do.
  const known = [...loaded.values()].find((group) => Object.hasOwn(group, name)) ?? load('agent');
  const found = known[name] as MessageTypeDefinition<object, object> | undefined;
  if (found?.format !== 'Protocol Buffer 3 DescriptorProto') throw new Error(`The contract has no message ${name}`);
  return { encode: (value) => found.serialize(value as object), decode: (bytes) => found.deserialize(bytes) as Output };
}

/** The codec of the error trailer. */
export function errorDetailsCodec(): { encode: (value: ErrorDetailsInput) => Buffer; decode: (bytes: Buffer) => ErrorDetails } {
  return messageCodec<ErrorDetailsInput, ErrorDetails>('reeve.type.v1.ErrorDetails');
}
