import { randomBytes } from 'node:crypto';
import type { GetHistoryRequest } from '../../shared/gen/proto/reeve/coordinator/v1/GetHistoryRequest.js';
import type { GetHistoryResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/GetHistoryResponse.js';
import type { MetricServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/MetricService.js';
import { sha256 } from '../../shared/kit/digest.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { formatMetricToken } from '../../shared/model/metric-token.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { fromTimestamp, toTimestamp } from '../../shared/rpc/time.js';
import { diskEvery } from '../inventory/history.js';
import { dropMetricToken, setMetricToken } from '../inventory/metric.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { audited } from './operator.js';
import { administersFleet, reads } from './row.js';
import { hostFor } from './select.js';

/** How far back a history goes when nobody says, ms. */
const dayMs = 86_400_000;

/** How hosts did, and the token of the metrics listener. */
export function metricService(office: () => Office): Service<OperatorCaller> {
  return defineService<MetricServiceDefinition, OperatorCaller>('reeve.coordinator.v1.MetricService', {
    GetHistory: { ...reads, handle: (request, { principal }) => Promise.resolve(getHistory(office(), principal, request)) },
    MakeMetricToken: {
      ...administersFleet,
      handle: (_request, { principal }) => {
        const { db, clock, metricsAt } = office();
        const secret = randomBytes(32);
        audited(office(), principal, 'metrics token', '', () => setMetricToken(db, { hash: sha256(secret), now: clock.now() }));
        return Promise.resolve({ token: formatMetricToken(secret), listener: metricsAt });
      },
    },
    RevokeMetricToken: {
      ...administersFleet,
      handle: (_request, { principal }) => Promise.resolve({ revoked: audited(office(), principal, 'metrics token revoke', '', () => dropMetricToken(office().db)) }),
    },
  });
}

function getHistory({ db, clock, history }: Office, caller: OperatorCaller, request: GetHistoryRequest): GetHistoryResponseInput {
  const host = hostFor(db, caller, request.host);
  const now = clock.now();
  const fromMs = fromTimestamp(request.from) ?? now - dayMs;
  // An hour more: clocks differ a little.
  if (!(fromMs >= now - diskEvery.keptMs - diskEvery.ms && fromMs <= now + diskEvery.ms)) throw fieldInvalid('from', `unix time ${String(fromMs / 1000)}`, 'a time of the last 31 days');
  return {
    points: history.points(host.id, fromMs).map(({ atMs, load, memoryPercent, diskPercent, cpuPressure, memoryPressure, ioPressure }) => ({
      at: toTimestamp(atMs),
      load,
      memoryPercent,
      diskPercent,
      ...(cpuPressure === undefined ? {} : { cpuPressure }),
      ...(memoryPressure === undefined ? {} : { memoryPressure }),
      ...(ioPressure === undefined ? {} : { ioPressure }),
    })),
    disks: history.disks(host.id, now).map(({ mount, totalBytes, availableBytes, growthPerDayBytes, fullAtMs }) => ({
      mount,
      totalBytes,
      availableBytes,
      growthPerDayBytes,
      fullAt: fullAtMs === undefined ? null : toTimestamp(fullAtMs),
    })),
  };
}
