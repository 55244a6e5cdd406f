import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { formatMetricToken } from '../../shared/model/metric-token.js';
import { startProgram } from '../support/bench-process.js';
import type { HistoryMeasured, MetricAsk } from '../support/bench-metric.js';
import type { Figure } from './report.js';

const hosts = 10_000;
const rounds = 6;

/** Metrics and history of 10,000 hosts, in a process of their own. */
export async function benchMetric(programs: string, folder: string): Promise<Figure[]> {
  const program = startProgram(programs, 'test/support/bench-metric.ts');
  const ask = <Answer>(message: MetricAsk): Promise<Answer> => program.ask<Answer>(message);
  try {
    const secret = randomBytes(32);
    const port = await ask<number>({ kind: 'start', stateDir: join(folder, 'state'), hosts, secret });
    const found = { scrape: [] as number[], block: [] as number[], megabytes: 0, series: 0 };
    for (let round = 0; round <= rounds; round += 1) {
      await ask({ kind: 'block' });
      const at = performance.now();
      const response = await fetch(`http://127.0.0.1:${String(port)}/metrics`, { headers: { authorization: `Bearer ${formatMetricToken(secret)}`, accept: 'application/openmetrics-text' } });
      const text = await response.text();
      const ms = performance.now() - at;
      const block = await ask<number>({ kind: 'block' });
      if (response.status !== 200 || !text.endsWith('# EOF\n')) throw new Error(`the scrape ended with ${String(response.status)}`);
      // The first one compiles; and what was told a moment ago is told again without looking.
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      if (round === 0) continue;
      found.scrape.push(ms);
      found.block.push(block);
      found.megabytes = text.length / 1e6;
      found.series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
    }
    const history = await ask<HistoryMeasured>({ kind: 'history', folder: join(folder, 'history'), hosts, days: 32 });
    return [
      { id: 'metric/scrape', title: `a scrape of ${String(hosts)} hosts`, unit: 'ms', values: found.scrape, bar: { most: 1_000 }, note: `${String(found.series)} samples, ${found.megabytes.toFixed(1)} MB` },
      { id: 'metric/block', title: '  longest time that it keeps the coordinator from everything else', unit: 'ms', values: found.block, bar: { most: 100 } },
      { id: 'metric/note', title: `history of ${String(hosts)} hosts: all noted in one transaction, with three disks each`, unit: 'ms', values: history.withDisks },
      { id: 'metric/note-points', title: '  without disks', unit: 'ms', values: history.withoutDisks },
      { id: 'metric/minute', title: '  a minute of it: 1,000 hosts', unit: 'ms', values: history.minute, bar: { most: 50 } },
      { id: 'metric/read', title: '  points of a day and trends of three disks of one host', unit: 'ms', values: history.read, bar: { most: 50 } },
      { id: 'metric/tidy', title: '  forgetting what is too old, with 200 hosts', unit: 'ms', values: history.tidy },
      { id: 'metric/size', title: '  size of the file after 32 days, for 10,000 hosts', unit: 'MB', values: [(history.hostBytes * hosts) / 1e6] },
    ];
  } finally {
    await program.close();
  }
}
