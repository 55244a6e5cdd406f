import type { BackupRun } from '../../shared/gen/proto/reeve/coordinator/v1/BackupRun.js';
import { formatAge } from '../../shared/model/duration.js';
import { vis } from '../../shared/model/vis.js';
import type { Context } from './context.js';
import { createProgress } from './progress.js';
import { formatBytes } from './size.js';

/** What is said on standard error while a run goes on. */
export interface RunProgress {
  /** How far it is. */
  heard(run: BackupRun): void;
  /** Takes the line away. */
  close(): void;
}

/** How often the line is drawn when nothing is heard, and the least time between two lines that stay, ms. */
const interval = { drawMs: 1000, sayMs: 5000 } as const;

/** One line that updates itself, or where none can, a line now and then; nothing where a program reads the answer. */
export function createRunProgress(context: Context): RunProgress {
  const { clock } = context;
  const progress = createProgress(context);
  let last: { readonly run: BackupRun; readonly at: number } | undefined;
  let saidAt = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  const draw = (): void => {
    if (last !== undefined) progress.show(progressText(last.run, clock.monotonic() - last.at));
  };
  return {
    heard(run) {
      const at = clock.monotonic();
      last = { run, at };
      if (progress.live) {
        draw();
        timer ??= setInterval(draw, interval.drawMs).unref();
      } else if (at - saidAt >= interval.sayMs) {
        saidAt = at;
        progress.say(progressText(run, 0));
      }
    },
    close() {
      clearInterval(timer);
      progress.close();
    },
  };
}

/** How far a run is, what matters most first: a narrow terminal cuts the end off. */
export function progressText({ job, kind, progress }: BackupRun, sinceMs: number): string {
  if (progress === null || progress.phase === '') return vis(`${job}: ${kind} begins`);
  const { phase, percent, files, filesTotal, bytes, rate, remainingSeconds, elapsedMs } = progress;
  const parts = [
    ...(percent > 0 ? [`${String(percent)}%`] : []),
    ...(files + filesTotal > 0 ? [`${String(files)}${filesTotal > 0 ? ` of ${String(filesTotal)}` : ''} files`] : []),
    ...(bytes > 0 ? [formatBytes(bytes)] : []),
    ...(rate > 0 ? [`${formatBytes(rate)}/s`] : []),
    ...(remainingSeconds > 0 ? [`${formatAge(remainingSeconds * 1000)} left`] : []),
    clockText(elapsedMs + sinceMs),
  ];
  return vis(`${phase} ${parts.join(', ')}`);
}

/** A time that runs: `0:07`, `1:02:33`. */
function clockText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value: number): string => String(value).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  return seconds < 3600 ? `${String(minutes)}:${two(seconds % 60)}` : `${String(Math.floor(minutes / 60))}:${two(minutes % 60)}:${two(seconds % 60)}`;
}
