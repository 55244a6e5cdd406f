import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { RsyncResult } from '../../shared/gen/proto/reeve/agent/v1/RsyncResult.js';
import type { RunRsyncRequestInput } from '../../shared/gen/proto/reeve/agent/v1/RunRsyncRequest.js';
import type { RunRsyncResponse } from '../../shared/gen/proto/reeve/agent/v1/RunRsyncResponse.js';
import { waitFor } from '../../shared/kit/deadline.js';
import { createOutbox } from '../../shared/kit/outbox.js';
import { chunkBytes } from '../../shared/rpc/bytes.js';
import type { HostRow } from '../inventory/host.js';
import type { ProblemRow } from '../inventory/backup-run.js';
import { agentBackups, type BackupFleet } from './backup-agent.js';
import { parseProblem, parseProgress, wholeOf, type WorkProgress } from './backup-entry.js';

/** What one side says about how the two reach each other. */
export type Control =
  /** `marks`: it takes connections that begin with the mark of the grant, too. */
  | { readonly kind: 'listening'; readonly port: number; readonly marks: boolean }
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'connected' }
  /** It said nothing in time. */
  | { readonly kind: 'silent' };

/** How a copy ended on one side, checked. Its texts stay hostile. */
export interface SideResult {
  readonly exitCode: number;
  readonly reason: string;
  readonly published: boolean;
  readonly files: number;
  readonly bytes: number;
  readonly sentFiles: number;
  readonly sentBytes: number;
  readonly output: string;
}

/** Who hears of what a side does. */
export interface SideEars {
  readonly progress: (progress: WorkProgress) => void;
  readonly problem: (problem: ProblemRow) => void;
}

/** One side of a copy: a stream to its agent. */
export interface Side {
  readonly host: HostRow;
  /** Resolves once the agent has taken the message, as fast as it does, or the side has ended. */
  send(message: RunRsyncRequestInput): Promise<void>;
  /** When its process is confined and waits for bytes: "full", or what the machine does not give; undefined: not in time. Hostile. Rejects with what the side ended with. */
  ready(timeoutMs: number): Promise<string | undefined>;
  /** The next word about the connection. Rejects with what the side ended with. */
  control(timeoutMs: number): Promise<Control>;
  /** Forgets what was said of a way that was given up. */
  flush(): void;
  /** Bytes of this side go to that one from now on. */
  pump(other: Side): void;
  /** How it ended. Rejects when the stream broke, or the agent refused. */
  readonly ended: Promise<SideResult>;
}

/** Most words about the connection that a side may say before they are heard. */
const mostControls = 16;

/** Opens a side; it ends with the signal. Errors: HOST_UNREACHABLE. */
export async function openSide(fleet: BackupFleet, host: HostRow, ears: SideEars, signal: AbortSignal): Promise<Side> {
  const lane = await fleet.lane(host);
  const outbox = createOutbox<RunRsyncRequestInput>(1);
  const controls: Control[] = [];
  let heard = (): void => undefined;
  let confined = (): void => undefined;
  let sandbox: string | undefined;
  let other: Side | undefined;
  const refuse = (rule: string): Error => reeveError('BACKUP_FAILED', { value: 'The copy', host: host.name, rule });

  const hear = (control: Control): void => {
    if (controls.push(control) > mostControls) throw refuse('its agent says too much of the connection');
    heard();
  };
  const take = async (message: RunRsyncResponse): Promise<SideResult | undefined> => {
    if (message.ready) {
      sandbox ??= message.ready.sandbox.slice(0, 200);
      confined();
    } else if (message.listening !== undefined) hear({ kind: 'listening', port: portOf(message.listening), marks: message.marks });
    else if (message.unreachable !== undefined) hear({ kind: 'unreachable', reason: message.unreachable.slice(0, 512) });
    else if (message.connected === true) hear({ kind: 'connected' });
    else if (message.progress) ears.progress(parseProgress(message.progress));
    else if (message.problem) {
      const problem = parseProblem(message.problem);
      if (problem !== undefined) ears.problem(problem);
    } else if (message.data !== undefined || message.end === true) {
      if (other === undefined || (message.data?.length ?? 0) > chunkBytes) throw refuse('its agent sends what nobody asked for');
      await other.send(message.data === undefined ? { end: true } : { data: message.data });
    } else if (message.result) return parseResult(message.result);
    return undefined;
  };
  const read = async (): Promise<SideResult> => {
    try {
      for await (const message of lane.channel.duplex(agentBackups, 'RunRsync', outbox, { signal })) {
        const result = await take(message);
        if (result !== undefined) return result;
      }
      throw refuse('its agent stopped in the middle');
    } catch (error) {
      // A host that is given up for lost has its calls cancelled: that was nobody's wish.
      const lost = error instanceof ReeveError && error.code === 'HOST_UNREACHABLE' && !signal.aborted;
      throw lost ? reeveError('HOST_UNREACHABLE', { host: host.name, reason: 'the connection to its agent broke' }, { cause: error }) : error;
    } finally {
      outbox.end();
      lane.release();
    }
  };
  const ended = read();
  // Whoever waits for a word hears of the end as well; a side that nobody waits for breaks nothing.
  ended.catch(() => undefined);

  /** Until something was heard, or the time is over, or the side has ended. */
  const wait = async (word: Promise<void>, timeoutMs: number): Promise<void> => {
    const stop = new AbortController();
    const over = ended.then((result) => {
      throw refuse(result.reason === '' ? `rsync ended with ${String(result.exitCode)} before it was connected` : result.reason);
    });
    try {
      await Promise.race([word, over, waitFor(timeoutMs, AbortSignal.any([stop.signal, signal]))]);
    } finally {
      stop.abort();
    }
  };

  return {
    host,
    ended,
    send: (message) => outbox.put(message),
    flush: () => void controls.splice(0),
    pump: (to) => void (other = to),
    async ready(timeoutMs) {
      if (sandbox === undefined) await wait(new Promise((resolve) => (confined = resolve)), timeoutMs);
      return sandbox;
    },
    async control(timeoutMs) {
      if (controls.length === 0) await wait(new Promise((resolve) => (heard = resolve)), timeoutMs);
      return controls.shift() ?? { kind: 'silent' };
    },
  };
}

function portOf(port: number): number {
  return Number.isInteger(port) && port > 0 && port <= 65_535 ? port : 0;
}

function parseResult(wire: RsyncResult): SideResult {
  return {
    exitCode: wholeOf(wire.exitCode),
    reason: wire.reason.slice(0, 1_024),
    published: wire.published,
    files: wholeOf(wire.files),
    bytes: wholeOf(wire.bytes),
    sentFiles: wholeOf(wire.sentFiles),
    sentBytes: wholeOf(wire.sentBytes),
    output: wire.output.slice(0, 65_536),
  };
}
