import { isDeepStrictEqual } from 'node:util';
import { reeveError } from '../../shared/errors/error.js';
import type { UserServiceDefinition as AgentUser } from '../../shared/gen/proto/reeve/agent/v1/UserService.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ChangeOptions as WireOptions } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { fieldMissing } from '../../shared/model/field.js';
import { formatUser, parseAccountName, parseUser, parseUserName, type User } from '../../shared/model/user.js';
import { serviceName } from '../../shared/rpc/client.js';
import { defineService, type CallContext, type Service } from '../../shared/rpc/server.js';
import type { Database } from '../inventory/database.js';
import { getGeneration, listPending } from '../inventory/generation.js';
import type { HostRow } from '../inventory/host.js';
import { getUser, listUsers, putUser } from '../inventory/user.js';
import { keyNoun } from '../reconcile/key.js';
import { userNoun } from '../reconcile/user.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { formatSteps, parseChangeOptions } from './event.js';
import { byName, createKeyPass, followed } from './key-change.js';
import { changes, reads } from './row.js';
import { changeableHosts, hostFor, listedHosts, type Scoped } from './select.js';

const agentUser = serviceName<AgentUser>('reeve.agent.v1.UserService');

/** Users, for operators. */
export function userService(office: () => Office): Service<OperatorCaller> {
  return defineService<UserServiceDefinition, OperatorCaller>('reeve.coordinator.v1.UserService', {
    AddUser: {
      ...changes,
      handle: (request, context) => {
        if (request.user === null) throw fieldMissing('user', 'the account to add');
        const user = parseUser({ ...request.user, presence: 'USER_PRESENCE_PRESENT' });
        if (user.presence !== 'present' || user.account.kind === 'adopted') throw fieldMissing('kind', 'HOME or SYSTEM');
        const wanted = user;
        return change(office(), request, context, { verb: 'add', name: user.name, detail: user }, (before) => (before?.presence === 'locked' ? { ...wanted, presence: 'locked' } : wanted));
      },
    },
    LockUser: { ...changes, handle: (request, context) => changePresence(office(), request, context, 'locked') },
    UnlockUser: { ...changes, handle: (request, context) => changePresence(office(), request, context, 'present') },
    RemoveUser: {
      ...changes,
      handle: (request, context) => {
        const name = parseAccountName(request.name);
        return change(office(), request, context, { verb: 'remove', name, detail: { keepHome: request.keepHome, ...(request.force ? { force: true } : {}) } }, (before) =>
          isManaged(before) && before.account.kind === 'adopted' ? { presence: 'released', name } : { presence: 'absent', name: parseUserName(name), keepHome: request.keepHome },
        );
      },
    },
    AdoptUser: {
      ...changes,
      handle: (request, context) => {
        const name = parseAccountName(request.name);
        const selected = { options: request.options, selector: request.host };
        return change(office(), selected, context, { verb: 'adopt', name, detail: {} }, (before) => isManaged(before) ? before : { presence: 'present', name, account: { kind: 'adopted' } });
      },
    },
    ListUser: { ...reads, handle: (request, context) => Promise.resolve({ users: list(office().db, context.principal, request) }) },
    ObserveUser: {
      ...reads,
      handle: async (request, context) => {
        const { db, fleet } = office();
        const response = await fleet.call(hostFor(db, context.principal, request.host), agentUser, 'ObserveUser', { all: true }, { deadlineMs: 15_000 });
        return { users: response.users };
      },
    },
  });
}

/** What is asked of one host's user, given what was wanted of it before. */
type Wanted = (before: User | undefined, host: HostRow) => User;

/** Runs one change of one user on the selected hosts. */
function change(
  office: Office,
  request: { options: WireOptions | null; selector: string; force?: boolean },
  context: CallContext<OperatorCaller>,
  command: { verb: string; name: string; detail: unknown },
  wanted: Wanted,
): AsyncGenerator<ChangeEventInput> {
  const summary = `user ${command.verb} ${command.name}`;
  const hosts = changeableHosts(office.db, context.principal, request.selector);
  const keys = createKeyPass(office);
  const steps = office.changes.run(
    {
      summary: `${summary} on ${request.selector}`,
      identity: `${summary} ${JSON.stringify(command.detail)}`,
      principal: context.principal,
      // Keys let into users that are there and not locked: what becomes of one alters the keys of its host.
      nouns: [userNoun, keyNoun],
      hosts,
      prepare: () => {
        keys.begin();
        keys.about(hosts.map(({ id }) => id));
        return { changes: [], hosts: [] };
      },
      edit: (db, host, generation, noun) => {
        if (noun === userNoun) return store(db, host, generation, { name: command.name, wanted });
        return keys.store(host.id, generation, { removed: byName, force: request.force === true, manage: false }) ? true : undefined;
      },
    },
    parseChangeOptions(request.options),
    context.signal,
  );
  return followed(office, formatSteps(steps));
}

/** Stores what is wanted of a user; false when it is wanted already. */
function store(db: Database, host: HostRow, generation: number, user: { name: string; wanted: Wanted }): boolean {
  const before = getUser(db, host.id, user.name)?.user;
  const after = user.wanted(before, host);
  if (before !== undefined && isDeepStrictEqual(before, after)) return false;
  putUser(db, host.id, after, generation);
  return true;
}

function changePresence(
  office: Office,
  request: { options: WireOptions | null; selector: string; name: string; force?: boolean },
  context: CallContext<OperatorCaller>,
  presence: 'present' | 'locked',
): AsyncGenerator<ChangeEventInput> {
  const name = parseAccountName(request.name);
  const verb = presence === 'locked' ? 'lock' : 'unlock';
  return change(office, request, context, { verb, name, detail: request.force === true ? { force: true } : {} }, (before, host) => {
    if (!isManaged(before)) throw reeveError('USER_UNKNOWN', { value: name, rule: `host "${host.name}"` });
    return { ...before, presence };
  });
}

type ManagedUser = Extract<User, { presence: 'present' | 'locked' }>;

function isManaged(user: User | undefined): user is ManagedUser {
  return user?.presence === 'present' || user?.presence === 'locked';
}

function list(db: Database, caller: Scoped, request: { selector: string; name: string }): { hostName: string; user: ReturnType<typeof formatUser>; observedUid: number; pending: boolean; pendingReason: string }[] {
  const hosts = new Map(listedHosts(db, caller, request.selector).map((host) => [host.id, host]));
  const pending = new Map(listPending(db).filter((row) => row.noun === userNoun.name).map((row) => [row.hostId, row]));
  return listUsers(db, request.name)
    .filter((row) => hosts.has(row.hostId))
    .map((row) => {
      const owed = pending.get(row.hostId);
      const waits = owed !== undefined && (row.generation > owed.applied || owed.released);
      return {
        hostName: hosts.get(row.hostId)?.name ?? '',
        user: formatUser(row.user),
        observedUid: row.observedUid ?? 0,
        pending: waits,
        pendingReason: waits ? (getGeneration(db, row.hostId, userNoun.name)?.reason ?? '') : '',
      };
    });
}
