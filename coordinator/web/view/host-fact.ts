import type { GetHistoryResponse } from '../../../shared/gen/proto/reeve/coordinator/v1/GetHistoryResponse.js';
import type { Disk } from '../../../shared/gen/proto/reeve/type/v1/Disk.js';
import type { Facts } from '../../../shared/gen/proto/reeve/type/v1/Facts.js';
import { html, type Html, type HtmlPart } from '../html.js';
import type { Asked } from './ask.js';
import { chart } from './chart.js';
import { facts, table } from './table.js';
import { bytes, cut, span, time, timeMs } from './text.js';

const dayMs = 86_400_000;

/** What a host says of itself, and how it did over a day. */
export function factSection(said: Facts | null, lossy: boolean, history: Asked<GetHistoryResponse>, now: number): Html {
  return html`${said === null ? html`<p class="empty">It has not said anything of itself yet.</p>` : html`${lossy && html`<p class="note">Some of what it says was cut or left out, as it is not allowed.</p>`}
${facts(factRows(said, now))}
${charts(history, now)}
${diskTable(said.disks, history.value, now)}`}`;
}

function factRows(said: Facts, now: number): (readonly [string, HtmlPart])[] {
  const { pressure } = said;
  const percent = (value: number): string => `${value.toFixed(1)} %`;
  return [
    ['System', cut(said.os, 200)],
    ['Kernel', `${cut(said.kernel, 100)} ${cut(said.arch, 40)}`],
    ['Its own name', cut(said.hostname, 253)],
    ['Processors', `${String(said.cpuCount)} × ${cut(said.cpuModel, 100)}`],
    ['Virtualisation', cut(said.virtualization, 60)],
    ['Load over 1, 5, 15 min', said.load.map((value) => value.toFixed(2)).join(', ')],
    ['Memory', `${bytes(said.memoryTotalBytes - said.memoryAvailableBytes)} used of ${bytes(said.memoryTotalBytes)}`],
    ['Swap', said.swapTotalBytes === 0 ? 'none' : `${bytes(said.swapTotalBytes - said.swapFreeBytes)} used of ${bytes(said.swapTotalBytes)}`],
    ['Running for', span(said.uptimeS * 1000)],
    ...(said.rebootRequired ? [['Restart', 'an upgrade wants the host to be started anew'] as const] : []),
    ...(pressure === null ? [] : [['Waited over 5 min', `for processors ${percent(pressure.cpuSome)}, memory ${percent(pressure.memoryFull)}, disks ${percent(pressure.ioFull)}`] as const]),
    ['Addresses', html`${said.addresses.slice(0, 64).map((address, at) => html`${at > 0 && ', '}<span class="mono">${cut(address.address, 60)}</span> (${cut(address.interface, 40)})`)}`],
    ['Said', time(said.gatheredAt, now)],
  ];
}

function charts(history: Asked<GetHistoryResponse>, now: number): Html {
  if (history.value === undefined) return html`<p class="soft">No charts: ${history.problem}</p>`;
  const points = history.value.points.flatMap((point) => {
    const atMs = timeMs(point.at);
    return atMs === undefined || atMs > now || atMs < now - dayMs ? [] : [{ ...point, atMs }];
  });
  if (points.length === 0) return html`<p class="soft">No charts: nothing is known of the last day.</p>`;
  const draw = (title: string, top: number, unit: string, value: (point: (typeof points)[number]) => number | undefined): Html =>
    chart({ title, top, fromMs: now - dayMs, toMs: now, points: points.map((point) => ({ atMs: point.atMs, value: value(point) })), format: (figure) => `${figure.toFixed(unit === '' ? 2 : 1)}${unit}` });
  const pressed = points.some((point) => point.cpuPressure !== undefined);
  return html`<div class="charts">
${draw('Load for each processor', 1, '', ({ load }) => load)}
${draw('Memory', 100, ' %', ({ memoryPercent }) => memoryPercent)}
${draw('Fullest file system', 100, ' %', ({ diskPercent }) => diskPercent)}
${pressed && html`${draw('Waited for processors', 10, ' %', ({ cpuPressure }) => cpuPressure)}
${draw('Waited for memory', 10, ' %', ({ memoryPressure }) => memoryPressure)}
${draw('Waited for disks', 10, ' %', ({ ioPressure }) => ioPressure)}`}
</div>`;
}

function diskTable(disks: readonly Disk[], history: GetHistoryResponse | undefined, now: number): Html {
  const trends = new Map(history?.disks.map((trend) => [trend.mount, trend]));
  return table({
    caption: 'File systems',
    columns: [{ title: 'Mounted at' }, { title: 'Type' }, { title: 'Size', figure: true }, { title: 'Used', figure: true }, { title: 'Free', figure: true }, { title: 'Inodes used', figure: true }, { title: 'Full' }],
    rows: disks.slice(0, 64).map((disk) => {
      const trend = trends.get(disk.mount);
      return {
        key: disk.mount,
        cells: [
          html`<span class="mono">${cut(disk.mount, 200)}</span>`,
          cut(disk.type, 40),
          bytes(disk.totalBytes),
          share(disk.totalBytes - disk.availableBytes, disk.totalBytes),
          bytes(disk.availableBytes),
          disk.inodesTotal === 0 ? '–' : share(disk.inodesTotal - disk.inodesFree, disk.inodesTotal),
          trend === undefined || trend.fullAt === null ? '–' : time(trend.fullAt, now),
        ],
      };
    }),
    empty: 'It told of no file systems.',
  });
}

function share(part: number, whole: number): string {
  return whole === 0 ? '–' : `${((part / whole) * 100).toFixed(0)} %`;
}
