import type { ContainerRow } from '../../../shared/gen/proto/reeve/coordinator/v1/ContainerRow.js';
import type { ManagedNat } from '../../../shared/gen/proto/reeve/coordinator/v1/ManagedNat.js';
import type { ManagedVhost } from '../../../shared/gen/proto/reeve/coordinator/v1/ManagedVhost.js';
import type { ObserveNatResponse } from '../../../shared/gen/proto/reeve/coordinator/v1/ObserveNatResponse.js';
import type { PortRange } from '../../../shared/gen/proto/reeve/type/v1/PortRange.js';
import { html, type Html } from '../html.js';
import { unasked, type Asked } from './ask.js';
import { told } from './host-access.js';
import { hostLink } from './link.js';
import { table } from './table.js';
import { badge, bytes, cut, shown, type Tone } from './text.js';

/** The sites of a host. */
export function vhostTable(rows: readonly ManagedVhost[]): Html {
  return table({
    caption: 'Sites',
    quiet: true,
    columns: [{ title: 'Site' }, { title: 'Also answers to' }, { title: 'Paths' }, { title: 'Certificate' }, { title: 'State' }],
    rows: rows.map((row) => ({
      key: row.vhost?.name ?? '',
      cells: [
        shown(row.vhost?.name ?? ''),
        cut(row.vhost?.aliases.join(', ') ?? '', 300),
        html`${row.vhost?.routes.map((route) => html`<span class="mono">${cut(route.prefix, 201)}</span> ${cut(route.target ?? '', 20)}; `)}`,
        row.vhost?.cert === undefined || row.vhost.cert === '' ? 'self-signed' : cut(row.vhost.cert, 64),
        siteState(row),
      ],
    })),
    empty: 'Reeve manages no sites here.',
  });
}

function siteState({ vhost, parked, pending, pendingReason }: ManagedVhost): Html {
  if (parked !== null) return html`${badge('parked', parked.servesBefore ? 'warn' : 'bad')} ${cut(parked.problem, 500)}`;
  if (vhost?.maintenance === true) return html`${badge('maintenance', 'warn')}`;
  return told(pending, pendingReason);
}

/** The forwards and masquerades of a host, with counters where it answered. */
export function natTable(rows: readonly ManagedNat[], observed: Asked<ObserveNatResponse>, view: { readonly base: string; readonly now: number }): Html {
  const counters = new Map(observed.value?.counters.map((counter) => [`${String(counter.masquerade)} ${String(counter.id)}`, counter]));
  return html`${observed.problem !== undefined && rows.length > 0 && unasked(observed.problem)}${table({
    caption: 'Port forwards and masquerades',
    quiet: true,
    columns: [{ title: 'What' }, { title: 'To' }, { title: 'Comment' }, { title: 'Connections', figure: true }, { title: 'Bytes of first packets', figure: true }, { title: 'State' }],
    rows: rows.map((row) => {
      const id = row.forward?.id ?? row.masquerade?.id ?? 0;
      const counter = counters.get(`${String(row.forward === null)} ${String(id)}`);
      return {
        key: `${String(row.forward === null)} ${String(id)}`,
        cells: [
          natWhat(row),
          natTo(row, view.base),
          cut(row.comment, 200),
          counter === undefined ? '–' : counter.connections.toLocaleString('en'),
          counter === undefined ? '–' : bytes(counter.bytes),
          row.enabled ? told(row.pending, row.pendingReason) : badge('disabled', 'plain'),
        ],
      };
    }),
    empty: 'Reeve forwards nothing here.',
  })}`;
}

function ports(range: PortRange | null | undefined): string {
  if (range === null || range === undefined) return '';
  return range.first === range.last ? String(range.first) : `${String(range.first)}-${String(range.last)}`;
}

function natWhat({ forward, masquerade }: ManagedNat): string {
  if (forward === null) return `masquerade ${cut(masquerade?.source ?? '', 100)}`;
  const from = forward.sources.length === 0 ? '' : ` from ${cut(forward.sources.join(', '), 200)}`;
  return `${forward.protocol === 'NAT_PROTOCOL_UDP' ? 'udp' : 'tcp'} ${cut(forward.listenAddress, 60)}${forward.listenAddress === '' ? '' : ' port '}${ports(forward.ports)}${from}`;
}

function natTo({ forward, toHost }: ManagedNat, base: string): Html {
  if (forward === null) return html``;
  return html`<span class="mono">${cut(forward.toAddress, 60)}</span> port ${ports(forward.toPorts)}${toHost !== '' && html` (${hostLink(base, toHost)})`}`;
}

const statusTones: Readonly<Record<string, Tone>> = { ok: 'good', pending: 'warn', drift: 'warn', missing: 'bad', foreign: 'plain', unknown: 'plain' };

/** The containers of a host, also those of others. */
export function containerTable(rows: readonly ContainerRow[], base: string): Html {
  return table({
    caption: 'Containers',
    quiet: true,
    columns: [{ title: 'Name' }, { title: 'By' }, { title: 'Runs' }, { title: 'Health' }, { title: 'Image' }, { title: 'Address' }, { title: 'Memory', figure: true }, { title: 'State' }],
    rows: rows.map((row) => {
      const { observed, spec } = row;
      const health = observed?.health ?? '';
      return {
        key: row.name,
        cells: [
          html`${cut(row.name, 100)}${row.guest !== '' && html` (${hostLink(base, row.guest)})`}`,
          cut(observed?.engine ?? spec?.engine ?? '', 20),
          observed === null ? 'not known' : cut(observed.state, 40),
          health === '' ? '–' : badge(health.slice(0, 40), health === 'healthy' ? 'good' : 'bad'),
          html`<span class="mono">${cut(spec?.tag === undefined || spec.tag === '' ? (spec?.image ?? observed?.image ?? '') : spec.tag, 160)}</span>`,
          cut(observed?.address ?? '', 60),
          observed === null || observed.memory === 0 ? '–' : bytes(observed.memory),
          html`${badge(row.status === '' ? 'not known' : row.status, statusTones[row.status] ?? 'plain')} ${cut(row.reason, 300)}`,
        ],
      };
    }),
    empty: 'No containers are known here.',
  });
}
