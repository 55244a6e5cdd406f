import type { HostInput } from '../../shared/gen/proto/reeve/coordinator/v1/Host.js';
import { formatEndpoint } from '../../shared/model/host.js';
import { formatLink } from '../../shared/model/link.js';
import { formatHold } from '../../shared/rpc/hold.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { holdLookup } from '../fleet/hold.js';
import type { Database } from '../inventory/database.js';
import { listDrift, listPending } from '../inventory/generation.js';
import { getHost, labelsOf, type HostRow } from '../inventory/host.js';
import { currentKey } from '../inventory/key.js';
import type { Office } from '../office.js';
import { hostAccess } from './host-access.js';
import { inScope, type Scoped } from './select.js';

/** Hosts as the wire has them. */
export function formatHosts(office: Office, caller: Scoped, hosts: readonly HostRow[]): HostInput[] {
  const { db, fleet } = office;
  const owed = nounsByHost(listPending(db));
  const drifted = nounsByHost(listDrift(db));
  const holdsOf = holdLookup(office, fleet);
  return hosts.map((host) => {
    const live = fleet.live(host.id);
    const connected = host.state === 'joined' && live.state === 'connected';
    const lastSeenMs = live.lastSeenMs === 0 ? host.lastSeenAtMs : live.lastSeenMs;
    const notAfterMs = connected ? live.certificateNotAfterMs : currentKey(db, host.id)?.notAfterMs;
    return {
      id: host.id,
      name: host.name,
      address: host.endpoint === undefined ? '' : formatEndpoint(host.endpoint),
      labels: labelsOf(db, host.id),
      parent: parentName(db, caller, host),
      state: stateOf(host, connected),
      lastSeenAt: lastSeenMs === undefined ? null : toTimestamp(lastSeenMs),
      agentVersion: host.agentVersion,
      clockOffsetMs: connected ? live.clockOffsetMs : 0,
      pending: owed.get(host.id) ?? [],
      drifted: drifted.get(host.id) ?? [],
      lostReason: host.state === 'joined' && !connected ? live.reason : '',
      certificateNotAfter: notAfterMs === undefined ? null : toTimestamp(notAfterMs),
      upgrade: connected ? (live.status?.upgrade ?? '').slice(0, 512) : '',
      link: formatLink(host.link),
      relay: host.relayAddress ?? '',
      joinedAt: host.joinedAtMs === undefined ? null : toTimestamp(host.joinedAtMs),
      holds: holdsOf(host.id).map(formatHold),
      ...hostAccess(db, host.id),
      quarantine: host.quarantine === undefined ? '' : `${host.quarantine.text}, since ${new Date(host.quarantine.atMs).toISOString()}`,
    };
  });
}

/** How it is with a host, as the wire has it. */
export function stateOf(host: HostRow, connected: boolean): 'HOST_STATE_INVITED' | 'HOST_STATE_CONNECTED' | 'HOST_STATE_LOST' | 'HOST_STATE_QUARANTINED' | 'HOST_STATE_REVOKED' | 'HOST_STATE_RETIRED' {
  switch (host.state) {
    case 'invited':
      return 'HOST_STATE_INVITED';
    case 'joined':
      return connected ? 'HOST_STATE_CONNECTED' : 'HOST_STATE_LOST';
    case 'quarantined':
      return 'HOST_STATE_QUARANTINED';
    case 'revoked':
      return 'HOST_STATE_REVOKED';
    case 'retired':
      return 'HOST_STATE_RETIRED';
  }
}

function parentName(db: Database, caller: Scoped, host: HostRow): string {
  return host.parentId === undefined || !inScope(db, caller, host.parentId) ? '' : (getHost(db, host.parentId)?.name ?? '');
}

function nounsByHost(rows: readonly { hostId: string; noun: string }[]): Map<string, string[]> {
  const byHost = new Map<string, string[]>();
  for (const { hostId, noun } of rows) byHost.set(hostId, [...(byHost.get(hostId) ?? []), noun]);
  return byHost;
}
