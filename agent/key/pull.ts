import type { ScheduledTask } from 'node-cron';
import { errorItems, formatMessage, ReeveError, reeveError } from '../../shared/errors/error.js';
import type { KeyManifest as WireManifest, KeyManifestInput } from '../../shared/gen/proto/reeve/type/v1/KeyManifest.js';
import type { GetManifestResponse } from '../../shared/gen/proto/reeve/coordinator/v1/GetManifestResponse.js';
import type { ManifestServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/ManifestService.js';
import { backoffMs } from '../../shared/kit/backoff.js';
import { sha256 } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import type { Logger } from '../../shared/kit/log.js';
import { random } from '../../shared/kit/random.js';
import { formatEndpoint, type Endpoint } from '../../shared/model/host.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { openChannel, serviceName, targetOf } from '../../shared/rpc/client.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { inOrder } from '../../shared/rpc/order.js';
import { certificateProblem, clientCredentials } from '../../shared/rpc/tls.js';
import type { Engine } from '../engine/engine.js';
import type { Host } from '../host/host.js';
import { deniedProblem } from '../identity/enrol.js';
import type { AgentIdentity } from '../identity/identity.js';
import type { TrustState } from '../identity/trust.js';
import { readHostPolicy } from '../policy/policy.js';
import { boundOf, syncRequest, type KeyWork } from './apply.js';
import { runScheduled, scheduleOf } from './schedule.js';
import { unbounded } from './stamp.js';
import type { ManifestStore } from './store.js';

const manifestService = serviceName<ManifestServiceDefinition>('reeve.coordinator.v1.ManifestService');

/** Longest wait for the answer, ms. */
const pullMs = 30_000;

/** Waits before another try when the coordinator, or the helper, could not be reached. */
const wait = { leastMs: 15_000, baseMs: 60_000, maxMs: 300_000 };

/** Longest time between two looks when keys end by max-stale, ms. */
const longestMs = 24 * 3600_000;

/** Soonest look after a start, so that hosts that start together do not ask together, ms. */
const firstMs = 60_000;

/** What asking for keys needs. */
export interface KeyPullOptions {
  /** As it is now, with the places of the newest moved record. */
  readonly identity: () => AgentIdentity;
  readonly trust: TrustState;
  readonly host: Host;
  readonly hostName: string;
  readonly store: ManifestStore;
  readonly engine: Engine;
  readonly work: KeyWork;
  /** Whether the host was released. */
  readonly released: () => boolean;
  /** Schedule of crontab(5); undefined: hourly. */
  readonly schedule: string | undefined;
  readonly log: Logger;
}

/** The host's own asking for its keys: it works while the coordinator cannot reach the host, and a coordinator that does not answer changes nothing. */
export interface KeyPull {
  /** Asks now, and makes the keys what the answer says. Errors: COORDINATOR_UNREACHABLE, KEY_MANIFEST and those of SyncAuthorizedKeys; the keys are as before then. */
  pull(): Promise<void>;
  /** Keys were changed: the schedule begins with the first manifest, and ends when keys are let go of. */
  look(): void;
  close(): void;
}

/** Begins to ask by the schedule when keys are managed. Close it. */
export function startKeyPull(options: KeyPullOptions): KeyPull {
  const pull = new Pull(options);
  pull.look();
  return pull;
}

class Pull implements KeyPull {
  readonly #options: KeyPullOptions;
  readonly #closed = new AbortController();
  #task: Promise<ScheduledTask> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #attempt = 0;

  constructor(options: KeyPullOptions) {
    this.#options = options;
  }

  async pull(): Promise<void> {
    const { engine, host, store, work } = this.#options;
    // Stamps are only made later by a manifest: a host that has any asks for it whole.
    const answer = await this.#get(this.#staleMs() === undefined ? (store.stored?.version ?? 0) : 0);
    if (answer.manifest.length === 0) return;
    const manifest = decodeAnswer(answer, this.#options.hostName);
    const intent = { mode: 'MODE_APPLY', operationId: newId(host.clock.now()), generation: manifest.version, epoch: answer.epoch } as const;
    await engine.run(work, syncRequest(intent, manifest), this.#closed.signal);
  }

  look(): void {
    if (this.#closed.signal.aborted) return;
    const { identity, schedule, store, log } = this.#options;
    if (store.stored === undefined) {
      this.#stop();
      return;
    }
    if (this.#task === undefined) {
      this.#task = runScheduled(scheduleOf(identity().hostId, schedule), () => this.#run());
      this.#task.catch((error: unknown) => log.error({ err: error }, 'the schedule of keys could not be begun'));
    }
    // Also when the policy has bounded keys since: what was stamped just now has to be stamped anew in time.
    const staleMs = this.#staleMs();
    if (staleMs !== undefined && this.#timer === undefined) this.#later(random() * Math.min(firstMs, staleMs / 4));
  }

  close(): void {
    this.#closed.abort();
    this.#stop();
  }

  #stop(): void {
    this.#rest();
    const task = this.#task;
    this.#task = undefined;
    task?.then((scheduled) => scheduled.destroy()).catch(() => undefined);
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #later(ms: number): void {
    this.#rest();
    if (this.#closed.signal.aborted || this.#task === undefined) return;
    this.#timer = setTimeout(() => void this.#run(), Math.min(ms, longestMs));
    this.#timer.unref();
  }

  /** One look by the schedule. */
  async #run(): Promise<void> {
    const { log, released, store } = this.#options;
    if (this.#closed.signal.aborted || released() || store.stored === undefined) return;
    try {
      await this.pull();
      this.#attempt = 0;
      const staleMs = this.#staleMs();
      if (staleMs === undefined) this.#rest();
      else this.#later((staleMs / 4) * (0.9 + 0.1 * random()));
    } catch (error) {
      this.#failed(error, log);
    }
  }

  /** The keys stay as they are. What may be gone in a moment is tried again; what was refused waits for the schedule. */
  #failed(error: unknown, log: Logger): void {
    if (this.#closed.signal.aborted) return;
    const item = errorItems(error, 'the log of the agent')[0] ?? { code: 'INTERNAL', fields: {} };
    if (error instanceof ReeveError) log.warn({ code: item.code, reason: formatMessage(item) }, 'the keys could not be brought up to date; they stay as they are');
    else log.error({ err: error }, 'the keys could not be brought up to date; they stay as they are');
    if (!/^(?:COORDINATOR_UNREACHABLE|HELPER_UNREACHABLE|BUSY|RATE_LIMITED|LIMIT_EXCEEDED)$/.test(item.code)) {
      const staleMs = this.#staleMs();
      if (staleMs !== undefined) this.#later(staleMs / 4);
      return;
    }
    this.#later(wait.leastMs + backoffMs(this.#attempt, { baseMs: wait.baseMs, maxMs: wait.maxMs - wait.leastMs, random }));
    this.#attempt += 1;
  }

  /** The shortest max-stale of the users that have keys, ms; undefined: keys do not end by it. */
  #staleMs(): number | undefined {
    const { host, store } = this.#options;
    const policy = readHostPolicy(host);
    if (policy.kind !== 'usable') return undefined;
    const uids = new Map(host.readAccounts().passwd.map(({ name, uid }) => [name, uid]));
    const bound = boundOf(policy);
    const bounds = (store.stored?.manifest?.users ?? []).map(({ user }) => bound(user, uids.get(user) === 0 ? 'yes' : 'no'));
    const least = Math.min(unbounded, ...bounds);
    return least >= unbounded ? undefined : least * 1000;
  }

  #get(version: number): Promise<GetManifestResponse> {
    const identity = this.#options.identity();
    return inOrder(identity.agentsApi, (endpoint) => this.#getFrom(identity, endpoint, version));
  }

  async #getFrom(identity: AgentIdentity, endpoint: Endpoint, version: number): Promise<GetManifestResponse> {
    const { host, trust } = this.#options;
    const uri = formatIdentity({ kind: 'coordinator', fleetId: identity.fleetId });
    const channel = openChannel({
      target: targetOf(endpoint),
      credentials: clientCredentials({ key: identity.key, certificate: identity.certificate, trust: identity.controlRoot }, (certificate) => {
        const problem = certificateProblem(certificate, { uri, usage: 'server', now: host.clock.now() }) ?? deniedProblem({ trust }, certificate);
        return problem === undefined ? undefined : new Error(`certificate refused: ${problem}`);
      }),
      unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: formatEndpoint(endpoint), reason }),
    });
    try {
      return await channel.unary(manifestService, 'GetManifest', { version }, { deadlineMs: pullMs, signal: this.#closed.signal });
    } finally {
      channel.close();
    }
  }
}

/** The manifest of an answer. Errors: KEY_MANIFEST when it is not whole. */
function decodeAnswer({ manifest, sha256: wanted }: GetManifestResponse, hostName: string): WireManifest {
  if (!sha256(manifest).equals(wanted)) throw reeveError('KEY_MANIFEST', { host: hostName, rule: 'its digest is not the one that was told with it' });
  try {
    return messageCodec<KeyManifestInput, WireManifest>('reeve.type.v1.KeyManifest').decode(manifest);
  } catch (error) {
    throw reeveError('KEY_MANIFEST', { host: hostName, rule: 'it cannot be read' }, { cause: error });
  }
}
