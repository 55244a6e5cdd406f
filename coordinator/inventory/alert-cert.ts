import type { Database } from './database.js';

/** How long an installed certificate lives. */
export interface CertLife {
  readonly hostId: string;
  readonly name: string;
  readonly selfSigned: boolean;
  /** Begin and end, unix ms. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** The lives of all installed certificates of which a host has said something. */
export function certLives(db: Database): CertLife[] {
  const rows = db
    .prepare(
      `SELECT cert.host_id AS hostId, cert.name AS name, days IS NOT NULL AS selfSigned, not_before_s * 1000 AS fromMs, not_after_s * 1000 AS toMs
       FROM cert JOIN cert_state AS seen ON seen.host_id = cert.host_id AND seen.name = cert.name WHERE not_before_s IS NOT NULL AND not_after_s IS NOT NULL`,
    )
    .all() as (Omit<CertLife, 'selfSigned'> & { selfSigned: number })[];
  return rows.map((row) => ({ ...row, selfSigned: row.selfSigned === 1 }));
}
