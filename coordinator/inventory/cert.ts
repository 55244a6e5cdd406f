import { reeveError } from '../../shared/errors/error.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { mostCerts, type Cert, type CertState } from '../../shared/model/cert.js';
import type { CertRow } from '../desired/cert.js';
import type { Database } from './database.js';
import { getHost } from './host.js';

interface Sql {
  host_id: string;
  name: string;
  chain_pem: string | null;
  names: string | null;
  days: number | null;
  group_name: string | null;
  units: string;
  overwrite: number;
  by: string;
  added_at_ms: number;
  generation: number;
  kind: CertState['kind'] | null;
  state: CertState['state'] | null;
  seen_names: string | null;
  not_before_s: number | null;
  not_after_s: number | null;
  fingerprint: string | null;
  spki: string | null;
  issuer: string | null;
  seen_at_ms: number | null;
}

const columns = `cert.*, kind, state, seen.names AS seen_names, not_before_s, not_after_s, fingerprint, spki, issuer, seen_at_ms
  FROM cert LEFT JOIN cert_state AS seen ON seen.host_id = cert.host_id AND seen.name = cert.name`;

function fromSql(row: Sql): CertRow {
  const source = row.chain_pem === null ? ({ kind: 'self-signed', names: JSON.parse(row.names ?? '[]') as string[], days: row.days ?? 0 } as const) : ({ kind: 'supplied', chainPem: row.chain_pem } as const);
  return {
    hostId: row.host_id,
    cert: { name: row.name, source, group: row.group_name ?? undefined, units: JSON.parse(row.units) as string[], overwrite: row.overwrite === 1 },
    state: stateOf(row),
    by: row.by,
    addedAtMs: row.added_at_ms,
    generation: row.generation,
  };
}

function stateOf(row: Sql): CertRow['state'] {
  if (row.state === null || row.kind === null || row.seen_at_ms === null) return undefined;
  const facts =
    row.fingerprint === null || row.spki === null
      ? undefined
      : { names: JSON.parse(row.seen_names ?? '[]') as string[], notBefore: row.not_before_s ?? 0, notAfter: row.not_after_s ?? 0, fingerprint: row.fingerprint, spki: row.spki, issuer: row.issuer ?? '' };
  return { name: row.name, kind: row.kind, state: row.state, facts, seenAtMs: row.seen_at_ms };
}

/** The certificates of a host, by name. */
export function certsOf(db: Database, hostId: string): CertRow[] {
  return (db.prepare(`SELECT ${columns} WHERE cert.host_id = ? ORDER BY cert.name`).all(hostId) as Sql[]).map(fromSql);
}

/** One certificate of a host; undefined: there is none of that name. */
export function getCert(db: Database, hostId: string, name: string): CertRow | undefined {
  const row = db.prepare(`SELECT ${columns} WHERE cert.host_id = ? AND cert.name = ?`).get(hostId, name) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** Whether a host has a certificate of that name. */
export function certExists(db: Database, hostId: string, name: string): boolean {
  return db.prepare('SELECT 1 FROM cert WHERE host_id = ? AND name = ?').get(hostId, name) !== undefined;
}

/** Certificates of which people have to know: those that end before `beforeMs` (unix ms), and those that are not as they were written. */
export function certsToTell(db: Database, beforeMs: number): CertRow[] {
  return (db.prepare(`SELECT ${columns} WHERE not_after_s < ? OR state <> 'ok'`).all(Math.floor(beforeMs / 1000)) as Sql[]).map(fromSql);
}

/** Of these hosts, the ends of all certificates of which the host has said something, unix ms, ascending. */
export function certEndings(db: Database, hostIds: ReadonlySet<string>): number[] {
  const rows = db.prepare('SELECT host_id, not_after_s FROM cert_state WHERE not_after_s IS NOT NULL ORDER BY not_after_s').all() as { host_id: string; not_after_s: number }[];
  return rows.filter((row) => hostIds.has(row.host_id)).map((row) => row.not_after_s * 1000);
}

/** All self-signed certificates that end before a time (unix ms). */
export function selfSignedBefore(db: Database, beforeMs: number): CertRow[] {
  return (db.prepare(`SELECT ${columns} WHERE cert.days IS NOT NULL AND not_after_s < ?`).all(Math.floor(beforeMs / 1000)) as Sql[]).map(fromSql);
}

/** What is stored with a new certificate. */
export interface NewCert {
  readonly hostId: string;
  readonly by: string;
  readonly now: number;
  readonly generation: number;
}

/** Adds a certificate. Errors: CERT_EXISTS, FIELD_INVALID (too many). */
export function addCert(db: Database, cert: Cert, entry: NewCert): void {
  if (certExists(db, entry.hostId, cert.name)) throw reeveError('CERT_EXISTS', { value: cert.name, host: getHost(db, entry.hostId)?.name ?? entry.hostId });
  const count = db.prepare('SELECT count(*) FROM cert WHERE host_id = ?').pluck().get(entry.hostId) as number;
  if (count >= mostCerts.certs) throw fieldInvalid('cert', String(count + 1), `at most ${String(mostCerts.certs)} in one host`);
  db.prepare(
    `INSERT INTO cert (host_id, name, chain_pem, names, days, group_name, units, overwrite, by, added_at_ms, generation)
     VALUES (@hostId, @name, @chainPem, @names, @days, @group, @units, @overwrite, @by, @now, @generation)`,
  ).run({ ...entry, ...toSql(cert) });
  requireRoom(db, entry.hostId);
}

/** Makes a certificate another one; false: it was so. */
export function setCert(db: Database, hostId: string, cert: Cert, generation: number): boolean {
  const changed = db
    .prepare(
      `UPDATE cert SET chain_pem = @chainPem, names = @names, days = @days, group_name = @group, units = @units, overwrite = @overwrite, generation = @generation
       WHERE host_id = @hostId AND name = @name
         AND (chain_pem IS NOT @chainPem OR names IS NOT @names OR days IS NOT @days OR group_name IS NOT @group OR units <> @units OR overwrite <> @overwrite)`,
    )
    .run({ hostId, generation, ...toSql(cert) });
  requireRoom(db, hostId);
  return changed.changes > 0;
}

/** All of a host go over the wire together. */
function requireRoom(db: Database, hostId: string): void {
  const bytes = db.prepare('SELECT coalesce(sum(length(chain_pem)), 0) FROM cert WHERE host_id = ?').pluck().get(hostId) as number;
  if (bytes > mostCerts.allBytes) throw fieldInvalid('cert', `${String(bytes)} bytes`, `at most ${String(mostCerts.allBytes)} bytes of PEM in one host`);
}

/** Takes a certificate away. */
export function removeCert(db: Database, hostId: string, name: string): void {
  db.prepare('DELETE FROM cert WHERE host_id = ? AND name = ?').run(hostId, name);
}

/** What a host said of its certificates; of others than those of the inventory nothing is kept. */
export function setCertStates(db: Database, hostId: string, states: readonly CertState[], now: number): void {
  db.prepare('DELETE FROM cert_state WHERE host_id = ?').run(hostId);
  const insert = db.prepare(
    `INSERT INTO cert_state (host_id, name, kind, state, names, not_before_s, not_after_s, fingerprint, spki, issuer, seen_at_ms)
     SELECT host_id, name, @kind, @state, @names, @notBefore, @notAfter, @fingerprint, @spki, @issuer, @now FROM cert WHERE host_id = @hostId AND name = @name`,
  );
  for (const { name, kind, state, facts } of states) {
    insert.run({
      hostId, name, kind, state, now,
      names: facts === undefined ? null : JSON.stringify(facts.names), notBefore: facts?.notBefore ?? null, notAfter: facts?.notAfter ?? null,
      fingerprint: facts?.fingerprint ?? null, spki: facts?.spki ?? null, issuer: facts?.issuer ?? null,
    });
  }
}

/** A host has written a generation: what was to be written over is its own now. */
export function settleCerts(db: Database, hostId: string, generation: number): void {
  db.prepare('UPDATE cert SET overwrite = 0 WHERE host_id = ? AND overwrite = 1 AND generation <= ?').run(hostId, generation);
}

function toSql({ name, source, group, units, overwrite }: Cert): Record<string, string | number | null> {
  const supplied = source.kind === 'supplied';
  return {
    name,
    chainPem: supplied ? source.chainPem : null,
    names: supplied ? null : JSON.stringify(source.names),
    days: supplied ? null : source.days,
    group: group ?? null,
    units: JSON.stringify(units),
    overwrite: overwrite ? 1 : 0,
  };
}
