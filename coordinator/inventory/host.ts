import { reeveError, type ReeveError } from '../../shared/errors/error.js';
import type { Endpoint } from '../../shared/model/host.js';
import type { LinkKind } from '../../shared/model/link.js';
import { formatLabel, type Label } from '../../shared/model/label.js';
import { fieldMissing } from '../../shared/model/field.js';
import { parseSelector } from '../../shared/model/selector.js';
import type { Database } from './database.js';
import { revokeKeys } from './key.js';
import { retireKeys } from './key-forget.js';
import { raiseKeys, touchedHosts } from './key-touched.js';
import { forgetBackups } from './backup-forget.js';
import { forgetCerts } from './cert-forget.js';
import { forgetContainers } from './container-forget.js';
import { forgetNat } from './nat-forget.js';
import { statement } from './statement.js';
import { forgetVhosts } from './vhost-forget.js';
import { voidTokens } from './token.js';

/** A host as the inventory has it. */
export interface HostRow {
  readonly id: string;
  readonly name: string;
  readonly endpoint: Endpoint | undefined;
  readonly parentId: string | undefined;
  readonly link: LinkKind;
  /** Address at which its children reach the coordinator, as its agent said last. */
  readonly relayAddress: string | undefined;
  readonly state: 'invited' | 'joined' | 'quarantined' | 'revoked' | 'retired';
  /** Why and since when it is quarantined: two live agents have its identity. */
  readonly quarantine: { readonly text: string; readonly atMs: number } | undefined;
  /** sha256 of the machine-id that it joined with; undefined: it told none. */
  readonly machineHint: Buffer | undefined;
  readonly joinedAtMs: number | undefined;
  readonly lastSeenAtMs: number | undefined;
  readonly readmitUntilMs: number | undefined;
  readonly agentVersion: string;
  readonly auditSeq: number;
  readonly auditHead: Buffer | undefined;
  readonly auditBrokenAtMs: number | undefined;
}

interface Sql {
  id: string;
  name: string;
  address: string | null;
  port: number | null;
  parent_id: string | null;
  link: LinkKind;
  relay_address: string | null;
  state: Exclude<HostRow['state'], 'quarantined'>;
  quarantined_at_ms: number | null;
  quarantine: string;
  machine_hint: Buffer | null;
  joined_at_ms: number | null;
  last_seen_at_ms: number | null;
  readmit_until_ms: number | null;
  agent_version: string;
  audit_seq: number;
  audit_head: Buffer | null;
  audit_broken_at_ms: number | null;
}

const fromSql = (row: Sql): HostRow => ({
  id: row.id,
  name: row.name,
  endpoint: row.address === null || row.port === null ? undefined : { address: row.address, port: row.port },
  parentId: row.parent_id ?? undefined,
  link: row.link,
  relayAddress: row.relay_address ?? undefined,
  state: row.state === 'joined' && row.quarantined_at_ms !== null ? 'quarantined' : row.state,
  quarantine: row.quarantined_at_ms === null ? undefined : { text: row.quarantine, atMs: row.quarantined_at_ms },
  machineHint: row.machine_hint ?? undefined,
  joinedAtMs: row.joined_at_ms ?? undefined,
  lastSeenAtMs: row.last_seen_at_ms ?? undefined,
  readmitUntilMs: row.readmit_until_ms ?? undefined,
  agentVersion: row.agent_version,
  auditSeq: row.audit_seq,
  auditHead: row.audit_head ?? undefined,
  auditBrokenAtMs: row.audit_broken_at_ms ?? undefined,
});

/** All hosts but the retired (those too when asked), sorted by name. */
export function listHosts(db: Database, options: { retired: boolean } = { retired: false }): HostRow[] {
  const rows = db.prepare(`SELECT * FROM host ${options.retired ? '' : `WHERE state <> 'retired'`} ORDER BY name, id`).all() as Sql[];
  return rows.map(fromSql);
}

/** The next hosts after an id but the retired, by id: pages, so that a large fleet is no long look. */
export function nextHosts(db: Database, after: string, limit: number): HostRow[] {
  return (db.prepare(`SELECT * FROM host WHERE id > ? AND state <> 'retired' ORDER BY id LIMIT ?`).all(after, limit) as Sql[]).map(fromSql);
}

/** Ids of the hosts that have joined. */
export function joinedIds(db: Database): string[] {
  return db.prepare("SELECT id FROM host WHERE state = 'joined'").pluck().all() as string[];
}

/** A host by id; undefined when there is none. */
export function getHost(db: Database, id: string): HostRow | undefined {
  const row = statement(db, 'SELECT * FROM host WHERE id = ?').get(id) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** A host by name or id, not retired. Errors: HOST_UNKNOWN, HOST_RETIRED. */
export function findHost(db: Database, nameOrId: string): HostRow {
  const row = db.prepare(`SELECT * FROM host WHERE (name = ? AND state <> 'retired') OR id = ?`).get(nameOrId, nameOrId) as Sql | undefined;
  if (row === undefined) throw reeveError('HOST_UNKNOWN', { value: nameOrId });
  if (row.state === 'retired') throw reeveError('HOST_RETIRED', { value: nameOrId });
  return fromSql(row);
}

/** The hosts that a selector's text names, sorted by name, without the retired. Errors: SELECTOR_INVALID, SELECTOR_EMPTY, HOST_UNKNOWN. */
export function selectHosts(db: Database, text: string): HostRow[] {
  const selector = parseSelector(text);
  switch (selector.kind) {
    case 'all': {
      const hosts = listHosts(db);
      if (hosts.length === 0) throw reeveError('SELECTOR_EMPTY', { value: text });
      return hosts;
    }
    case 'name':
      return [findHost(db, selector.name)];
    case 'label': {
      const rows = db
        .prepare(`SELECT host.* FROM host JOIN host_label ON host_label.host_id = host.id WHERE key = ? AND value = ? AND state <> 'retired' ORDER BY name`)
        .all(selector.label.key, selector.label.value) as Sql[];
      if (rows.length === 0) throw reeveError('SELECTOR_EMPTY', { value: text });
      return rows.map(fromSql);
    }
  }
}

/** Adds a host that is invited; without a link it is reached directly. Errors: HOST_EXISTS, FIELD_MISSING (what its link needs). */
export function addHost(db: Database, host: { id: string; name: string; endpoint: Endpoint | undefined; parentId: string | undefined; link?: LinkKind; now: number }): void {
  assertNameFree(db, host.name);
  const link = host.link ?? 'direct';
  assertLinked({ ...host, link });
  db.prepare(`INSERT INTO host (id, name, address, port, parent_id, link, state, invited_at_ms) VALUES (?, ?, ?, ?, ?, ?, 'invited', ?)`).run(
    host.id,
    host.name,
    host.endpoint?.address ?? null,
    host.endpoint?.port ?? null,
    host.parentId ?? null,
    link,
    host.now,
  );
}

/** A host behind another has that other one, and an address there. */
function assertLinked(host: { endpoint: Endpoint | undefined; parentId: string | undefined; link: LinkKind }): void {
  if (host.link !== 'parent') return;
  if (host.parentId === undefined) throw fieldMissing('parent', 'a host with the link "parent" names the host whose agent passes bytes to it');
  if (host.endpoint === undefined) throw fieldMissing('address', 'a host with the link "parent" has the address at which its parent reaches it');
}

/** What can be altered of a host; undefined stays, null for the parent takes it away. */
export interface HostEdit {
  readonly name?: string;
  readonly endpoint?: Endpoint;
  readonly parentId?: string | null;
  readonly link?: LinkKind;
}

/** Alters a host. Errors: HOST_EXISTS, HOST_PARENT_LOOP, FIELD_MISSING (what its link needs). */
export function updateHost(db: Database, host: HostRow, edit: HostEdit): void {
  if (edit.name !== undefined && edit.name !== host.name) {
    assertNameFree(db, edit.name);
    db.prepare('UPDATE host SET name = ? WHERE id = ?').run(edit.name, host.id);
  }
  if (edit.parentId !== undefined && edit.parentId !== null) assertNoLoop(db, host, edit.parentId);
  const after = {
    endpoint: edit.endpoint ?? host.endpoint,
    parentId: edit.parentId === undefined ? host.parentId : (edit.parentId ?? undefined),
    link: edit.link ?? host.link,
  };
  assertLinked(after);
  db.prepare('UPDATE host SET address = ?, port = ?, parent_id = ?, link = ? WHERE id = ?').run(
    after.endpoint?.address ?? null,
    after.endpoint?.port ?? null,
    after.parentId ?? null,
    after.link,
    host.id,
  );
}

function assertNameFree(db: Database, name: string): void {
  if (db.prepare(`SELECT 1 FROM host WHERE name = ? AND state <> 'retired'`).get(name) !== undefined) throw reeveError('HOST_EXISTS', { value: name });
}

function assertNoLoop(db: Database, host: HostRow, parentId: string): void {
  const loop = db
    .prepare(
      `WITH RECURSIVE above (id) AS (VALUES (?) UNION SELECT host.parent_id FROM host JOIN above ON host.id = above.id WHERE host.parent_id IS NOT NULL)
       SELECT 1 FROM above WHERE id = ?`,
    )
    .get(parentId, host.id);
  if (loop !== undefined) throw reeveError('HOST_PARENT_LOOP', { value: host.name });
}

/** The hosts that live on this one, sorted by name. */
export function childrenOf(db: Database, id: string): HostRow[] {
  return (db.prepare(`SELECT * FROM host WHERE parent_id = ? AND state <> 'retired' ORDER BY name`).all(id) as Sql[]).map(fromSql);
}

/** The hosts that have an address, without the retired. */
export function hostsAt(db: Database, address: string): HostRow[] {
  return (db.prepare(`SELECT * FROM host WHERE address = ? AND state <> 'retired' ORDER BY name`).all(address) as Sql[]).map(fromSql);
}

/** Ids of the hosts that live on this one, or on one that does, at whatever depth; without the retired. */
export function idsBehind(db: Database, id: string): string[] {
  return db
    .prepare(
      `WITH RECURSIVE behind (id) AS (SELECT id FROM host WHERE parent_id = @id UNION SELECT host.id FROM host JOIN behind ON host.parent_id = behind.id)
       SELECT host.id FROM behind JOIN host USING (id) WHERE state <> 'retired' AND host.id <> @id ORDER BY name`,
    )
    .pluck()
    .all({ id }) as string[];
}

/** Notes where the children of a host reach the coordinator; undefined: nowhere. */
export function setRelayAddress(db: Database, id: string, address: string | undefined): void {
  db.prepare('UPDATE host SET relay_address = ? WHERE id = ? AND relay_address IS NOT ?').run(address ?? null, id, address ?? null);
}

/** Marks a host as joined. The address it came from is taken when none is known. Answers the hosts that are to be told of other keys for it. */
export function setJoined(db: Database, id: string, join: { now: number; from: Endpoint | undefined; agentVersion: string; machineHint: Buffer | undefined }): string[] {
  db.prepare(
    `UPDATE host SET state = 'joined', joined_at_ms = ?, agent_version = ?, machine_hint = ?, readmit_until_ms = NULL, quarantined_at_ms = NULL, quarantine = '', audit_seq = 0, audit_head = NULL,
       address = coalesce(address, ?), port = coalesce(port, ?) WHERE id = ?`,
  ).run(join.now, join.agentVersion, join.machineHint ?? null, join.from?.address ?? null, join.from?.port ?? null, id);
  return raiseKeys(db, touchedHosts(db, { kind: 'host', hostId: id }), { now: join.now });
}

/**
 * Sets the lasting state of a host. The keys that its users held let in nowhere any more: answers the hosts that are to be told.
 */
export function setHostState(db: Database, id: string, state: 'revoked' | 'retired', now: number): string[] {
  const touched = touchedHosts(db, { kind: 'host', hostId: id });
  if (state === 'retired') {
    retireKeys(db, id, now);
    forgetNat(db, id);
    forgetVhosts(db, id);
    forgetCerts(db, id);
    forgetContainers(db, id);
    forgetBackups(db, id, now);
  }
  db.prepare(`UPDATE host SET state = ?, retired_at_ms = ?, quarantined_at_ms = NULL, quarantine = '' WHERE id = ?`).run(state, state === 'retired' ? now : null, id);
  return raiseKeys(db, touched, { now, removed: { purge: false, endSessions: false } });
}

/** The error of a call to a quarantined host. */
export function quarantined(host: HostRow): ReeveError {
  return reeveError('HOST_QUARANTINED', { host: host.name, reason: host.quarantine?.text ?? 'two live agents have its identity' });
}

/** Two live agents have this identity: nothing is sent to either until one of them joined anew. A host that is not joined is left alone. */
export function setQuarantined(db: Database, id: string, quarantine: { readonly text: string; readonly atMs: number }): boolean {
  const where = `id = ? AND state = 'joined' AND quarantined_at_ms IS NULL`;
  return db.prepare(`UPDATE host SET quarantined_at_ms = ?, quarantine = ? WHERE ${where}`).run(quarantine.atMs, quarantine.text, id).changes === 1;
}

/** Takes a host out for ever: nothing that it has is good for anything any more, and its id is never used again. Answers the hosts that are to be told of it. */
export function retireHost(db: Database, id: string, now: number): string[] {
  revokeKeys(db, id);
  voidTokens(db, id);
  return setHostState(db, id, 'retired', now);
}

/** Lets a host with a long expired certificate come back until then. */
export function setReadmit(db: Database, id: string, untilMs: number): void {
  db.prepare('UPDATE host SET readmit_until_ms = ? WHERE id = ?').run(untilMs, id);
}

/** Notes when hosts were last heard of, all in one transaction. */
export function setLastSeen(db: Database, seen: ReadonlyMap<string, number>): void {
  const update = db.prepare('UPDATE host SET last_seen_at_ms = ? WHERE id = ?');
  db.transaction(() => {
    for (const [id, at] of seen) update.run(at, id);
  })();
}

/** Notes the version of a host's agent. */
export function setAgentVersion(db: Database, id: string, agentVersion: string): void {
  db.prepare('UPDATE host SET agent_version = ? WHERE id = ? AND agent_version <> ?').run(agentVersion, id, agentVersion);
}

/** Notes the head of a host's audit chain; `brokenAtMs` when it does not follow from the last one. */
export function setAuditHead(db: Database, id: string, head: { seq: number; hash: Buffer; brokenAtMs: number | undefined }): void {
  db.prepare('UPDATE host SET audit_seq = ?, audit_head = ?, audit_broken_at_ms = coalesce(audit_broken_at_ms, ?) WHERE id = ?').run(head.seq, head.hash, head.brokenAtMs ?? null, id);
}

/** Labels of a host as `key=value`, sorted. */
export function labelsOf(db: Database, id: string): string[] {
  const rows = db.prepare('SELECT key, value FROM host_label WHERE host_id = ? ORDER BY key').all(id) as Label[];
  return rows.map(formatLabel);
}

/** Labels of all hosts, by host id; those of one host sorted. */
export function listLabels(db: Database): ReadonlyMap<string, readonly Label[]> {
  const labels = new Map<string, Label[]>();
  for (const { host_id: id, ...label } of db.prepare('SELECT host_id, key, value FROM host_label ORDER BY host_id, key').all() as (Label & { host_id: string })[]) {
    const known = labels.get(id);
    if (known === undefined) labels.set(id, [label]);
    else known.push(label);
  }
  return labels;
}

/** Whether a host has a label. */
export function hasLabel(db: Database, id: string, label: Label): boolean {
  return db.prepare('SELECT 1 FROM host_label WHERE host_id = ? AND key = ? AND value = ?').get(id, label.key, label.value) !== undefined;
}

/** Ids of all hosts with a label, also the retired. */
export function hostsWithLabel(db: Database, label: Label): string[] {
  return db.prepare('SELECT host_id FROM host_label WHERE key = ? AND value = ?').pluck().all(label.key, label.value) as string[];
}

/** Adds or replaces labels, and takes keys away. */
export function setLabels(db: Database, id: string, set: readonly Label[], remove: readonly string[]): void {
  const put = db.prepare('INSERT INTO host_label VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value');
  for (const label of set) put.run(id, label.key, label.value);
  const drop = db.prepare('DELETE FROM host_label WHERE host_id = ? AND key = ?');
  for (const key of remove) drop.run(id, key);
}
