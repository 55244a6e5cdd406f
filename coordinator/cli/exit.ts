import { catalogue } from '../../shared/errors/catalogue.js';
import type { ReeveError } from '../../shared/errors/error.js';
import type { HostResult } from '../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import type { Outcome } from '../../shared/gen/proto/reeve/type/v1/Outcome.js';
import { itemOf } from './detail.js';

/** Worst first: with mixed results a failure on a host beats what is only pending. */
const order = [70, 1, 2, 3, 0];

/** The worst of several exit codes; 0 of none. */
export function worstExit(codes: readonly number[]): number {
  return order.find((code) => codes.includes(code)) ?? 0;
}

/** The exit code of a thrown error. */
export function exitOfError(error: ReeveError): number {
  return catalogue[error.code].exit;
}

/** The exit code of an outcome that has no errors beside it. */
export function exitOfOutcome(outcome: Outcome): number {
  switch (outcome) {
    case 'OUTCOME_OK':
      return 0;
    case 'OUTCOME_FAILED':
      return 1;
    case 'OUTCOME_PENDING':
    case 'OUTCOME_UNKNOWN':
    case 'OUTCOME_RUNNING':
      return 3;
    case 'OUTCOME_UNSPECIFIED':
      return 70;
  }
}

/** The exit code of what one host said: a failure is 1, or 2 when all its errors are the user's mistakes. */
export function exitOfHost(result: Pick<HostResult, 'outcome' | 'errors'>): number {
  const mistakes = result.errors.length > 0 && result.errors.every((detail) => catalogue[itemOf(detail).code].exit === 2);
  return result.outcome === 'OUTCOME_FAILED' && mistakes ? 2 : exitOfOutcome(result.outcome);
}
