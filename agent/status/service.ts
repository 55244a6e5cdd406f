import type { StatusServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/StatusService.js';
import type { WatchEventInput } from '../../shared/gen/proto/reeve/agent/v1/WatchEvent.js';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { Clock } from '../../shared/kit/clock.js';
import type { Logger } from '../../shared/kit/log.js';
import { formatFacts } from '../../shared/model/fact.js';
import { parseInteger } from '../../shared/model/field.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { fromDuration, toTimestamp, type WireTime } from '../../shared/rpc/time.js';
import type { WatchRequest } from '../../shared/gen/proto/reeve/agent/v1/WatchRequest.js';
import type { Coordinator } from '../access.js';
import type { TrustState } from '../identity/trust.js';
import type { StatusHub } from './hub.js';

/** Most watches at a time. */
const mostWatches = 4;

/** How long the first event waits for what was not looked at yet, ms. */
const firstLookMs = 5000;

const heartbeat = { min: 1000, max: 300_000, absent: 8000 };

/** reeve.agent.v1.StatusService. */
export function statusService(options: { hub: StatusHub; trust: TrustState; clock: Clock; log: Logger; obeyEpoch: (epoch: number) => Promise<void> }): Service<Coordinator> {
  const { hub, clock, log } = options;
  /** A full disk refuses changes, but never the watch that tells of it. */
  const obey = (epoch: number): Promise<void> =>
    options.obeyEpoch(epoch).catch((error: unknown) => {
      if (!(error instanceof ReeveError) || error.code !== 'AUDIT_UNWRITABLE') throw error;
      log.error({ err: error }, 'the epoch of the coordinator could not be remembered');
    });
  return defineService<StatusServiceDefinition, Coordinator>('reeve.agent.v1.StatusService', {
    GetStatus: {
      roles: ['coordinator'], risk: 'read', rate: { perSecond: 10, burst: 40 }, maxBytes: 1024, deadlineMs: 10_000,
      handle: async () => {
        await hub.refresh();
        return { status: hub.snapshot().status.value };
      },
    },
    Watch: {
      roles: ['coordinator'], risk: 'read', rate: { perSecond: 1, burst: 10 }, maxBytes: 65_536, deadlineMs: 0,
      handle: async function* (request, context) {
        const intervalMs = parseHeartbeat(request.heartbeatInterval);
        await obey(parseInteger('epoch', request.epoch, { min: 1, max: Number.MAX_SAFE_INTEGER }));
        takeRecords(options, request);
        if (hub.watchers >= mostWatches) throw reeveError('BUSY', { rule: `at most ${String(mostWatches)} watches of one host at a time` });
        yield* followHub(hub, { clock, intervalMs, signal: context.signal });
      },
    },
  });
}

/** Takes in what the control root has signed. One that is refused is logged and changes nothing: the watch must go on, or nobody would learn of it. */
function takeRecords(options: { trust: TrustState; hub: StatusHub; log: Logger }, request: Pick<WatchRequest, 'denyList' | 'moved'>): void {
  const { trust, hub, log } = options;
  for (const [record, take] of [[request.denyList, trust.takeDenyList], [request.moved, trust.takeMoved]] as const) {
    if (record === null) continue;
    try {
      take(record);
    } catch (error) {
      log.error({ err: error }, 'a signed record could not be taken in');
    }
  }
  hub.told();
}

/** Everything once, then what changed, and an empty event after each silent interval. */
export async function* followHub(hub: StatusHub, options: { clock: Clock; intervalMs: number; signal: AbortSignal }): AsyncGenerator<WatchEventInput> {
  const { clock, intervalMs, signal } = options;
  const ended = (): boolean => signal.aborted || hub.closed;
  const facts = hub.watchFacts();
  try {
    await hub.ready(facts.gathered, firstLookMs, signal);
    let told = hub.snapshot();
    yield {
      time: toTimestamp(clock.now()),
      status: told.status.value,
      facts: told.facts.value === undefined ? null : formatFacts(told.facts.value),
      digests: [...told.digests.value],
      initial: true,
    };
    while (!ended()) {
      if (hub.snapshot() === told) await hub.changed(intervalMs, signal);
      if (ended()) return;
      const now = hub.snapshot();
      yield {
        time: toTimestamp(clock.now()),
        ...(now.status.count === told.status.count ? {} : { status: now.status.value }),
        ...(now.facts.count === told.facts.count || now.facts.value === undefined ? {} : { facts: formatFacts(now.facts.value) }),
        ...(now.digests.count === told.digests.count ? {} : { digests: [...now.digests.value] }),
      };
      told = now;
    }
  } finally {
    facts.stop();
  }
}

function parseHeartbeat(duration: WireTime | null): number {
  const ms = fromDuration(duration);
  return ms === undefined ? heartbeat.absent : parseInteger('heartbeat interval (ms)', ms, heartbeat);
}
