import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { reeveError, ReeveError } from '../../shared/errors/error.js';
import { sha256 } from '../../shared/kit/digest.js';
import { parseGrant, type BackupGrant, type GrantSide } from '../../shared/model/backup-grant.js';
import { openRecord } from '../../shared/rpc/signed.js';
import { appendWhole, makeFolder, writeWhole } from '../host/file.js';

/** Which end of a copy an agent is. */
export type Side = 'sender' | 'receiver';

/** Who asks whether a grant is for it. */
export interface GrantHolder {
  readonly fleetId: string;
  readonly hostId: string;
  readonly hostName: string;
  /** Fingerprint of the key in use, hex. */
  readonly key: string;
  /** PEM. */
  readonly controlRoot: string;
  /** Unix ms. */
  readonly now: number;
}

/** A grant that is good for this host and side, now. */
export interface Granted {
  readonly grant: BackupGrant;
  readonly side: Side;
  /** The other end. */
  readonly peer: GrantSide;
  /** What only the two ends and the coordinator know of it: sha256 of its signature, hex. */
  readonly mark: string;
}

/** Checks a grant: who signed it, for whom it is, and when. Whether it was used is for GrantBook. Errors: GRANT_REFUSED. */
export function checkGrant(holder: GrantHolder, side: string, record: { readonly grant: Buffer; readonly signature: Buffer }): Granted {
  const refuse = (rule: string): ReeveError => reeveError('GRANT_REFUSED', { host: holder.hostName, rule });
  if (side !== 'sender' && side !== 'receiver') throw refuse('it is for neither end of a copy');
  const grant = readGrant(holder, record, refuse);
  const [own, peer] = side === 'sender' ? [grant.sender, grant.receiver] : [grant.receiver, grant.sender];
  if (grant.fleet !== holder.fleetId) throw refuse('it is of another fleet');
  if (own.host !== holder.hostId) throw refuse('it is for another host');
  if (own.key !== holder.key) throw refuse('it is for another key of this host');
  if (peer.host === holder.hostId) throw refuse('both ends are this host');
  if (holder.now < grant.notBefore) throw refuse('it is not good yet');
  if (holder.now >= grant.notAfter) throw refuse('it is not good any more');
  return { grant, side, peer, mark: sha256(record.signature).toString('hex') };
}

function readGrant(holder: GrantHolder, record: { readonly grant: Buffer; readonly signature: Buffer }, refuse: (rule: string) => ReeveError): BackupGrant {
  let text: string;
  try {
    text = openRecord('grant', { body: record.grant, signature: record.signature }, holder.controlRoot);
  } catch {
    throw refuse('the control root of this fleet has not signed it');
  }
  try {
    return parseGrant(text);
  } catch (error) {
    throw refuse(error instanceof ReeveError ? error.message : 'it cannot be read');
  }
}

/** Grants that were used: each is good once, also after a restart. */
export interface GrantBook {
  /** Notes on the disk that a grant is used now. Errors: GRANT_REFUSED when it was used, IO_FAILED. */
  use(granted: Granted, hostName: string, now: number): void;
}

/** How long a used grant is remembered after its end, ms: clocks that jump do not make it new. */
const rememberedMs = 7 * 86_400_000;

/** The book below a state folder. */
export function openGrantBook(stateDir: string, now: number): GrantBook {
  const folder = join(stateDir, 'backup');
  const file = join(folder, 'grants');
  const used = new Map<string, number>();
  if (existsSync(file)) {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const [key, notAfter] = line.split(' ');
      if (key !== undefined && notAfter !== undefined && /^[0-9]+$/.test(notAfter)) used.set(key, Number(notAfter));
    }
  }
  const tidy = (at: number): void => {
    for (const [key, notAfter] of used) if (notAfter + rememberedMs < at) used.delete(key);
  };
  const before = used.size;
  tidy(now);
  if (used.size < before) writeWhole(file, [...used].map(([key, notAfter]) => `${key} ${String(notAfter)}\n`).join(''));
  return {
    use({ grant, side }, hostName, at) {
      const key = `${grant.run}/${side}`;
      if (used.has(key)) throw reeveError('GRANT_REFUSED', { host: hostName, rule: 'it was used before' });
      tidy(at);
      makeFolder(folder);
      appendWhole(file, `${key} ${String(grant.notAfter)}\n`);
      used.set(key, grant.notAfter);
    },
  };
}
