import { join } from 'node:path';
import { addSpanKey } from '../../coordinator/inventory/access-span.js';
import { openDatabase, type Database } from '../../coordinator/inventory/database.js';
import { ed25519, hostId } from './key-inventory.js';

/** How large the fleet of the bench is. */
export const sizes = { hosts: 10_000, persons: 1000, groups: 200 } as const;

const users = ['app', 'backup', 'deploy', 'root', 'www'];

/** The numbers of a linear congruential generator (Numerical Recipes): the same fleet each time. */
function numbers(): (below: number) => number {
  let state = 7;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/**
 * An inventory on disk as an organisation of that size might have it: each host has a role, a site and a team; the team's group logs in to all of its users, the
 * role's to one, operators to root everywhere; hosts have two owners; a third of them one person more; backups log in with keys that hosts hold.
 */
export function makeFleet(folder: string, now: number): Database {
  const db = openDatabase(join(folder, 'key.db'), { nativeBinding: join(import.meta.dirname, 'better_sqlite3.node') });
  const next = numbers();
  db.transaction(() => {
    addHosts(db, next, now);
    addPersons(db, next, now);
    addGrants(db, next, now);
  })();
  db.exec('ANALYZE');
  return db;
}

function addHosts(db: Database, next: (below: number) => number, now: number): void {
  const host = db.prepare(`INSERT INTO host (id, name, state, invited_at_ms, joined_at_ms) VALUES (?, ?, 'joined', ?, ?)`);
  const label = db.prepare('INSERT INTO host_label VALUES (?, ?, ?)');
  const user = db.prepare(`INSERT INTO user (host_id, name, presence, kind, generation) VALUES (?, ?, ?, 'adopted', 1)`);
  for (let n = 0; n < sizes.hosts; n += 1) {
    const id = hostId(n);
    host.run(id, `host${String(n)}`, now, now);
    label.run(id, 'role', `r${String(next(40))}`);
    label.run(id, 'site', `s${String(next(20))}`);
    label.run(id, 'team', `t${String(next(100))}`);
    for (const name of users) user.run(id, name, next(50) === 0 ? 'locked' : 'present');
  }
}

function addPersons(db: Database, next: (below: number) => number, now: number): void {
  const person = db.prepare('INSERT INTO person (name, active, created_at_ms) VALUES (?, ?, ?)');
  const key = db.prepare(`INSERT INTO ssh_key (fingerprint, type, base64, person, host_id, user, flags, added_at_ms) VALUES (?, 'ssh-ed25519', ?, ?, ?, ?, ?, ?)`);
  let made = 0;
  const add = (owner: string | null, held: string | null): void => {
    made += 1;
    const fingerprint = made.toString(16).padStart(64, '0');
    const { lastInsertRowid } = key.run(fingerprint, ed25519(String(made)).base64, owner, held, held === null ? null : 'backup', next(20) === 0 ? '["no-port-forwarding"]' : '[]', now);
    addSpanKey(db, { id: Number(lastInsertRowid), fingerprint, owner: held === null ? { kind: 'person', name: owner ?? '' } : { kind: 'user', hostId: held, user: 'backup' } });
  };
  for (let n = 0; n < sizes.persons; n += 1) {
    person.run(`person${String(n)}`, next(50) === 0 ? 0 : 1, now);
    for (let keys = 1 + next(2); keys > 0; keys -= 1) add(`person${String(n)}`, null);
  }
  for (let n = 0; n < 20; n += 1) add(null, hostId(n * 100));
}

function addGrants(db: Database, next: (below: number) => number, now: number): void {
  const group = db.prepare('INSERT INTO key_group (name, created_at_ms) VALUES (?, ?)');
  const member = db.prepare('INSERT OR IGNORE INTO group_member (key_group, person, host_id, added_at_ms) VALUES (?, ?, ?, ?)');
  const grant = db.prepare(
    `INSERT OR IGNORE INTO access_grant (person, key_group, host_id, label_key, label_value, user, expires_at_ms, by, created_at_ms) VALUES (@person, @group, @host, @key, @value, @user, @expires, 'bench', @now)`,
  );
  const give = (to: { person?: string; group?: string; host?: string; key?: string; value?: string; user?: string }): void => {
    const expires = next(20) === 0 ? now + 86_400_000 * (1 + next(90)) : null;
    grant.run({ person: null, group: null, host: null, key: null, value: null, user: null, ...to, expires, now });
  };
  const someone = (): string => `person${String(next(sizes.persons))}`;
  for (let n = 0; n < sizes.groups; n += 1) {
    const name = `group${String(n)}`;
    group.run(name, now);
    for (let members = 4 + next(5); members > 0; members -= 1) member.run(name, someone(), null, now);
    if (n < 100) give({ group: name, key: 'team', value: `t${String(n)}` });
    else if (n < 140) give({ group: name, key: 'role', value: `r${String(n - 100)}`, user: 'deploy' });
    else if (n === 140) give({ group: name, user: 'root' });
    else if (n > 141) for (let hosts = 50; hosts > 0; hosts -= 1) give({ group: name, host: hostId(next(sizes.hosts)), user: 'app' });
  }
  for (let n = 0; n < 20; n += 1) member.run('group141', null, hostId(n * 100), now);
  give({ group: 'group141', user: 'backup' });
  const owner = db.prepare('INSERT OR IGNORE INTO host_owner VALUES (?, ?, ?)');
  for (let n = 0; n < sizes.hosts; n += 1) {
    for (let owners = 2; owners > 0; owners -= 1) owner.run(hostId(n), someone(), now);
    if (n % 3 === 0) give({ person: someone(), host: hostId(n), user: users[next(users.length)] ?? 'app' });
  }
}
