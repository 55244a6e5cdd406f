import type { SyncAuthorizedKeysRequest, SyncAuthorizedKeysRequestInput } from '../../shared/gen/proto/reeve/agent/v1/SyncAuthorizedKeysRequest.js';
import type { SyncAuthorizedKeysResponse, SyncAuthorizedKeysResponseInput } from '../../shared/gen/proto/reeve/agent/v1/SyncAuthorizedKeysResponse.js';
import type { IntentInput } from '../../shared/gen/proto/reeve/type/v1/Intent.js';
import type { KeyManifestInput } from '../../shared/gen/proto/reeve/type/v1/KeyManifest.js';
import { reeveError } from '../../shared/errors/error.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { formatChange } from '../../shared/model/change.js';
import { keyDigestModel } from '../../shared/model/key-file.js';
import { formatManifest, parseManifest, type KeyManifest } from '../../shared/model/manifest.js';
import { policyBound } from '../../shared/model/policy.js';
import { formatHeld } from '../../shared/rpc/hold.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { callHelper } from '../engine/apply.js';
import { parseIntent } from '../engine/intent.js';
import type { Circumstances, NounWork } from '../engine/noun.js';
import type { Plan, Step } from '../engine/step.js';
import type { Host } from '../host/host.js';
import { policyProblem, type UsablePolicy } from '../policy/policy.js';
import { newlyExclusive } from './adoption.js';
import { manifestProblems } from './check.js';
import { remainingKeys, remainingSessions } from './ending.js';
import { fingerprintOf } from './fingerprint.js';
import { loginAccounts, observeFiles, observeOwn, observePending, observeSessions, observeSshd, type ObservedKeys } from './observe.js';
import { planKeys } from './plan.js';
import { keyRefusals } from './refusal.js';
import { planKeyRelease } from './release.js';
import { formatOwnKey, formatSession, formatState } from './respond.js';
import { keepKeys, restoreKeys } from './restore.js';
import { unbounded } from './stamp.js';
import { contentDigest, encodeManifest, type ManifestStore } from './store.js';

/** What is wanted of the keys. */
export interface WantedKeys {
  readonly manifest: KeyManifest;
  /** Only what takes access away. */
  readonly removalsOnly: boolean;
}

/** The work of SyncAuthorizedKeys. */
export type KeyWork = NounWork<SyncAuthorizedKeysRequest, WantedKeys, ObservedKeys, SyncAuthorizedKeysResponseInput>;

/** What managing keys needs. */
export interface KeyWorkOptions {
  readonly host: Host;
  readonly hostName: string;
  readonly hostId: string;
  readonly store: ManifestStore;
}

/** Most keys and sessions of an answer. */
const mostRemaining = 1000;

/** Name of the method. */
export const syncMethod = 'reeve.agent.v1.KeyService/SyncAuthorizedKeys';

/** SyncAuthorizedKeys, as the engine runs it, whether a coordinator asked for it or the host itself did. */
export function keyWork(options: KeyWorkOptions): KeyWork {
  const { host, hostName, hostId, store } = options;
  const request = messageCodec<SyncAuthorizedKeysRequestInput, SyncAuthorizedKeysRequest>('reeve.agent.v1.SyncAuthorizedKeysRequest');
  const deny = (policy: UsablePolicy) => (operation: string, args: Readonly<Record<string, string | undefined>>) => policyProblem(policy, hostName, operation, args);
  return {
    noun: 'key',
    part: 'keys',
    raced: true,
    method: syncMethod,
    request,
    response: messageCodec<SyncAuthorizedKeysResponseInput, SyncAuthorizedKeysResponse>('reeve.agent.v1.SyncAuthorizedKeysResponse'),
    parse: (wire) => parseRequest(wire, hostName, hostId),
    observe: (wanted, operationId) => observeKeys(options, wanted, operationId),
    model: modelOf,
    plan: (wanted, observed, policy, how) => planWanted(options, { wanted, observed, policy, how }),
    removalOnly: (wanted) => ({ ...wanted, removalsOnly: true }),
    release: (observed, policy) => planKeyRelease({ observed, deny: deny(policy), hostName }),
    refused: (wanted, policy) => keyRefusals({ manifest: wanted.manifest, uids: uidsOf(host), hostName, deny: deny(policy), bound: boundOf(policy) }),
    undo: {
      keep: keepKeys,
      restore: (saved, observed) => {
        const { wanted, notes } = restoreKeys(saved, { observed, names: new Set(uidsOf(host).keys()), hostId, now: host.clock.now() });
        return { wanted: { manifest: wanted, removalsOnly: false }, notes };
      },
      format: (intent, { manifest }) => syncRequest(intent, formatManifest({ ...manifest, version: Number(intent.generation) })),
      nothing: { manifest: emptyManifest(hostId), removalsOnly: false },
    },
    perform: async (step, operationId) => {
      const { version, content, manifest } = step.request;
      if (step.verb === 'key.store') store.replace(Number(version), String(content), manifest === undefined ? undefined : Buffer.from(String(manifest), 'base64'));
      else if (step.verb === 'key.forget') store.forget();
      else await callHelper(host.helper, operationId, step);
    },
    respond: ({ wanted, observed, changes, held, digestBefore, digest, policyDigest }) => {
      const about = { manifest: wanted.manifest, observed, fingerprint: fingerprintOf };
      return {
        changes: changes.map(formatChange), digestBefore, digest, policyDigest, held: formatHeld(held),
        ...formatState(observed),
        remaining: remainingKeys(about).slice(0, mostRemaining).map(formatOwnKey),
        sessions: remainingSessions(about).slice(0, mostRemaining).map(formatSession),
      };
    },
    stepDone: () => failpoint('agent.key.step'),
  };
}

/** A request as a coordinator would have sent it. */
export function syncRequest(intent: IntentInput, manifest: KeyManifestInput): SyncAuthorizedKeysRequest {
  const codec = messageCodec<SyncAuthorizedKeysRequestInput, SyncAuthorizedKeysRequest>('reeve.agent.v1.SyncAuthorizedKeysRequest');
  return codec.decode(codec.encode({ intent, manifest }));
}

function parseRequest(wire: SyncAuthorizedKeysRequest, hostName: string, hostId: string): ReturnType<KeyWork['parse']> {
  const intent = parseIntent(wire.intent);
  // Letting go asks for nothing.
  const manifest = intent.release && wire.manifest === null ? emptyManifest(hostId) : parseManifest(wire.manifest);
  if (!intent.release && intent.generation !== manifest.version && !(intent.mode === 'plan' && intent.generation === 0)) {
    throw reeveError('KEY_MANIFEST', { host: hostName, rule: `its version is ${String(manifest.version)}, and the request is of generation ${String(intent.generation)}` });
  }
  return { intent, wanted: { manifest, removalsOnly: false } };
}

/** The digest model of what was observed. */
export function modelOf({ files, sshd, stored }: Pick<ObservedKeys, 'files' | 'sshd' | 'stored'>): ReturnType<KeyWork['model']> {
  const own = new Map(stored?.manifest?.users.map(({ user, lines }) => [user, lines]) ?? []);
  return keyDigestModel({ files, sshd, stored: stored !== undefined, ownLines: (user) => own.get(user) ?? [] });
}

/** The managed keys and what sshd does with them: what the digest is made of. Errors: POLICY_DENIED, POLICY_UNUSABLE, HELPER_UNREACHABLE. */
export async function observeManaged({ host, store }: Pick<KeyWorkOptions, 'host' | 'store'>, operationId: string): Promise<Pick<ObservedKeys, 'files' | 'sshd' | 'stored'>> {
  const files = await observeFiles(host.helper, operationId);
  return { files, sshd: await observeSshd(host.helper, operationId), stored: store.stored };
}

/** Users' own files are looked at only where something is asked of them: keys that were removed are looked for everywhere, those to be adopted in that user's. */
async function observeKeys(options: KeyWorkOptions, { manifest, removalsOnly }: WantedKeys, operationId: string): Promise<ObservedKeys> {
  const { host: { helper } } = options;
  const managed = await observeManaged(options, operationId);
  const pending = await observePending(helper, operationId);
  const { passwd } = options.host.readAccounts();
  const { sshd, files } = managed;
  const everywhere = manifest.removed.length > 0;
  const adopted = removalsOnly ? [] : newlyExclusive(manifest.users, sshd.exclusive).map(({ user }) => user).filter((user) => passwd.some(({ name }) => name === user));
  const names = everywhere ? loginAccounts(passwd, files.map((file) => file.user)) : adopted;
  return {
    ...managed, pending,
    own: names.length === 0 ? { keys: [], unread: [], truncated: false } : await observeOwn(helper, operationId, [...new Set([...adopted, ...names])], sshd.paths),
    sessions: everywhere ? await observeSessions(helper, operationId) : [],
  };
}

function planWanted(options: KeyWorkOptions, asked: { wanted: WantedKeys; observed: ObservedKeys; policy: UsablePolicy; how: Circumstances }): Plan {
  const { host, hostName, hostId } = options;
  const { wanted: { manifest, removalsOnly }, observed, policy, how } = asked;
  const content = contentDigest(manifest);
  const now = host.clock.now();
  const refused = manifestProblems(manifest, { hostId, hostName, stored: observed.stored, content, now, how });
  if (refused.length > 0) return { steps: [], changes: [], problems: refused };
  const plan = planKeys({
    manifest, observed, removalsOnly, now, hostName,
    accounts: uidsOf(host),
    mode: how.mode,
    fresh: !how.undo,
    bound: boundOf(policy),
    deny: (operation, args) => policyProblem(policy, hostName, operation, args),
    fingerprint: fingerprintOf,
  });
  // Before any file: a manifest that was taken is never followed by an older one, whatever becomes of this one.
  return how.undo ? plan : { ...plan, steps: [...storeSteps(manifest, content, { removalsOnly, observed }), ...plan.steps] };
}

function storeSteps(manifest: KeyManifest, content: string, { removalsOnly, observed: { stored } }: { removalsOnly: boolean; observed: ObservedKeys }): readonly Step[] {
  const whole = stored?.manifest?.version === manifest.version;
  if (stored?.version === manifest.version && stored.content === content && (whole || removalsOnly)) return [];
  const bytes = removalsOnly ? {} : { manifest: encodeManifest(manifest).toString('base64') };
  return [{ verb: 'key.store', request: { version: manifest.version, content, ...bytes }, undo: undefined, final: false, removesAccess: true }];
}

function uidsOf(host: Host): ReadonlyMap<string, number> {
  return new Map(host.readAccounts().passwd.map(({ name, uid }) => [name, uid]));
}

/** The largest max-stale that the policy allows for a user; where it allows none, what is asked shows why. */
export function boundOf(policy: UsablePolicy): (user: string, rootKeys: 'yes' | 'no') => number {
  return (name, rootKeys) => policyBound(policy.policy, 'key.put', 'max-stale', { name, 'root-keys': rootKeys }) ?? unbounded;
}

function emptyManifest(hostId: string): KeyManifest {
  return { hostId, version: 1, issuedAtMs: 1, notAfterMs: 1, users: [], removed: [], breakGlass: [], force: false };
}
