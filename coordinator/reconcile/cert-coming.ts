import type { Database } from '../inventory/database.js';

/** Keys that commands which are being planned are going to bring, by host: SPKI sha256, hex, and how many say so. In memory only. */
const announced = new WeakMap<Database, Map<string, Map<string, number>>>();

/** Plans for a host count with a key from now on, until what is answered is called. */
export function announceKey(db: Database, hostId: string, spki: string): () => void {
  const hosts = announced.get(db) ?? new Map<string, Map<string, number>>();
  const keys = hosts.get(hostId) ?? new Map<string, number>();
  announced.set(db, hosts.set(hostId, keys.set(spki, (keys.get(spki) ?? 0) + 1)));
  return () => {
    const left = (keys.get(spki) ?? 1) - 1;
    if (left > 0) keys.set(spki, left);
    else keys.delete(spki);
    if (keys.size === 0 && hosts.get(hostId) === keys) hosts.delete(hostId);
  };
}

/** The keys that are announced for a host. */
export function announcedKeys(db: Database, hostId: string): Buffer[] {
  return [...(announced.get(db)?.get(hostId)?.keys() ?? [])].map((spki) => Buffer.from(spki, 'hex'));
}
