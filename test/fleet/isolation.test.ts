import { createPrivateKey } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadKey, makeKey, proofBytes, signProof } from '../../shared/rpc/key.js';
import { currentKey } from '../../coordinator/inventory/key.js';
import { listOperations } from '../../coordinator/inventory/operation.js';
import { doors } from '../../docs/api-page.js';
import type { EnrolRequestInput } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolRequest.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { parseJoinToken } from '../../shared/model/join-token.js';
import { serviceName } from '../../shared/rpc/client.js';
import { methodDefinition } from '../../shared/rpc/load.js';
import { keyFingerprint } from '../../shared/rpc/tls.js';
import { publicPart } from '../support/certificate-forge.js';
import { startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';

const userService = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');

let fleet: LoopbackFleet;
let a: LoopbackAgent;
let b: LoopbackAgent;
/** Everything of B that A can guess or has seen, by what it is. None of it may come back in an answer to A that A did not send itself. */
let secrets: Map<string, string>;
let operationOfB: string;

beforeAll(async () => {
  fleet = await startLoopbackFleet();
  a = await fleet.addAgent('alpha');
  b = await fleet.addAgent('bravo-secret-name');
  const canary = { selector: 'bravo-secret-name', user: { name: 'canary', kind: 'USER_KIND_HOME', shell: '/bin/bash' }, options: { mode: 'CHANGE_MODE_APPLY' } } as const;
  const steps: string[] = [];
  for await (const { event } of fleet.api.stream(userService, 'AddUser', canary, {})) steps.push(String(event));
  expect(steps).toEqual(['planned', 'host', 'finished']);
  operationOfB = listOperations(fleet.office().db, 1)[0]?.id ?? '';
  secrets = new Map([
    ['host id', b.hostId], ['name', b.name], ['address', `127.0.0.1:${String(b.port)}`], ['operation', operationOfB], ['user', 'canary'],
    ['public key', publicPart(createPrivateKey(b.identity.key)).toString('latin1')], ['key fingerprint', keyFingerprint(publicPart(createPrivateKey(b.identity.key)))],
  ]);
});

afterAll(async () => {
  await fleet.close();
  expect(fleet.bugs).toEqual([]);
});

interface Raw { readonly code: string; readonly bytes: string }

/** A guess as the method can be asked it: some count what others name by an id. */
function fitting(definition: { requestSerialize(value: object): Buffer }, guess: object): object {
  try {
    definition.requestSerialize(guess);
    return guess;
  } catch {
    return { ...guess, id: 1 };
  }
}

/** Calls as A, at a port, and answers all bytes that came back. */
function callAsA(port: number, method: string, guess: object, certified: boolean): Promise<Raw> {
  const context = createSecureContext(certified ? { key: a.identity.key, cert: a.identity.certificate } : {});
  const client = new Client(`ipv4:127.0.0.1:${String(port)}`, credentials.createFromSecureContext(context, { rejectUnauthorized: false, checkServerIdentity: () => undefined }), {
    'grpc.use_local_subchannel_pool': 1, 'grpc.default_authority': 'reeve', 'grpc.ssl_target_name_override': 'reeve',
  });
  const [service = '', name = ''] = method.split('/');
  const definition = methodDefinition(service, name);
  const request = fitting(definition, guess);
  const chunks: Buffer[] = [];
  const take = (bytes: Buffer): Buffer => {
    chunks.push(bytes);
    return bytes;
  };
  return new Promise((resolve) => {
    const finish = (error: ServiceError | null): void => {
      client.close();
      const trailer = error?.metadata.get('reeve-errors-bin')[0];
      if (Buffer.isBuffer(trailer)) chunks.push(trailer);
      chunks.push(Buffer.from(error?.details ?? ''));
      resolve({ code: error === null ? 'ok' : error.details, bytes: Buffer.concat(chunks).toString('latin1') });
    };
    if (definition.responseStream) {
      const call = client.makeServerStreamRequest(definition.path, definition.requestSerialize, take, request, new Metadata(), { deadline: Date.now() + 5_000 });
      call.on('data', () => undefined).on('error', finish).on('end', () => finish(null));
    } else {
      client.makeUnaryRequest(definition.path, definition.requestSerialize, take, request, new Metadata(), { deadline: Date.now() + 5_000 }, finish);
    }
  });
}

/** What of B is in an answer. */
const leaked = (answer: Raw): string[] => [...secrets].filter(([, value]) => answer.bytes.includes(value)).map(([what]) => what);
const everyMethod = doors().flatMap((door) => door.services.flatMap((service) => Object.keys(service.rows).map((name) => `${service.name}/${name}`)));

describe('an agent', () => {
  /** B's ids in every field that a request may have. */
  const guesses = (): object[] => [
    {},
    { operationId: operationOfB, id: operationOfB, host: b.hostId, name: b.name, hostId: b.hostId, hostName: b.name, selector: b.name, noun: 'user', epoch: 1, all: true, limit: 1000 },
    { name: b.hostId, host: b.name, selector: 'all', options: { mode: 'CHANGE_MODE_PLAN' }, intent: { mode: 'MODE_PLAN', operationId: operationOfB, generation: 1, epoch: 1 } },
  ];

  it('learns nothing of another from any method of the contract at the coordinator’s ports', async () => {
    const found: string[] = [];
    let cells = 0;
    for (const { port, certified } of [{ port: fleet.agentsPort, certified: true }, { port: fleet.enrolmentPort, certified: false }, { port: fleet.enrolmentPort, certified: true }]) {
      for (const method of everyMethod) {
        for (const guess of guesses()) {
          const answer = await callAsA(port, method, guess, certified);
          cells += 1;
          if (leaked(answer).length > 0 || answer.code === 'ok') found.push(`${method}: ${answer.code} ${leaked(answer).join()}`);
        }
      }
    }
    expect(found).toEqual([]);
    expect(cells).toBe(9 * everyMethod.length);
  });

  it('is refused by another agent, whatever it calls there', async () => {
    const answers = new Set<string>();
    for (const method of everyMethod) answers.add((await callAsA(b.port, method, guesses()[1] ?? {}, true)).code);
    for (const text of answers) expect(text).toMatch(/connection|certificate|TLS|ECONN|socket|UNAVAILABLE/i);
    expect(b.host.calls.filter((call) => call.startsWith('user.'))).toEqual(['user.add canary']);
  });

  const renewal = (key: ReturnType<typeof makeKey>, own: Buffer, by = key): object => ({ publicKey: key.publicKey, signature: signProof(by.key, proofBytes('reeve-renew-v1', own, key.publicKey)) });

  it('cannot renew as another: with its key, over its key, or with its proof', async () => {
    const [keyA, keyB, fresh] = [loadKey(a.identity.key), loadKey(b.identity.key), makeKey()];
    const before = currentKey(fleet.office().db, b.hostId);
    const cells: Record<string, object> = {
      'the key of B, proven by A': renewal(keyB, keyA.publicKey, keyA),
      'the key of B, proven by B (a captured proof)': renewal(keyB, keyA.publicKey),
      'a new key over the key of B': renewal(fresh, keyB.publicKey),
      'a new key over the key of B, proven by B': renewal(fresh, keyB.publicKey, keyB),
      'a captured renewal of B': renewal(fresh, keyB.publicKey),
    };
    for (const [name, request] of Object.entries(cells)) {
      const answer = await callAsA(fleet.agentsPort, 'reeve.coordinator.v1.IdentityService/Renew', request, true);
      expect({ name, code: answer.code, leaked: leaked(answer) }).toEqual({ name, code: 'IDENTITY_REFUSED', leaked: [] });
    }
    expect(currentKey(fleet.office().db, b.hostId)).toEqual(before);
    const own = await callAsA(fleet.agentsPort, 'reeve.coordinator.v1.IdentityService/Renew', renewal(fresh, keyA.publicKey), true);
    expect({ code: own.code, leaked: leaked(own), own: own.bytes.includes('BEGIN CERTIFICATE') }, 'and A gets its own').toEqual({ code: 'ok', leaked: [], own: true });
  });

  it('cannot join or come back as another', async () => {
    const [keyA, keyB, fresh] = [loadKey(a.identity.key), loadKey(b.identity.key), makeKey()];
    const { token } = await fleet.invite('charlie');
    const secret = Buffer.from(parseJoinToken(token).token);
    const proof = (right: Uint8Array, key: ReturnType<typeof makeKey>, by = key): Buffer => signProof(by.key, proofBytes('reeve-enrol-v1', right, key.publicKey));
    const cells: Record<string, EnrolRequestInput> = {
      'the last key of B, proven by A': { publicKey: fresh.publicKey, signature: proof(keyB.publicKey, fresh), lastPublicKey: keyB.publicKey, lastSignature: proof(keyB.publicKey, fresh, keyA) },
      'the last key of B, proven for another new key': { publicKey: fresh.publicKey, signature: proof(keyB.publicKey, fresh), lastPublicKey: keyB.publicKey, lastSignature: proof(keyB.publicKey, makeKey(), keyB) },
      'the last key of A, proven by B': { publicKey: fresh.publicKey, signature: proof(keyA.publicKey, fresh), lastPublicKey: keyA.publicKey, lastSignature: proof(keyA.publicKey, fresh, keyB) },
      'the id of B as a token': { publicKey: fresh.publicKey, signature: proof(Buffer.from(b.hostId), fresh), token: Buffer.from(b.hostId) },
      'the hash of a token as a token': { publicKey: fresh.publicKey, signature: proof(Buffer.alloc(32), fresh), token: Buffer.alloc(32) },
      'the key of B with a token for another': { publicKey: keyB.publicKey, signature: proof(secret, keyB), token: secret },
      'a proof of renewal as one of joining': { publicKey: fresh.publicKey, signature: signProof(fresh.key, proofBytes('reeve-renew-v1', secret, fresh.publicKey)), token: secret },
    };
    for (const [name, request] of Object.entries(cells)) {
      const answer = await callAsA(fleet.enrolmentPort, 'reeve.coordinator.v1.EnrolService/Enrol', request, false);
      expect({ name, code: answer.code, leaked: leaked(answer) }).toEqual({ name, code: 'JOIN_REFUSED', leaked: [] });
    }
    const right = await callAsA(fleet.enrolmentPort, 'reeve.coordinator.v1.EnrolService/Enrol', { publicKey: fresh.publicKey, signature: proof(secret, fresh), token: secret }, false);
    expect({ code: right.code, leaked: leaked(right) }, 'and the token was not spent by any of it').toEqual({ code: 'ok', leaked: [] });
  });
});
