import { randomBytes } from 'node:crypto';
import type { ServerUnaryCall } from '@grpc/grpc-js';
import { reeveError } from '../errors/error.js';

/** What names a call and ends it early. */
export interface Scope {
  readonly correlation: string;
  readonly signal: AbortSignal;
}

/** A new name of a call for log and error details. */
export function newCorrelation(): string {
  return randomBytes(8).toString('hex');
}

/** The scope of a unary call, each part made when it is first asked for: most calls are answered without. After close() nothing ends the signal any more. */
export class UnaryScope implements Scope {
  readonly #call: ServerUnaryCall<unknown, unknown>;
  readonly #method: string;
  readonly #endsAtMs: number;
  #correlation: string | undefined;
  #abort: AbortController | undefined;
  #cancel: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `limitMs` is the longest time the method may take; the caller's deadline may be earlier. */
  constructor(call: ServerUnaryCall<unknown, unknown>, method: string, limitMs: number) {
    this.#call = call;
    this.#method = method;
    this.#endsAtMs = Math.min(Date.now() + limitMs, Number(call.getDeadline()));
  }

  get correlation(): string {
    return (this.#correlation ??= newCorrelation());
  }

  get signal(): AbortSignal {
    return (this.#abort ?? this.#watch()).signal;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    if (this.#cancel !== undefined) this.#call.off('cancelled', this.#cancel);
  }

  #watch(): AbortController {
    const abort = new AbortController();
    this.#abort = abort;
    if (this.#call.cancelled) abort.abort();
    else if (!this.#closed) {
      this.#cancel = () => abort.abort();
      this.#call.once('cancelled', this.#cancel);
      this.#timer = setTimeout(() => abort.abort(reeveError('TOOL_TIMEOUT', { value: this.#method, host: '' })), Math.max(0, this.#endsAtMs - Date.now()));
    }
    return abort;
  }
}
