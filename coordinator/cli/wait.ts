import type { ChangeConfirmed } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeConfirmed.js';
import type { ChangeWaiting } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeWaiting.js';
import type { HostResult } from '../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import type { Clock } from '../../shared/kit/clock.js';
import { vis } from '../../shared/model/vis.js';
import type { Progress } from './progress.js';

/** A change that its host takes back unless it is confirmed, and what became of that. */
export interface Wait {
  readonly hostName: string;
  readonly noun: string;
  /** A person has to confirm it. */
  readonly manual: boolean;
  /** Unknown: the host answered something else, or nobody knows. */
  readonly state: 'waiting' | 'confirmed' | 'reverted' | 'unknown';
  /** What was missing when it was heard of last. */
  readonly missing: readonly string[];
}

/** A wait that is going on. */
interface Entry extends Wait {
  /** When the host takes it back, monotonic ms. */
  readonly endsAt: number;
}

/** The waits of one call. */
export interface Waits {
  waiting(event: ChangeWaiting): void;
  confirmed(event: ChangeConfirmed): void;
  /** What a host said last: a wait of it is over then. */
  settled(result: HostResult): void;
  /** All of them, in the order in which they began. */
  all(): readonly Wait[];
  /** What hosts do that still wait, a line each. */
  outlook(): readonly string[];
  /** Ends the countdown. */
  close(): void;
}

/** How often the countdown is drawn when nothing is heard, ms: it must go on also when what waits has cut this machine off from the coordinator. */
const tickMs = 1000;

/** Tells of waits: a countdown where a line can update itself, else a line whenever what is missing is another; then a line of how each ended. */
export function createWaits(clock: Clock, progress: Progress): Waits {
  const entries = new Map<string, Entry>();
  let timer: NodeJS.Timeout | undefined;
  const keyOf = (of: { hostName: string; noun: string }): string => `${of.hostName} ${of.noun}`;
  const open = (): Entry[] => [...entries.values()].filter(({ state }) => state === 'waiting').sort((a, b) => a.endsAt - b.endsAt);
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  const draw = (): void => {
    const [next, ...more] = open();
    if (next === undefined) stop();
    if (next === undefined || !progress.live) return;
    progress.show(`${waitText(next, clock.monotonic())}${more.length === 0 ? '' : ` (${String(more.length)} more wait)`}`);
    timer ??= setInterval(draw, tickMs).unref();
  };
  const end = (of: { hostName: string; noun: string }, state: Wait['state'], text: string): void => {
    const entry = entries.get(keyOf(of));
    if (entry?.state === 'waiting') {
      entries.set(keyOf(of), { ...entry, state });
      if (text !== '') progress.say(`${vis(of.hostName)}: ${text}`);
    }
    draw();
  };
  return {
    waiting({ hostName, noun, manual, missing, leftMs }) {
      const before = entries.get(keyOf({ hostName, noun }));
      const now = clock.monotonic();
      const entry: Entry = { hostName, noun, manual, missing: [...missing], state: 'waiting', endsAt: now + leftMs };
      entries.set(keyOf(entry), entry);
      if (!progress.live && (before === undefined || before.missing.join('\n') !== missing.join('\n'))) progress.say(waitText(entry, now));
      draw();
    },
    confirmed: (event) => end(event, 'confirmed', 'confirmed'),
    settled(result) {
      const reverted = result.errors.find(({ code }) => code === 'CONFIRM_REVERTED');
      if (reverted !== undefined) end(result, 'reverted', `reverted: ${vis(reverted.fields['reason'] ?? '?')}`);
      else if (result.outcome === 'OUTCOME_OK') end(result, 'confirmed', 'confirmed');
      else end(result, 'unknown', '');
    },
    all: () => [...entries.values()].map(({ hostName, noun, manual, state, missing }) => ({ hostName, noun, manual, state, missing })),
    outlook: () => open().map((entry) => outlookText(entry, clock.monotonic())),
    close: stop,
  };
}

/** The command by which a person confirms. */
function confirmCommand({ noun, hostName }: Wait): string {
  return `reeve ${vis(noun)} confirm ${vis(hostName)}`;
}

function secondsLeft(entry: Entry, now: number): number {
  return Math.max(0, Math.ceil((entry.endsAt - now) / 1000));
}

/** What is waited for. The command stands before all that a narrow terminal may cut off. */
function waitText(entry: Entry, now: number): string {
  const left = secondsLeft(entry, now);
  const missing = entry.missing.length === 0 ? '' : `: ${entry.missing.map(vis).join(', ')}`;
  if (left === 0) return `${vis(entry.hostName)}: not confirmed in time, waiting to hear from the host${missing}`;
  return `${vis(entry.hostName)}: waiting ${entry.manual ? `for "${confirmCommand(entry)}"` : 'to be confirmed'}, reverts in ${String(left)} s${missing}`;
}

/** What a host does that nobody here waits for any more. */
function outlookText(entry: Entry, now: number): string {
  const who = entry.manual ? `somebody confirms it: ${confirmCommand(entry)}` : 'the coordinator confirms it';
  return `${vis(entry.hostName)} takes its change back in ${String(secondsLeft(entry, now))} s unless ${who}`;
}
