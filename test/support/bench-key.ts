/** The process of the bench of keys: an inventory of 10,000 hosts, and how long it takes to say who gets in. Takes one message, answers measurements. */
import { createHash } from 'node:crypto';
import { keysAt } from '../../coordinator/inventory/key-source.js';
import { raiseKeys, touchedHosts } from '../../coordinator/inventory/key-touched.js';
import { setPerson } from '../../coordinator/inventory/person.js';
import type { Database } from '../../coordinator/inventory/database.js';
import { formatKeyLine, type KeyFlag, type KeyType } from '../../shared/model/key.js';
import { inTurns, timesOf } from '../bench/round.js';
import { makeFleet, sizes } from './bench-key-fleet.js';
import { answerParent } from './bench-process.js';
import { hostId } from './key-inventory.js';

/** What was found. */
export interface KeyMeasured {
  /** All key files of all hosts, ms: ours, and one query per host. */
  readonly all: readonly number[];
  readonly queries: readonly number[];
  readonly files: number;
  readonly lines: number;
  readonly megabytes: number;
  /** How much resident memory grew while all were computed, MB, the first time. */
  readonly rssMb: number;
  /** Hosts that one person's change touches, ms; and how many they are. */
  readonly touched: readonly number[];
  readonly touchedHosts: readonly number[];
  /** That change, with all that hosts are told, in one transaction, ms. */
  readonly raised: readonly number[];
  /** The first raise of all hosts, ms. */
  readonly first: number;
}

interface Files {
  files: number;
  lines: number;
  bytes: number;
  /** Over all files, in the order of hosts and users. */
  readonly hash: ReturnType<typeof createHash>;
}

const head = '# Managed by Reeve: changes made here are undone. See reeve-agent(8).';

/** A file as text, and its sha256. */
interface File {
  readonly text: string;
  readonly lines: number;
  readonly sha256: Buffer;
}

function fileOf(lines: readonly string[]): File {
  const text = `${head}\n${lines.join('\n')}\n`;
  return { text, lines: lines.length, sha256: createHash('sha256').update(text).digest() };
}

function take(into: Files, hostAndUser: string, file: File): void {
  into.files += 1;
  into.lines += file.lines;
  into.bytes += file.text.length;
  into.hash.update(hostAndUser).update(file.sha256);
}

const none = (): Files => ({ files: 0, lines: 0, bytes: 0, hash: createHash('sha256') });

/** Every file of every host as text with its sha256, from one reading of the tables. */
function allFiles(db: Database, now: number): Files {
  const into = none();
  const index = keysAt(db, Array.from({ length: sizes.hosts }, (_none, n) => hostId(n)), now);
  // Users who are let in alike share one array: their files are the same.
  const files = new WeakMap<object, File>();
  for (const id of index.hostIds) {
    for (const { user, keys } of index.host(id).users) {
      const file = files.get(keys) ?? fileOf(keys.map(({ line }) => formatKeyLine(line)));
      files.set(keys, file);
      take(into, `${id} ${user}`, file);
    }
  }
  return into;
}

/** The lines of all users of one host in their order, with repeats of a key. */
const perHost = `
  WITH applying AS (
    SELECT * FROM access_grant WHERE host_id = @host
    UNION ALL SELECT access_grant.* FROM host_label JOIN access_grant ON label_key = key AND label_value = value WHERE host_label.host_id = @host
    UNION ALL SELECT * FROM access_grant WHERE host_id IS NULL AND label_key IS NULL),
  way (grant_id, user, via, place, member, key_id, expires) AS (
    SELECT applying.id, applying.user, NULL, 0, '', ssh_key.id, applying.expires_at_ms FROM applying JOIN ssh_key ON ssh_key.person = applying.person
    UNION ALL SELECT applying.id, applying.user, key_group, 0, group_member.person, ssh_key.id, applying.expires_at_ms FROM applying JOIN group_member USING (key_group) JOIN ssh_key ON ssh_key.person = group_member.person
    UNION ALL SELECT applying.id, applying.user, key_group, 1, group_member.host_id, ssh_key.id, applying.expires_at_ms FROM applying JOIN group_member USING (key_group) JOIN ssh_key ON ssh_key.host_id = group_member.host_id
    UNION ALL SELECT 1e15, NULL, NULL, 0, host_owner.person, ssh_key.id, NULL FROM host_owner JOIN ssh_key USING (person) WHERE host_owner.host_id = @host)
  SELECT account.name AS account, way.grant_id, way.via, ssh_key.id, ssh_key.type, ssh_key.base64, ssh_key.flags, coalesce(ssh_key.person, ssh_key.user || '@' || holder.name) AS who, expires
  FROM user AS account JOIN way ON way.user IS NULL OR way.user = account.name JOIN ssh_key ON ssh_key.id = way.key_id LEFT JOIN person ON person.name = ssh_key.person LEFT JOIN host AS holder ON holder.id = ssh_key.host_id
  WHERE account.host_id = @host AND account.presence = 'present' AND coalesce(person.active, 1) = 1
  ORDER BY account.name, way.user IS NULL, way.grant_id, way.place, way.member, ssh_key.id`;

interface Row {
  account: string;
  grant_id: number;
  via: string | null;
  id: number;
  type: KeyType;
  base64: string;
  flags: string;
  who: string;
  expires: number | null;
}

/** The same by a query for each host. */
function filesByQuery(db: Database): Files {
  const into = none();
  const query = db.prepare(perHost);
  for (let n = 0; n < sizes.hosts; n += 1) {
    const byUser = new Map<string, Map<number, Row>>();
    for (const row of query.all({ host: hostId(n) }) as Row[]) {
      const keys = byUser.get(row.account) ?? new Map<number, Row>();
      byUser.set(row.account, keys);
      const known = keys.get(row.id);
      if (known === undefined) keys.set(row.id, row);
      else known.expires = known.expires === null || row.expires === null ? null : Math.max(known.expires, row.expires);
    }
    for (const [user, rows] of byUser) {
      const lines = [...rows.values()].map((row) => {
        const why = row.grant_id === 1e15 ? ': owner' : `${row.via === null ? '' : ` via ${row.via}`}: grant ${String(row.grant_id)}`;
        return formatKeyLine({ key: row, options: { flags: JSON.parse(row.flags) as KeyFlag[], from: [], expiresAtMs: row.expires ?? undefined }, comment: `${row.who}${why}` });
      });
      take(into, `${hostId(n)} ${user}`, fileOf(lines));
    }
  }
  return into;
}

async function run(request: { folder: string; now: number; rounds: number }): Promise<KeyMeasured> {
  const { now } = request;
  const db = makeFleet(request.folder, now);
  const rss = process.memoryUsage().rss;
  const ours = allFiles(db, now);
  const rssMb = (process.memoryUsage().rss - rss) / 1e6;
  if (!ours.hash.digest().equals(filesByQuery(db).hash.digest())) throw new Error('the two ways of computing key files do not agree');
  const times = await inTurns(
    [
      { name: 'all', run: () => Promise.resolve(void allFiles(db, now)) },
      { name: 'queries', run: () => Promise.resolve(void filesByQuery(db)) },
    ],
    { warmUp: 0, rounds: request.rounds },
  );
  const timed = <T>(work: () => T): { ms: number; value: T } => {
    const at = performance.now();
    const value = work();
    return { ms: performance.now() - at, value };
  };
  const first = timed(() => db.transaction(() => raiseKeys(db, Array.from({ length: sizes.hosts }, (_none, n) => hostId(n)), { now }))());
  if (first.value.length !== sizes.hosts) throw new Error(`${String(first.value.length)} hosts were raised`);
  const persons = Array.from({ length: 100 }, (_none, n) => `person${String(n * 10)}`);
  const touched = persons.map((name) => timed(() => touchedHosts(db, { kind: 'person', name })));
  const raised = persons.slice(0, 20).map((name, n) =>
    timed(() =>
      db.transaction(() => {
        setPerson(db, name, { active: false });
        return raiseKeys(db, touchedHosts(db, { kind: 'person', name }), { now: now + n + 1, removed: { purge: false, endSessions: false } });
      })(),
    ),
  );
  db.close();
  return {
    all: timesOf(times, 'all').ms, queries: timesOf(times, 'queries').ms, files: ours.files, lines: ours.lines, megabytes: ours.bytes / 1e6, rssMb,
    touched: touched.map(({ ms }) => ms), touchedHosts: touched.map(({ value }) => value.length), raised: raised.map(({ ms }) => ms), first: first.ms,
  };
}

answerParent(run);
