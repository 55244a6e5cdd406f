import type { Database } from './database.js';

/** The fleet's own row. */
export interface Fleet {
  readonly id: string;
  /** Host name or IP that agents reach the coordinator by. */
  readonly address: string;
  readonly agentsPort: number;
  readonly enrolmentPort: number;
  /** Port for operators on other machines. */
  readonly operatorsPort: number;
  /** Raised when a backup is restored; agents refuse a lower one. */
  readonly epoch: number;
  readonly createdAtMs: number;
}

/** The fleet; undefined before `reeve init`. */
export function getFleet(db: Database): Fleet | undefined {
  const row = db.prepare('SELECT * FROM fleet').get() as
    | { id: string; address: string; agents_port: number; enrolment_port: number; operators_port: number; epoch: number; created_at_ms: number }
    | undefined;
  if (row === undefined) return undefined;
  const ports = { agentsPort: row.agents_port, enrolmentPort: row.enrolment_port, operatorsPort: row.operators_port };
  return { id: row.id, address: row.address, ...ports, epoch: row.epoch, createdAtMs: row.created_at_ms };
}

/** Stores the fleet's row; there is only ever one. */
export function addFleet(db: Database, fleet: Fleet): void {
  const columns = 'one, id, address, agents_port, enrolment_port, operators_port, epoch, created_at_ms';
  db.prepare(`INSERT INTO fleet (${columns}) VALUES (1, ?, ?, ?, ?, ?, ?, ?)`).run(fleet.id, fleet.address, fleet.agentsPort, fleet.enrolmentPort, fleet.operatorsPort, fleet.epoch, fleet.createdAtMs);
}

/** Raises epoch and all generations, so that nothing of a restored state can be taken for newer than what hosts have seen since. */
export function jumpCounters(db: Database): void {
  db.transaction(() => {
    db.prepare('UPDATE fleet SET epoch = epoch + 1').run();
    db.prepare('UPDATE generation SET wanted = wanted + 1000000').run();
  })();
}
