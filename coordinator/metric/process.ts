import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Registry, type MetricObject, type MetricValue } from 'prom-client';
import { formatLabels, type Exposition, type Metric } from './text.js';

/** Figures of this process. Close them: they measure all the time. */
export interface ProcessMetrics {
  add(to: Exposition): Promise<void>;
  close(): void;
}

/** How often the delay of the event loop is looked at, ms. */
const resolutionMs = 10;

/** Begins to measure this process. `startedAtMs` is unix ms. */
export function createProcessMetrics(startedAtMs: number): ProcessMetrics {
  const registry = new Registry();
  const delays = monitorEventLoopDelay({ resolution: resolutionMs });
  delays.enable();
  gauge(registry, 'process_start_time_seconds', 'When reeved started, unix time', () => startedAtMs / 1000);
  gauge(registry, 'process_resident_memory_bytes', 'Memory of reeved that is in main memory', () => process.memoryUsage.rss());
  gauge(registry, 'process_open_fds', 'Files and connections of reeved that are open', () => readdirSync('/proc/self/fd').length);
  gauge(registry, 'reeve_heap_used_bytes', 'Memory of reeved that JavaScript objects use', () => process.memoryUsage().heapUsed);
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time of reeved',
    registers: [registry],
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: 'reeve_event_loop_delay_seconds',
    help: 'How late the event loop of reeved was since the last scrape',
    labelNames: ['percentile'],
    registers: [registry],
    collect() {
      // What is measured has the time between two looks in it.
      for (const percentile of [50, 99, 100]) this.set({ percentile: String(percentile) }, Math.max(0, delays.percentile(percentile) / 1e9 - resolutionMs / 1000));
      delays.reset();
    },
  });
  const families = new Map<string, Metric>();
  return {
    async add(to) {
      for (const found of (await registry.getMetricsAsJSON()) as (MetricObject & { values: MetricValue<string>[]; type: string })[]) addFamily(to, families, found);
    },
    close() {
      delays.disable();
      registry.clear();
    },
  };
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

function addFamily(to: Exposition, families: Map<string, Metric>, found: { name: string; help: string; type: string; values: MetricValue<string>[] }): void {
  const type = found.type === 'counter' ? 'counter' : 'gauge';
  const metric = families.get(found.name) ?? { name: found.name.replace(/_total$/, ''), type, help: found.help };
  families.set(found.name, metric);
  for (const { labels, value } of found.values) to.add(metric, formatLabels(Object.fromEntries(Object.entries(labels).map(([name, label]) => [name, String(label)]))), value);
}
