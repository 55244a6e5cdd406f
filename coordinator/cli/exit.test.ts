import { describe, expect, it } from 'vitest';
import { catalogue, type ErrorCode } from '../../shared/errors/catalogue.js';
import { reeveError } from '../../shared/errors/error.js';
import { exitOfError, exitOfHost, worstExit } from './exit.js';

const detail = (code: string) => ({ code, fields: {} });

describe('exit codes', () => {
  it.each([
    [[], 0], [[0, 0], 0], [[0, 3], 3], [[3, 1], 1], [[1, 3, 0], 1], [[2, 3], 2], [[2, 1], 1], [[1, 70], 70],
  ])('of %j is %i', (codes, expected) => {
    expect(worstExit(codes)).toBe(expected);
  });

  it.each([
    ['OUTCOME_OK', [], 0],
    ['OUTCOME_FAILED', [], 1],
    ['OUTCOME_FAILED', ['POLICY_DENIED'], 1],
    ['OUTCOME_FAILED', ['USER_RESERVED'], 2],
    ['OUTCOME_FAILED', ['USER_RESERVED', 'POLICY_DENIED'], 1],
    ['OUTCOME_FAILED', ['CODE_OF_A_NEWER_AGENT'], 1],
    ['OUTCOME_PENDING', ['HOST_UNREACHABLE'], 3],
    ['OUTCOME_UNKNOWN', ['OUTCOME_UNKNOWN'], 3],
    ['OUTCOME_RUNNING', [], 3],
    ['OUTCOME_UNSPECIFIED', [], 70],
  ] as const)('of a host that is %s with %j is %i', (outcome, codes, expected) => {
    expect(exitOfHost({ outcome, errors: codes.map(detail) })).toBe(expected);
  });

  it('of a thrown error is the one of the catalogue', () => {
    for (const code of Object.keys(catalogue) as ErrorCode[]) expect(exitOfError(reeveError(code))).toBe(catalogue[code].exit);
  });
});
