import type { CheckInput } from '../../shared/gen/proto/reeve/coordinator/v1/Check.js';
import type { DoctorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/DoctorService.js';
import type { Check, CheckState } from '../../shared/model/check.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { checkHost } from '../doctor/check-host.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { reads } from './row.js';
import { hostFor } from './select.js';

const states = { ok: 'CHECK_STATE_OK', warning: 'CHECK_STATE_WARNING', failed: 'CHECK_STATE_FAILED', skipped: 'CHECK_STATE_SKIPPED' } as const satisfies Record<CheckState, string>;

/** Longest text of a check, characters; parts of it may be a host's own words. */
const textLimit = 2_048;

/** Finding out what is wrong, for operators. */
export function doctorService(office: () => Office): Service<OperatorCaller> {
  return defineService<DoctorServiceDefinition, OperatorCaller>('reeve.coordinator.v1.DoctorService', {
    CheckHost: {
      ...reads,
      // Each call dials the host.
      rate: { perSecond: 2, burst: 20 },
      handle: async function* (request, context) {
        const running = office();
        const host = hostFor(running.db, context.principal, request.host);
        for await (const check of checkHost(running, running.fleet, host, context.signal)) yield { check: formatWire(check) };
      },
    },
  });
}

function formatWire(check: Check): CheckInput {
  const { fix } = check;
  return { name: check.name, state: states[check.state], text: check.text.slice(0, textLimit), fix: fix?.text ?? '', command: fix?.command ?? '', commandAt: fix === undefined || fix.command === '' ? '' : fix.at };
}
