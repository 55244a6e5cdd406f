import type { Database } from './database.js';

/** The fleet's own row. */
export interface Fleet {
  readonly id: string;
  /** Host names or IPs that agents and operators reach the coordinator by, in order of preference; 1 to 8. */
  readonly addresses: readonly string[];
  readonly agentsPort: number;
  readonly enrolmentPort: number;
  /** Port for operators on other machines. */
  readonly operatorsPort: number;
  /** Raised when a backup is restored; agents refuse a lower one. */
  readonly epoch: number;
  readonly createdAtMs: number;
  /** Version of the record that says where the coordinator is; 0: its addresses were never altered. */
  readonly movedVersion: number;
  readonly movedAtMs: number;
  /** Version of the list of denied coordinator keys; 0: none was ever denied. */
  readonly denyVersion: number;
}

interface Sql {
  id: string;
  agents_port: number;
  enrolment_port: number;
  operators_port: number;
  epoch: number;
  created_at_ms: number;
  moved_version: number;
  moved_at_ms: number;
  deny_version: number;
}

/** The fleet; undefined before `reeve init`. */
export function getFleet(db: Database): Fleet | undefined {
  const row = db.prepare('SELECT * FROM fleet').get() as Sql | undefined;
  if (row === undefined) return undefined;
  return {
    id: row.id,
    addresses: db.prepare('SELECT address FROM fleet_address ORDER BY position').pluck().all() as string[],
    agentsPort: row.agents_port,
    enrolmentPort: row.enrolment_port,
    operatorsPort: row.operators_port,
    epoch: row.epoch,
    createdAtMs: row.created_at_ms,
    movedVersion: row.moved_version,
    movedAtMs: row.moved_at_ms,
    denyVersion: row.deny_version,
  };
}

/** Stores the fleet's row; there is only ever one. */
export function addFleet(db: Database, fleet: Omit<Fleet, 'movedVersion' | 'movedAtMs' | 'denyVersion'>): void {
  const columns = 'one, id, agents_port, enrolment_port, operators_port, epoch, created_at_ms';
  db.prepare(`INSERT INTO fleet (${columns}) VALUES (1, ?, ?, ?, ?, ?, ?)`).run(fleet.id, fleet.agentsPort, fleet.enrolmentPort, fleet.operatorsPort, fleet.epoch, fleet.createdAtMs);
  putAddresses(db, fleet.addresses);
}

/** The coordinator is reached by other addresses from now on. */
export function setAddresses(db: Database, addresses: readonly string[], now: number): void {
  putAddresses(db, addresses);
  db.prepare('UPDATE fleet SET moved_version = moved_version + 1, moved_at_ms = ?').run(now);
}

function putAddresses(db: Database, addresses: readonly string[]): void {
  db.prepare('DELETE FROM fleet_address').run();
  const add = db.prepare('INSERT INTO fleet_address VALUES (?, ?)');
  for (const [index, address] of addresses.entries()) add.run(index + 1, address);
}

/** Raises epoch, generations and the versions of signed records, so that nothing of a restored state can be taken for newer than what hosts have seen since. */
export function jumpCounters(db: Database): void {
  db.transaction(() => {
    db.prepare('UPDATE fleet SET epoch = epoch + 1, moved_version = moved_version + CASE moved_version WHEN 0 THEN 0 ELSE 1000000 END, deny_version = deny_version + CASE deny_version WHEN 0 THEN 0 ELSE 1000000 END').run();
    db.prepare('UPDATE generation SET wanted = wanted + 1000000').run();
  })();
}
