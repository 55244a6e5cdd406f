import { ReeveError } from '../../shared/errors/error.js';
import type { ContainerEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerEvent.js';
import type { ContainerFinished } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerFinished.js';
import type { ContainerImage } from '../../shared/gen/proto/reeve/type/v1/ContainerImage.js';
import type { ContainerProgress } from '../../shared/gen/proto/reeve/type/v1/ContainerProgress.js';
import { formatAge } from '../../shared/model/duration.js';
import { vis } from '../../shared/model/vis.js';
import type { Context } from './context.js';
import { createProgress } from './progress.js';
import { formatBytes } from './size.js';

/** What a piece of work came to. */
export interface DoneWork {
  readonly finished: ContainerFinished;
  readonly images: readonly ContainerImage[];
}

/** Least time between two lines that stay, ms. */
const sayMs = 5000;

/** Follows a piece of work to its end, and says on standard error how far it is. `total`: bytes in all, where they are known here. Errors: what the call says. */
export async function followWork(context: Context, events: AsyncIterable<ContainerEvent>, total = 0): Promise<DoneWork> {
  const { clock } = context;
  const progress = createProgress(context);
  const beganAt = clock.monotonic();
  const images: ContainerImage[] = [];
  let finished: ContainerFinished | undefined;
  let saidAt = -Infinity;
  try {
    for await (const event of events) {
      if (event.progress) {
        const at = clock.monotonic();
        const text = progressText(event.progress, { elapsedMs: at - beganAt, total });
        progress.show(text);
        if (!progress.live && at - saidAt >= sayMs) {
          saidAt = at;
          progress.say(text);
        }
      }
      if (event.image) images.push(event.image);
      if (event.finished) finished = event.finished;
    }
  } finally {
    progress.close();
  }
  if (finished === undefined) throw new ReeveError([{ code: 'INTERNAL', fields: { correlation: 'the coordinator ended the answer early' } }]);
  return { finished, images };
}

/** How far it is, what matters most first: `importing: 30%, 1.5 GiB of 5.0 GiB, 12.3 MiB/s, 4m left`. */
export function progressText({ text, bytes, total: told }: ContainerProgress, { elapsedMs, total: known }: { readonly elapsedMs: number; readonly total: number }): string {
  const total = told > 0 ? told : known;
  const rate = elapsedMs > 0 ? (bytes * 1000) / elapsedMs : 0;
  const parts = [
    ...(total > 0 ? [`${String(Math.min(100, Math.floor((bytes * 100) / total)))}%`] : []),
    ...(bytes > 0 ? [`${formatBytes(bytes)}${total > 0 ? ` of ${formatBytes(total)}` : ''}`] : []),
    ...(bytes > 0 && rate >= 1 ? [`${formatBytes(Math.round(rate))}/s`] : []),
    ...(total > bytes && bytes > 0 && rate >= 1 ? [`${formatAge(((total - bytes) * 1000) / rate)} left`] : []),
  ];
  return vis(`${text}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`);
}
