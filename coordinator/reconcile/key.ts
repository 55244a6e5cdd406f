import type { KeyServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/KeyService.js';
import type { SyncAuthorizedKeysResponse } from '../../shared/gen/proto/reeve/agent/v1/SyncAuthorizedKeysResponse.js';
import { parseChange, type Change } from '../../shared/model/change.js';
import { formatManifest } from '../../shared/model/manifest.js';
import { serviceName } from '../../shared/rpc/client.js';
import { parseHeld } from '../../shared/rpc/hold.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { fromTimestamp } from '../../shared/rpc/time.js';
import type { UntimedManifest } from '../desired/key.js';
import { forgetKeys } from '../inventory/key-forget.js';
import { manifestOf } from '../inventory/key-list.js';
import { acknowledgeRevocations } from '../inventory/revocation.js';
import type { Applied, Noun } from './noun.js';

const service = serviceName<KeyServiceDefinition>('reeve.agent.v1.KeyService');
const deadlineMs = 120_000;

/** How long a manifest may be taken, ms. */
const manifestMs = 86_400_000;

/** Noun key: the SSH keys that let in. Its generation is the version of the manifest. */
export const keyNoun: Noun = {
  name: 'key',
  method: 'reeve.agent.v1.KeyService/SyncAuthorizedKeys',
  needs: { capability: 'key', lack: 'it cannot manage SSH keys yet' },
  deadlineMs,
  desired: (db, hostId) => manifestOf(db, hostId)?.manifest,
  nothing: undefined,
  forget({ db, clock }, hostId) {
    forgetKeys(db, hostId, clock.now());
    return [];
  },
  async send({ world, fleet, host }, intent, desired) {
    const wanted = (desired as UntimedManifest | undefined) ?? noKeys;
    const manifest = timedManifest({ ...wanted, hostId: host.id, version: intent.generation === undefined ? wanted.version : Number(intent.generation) }, world.clock.now());
    return fromResponse(await fleet.call(host, service, 'SyncAuthorizedKeys', { intent, manifest }, { deadlineMs }));
  },
  decode: (response) => fromResponse(messageCodec<never, SyncAuthorizedKeysResponse>('reeve.agent.v1.SyncAuthorizedKeysResponse').decode(response)),
};

const noKeys: UntimedManifest = { hostId: '', version: 1, users: [], removed: [], breakGlass: [], force: false };

/** A manifest for the wire, made at this moment (unix ms). */
export function timedManifest(manifest: UntimedManifest, now: number): ReturnType<typeof wireOf> {
  return wireOf({ ...manifest, issuedAtMs: now, notAfterMs: now + manifestMs });
}

function wireOf(manifest: Parameters<typeof formatManifest>[0]) {
  const { keys, removed, breakGlass, ...wire } = formatManifest(manifest);
  return {
    ...wire,
    keys: keys.map(({ type, blob }) => ({ type, blob: Buffer.from(blob) })),
    removed: removed.map(({ fingerprint, ...row }) => ({ ...row, fingerprint: Buffer.from(fingerprint) })),
    breakGlass: breakGlass.map((fingerprint) => Buffer.from(fingerprint)),
  };
}

function fromResponse(response: SyncAuthorizedKeysResponse): Applied {
  const changes = response.changes.slice(0, 10_000).map(parseChange);
  const { pending } = response;
  const done = { digest: response.digest, ...endingsIn(changes) };
  const left = { remaining: Math.min(response.remaining.length, 1_000), sessions: Math.min(response.sessions.length, 1_000) };
  return {
    changes,
    digest: response.digest,
    policyDigest: response.policyDigest,
    held: parseHeld(response.held),
    ...(pending === null ? {} : { pending: { operationId: pending.operationId.slice(0, 64), noun: pending.noun.slice(0, 64), deadlineMs: fromTimestamp(pending.deadline) ?? 0 } }),
    settle: (db, hostId, generation) => acknowledgeRevocations(db, { hostId, generation, ...done, ...left }, undefined),
    settleHeld: (db, hostId, generation, now) => acknowledgeRevocations(db, { hostId, generation, ...done, ...left }, now),
  };
}

/** How many lines in users' own files and sessions a host ended, by what it says it changed. */
function endingsIn(changes: readonly Change[]): { purged: number; ended: number } {
  const gone = changes.flatMap(({ fields }) => fields.filter(({ to }) => to === '').map(({ field }) => field));
  return { purged: gone.filter((field) => field.startsWith('own key ')).length, ended: gone.filter((field) => field.startsWith('session ')).length };
}
