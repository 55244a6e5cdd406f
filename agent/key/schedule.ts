import type { ScheduledTask } from 'node-cron';
import { sha256 } from '../../shared/kit/digest.js';

/** A schedule with seconds, and how much later than it says each run may be, ms. */
export interface Schedule {
  /** Six fields: seconds before those of crontab(5). */
  readonly expression: string;
  readonly jitterMs: number;
}

/** An hour, s. */
const hourS = 3600;

/**
 * When a host asks for its keys: every hour, each host at a time of its own that its id gives, so that a fleet never asks in one minute; or as its administrator
 * wants, spread over that minute.
 */
export function scheduleOf(hostId: string, wanted: string | undefined): Schedule {
  const at = sha256(hostId).readUInt32BE(0) % hourS;
  const [minute, second] = [Math.floor(at / 60), at % 60];
  return wanted === undefined ? { expression: `${String(second)} ${String(minute)} * * * *`, jitterMs: 30_000 } : { expression: `${String(second)} ${wanted}`, jitterMs: 10_000 };
}

/** Runs a task by a schedule, until it is stopped. node-cron costs memory: it is only loaded on hosts of which keys are managed. */
export async function runScheduled(schedule: Schedule, task: () => Promise<void>): Promise<ScheduledTask> {
  const cron = await import('node-cron');
  return cron.schedule(schedule.expression, task, { noOverlap: true, maxRandomDelay: schedule.jitterMs, unref: true, suppressMissedWarning: true });
}
