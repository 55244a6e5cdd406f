import { fieldInvalid, fieldMissing, parseInteger } from '../../shared/model/field.js';
import { parseId } from '../../shared/model/id.js';

/** What is wanted of a mutating call, and under which circumstances it may go ahead. */
export interface Intent {
  readonly mode: 'plan' | 'apply';
  /** UUIDv7. */
  readonly operationId: string;
  /** 0 only when planning. */
  readonly generation: number;
  readonly epoch: number;
  readonly expectedDigest: Buffer | undefined;
  readonly policyDigest: Buffer | undefined;
  /** Only what removes access is done. */
  readonly removalOnly: boolean;
  /** The noun is let go of; what else the request says is not looked at. */
  readonly release: boolean;
  /** Plans only what the policy refuses. */
  readonly checkPolicy: boolean;
  /** How long a change that can cut the coordinator off is to wait to be confirmed, s; undefined: as long as usual. Only requireConfirmS() has looked at it. */
  readonly confirmTimeoutS: number | undefined;
}

/** Intent as the wire has it. */
export interface WireIntent {
  readonly mode: string | number;
  readonly operationId: string;
  readonly generation: number;
  readonly epoch: number;
  readonly expectedDigest: Buffer;
  readonly policyDigest: Buffer;
  readonly removalOnly: boolean;
  readonly release: boolean;
  readonly checkPolicy: boolean;
  readonly confirmTimeout: { readonly seconds: number; readonly nanos: number } | null;
}

/** How long a change waits to be confirmed, s. */
const confirmS = { min: 10, max: 600, default: 60 };

const most = Number.MAX_SAFE_INTEGER;

/** The intent of a request. Errors: FIELD_MISSING, FIELD_INVALID. */
export function parseIntent(wire: WireIntent | null): Intent {
  if (wire === null) throw fieldMissing('intent', 'every change says what is wanted of it');
  const mode = parseMode(wire.mode);
  if (wire.checkPolicy && mode === 'apply') throw fieldInvalid('check policy', 'true', 'only with PLAN');
  return {
    mode,
    operationId: parseId('operation id', wire.operationId),
    generation: parseInteger('generation', wire.generation, { min: mode === 'apply' ? 1 : 0, max: most }),
    epoch: parseInteger('epoch', wire.epoch, { min: 1, max: most }),
    expectedDigest: parseDigest('expected digest', wire.expectedDigest),
    policyDigest: parseDigest('policy digest', wire.policyDigest),
    removalOnly: wire.removalOnly,
    release: wire.release,
    checkPolicy: wire.checkPolicy,
    confirmTimeoutS: wire.confirmTimeout?.seconds,
  };
}

/** How long a change waits to be confirmed, s; for nouns whose changes can cut the coordinator off. Errors: FIELD_INVALID. */
export function requireConfirmS({ confirmTimeoutS }: Intent): number {
  return confirmTimeoutS === undefined ? confirmS.default : parseInteger('confirm timeout', confirmTimeoutS, confirmS);
}

function parseMode(mode: string | number): Intent['mode'] {
  if (mode === 'MODE_PLAN') return 'plan';
  if (mode === 'MODE_APPLY') return 'apply';
  throw fieldMissing('mode', 'PLAN or APPLY');
}

function parseDigest(field: string, bytes: Buffer): Buffer | undefined {
  if (bytes.length === 0) return undefined;
  if (bytes.length !== 32) throw fieldInvalid(field, `${String(bytes.length)} bytes`, '32 bytes');
  return bytes;
}
