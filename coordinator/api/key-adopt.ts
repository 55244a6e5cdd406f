import { ReeveError, type ErrorItem } from '../../shared/errors/error.js';
import type { ObserveKeyResponse } from '../../shared/gen/proto/reeve/agent/v1/ObserveKeyResponse.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ChangeOptions as WireOptions } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import type { Change } from '../../shared/model/change.js';
import { formatFingerprint } from '../../shared/model/fingerprint.js';
import { parseKeyComment, parsePublicKey, rsaBits, type KeyLine } from '../../shared/model/key.js';
import { parseWireOptions } from '../../shared/model/manifest.js';
import { parseAccountName } from '../../shared/model/user.js';
import type { CallContext } from '../../shared/rpc/server.js';
import type { Database } from '../inventory/database.js';
import { addGrant, listGrants } from '../inventory/grant.js';
import type { HostRow } from '../inventory/host.js';
import { setExclusive } from '../inventory/key-exclusive.js';
import type { KeySubject } from '../inventory/key-touched.js';
import { addKey, fingerprintOf, getKey } from '../inventory/ssh-key.js';
import { getUser, putUser } from '../inventory/user.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { fieldChange, inventoryChange, runAccess } from './key-change.js';

/** Which keys are to be taken over. */
export interface Adoption {
  readonly host: HostRow;
  /** Undefined: all users that have keys of their own. */
  readonly user: string | undefined;
  readonly options: WireOptions | null;
  /** Asks the host for them. */
  readonly observe: () => Promise<ObserveKeyResponse>;
}

/** A key in a user's own file. */
interface OwnLine {
  readonly user: string;
  readonly line: KeyLine;
}

/** Where Proxmox VE keeps files that are the same on all its nodes; root's own key file is one of them. */
const clusterFolder = '/etc/pve/';

/**
 * Takes over keys in users' own files: what is known stays its owner's, what is not becomes a key of the user itself, each with a grant to that user. The
 * host proves that nobody who gets in is shut out, before sshd stops to read those files. Errors: KEY_LINE, KEY_ADOPT_LOSES with all that cannot be taken over.
 */
export async function* adoptKeys(office: Office, context: CallContext<OperatorCaller>, adoption: Adoption): AsyncGenerator<ChangeEventInput> {
  const { host } = adoption;
  const lines = parseOwnLines(await adoption.observe(), host);
  const users = [...new Set(lines.map(({ user }) => user))].sort();
  yield* runAccess(office, context, {
    summary: `key adopt ${host.name}${adoption.user === undefined ? '' : ` ${adoption.user}`}`,
    detail: lines.map(({ user, line }) => [user, formatFingerprint(fingerprintOf(line.key))]),
    options: adoption.options,
    about: () => [{ kind: 'host', hostId: host.id }],
    named: users.length === 0 ? [] : [host.id],
    users: { hosts: users.length === 0 ? [] : [host], store: (db, _host, generation) => takeOver(db, host, users, generation) },
    afterUsers: (db) => {
      for (const user of users) setExclusive(db, host.id, user, true);
    },
    edit: (db, { now }) => {
      const stored = lines.map((own) => storeOwnLine(db, { host, own, now, by: context.principal.account }));
      return { changes: stored.flatMap(({ changes }) => changes), about: stored.flatMap(({ about }) => about) };
    },
  });
}

/** The keys that a host reported, or everything that cannot be taken over. */
function parseOwnLines(found: ObserveKeyResponse, host: HostRow): OwnLine[] {
  const lost = (user: string, rule: string): ErrorItem => ({ code: 'KEY_ADOPT_LOSES', fields: { value: user, host: host.name, rule } });
  const problems: ErrorItem[] = found.unread.map(({ user, path, reason }) => lost(user, `"${path}" could not be read: ${reason}`));
  if (found.truncated) problems.push(lost('*', 'the host has more keys than it can answer; name one user'));
  const lines: OwnLine[] = [];
  for (const { user, origin, line, key, comment, options, problem } of found.keys) {
    if (origin.startsWith(clusterFolder)) {
      problems.push(lost(user, `"${origin}" belongs to Proxmox VE, which keeps it the same on all its nodes`));
      continue;
    }
    try {
      if (key === null || problem !== '') throw new ReeveError([{ code: 'KEY_LINE', fields: { value: `${origin}:${String(line)}`, host: host.name, rule: problem === '' ? 'it is no key' : problem } }]);
      lines.push({ user: parseAccountName(user), line: { key: parsePublicKey(key.type, key.blob, rsaBits.known), comment: ownComment(comment), options: parseWireOptions(options) } });
    } catch (error) {
      if (!(error instanceof ReeveError)) throw error;
      problems.push(...error.items);
    }
  }
  if (problems.length > 0) throw new ReeveError(problems);
  return lines;
}

/** What stands behind a key on a host is kept as far as the inventory can. */
function ownComment(text: string): string {
  try {
    return parseKeyComment(text);
  } catch {
    return '';
  }
}

/** Users that were not managed are from now on, for keys and lock only; true when one was not. */
function takeOver(db: Database, host: HostRow, users: readonly string[], generation: number): boolean {
  const fresh = users.filter((user) => {
    const presence = getUser(db, host.id, user)?.user.presence;
    return presence !== 'present' && presence !== 'locked';
  });
  for (const name of fresh) putUser(db, host.id, { presence: 'present', name, account: { kind: 'adopted' } }, generation);
  return fresh.length > 0;
}

/** One key and its grant. */
function storeOwnLine(db: Database, { host, own, now, by }: { host: HostRow; own: OwnLine; now: number; by: string }): { changes: Change[]; about: KeySubject[] } {
  const { user, line } = own;
  const fingerprint = fingerprintOf(line.key);
  const subject = formatFingerprint(fingerprint);
  const known = getKey(db, { fingerprint });
  const { flags, from, expiresAtMs } = line.options;
  const keyId = known?.id ?? addKey(db, { key: line.key, comment: line.comment, owner: { kind: 'user', hostId: host.id, user }, flags, from, expiresAtMs }, now);
  const added = known === undefined ? [inventoryChange('create', 'key', subject, [fieldChange('owner', '', `${user} on ${host.name}`), fieldChange('comment', '', line.comment)])] : [];
  const granted = listGrants(db, { subject: { kind: 'key', keyId }, hostId: host.id }).some((grant) => grant.user === user);
  if (granted) return { changes: added, about: [] };
  const id = addGrant(db, { subject: { kind: 'key', keyId }, target: { kind: 'host', hostId: host.id }, user, expiresAtMs: undefined, reason: 'key adopt', by, now });
  const grant = inventoryChange('create', 'grant', String(id), [fieldChange('who', '', subject), fieldChange('on', '', host.name), fieldChange('user', '', user)]);
  return { changes: [...added, grant], about: [{ kind: 'grant', id }] };
}
