import { isDeepStrictEqual } from 'node:util';
import { utf8Length } from '../../shared/model/bytes.js';
import type { Container, ContainerSpec } from '../../shared/model/container.js';
import { mostContainer } from '../../shared/model/container-field.js';
import { formatContainerText, parseContainerText } from '../../shared/model/container-text.js';
import { fieldInvalid } from '../../shared/model/field.js';
import type { ContainerRow, PresentContainer } from '../desired/container.js';
import type { Database } from './database.js';

interface Sql {
  host_id: string;
  name: string;
  presence: Container['presence'];
  spec: string | null;
  tag: string;
  overwrite: number;
  adopt: number;
  remove_volumes: number;
  by: string;
  added_at_ms: number;
  generation: number;
}

/** Longest text of one container, and most of all of one host: they go over the wire together. Bytes. */
export const mostContainerText = { one: 65_536, all: 786_432 } as const;

function fromSql(row: Sql): ContainerRow {
  return { hostId: row.host_id, container: containerOf(row), by: row.by, addedAtMs: row.added_at_ms, generation: row.generation };
}

function containerOf({ name, presence, spec, tag, overwrite, adopt, remove_volumes: removeVolumes }: Sql): Container {
  switch (presence) {
    case 'present':
      return { presence, name, spec: { ...parseContainerText(spec ?? ''), tag }, overwrite: overwrite === 1, adopt: adopt === 1 };
    case 'absent':
      return { presence, name, removeVolumes: removeVolumes === 1 };
    case 'released':
      return { presence, name };
  }
}

/** The containers of a host, also those that are to go, by name. */
export function containersOf(db: Database, hostId: string): ContainerRow[] {
  return (db.prepare('SELECT * FROM container WHERE host_id = ? ORDER BY name').all(hostId) as Sql[]).map(fromSql);
}

/** One container of a host; undefined: there is none of that name. */
export function getContainer(db: Database, hostId: string, name: string): ContainerRow | undefined {
  const row = db.prepare('SELECT * FROM container WHERE host_id = ? AND name = ?').get(hostId, name) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** Ids of the hosts that have rows of containers. */
export function hostsWithContainers(db: Database): ReadonlySet<string> {
  return new Set(db.prepare('SELECT DISTINCT host_id FROM container').pluck().all() as string[]);
}

/** Whether something is wanted of a container of a host. */
export function hasContainers(db: Database, hostId: string): boolean {
  return db.prepare('SELECT 1 FROM container WHERE host_id = ? LIMIT 1').get(hostId) !== undefined;
}

/** What is stored with a container. */
export interface ContainerEntry {
  readonly hostId: string;
  readonly by: string;
  readonly now: number;
  readonly generation: number;
}

/** Stores what is wanted of a container; false: it is wanted so already. Who added it first stays. Errors: FIELD_INVALID (too many, too long). */
export function putContainer(db: Database, container: Container, entry: ContainerEntry): boolean {
  const before = getContainer(db, entry.hostId, container.name)?.container;
  if (before !== undefined && isDeepStrictEqual(before, container)) return false;
  const present = container.presence === 'present' ? container : undefined;
  if (before === undefined) requireCount(db, entry.hostId);
  db.prepare(
    `INSERT INTO container (host_id, name, presence, engine, spec, tag, overwrite, adopt, remove_volumes, by, added_at_ms, generation)
     VALUES (@hostId, @name, @presence, @engine, @spec, @tag, @overwrite, @adopt, @removeVolumes, @by, @now, @generation)
     ON CONFLICT DO UPDATE SET presence = excluded.presence, engine = excluded.engine, spec = excluded.spec, tag = excluded.tag, overwrite = excluded.overwrite, adopt = excluded.adopt,
       remove_volumes = excluded.remove_volumes, generation = excluded.generation`,
  ).run({
    ...entry,
    name: container.name,
    presence: container.presence,
    ...(present === undefined ? { engine: null, spec: null, tag: '' } : { engine: present.spec.engine, spec: textOf(present.spec), tag: present.spec.tag }),
    overwrite: present?.overwrite === true ? 1 : 0,
    adopt: present?.adopt === true ? 1 : 0,
    removeVolumes: container.presence === 'absent' && container.removeVolumes ? 1 : 0,
  });
  requireRoom(db, entry.hostId);
  return true;
}

function textOf(spec: ContainerSpec): string {
  const text = formatContainerText(spec);
  if (utf8Length(text) > mostContainerText.one) throw fieldInvalid('spec', `${String(utf8Length(text))} bytes`, `at most ${String(mostContainerText.one)} bytes of text`);
  return text;
}

function requireCount(db: Database, hostId: string): void {
  const count = db.prepare('SELECT count(*) FROM container WHERE host_id = ?').pluck().get(hostId) as number;
  if (count >= mostContainer.perHost) throw fieldInvalid('container', String(count + 1), `at most ${String(mostContainer.perHost)} in one host`);
}

function requireRoom(db: Database, hostId: string): void {
  const bytes = db.prepare('SELECT coalesce(sum(length(CAST(spec AS BLOB))), 0) FROM container WHERE host_id = ?').pluck().get(hostId) as number;
  if (bytes > mostContainerText.all) throw fieldInvalid('container', `${String(bytes)} bytes`, `at most ${String(mostContainerText.all)} bytes of text in one host`);
}

/** A host has done a generation: rows that asked for removal or release by then are gone, and what was to be taken over or written over is its own now. */
export function settleContainers(db: Database, hostId: string, generation: number): void {
  db.prepare(`DELETE FROM container WHERE host_id = ? AND presence IN ('absent', 'released') AND generation <= ?`).run(hostId, generation);
  db.prepare(`UPDATE container SET overwrite = 0, adopt = 0, kept_spec = spec, kept_tag = tag, kept_generation = generation WHERE host_id = ? AND generation <= ? AND presence = 'present'`).run(hostId, generation);
}

/**
 * A host could not make containers what a generation wants, and has them as they were: so is what is wanted of them. One that is new is gone. When nothing else of the
 * generation is left to be made, the host has it. Answers of how many something else was wanted.
 */
export function takeBackContainers(db: Database, taken: { readonly hostId: string; readonly generation: number; readonly names: readonly string[] }): number {
  const { hostId, generation, names } = taken;
  const which = `host_id = ? AND presence = 'present' AND generation <= ? AND name IN (SELECT value FROM json_each(?)) AND (kept_generation IS NULL OR kept_generation < generation)`;
  const args = [hostId, generation, JSON.stringify(names)];
  const gone = db.prepare(`DELETE FROM container WHERE ${which} AND kept_spec IS NULL`).run(...args);
  const back = db.prepare(`UPDATE container SET spec = kept_spec, tag = kept_tag, generation = kept_generation, overwrite = 0, adopt = 0 WHERE ${which}`).run(...args);
  db.prepare(
    `UPDATE generation SET applied = wanted, reason = '' WHERE host_id = @hostId AND noun = 'container' AND wanted = @generation AND released = 0
     AND NOT EXISTS (SELECT 1 FROM container WHERE host_id = @hostId AND generation > applied)`,
  ).run({ hostId, generation });
  return gone.changes + back.changes;
}

/** The row of a container that is to be there; undefined: none is. */
export function presentContainer(row: ContainerRow | undefined): PresentContainer | undefined {
  return row?.container.presence === 'present' ? row.container : undefined;
}
