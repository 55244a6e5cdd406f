import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ChangeOptions as WireOptions } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import type { HostResultInput } from '../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import { fieldMissing } from '../../shared/model/field.js';
import { formatChange } from '../../shared/model/change.js';
import { parseId } from '../../shared/model/id.js';
import { toDetail } from '../../shared/rpc/status.js';
import type { OutcomeWord } from '../inventory/operation.js';
import type { ChangeOptions, ChangeStep, HostOutcome } from '../reconcile/change.js';

/** The wire's words for outcomes. */
export const outcomes = {
  running: 'OUTCOME_RUNNING',
  ok: 'OUTCOME_OK',
  failed: 'OUTCOME_FAILED',
  unknown: 'OUTCOME_UNKNOWN',
  pending: 'OUTCOME_PENDING',
} as const satisfies Record<OutcomeWord, string>;

/** How far to go, from the wire. Errors: FIELD_MISSING, FIELD_INVALID. */
export function parseChangeOptions(wire: WireOptions | null): ChangeOptions {
  const planId = wire === null || wire.planId === '' ? undefined : parseId('plan_id', wire.planId);
  const operationId = wire === null || wire.operationId === '' ? undefined : parseId('operation_id', wire.operationId);
  switch (wire?.mode) {
    case 'CHANGE_MODE_PLAN':
      return { mode: 'plan', planId: undefined, operationId: undefined };
    case 'CHANGE_MODE_STAGE':
      return { mode: 'stage', planId: undefined, operationId };
    case 'CHANGE_MODE_APPLY':
      return { mode: 'apply', planId, operationId };
    default:
      throw fieldMissing('mode', 'PLAN, STAGE or APPLY');
  }
}

/** One host's outcome as the wire has it. */
export function formatHostOutcome(result: HostOutcome): HostResultInput {
  return {
    hostId: result.host.id,
    hostName: result.host.name,
    noun: result.noun,
    outcome: outcomes[result.outcome],
    changes: result.changes.map(formatChange),
    held: result.held.map(formatChange),
    errors: result.errors.map(toDetail),
    durationMs: result.durationMs,
    notes: [...result.notes],
  };
}

/** The steps of a command as the wire has them. */
export async function* formatSteps(steps: AsyncIterable<ChangeStep>): AsyncGenerator<ChangeEventInput> {
  for await (const step of steps) {
    switch (step.kind) {
      case 'planned':
        yield { planned: { planId: step.planId, hosts: step.hosts.map(formatHostOutcome), inventory: step.inventory.map(formatChange) } };
        break;
      case 'waiting': {
        const { leftMs, missing, manual } = step.waiting;
        yield { waiting: { hostName: step.host.name, noun: step.noun, leftMs: Math.round(leftMs), missing: [...missing], manual } };
        break;
      }
      case 'confirmed':
        yield { confirmed: { hostName: step.host.name, noun: step.noun } };
        break;
      case 'host':
        yield { host: formatHostOutcome(step.result) };
        break;
      case 'finished':
        yield { finished: { operationId: step.operationId, outcome: outcomes[step.outcome], stored: step.stored } };
        break;
    }
  }
}
