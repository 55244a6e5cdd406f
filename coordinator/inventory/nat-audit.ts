import type { NatProtocol } from '../../shared/model/nat.js';
import type { Database } from './database.js';

/** One thing that somebody did about a port of a host. */
export interface NatRecord {
  /** Unix ms. */
  readonly atMs: number;
  readonly by: string;
  /** What, as it was given: `nat add vm1 tcp/8080 -> web1:80`. */
  readonly action: string;
  /** How it ended; `intent`: it has not, or nobody knows. */
  readonly phase: string;
}

interface Sql {
  time_ms: number;
  principal: string;
  action: string;
  phase: string;
}

/** What was done about a port of a host, newest first; each command once, with how it ended. */
export function natAudit(db: Database, hostId: string, about: { readonly subjects: readonly string[]; readonly protocol: NatProtocol; readonly port: number }, limit: number): NatRecord[] {
  const rows = db
    .prepare(
      `SELECT time_ms, principal, action,
         coalesce((SELECT later.phase FROM audit AS later WHERE audit.phase = 'intent' AND later.operation_id = audit.operation_id AND later.seq > audit.seq AND later.phase <> 'intent' ORDER BY later.seq LIMIT 1), phase) AS phase
       FROM audit WHERE action LIKE 'nat %' AND phase IN ('intent', 'refused') AND arguments LIKE 'nat % ' || ? || ' %' ORDER BY seq DESC LIMIT 5000`,
    )
    .all(hostId) as Sql[];
  return rows
    .filter(({ action }) => (action.split(' ')[3] ?? '').split(',').some((subject) => about.subjects.includes(subject) || hasPort(subject, about)))
    .slice(0, limit)
    .map((row) => ({ atMs: row.time_ms, by: row.principal, action: row.action, phase: row.phase }));
}

/** Whether `tcp/8000-8010`, with or without where it listens, has a port. */
function hasPort(subject: string, { protocol, port }: { readonly protocol: NatProtocol; readonly port: number }): boolean {
  const match = /(?:^|:)(tcp|udp)\/([0-9]+)(?:-([0-9]+))?$/.exec(subject);
  return match?.[1] === protocol && Number(match[2]) <= port && port <= Number(match[3] ?? match[2]);
}
