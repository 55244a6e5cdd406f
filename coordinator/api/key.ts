import { ReeveError, reeveError, type ErrorItem } from '../../shared/errors/error.js';
import type { KeyServiceDefinition as AgentKey } from '../../shared/gen/proto/reeve/agent/v1/KeyService.js';
import type { ObserveKeyResponse } from '../../shared/gen/proto/reeve/agent/v1/ObserveKeyResponse.js';
import type { KeyInput } from '../../shared/gen/proto/reeve/coordinator/v1/Key.js';
import type { KeyServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/KeyService.js';
import type { ListKeyRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ListKeyRequest.js';
import type { NewKey as WireKey } from '../../shared/gen/proto/reeve/coordinator/v1/NewKey.js';
import { sha256 } from '../../shared/kit/digest.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { formatFingerprint, parseFingerprint } from '../../shared/model/fingerprint.js';
import { blobOf, formatKeyOptions, parseKeyComment, parsePublicKey, rsaBits, type KeyLine } from '../../shared/model/key.js';
import { formatWireOptions, parseWireOptions } from '../../shared/model/manifest.js';
import { parsePersonName } from '../../shared/model/person.js';
import { parseAccountName } from '../../shared/model/user.js';
import { serviceName } from '../../shared/rpc/client.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import type { KeyOwner, KeyRow } from '../desired/key-row.js';
import type { Database } from '../inventory/database.js';
import type { HostRow } from '../inventory/host.js';
import { findPerson } from '../inventory/person.js';
import { addKey, findKey, fingerprintOf, formatOwner, getKey, listKeys, removeKey, setKey, type NewKey } from '../inventory/ssh-key.js';
import type { Office } from '../office.js';
import { requireAble } from '../reconcile/able.js';
import { keyNoun } from '../reconcile/key.js';
import type { OperatorCaller } from './caller.js';
import { adoptKeys } from './key-adopt.js';
import { fieldChange, inventoryChange, runAccess, type AccessEdit } from './key-change.js';
import { changes, changesFleet, reads } from './row.js';
import { hostFor, inScope, type Scoped } from './select.js';

const agentKey = serviceName<AgentKey>('reeve.agent.v1.KeyService');

/** Most keys of one command. */
const mostKeys = 100;

/** SSH keys, for operators. */
export function keyService(office: () => Office): Service<OperatorCaller> {
  return defineService<KeyServiceDefinition, OperatorCaller>('reeve.coordinator.v1.KeyService', {
    AddKey: {
      ...changesFleet,
      handle: (request, context) => {
        const owner = parseOwner(office().db, context.principal, request);
        const lines = parseNewKeys(request.keys);
        const subject = owner.kind === 'person' ? ({ kind: 'person', name: owner.name } as const) : ({ kind: 'host', hostId: owner.hostId } as const);
        return runAccess(office(), context, {
          summary: owner.kind === 'person' ? `key add ${owner.name}` : `key add ${owner.user} on ${request.host}`,
          detail: lines.map((line) => [formatFingerprint(fingerprintOf(line.key)), formatKeyOptions(line.options), line.comment]),
          options: request.options,
          about: () => [subject],
          edit: (db, { now }) => storeKeyLines(db, owner, lines, now),
        });
      },
    },
    RemoveKey: {
      ...changesFleet,
      handle: (request, context) => {
        const fingerprint = parseFingerprint(request.fingerprint);
        return runAccess(office(), context, {
          summary: `key remove ${request.fingerprint}`,
          detail: { force: request.force },
          options: request.options,
          force: request.force,
          about: (db) => [{ kind: 'key', id: findKey(db, fingerprint).id }],
          edit: (db) => {
            const key = findKey(db, request.fingerprint);
            removeKey(db, key.id);
            return { changes: [inventoryChange('remove', 'key', request.fingerprint, [fieldChange('owner', ownerText(key.owner), '')])] };
          },
        });
      },
    },
    ListKey: { ...reads, handle: (request, { principal }) => Promise.resolve({ keys: list(office().db, principal, request).map(formatKey) }) },
    ObserveForeignKey: {
      ...reads,
      handle: async (request, { principal }) => {
        const { db } = office();
        const user = request.user === '' ? undefined : parseAccountName(request.user);
        const found = await observeForeign(office(), hostFor(db, principal, request.host), user);
        return {
          keys: found.keys.map((observed) => ({ observed, ...knownAs(db, principal, observed.key?.blob) })),
          unread: found.unread,
          sshd: found.sshd,
          truncated: found.truncated,
        };
      },
    },
    AdoptKey: {
      ...changes,
      handle: (request, context) => {
        const host = hostFor(office().db, context.principal, request.host);
        const user = request.user === '' ? undefined : parseAccountName(request.user);
        return adoptKeys(office(), context, { host, user, options: request.options, observe: () => observeForeign(office(), host, user) });
      },
    },
  });
}

function parseOwner(db: Database, caller: Scoped, request: { person: string; host: string; user: string }): NewKey['owner'] {
  if ((request.person === '') === (request.host === '')) throw fieldMissing('owner', 'either a person, or a host with a user');
  if (request.person !== '') return { kind: 'person', name: parsePersonName(request.person) };
  return { kind: 'user', hostId: hostFor(db, caller, request.host).id, user: parseAccountName(request.user) };
}

/** New keys from the wire. Errors: FIELD_INVALID, FIELD_MISSING with every key that is wrong. */
function parseNewKeys(wire: readonly WireKey[]): readonly KeyLine[] {
  if (wire.length === 0 || wire.length > mostKeys) throw fieldInvalid('keys', String(wire.length), `1 to ${String(mostKeys)} keys`);
  const problems: ErrorItem[] = [];
  const lines = wire.flatMap(({ key, comment, options }): KeyLine[] => {
    try {
      if (key === null) throw fieldMissing('key', 'type and blob');
      return [{ key: parsePublicKey(key.type, key.blob, rsaBits.fresh), comment: parseKeyComment(comment), options: parseWireOptions(options) }];
    } catch (error) {
      if (!(error instanceof ReeveError)) throw error;
      problems.push(...error.items);
      return [];
    }
  });
  if (problems.length > 0) throw new ReeveError(problems);
  return lines;
}

/** Adds keys to an owner; those that it has get the options and the comment that are given. Errors: PERSON_UNKNOWN, PERSON_INACTIVE, KEY_EXISTS for each key that is somebody else's. */
export function storeKeyLines(db: Database, owner: NewKey['owner'], lines: readonly KeyLine[], now: number): AccessEdit {
  if (owner.kind === 'person' && !findPerson(db, owner.name).active) throw reeveError('PERSON_INACTIVE', { value: owner.name });
  const taken: ErrorItem[] = [];
  const edits = lines.flatMap((line) => {
    const fingerprint = fingerprintOf(line.key);
    const known = getKey(db, { fingerprint });
    const { flags, from, expiresAtMs } = line.options;
    const subject = formatFingerprint(fingerprint);
    if (known === undefined) {
      addKey(db, { key: line.key, comment: line.comment, owner, flags, from, expiresAtMs }, now);
      const own = getKey(db, { fingerprint });
      const whose = own === undefined ? '' : ownerText(own.owner);
      return [inventoryChange('create', 'key', subject, [fieldChange('owner', '', whose), fieldChange('options', '', formatKeyOptions(line.options)), fieldChange('comment', '', line.comment)])];
    }
    if (!isOwner(known.owner, owner)) {
      taken.push({ code: 'KEY_EXISTS', fields: { value: subject, owner: formatOwner(known.owner) } });
      return [];
    }
    setKey(db, known.id, { comment: line.comment, flags, from, expiresAtMs: expiresAtMs ?? null });
    const fields = [fieldChange('options', formatKeyOptions({ flags: known.flags, from: known.from, expiresAtMs: known.expiresAtMs }), formatKeyOptions(line.options)), fieldChange('comment', known.comment, line.comment)];
    const change = inventoryChange('update', 'key', subject, fields);
    return change.fields.length === 0 ? [] : [change];
  });
  if (taken.length > 0) throw new ReeveError(taken);
  return { changes: edits };
}

function isOwner(owner: KeyOwner, wanted: NewKey['owner']): boolean {
  if (owner.kind === 'person') return wanted.kind === 'person' && wanted.name === owner.name;
  return wanted.kind === 'user' && wanted.hostId === owner.hostId && wanted.user === owner.user;
}

/** Whose a key is, in few words: `ada`, `backup on web1`. */
export function ownerText(owner: KeyOwner): string {
  return owner.kind === 'person' ? owner.name : `${owner.user} on ${owner.hostName}`;
}

function list(db: Database, caller: Scoped, request: ListKeyRequest): KeyRow[] {
  const person = request.person === '' ? undefined : findPerson(db, parsePersonName(request.person)).name;
  const hostId = request.host === '' ? undefined : hostFor(db, caller, request.host).id;
  const fingerprint = request.fingerprint === '' ? undefined : parseFingerprint(request.fingerprint);
  const visible = (key: KeyRow): boolean => key.owner.kind === 'person' || inScope(db, caller, key.owner.hostId);
  const keys = listKeys(db, { ...(person === undefined ? {} : { person }), ...(hostId === undefined ? {} : { hostId }) }).filter((key) => visible(key) && (fingerprint === undefined || key.fingerprint === fingerprint));
  if (fingerprint !== undefined && keys.length === 0) throw reeveError('KEY_UNKNOWN', { value: request.fingerprint });
  const sortKey = ({ owner }: KeyRow): string => (owner.kind === 'person' ? `0${owner.name}` : `1${owner.hostName} ${owner.user}`);
  return keys.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : sortKey(a) > sortKey(b) ? 1 : a.id - b.id));
}

/** A key as the wire has it. */
export function formatKey(row: KeyRow): KeyInput {
  const { owner, key, comment, flags, from, expiresAtMs } = row;
  return {
    fingerprint: formatFingerprint(row.fingerprint),
    key: { type: key.type, blob: Buffer.from(blobOf(key)) },
    comment,
    options: formatWireOptions({ flags, from, expiresAtMs }),
    ...(owner.kind === 'person' ? { person: owner.name } : { host: owner.hostName, user: owner.user }),
  };
}

/** Keys in users' own files of a host, asked of it now. Errors: HOST_UNREACHABLE, VERSION_UNSUPPORTED, what the agent says. */
async function observeForeign({ fleet }: Office, host: HostRow, user: string | undefined): Promise<ObserveKeyResponse> {
  requireAble(fleet.live(host.id), keyNoun);
  const found = await fleet.call(host, agentKey, 'ObserveKey', { foreign: true }, { deadlineMs: 30_000 });
  const ofUser = (row: { user: string }): boolean => user === undefined || row.user === user;
  return { ...found, keys: found.keys.filter((key) => key.origin !== 'managed' && ofUser(key)), unread: found.unread.filter(ofUser) };
}

function knownAs(db: Database, caller: Scoped, blob: Buffer | undefined): { fingerprint: string; owner: string } {
  if (blob === undefined || blob.length === 0) return { fingerprint: '', owner: '' };
  const hex = sha256(blob).toString('hex');
  const known = getKey(db, { fingerprint: hex });
  const visible = known !== undefined && (known.owner.kind === 'person' || inScope(db, caller, known.owner.hostId));
  return { fingerprint: formatFingerprint(hex), owner: visible ? ownerText(known.owner) : '' };
}
