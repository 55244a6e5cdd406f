import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { AddOwnKeyRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AddOwnKeyRequest.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { GetSelfResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/GetSelfResponse.js';
import type { RemoveOwnKeyRequest } from '../../shared/gen/proto/reeve/coordinator/v1/RemoveOwnKeyRequest.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { formatFingerprint, parseFingerprint } from '../../shared/model/fingerprint.js';
import { formatKeyOptions, parseKeyLine, rsaBits, type KeyLine } from '../../shared/model/key.js';
import { formatLabel } from '../../shared/model/label.js';
import type { CallContext } from '../../shared/rpc/server.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import type { Database } from '../inventory/database.js';
import { findPerson } from '../inventory/person.js';
import { fingerprintOf, getKey, listKeys, removeKey } from '../inventory/ssh-key.js';
import type { Office } from '../office.js';
import { listAccess } from './access.js';
import type { OperatorCaller } from './caller.js';
import { formatKey, storeKeyLines } from './key.js';
import { fieldChange, inventoryChange, runAccess, type AccessCommand, type AccessEdit } from './key-change.js';
import { requireFormToken, sessionOf, standingOf } from './web-session.js';

/** Most keys that a person may have to add another one. */
const mostOwnKeys = 50;

/** Who somebody is: own keys and where they get in, of the whole fleet whatever the scope: they can try each of these hosts anyway. Errors: WEB_SESSION_ENDED. */
export function selfOf(office: Office, caller: OperatorCaller, brief: boolean): GetSelfResponseInput {
  const { db, clock } = office;
  const session = sessionOf(caller);
  const standing = standingOf(db, caller.account, clock.now());
  if (standing === undefined) throw reeveError('WEB_SESSION_ENDED', { reason: 'its login is not good any more' });
  const { person } = standing;
  const name = caller.account;
  const about = brief || !person ? {} : { keys: listKeys(db, { person: name }).sort((a, b) => a.id - b.id).map(formatKey), access: listAccess(office, { scope: undefined }, { person: name, host: '', user: '', at: null }) };
  return { name, role: standing.role ?? '', labels: standing.scope?.map(formatLabel) ?? [], person, ...about, endsAt: toTimestamp(session.endsAtMs), formToken: session.formToken };
}

/** Adds a key of the person who calls. Errors: FIELD_*, PERSON_UNKNOWN, PERSON_INACTIVE, LIMIT_EXCEEDED. */
export function addOwnKey(office: Office, context: CallContext<OperatorCaller>, request: AddOwnKeyRequest): AsyncGenerator<ChangeEventInput> {
  requireFormToken(sessionOf(context.principal), request.formToken);
  const name = context.principal.account;
  const line = parseOwnKey(request.key);
  const fingerprint = formatFingerprint(fingerprintOf(line.key));
  return told(office, context, {
    summary: `key add ${name}`,
    detail: [fingerprint, line.comment],
    about: () => [{ kind: 'person', name }],
    edit: (db, { now }) => storeOwnKey(db, name, line, now),
  });
}

/** A key as people have it in a .pub file, without options: those are for who runs the hosts to give. Errors: FIELD_INVALID. */
function parseOwnKey(text: string): KeyLine {
  if (text.includes('PRIVATE KEY')) throw fieldInvalid('key', 'it', 'a public key: this one is private, and nobody but you should have seen it');
  const line = parseKeyLine(text.trim(), rsaBits.fresh);
  if (formatKeyOptions(line.options) !== '') throw fieldInvalid('key', formatKeyOptions(line.options), 'a key without options');
  return line;
}

/** A key that the person has already stays as it is: an operator may have limited it. Whose else it is, is not said. */
function storeOwnKey(db: Database, name: string, line: KeyLine, now: number): AccessEdit {
  const fingerprint = fingerprintOf(line.key);
  const known = getKey(db, { fingerprint });
  if (known?.owner.kind === 'person' && known.owner.name === name) return { changes: [] };
  if (listKeys(db, { person: name }).length >= mostOwnKeys) throw reeveError('LIMIT_EXCEEDED', { field: 'the number of keys', rule: `at most ${String(mostOwnKeys)}` });
  try {
    return storeKeyLines(db, { kind: 'person', name }, [line], now);
  } catch (error) {
    if (error instanceof ReeveError && error.code === 'KEY_EXISTS') throw fieldInvalid('key', formatFingerprint(fingerprint), 'a key that is not in use by another');
    throw error;
  }
}

/** Removes a key of the person who calls. Errors: KEY_UNKNOWN, FIELD_*, PERSON_UNKNOWN. */
export function removeOwnKey(office: Office, context: CallContext<OperatorCaller>, request: RemoveOwnKeyRequest): AsyncGenerator<ChangeEventInput> {
  requireFormToken(sessionOf(context.principal), request.formToken);
  const name = context.principal.account;
  const fingerprint = parseFingerprint(request.fingerprint);
  const shown = formatFingerprint(fingerprint);
  const own = (db: Database): number => {
    findPerson(db, name);
    const key = getKey(db, { fingerprint });
    if (key?.owner.kind !== 'person' || key.owner.name !== name) throw reeveError('KEY_UNKNOWN', { value: shown });
    return key.id;
  };
  return told(office, context, {
    summary: `key remove ${shown}`,
    detail: { own: true },
    about: (db) => [{ kind: 'key', id: own(db) }],
    edit: (db) => {
      removeKey(db, own(db));
      return { changes: [inventoryChange('remove', 'key', shown, [fieldChange('owner', name, '')])] };
    },
  });
}

/**
 * Stores a command of a person about themselves, and has the hosts told in the background: each is brought to its newest state, as after any other command. A scope limits what
 * they see of the fleet, not where their own keys are; nothing is said of hosts, which may have keys of others among what is to change.
 */
async function* told(office: Office, context: CallContext<OperatorCaller>, command: Omit<AccessCommand, 'options' | 'onHost'>): AsyncGenerator<ChangeEventInput> {
  const { principal, method, signal, correlation, log, peer } = context;
  const hosts = new Set<string>();
  const steps = runAccess(office, { principal: { ...principal, scope: undefined }, method, signal, correlation, log, peer }, {
    ...command,
    options: { mode: 'CHANGE_MODE_STAGE', planId: '', operationId: '' },
    onHost: (_db, hostId) => void hosts.add(hostId),
  });
  for await (const { finished } of steps) {
    if (finished) yield { finished };
  }
  for (const hostId of hosts) office.converge(hostId);
}
