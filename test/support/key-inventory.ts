import { openDatabase, type Database } from '../../coordinator/inventory/database.js';
import { addGroup } from '../../coordinator/inventory/group.js';
import { addHost, setLabels } from '../../coordinator/inventory/host.js';
import { addPerson } from '../../coordinator/inventory/person.js';
import { addKey } from '../../coordinator/inventory/ssh-key.js';
import { putUser } from '../../coordinator/inventory/user.js';
import { sha256 } from '../../shared/kit/digest.js';
import type { PublicKey } from '../../shared/model/key.js';

/** The moment that test inventories begin at, unix ms. */
export const beginMs = Date.parse('2030-01-01T00:00:00Z');

/** A host's id from a number. */
export const hostId = (n: number): string => `01900000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;

/** A key that nobody has the other half of. */
export function ed25519(seed: string): PublicKey {
  const blob = Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.from([0, 0, 0, 32]), sha256(seed)]);
  return { type: 'ssh-ed25519', base64: blob.toString('base64') };
}

/** A key of a person or of a user on a host, without options; answers its number. */
export function giveKey(db: Database, owner: string | { hostId: string; user: string }, seed: string, expiresAtMs?: number): number {
  const of = typeof owner === 'string' ? { kind: 'person' as const, name: owner } : { kind: 'user' as const, ...owner };
  return addKey(db, { key: ed25519(seed), comment: seed, owner: of, flags: [], from: [], expiresAtMs }, beginMs);
}

/** Makes a user that is wanted on a host, or locked there. */
export function giveUser(db: Database, host: string, name: string, presence: 'present' | 'locked' = 'present'): void {
  putUser(db, host, { presence, name, account: { kind: 'adopted' } }, 1);
}

/** A small inventory in memory: hosts 1.. that have joined, each with users "app" and "root"; persons "p0"..; groups "g0"... */
export function smallInventory(sizes: { hosts: number; persons: number; groups: number }): Database {
  const db = openDatabase(':memory:');
  for (let n = 1; n <= sizes.hosts; n += 1) {
    addHost(db, { id: hostId(n), name: `host${String(n)}`, endpoint: undefined, parentId: undefined, now: beginMs });
    db.prepare(`UPDATE host SET state = 'joined' WHERE id = ?`).run(hostId(n));
    setLabels(db, hostId(n), [{ key: 'role', value: n % 2 === 0 ? 'even' : 'odd' }], []);
    for (const name of ['app', 'root']) giveUser(db, hostId(n), name);
  }
  for (let n = 0; n < sizes.persons; n += 1) addPerson(db, { name: `p${String(n)}`, displayName: '', mail: '', active: true, expiresAtMs: undefined }, beginMs);
  for (let n = 0; n < sizes.groups; n += 1) addGroup(db, { name: `g${String(n)}`, comment: '', now: beginMs });
  return db;
}
