import type { ContainerRow } from '../../../shared/gen/proto/reeve/coordinator/v1/ContainerRow.js';
import type { Host } from '../../../shared/gen/proto/reeve/coordinator/v1/Host.js';
import { html, type Html } from '../html.js';
import type { PageApi } from '../page.js';
import { optional } from './ask.js';
import { hostState, openWork } from './host-state.js';
import { hostLink } from './link.js';
import { services } from './service.js';
import { table } from './table.js';
import { cut, severity, shown } from './text.js';

/** Containers by the name of their host. */
export type ContainersOf = ReadonlyMap<string, readonly ContainerRow[]>;

/** How deep a name is moved to the right at most. */
const mostDepth = 10;

/** The containers that hosts should have; nothing where they cannot be listed. */
export async function loadContainers(api: PageApi, hosts: readonly Host[]): Promise<ContainersOf> {
  const wanted = new Set(hosts.map(({ name }) => name));
  const answer = await optional(api.unary(services.container, 'ListContainers', { stored: true }));
  const byHost = new Map<string, ContainerRow[]>();
  for (const row of answer.value?.rows ?? []) {
    if (wanted.has(row.hostName)) byHost.set(row.hostName, [...(byHost.get(row.hostName) ?? []), row]);
  }
  return byHost;
}

/** Guests and containers below their parents. The depth is told in words, too. */
export function hostTree({ base, hosts, containers }: { readonly base: string; readonly hosts: readonly Host[]; readonly containers: ContainersOf }): Html {
  const rows = hosts.flatMap((host) => [
    { key: host.id, cells: [name(hostLink(base, host.name), host.depth), 'host', html`${hostState(host.state)}`, host.health === '' ? '' : severity(host.health), openWork(host), cut(host.os, 60)] },
    ...(containers.get(host.name) ?? []).map((row) => ({
      key: `${host.id} ${row.name}`,
      cells: [
        name(row.guest === '' ? html`${cut(row.name, 100)}` : hostLink(base, row.guest), host.depth + 1),
        row.spec === null ? 'container' : `container (${shown(row.spec.engine)})`,
        row.spec === null ? '' : row.spec.running ? 'should run' : 'should be stopped',
        '',
        row.status === 'pending' ? 'pending' : '',
        cut(row.spec?.tag === '' ? (row.spec.image) : (row.spec?.tag ?? ''), 60),
      ],
    })),
  ]);
  const columns = ['Name', 'Kind', 'State', 'Health', 'Open', 'System or image'].map((title) => ({ title }));
  return table({ caption: 'Hosts with their guests and containers', columns, rows, empty: 'There are no such hosts.' });
}

/** A name, moved to the right by its depth: an image of that width, as a page has no styles of its own. */
function name(text: Html, depth: number): Html {
  if (depth === 0) return text;
  const width = Math.min(depth, mostDepth) * 20;
  return html`<span class="deep"><svg width="${width}" height="16" aria-hidden="true" focusable="false"><path d="M${width - 12} 0 V8 H${width - 3}" fill="none" stroke="currentColor"/></svg><span class="quiet">level ${depth + 1}: </span>${text}</span>`;
}
